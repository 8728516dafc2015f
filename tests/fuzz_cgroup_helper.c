// Fuzzes cgroup_helper_request_read(): what is read can be written, and is read the same again.
#include "cgroup_helper_message.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cgroup_helper_request first, second;
    char text[CGROUP_HELPER_MESSAGE_MAX];
    if (cgroup_helper_request_read((const char *)data, size, &first, NULL) < 0)
        return 0;
    size_t length = cgroup_helper_request_write(&first, text);
    if (cgroup_helper_request_read(text, length, &second, NULL) < 0 || first.verb != second.verb ||
        strcmp(first.run_id, second.run_id) != 0 || strchr(first.run_id, '/') != NULL ||
        first.memory_max_bytes != second.memory_max_bytes ||
        first.memory_swap_max_bytes != second.memory_swap_max_bytes ||
        first.tasks_max != second.tasks_max || first.memory_max_bytes < 0 || first.tasks_max < 0)
        abort();
    return 0;
}
