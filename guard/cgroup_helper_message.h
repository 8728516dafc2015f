// Cgroup helper messages: what a supervisor or the daemon asks the root helper for, as one datagram
// of text. Pure.
//
//     scope 20261125-160044-k3f9qx MemoryMax=570425344 MemorySwapMax=0 TasksMax=272
//     kill 20261125-160044-k3f9qx
//
// The answer is "done", or a sentence that says what went wrong.
#pragma once

#include "error.h"
#include "run.h"

#include <stddef.h>

#define CGROUP_HELPER_SOCKET "/run/reeve/cgroup-helper.sock"
#define CGROUP_HELPER_MESSAGE_MAX (ERROR_TEXT_MAX + 16) // bytes, of a request or an answer
#define CGROUP_HELPER_DONE "done"

enum cgroup_helper_verb {
    CGROUP_HELPER_SCOPE, // a scope for the process that asks
    CGROUP_HELPER_KILL,  // everything in the scope of that run
};

struct cgroup_helper_request {
    enum cgroup_helper_verb verb;
    char run_id[RUN_ID_MAX];       // of A-Z a-z 0-9 and -
    int64_t memory_max_bytes;      // of the scope, LIMIT_NONE for no limit; as the others
    int64_t memory_swap_max_bytes; // 0 is none at all
    int64_t tasks_max;
};

// Writes a request. Returns its length.
size_t cgroup_helper_request_write(const struct cgroup_helper_request *request,
                                   char text[static CGROUP_HELPER_MESSAGE_MAX]);

// Reads one strictly: no other names, no name twice, no other spaces. -EBADMSG.
int cgroup_helper_request_read(const char *bytes, size_t length,
                               struct cgroup_helper_request *request, struct error *err);

// The name of the scope of a run: "reeve-run-ID.scope".
#define CGROUP_HELPER_UNIT_MAX (RUN_ID_MAX + 32)
void cgroup_helper_unit(const char *run_id, char name[static CGROUP_HELPER_UNIT_MAX]);
