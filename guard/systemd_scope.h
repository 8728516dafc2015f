// Systemd scopes: a cgroup from systemd, for a process that runs already, asked for over D-Bus.
#pragma once

#include "error.h"
#include "run.h"

#include <stdint.h>
#include <sys/types.h>

enum systemd_manager {
    SYSTEMD_SYSTEM, // only root may ask
    SYSTEMD_USER,   // the caller's own; there is one while it is logged in, or lingers
};

struct systemd_scope {
    const char *name;         // "reeve-run-ID.scope"
    pid_t pid;                // that moves into it
    const char *slice;        // NULL: where the manager puts scopes
    const char *service;      // whose end ends the scope, too; NULL, or another kind of unit: none
    int64_t memory_max_bytes; // LIMIT_NONE for no limit, as the others
    int64_t memory_swap_max_bytes;
    int64_t tasks_max;
};

// Has the manager make the scope, delegated (Delegate=yes), and move the process. Returns when that
// is done, or was refused.
int systemd_scope_start(enum systemd_manager manager, const struct systemd_scope *scope,
                        struct error *err);

// The same for this process: in the slice that it is in, and bound to the service that it is in.
// The limits as in struct systemd_scope.
int systemd_scope_start_here(enum systemd_manager manager, const char *name,
                             const struct run_limits *limits, struct error *err);

// Writes the path of a system unit's cgroup, "/system.slice/reeve-run-ID.scope", into `path`.
// -ENOENT: there is no such unit, or it has no process.
int systemd_unit_cgroup(const char *unit, char *path, size_t size, struct error *err);
