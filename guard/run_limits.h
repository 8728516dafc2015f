// Run limits: what a supervisor asks for, held against what the job's configuration allows. Pure.
#pragma once

#include "config.h"
#include "error.h"
#include "run.h"

#include <stddef.h>

// A limit's spellings: on the command line of `reeve run`, in [Job], and its member of run_limits.
struct run_limit_name {
    const char *option; // "memory-max"
    const char *name;   // "MemoryMax"
    size_t offset;
};

extern const struct run_limit_name run_limit_names[];
extern const size_t run_limit_name_count;

// No limit at all.
struct run_limits run_limits_none(void);

// The same for the unit or scope above the run's cgroup, with room for the supervisor: memory and
// tasks. They are root's, while the agent could lift those of a cgroup that its user owns.
struct run_limits run_limits_of_unit(const struct run_limits *limits);

// Limits of a run of `job` that was asked to have `asked`: LIMIT_NONE takes what the job has, and
// what is asked for may be tighter only, if the job is `configured` (has a section); the job's
// defaults give way otherwise. -EPERM: one is looser; -EINVAL: one is negative.
int run_limits_combine(const struct run_limits *asked, const struct config_job *job,
                       bool configured, struct run_limits *combined, struct error *err);
