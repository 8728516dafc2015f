// Serve machine: whether this machine can give what the configuration asks for.

#include "serve_machine.h"

#include "log.h"
#include "machine.h"

#include <stddef.h>

static void on_problem(const char *text, bool fatal, void *context)
{
    struct error *first = context;
    if (fatal && first->code == 0)
        error_set(first, -EINVAL, "%s", text);
    else
        log_event(LOG_WARNING, "machine_too_small", "problem", text, NULL);
}

int serve_machine_check(const struct config *config, struct error *err)
{
    struct error first = {0};
    machine_check(config, machine_memory_bytes(), machine_read_pressure(MACHINE_PRESSURE_FILE),
                  on_problem, &first);
    return first.code == 0 ? 0 : error_set(err, first.code, "%s", first.text);
}

int64_t serve_machine_pressure(void *context)
{
    (void)context;
    return machine_read_pressure(MACHINE_PRESSURE_FILE);
}
