// Supervisor: what `reeve run` does, see run.c.
#pragma once

#include "cgroup.h"
#include "run.h"

#include <stdbool.h>
#include <stdint.h>

struct supervisor_options {
    const char *control_socket;
    const char *job; // "" for the default one
    const char *key; // what makes two runs the same, a template; NULL: the job's Key=
    char *const *argv;
    struct run_limits limits; // LIMIT_NONE where the job's own is wanted
    int64_t wait_us;          // for a slot
    int64_t priority;
    int return_max_ms; // that a daemon which is gone is waited for: for a slot, and at the end
    enum run_cgroup_choice cgroup;
    bool json; // the summary
};

// Runs the command as a run and writes the summary to stderr. Returns the exit code of `reeve run`.
int supervise_run(const struct supervisor_options *options);
