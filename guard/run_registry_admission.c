// Run registry, admission: why a run has to wait, or can never start: slots, memory, pressure.
//
// The MemoryMax= of all runs that have one, and MemoryReserve=, never exceed the machine's memory.
// A run without MemoryMax= is not counted: nobody knows what it will take.

#include "run_registry_state.h"

#include "size_text.h"

#include <stdio.h>

void registry_read_pressure(struct run_registry *registry)
{
    const struct run_registry_options *options = &registry->options;
    int64_t max_percent = options->config->reeve.pressure_max_percent;
    registry->pressure = options->read_pressure != NULL && max_percent != LIMIT_NONE
                             ? options->read_pressure(options->context)
                             : -1;
    registry->slots.held_back = registry->pressure >= 0 && registry->pressure > max_percent * 100;
}

int64_t registered_memory_bytes(const struct registered_run *run)
{
    int64_t limit = run->asked.limits.memory_max_bytes;
    return limit == LIMIT_NONE ? 0 : limit;
}

int registered_check_memory(const struct registered_run *run, struct error *err)
{
    char asked[SIZE_TEXT_MAX], most[SIZE_TEXT_MAX];
    int64_t limit = registered_memory_bytes(run);
    if (limit <= run->registry->slots.memory_total)
        return 0;
    return error_set(err, -EINVAL,
                     "MemoryMax=%s can never be had: MemoryReserve= leaves %s of this machine's "
                     "memory to runs; ask for at most that",
                     size_format(limit, asked),
                     size_format(run->registry->slots.memory_total, most));
}

void registered_explain_wait(const struct registered_run *run, enum slot_obstacle obstacle,
                             char *text, size_t size)
{
    const struct run_registry *registry = run->registry;
    const struct slots *slots = &registry->slots;
    char asked[SIZE_TEXT_MAX], left[SIZE_TEXT_MAX];
    switch (obstacle) {
    case SLOT_FREE:
        *text = '\0';
        return;
    case SLOT_ALL_TAKEN:
        snprintf(text, size, "all %zu slots are taken", slots->total);
        return;
    case SLOT_MEMORY_SHORT:
        snprintf(text, size, "its MemoryMax=%s does not fit: running runs leave %s",
                 size_format(registered_memory_bytes(run), asked),
                 size_format(slots_memory_left(slots), left));
        return;
    case SLOT_HELD_BACK:
        snprintf(text, size, "memory pressure is %lld.%02lld%%, above PressureMax=%lld%%",
                 (long long)registry->pressure / 100, (long long)registry->pressure % 100,
                 (long long)registry->options.config->reeve.pressure_max_percent);
        return;
    case SLOT_BEHIND_OTHERS:
        snprintf(text, size, "others are before it");
        return;
    }
}
