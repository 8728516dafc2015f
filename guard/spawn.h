// Spawn: starts a command inside a cgroup, before the command's own first instruction.
#pragma once

#include "cgroup.h"
#include "error.h"
#include "terminal.h"

#include <sys/types.h>

struct spawn_options {
    char *const *argv; // argv[0] is looked for in the environment's PATH
    char *const *environment;
    struct run_cgroup *group;
    const struct terminal *terminal;
    // The command is in its cgroup, and has not done anything yet. May be NULL.
    void (*placed)(pid_t pid, void *context);
    void *context;
};

// Starts it as the leader of a process group of its own, which dies with this process
// (PR_SET_PDEATHSIG). Returns once the command is being executed.
// -ENOENT, -EACCES and other errors of execve(2): it could not be, nothing is left of it.
int spawn_command(const struct spawn_options *options, pid_t *pid, struct error *err);
