// Run marks: what a run's processes have in their environment, and are known by: REEVE_RUN and the
// run key. A process can take them off.
#pragma once

#include "run.h"

#include <sys/types.h>

#define RUN_MARK_VARIABLE "REEVE_RUN="

struct run_marks {
    char variable[sizeof(RUN_MARK_VARIABLE) + RUN_ID_MAX]; // "REEVE_RUN=20261125-160044-k3f9qx"
    char run_key[RUN_KEY_MAX];                             // "": is not looked for
};

enum run_belonging {
    RUN_BELONGING_UNKNOWN,
    RUN_BELONGING_HERE,
    RUN_BELONGING_ELSEWHERE, // it is another run's
};

// Both are copied; a key is wiped by the caller. NULL: no key.
void run_marks_init(struct run_marks *marks, const char *run_id, const char *run_key);

// Whose the process is, by its environment, as far as that may be read, proc(5).
enum run_belonging run_marks_find(const struct run_marks *marks, pid_t pid);
