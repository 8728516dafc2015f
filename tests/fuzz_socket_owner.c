// Fuzzes socket_owner_read(): whatever comes, nothing is read behind it, and it is read the same
// again.
#include "socket_owner.h"

#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct socket_ends ends = {0};
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct socket_owner first = {0}, second = {0};
    uint32_t sequence = 0;
    memcpy(&ends.local, &v4, sizeof(v4));
    memcpy(&ends.remote, &v4, sizeof(v4));
    if (size >= 12)
        memcpy(&sequence, data + 8, sizeof(sequence)); // its own, or nothing would be read
    int result = socket_owner_read(data, size, &ends, sequence, &first);
    if (result > 0 || (result < 0 && (first.uid | first.inode | first.cgroup_id) != 0) ||
        socket_owner_read(data, size, &ends, sequence, &second) != result ||
        first.uid != second.uid || first.inode != second.inode ||
        first.cgroup_id != second.cgroup_id)
        abort();
    return 0;
}
