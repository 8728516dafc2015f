// Watchdog: a small process that outlives a killed supervisor, to end what it has left behind.
//
// A supervisor that is killed outright (SIGKILL) cannot clean up, and on cgroup v1 nobody else
// would.
#pragma once

#include "cgroup.h"
#include "error.h"

#include <stddef.h>

// Starts it. When this process ends without watchdog_stop(), it kills and removes `group`. It wipes
// its copy of `secret`. Returns a descriptor, the caller's, that stands for the watchdog.
int watchdog_start(struct run_cgroup *group, void *secret, size_t secret_length, struct error *err);

// Sends it away: this process cleans up itself.
void watchdog_stop(int watchdog_fd);
