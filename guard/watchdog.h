// Watchdog: a small process that outlives a killed supervisor, to end what it has left behind.
//
// A supervisor that is killed outright (SIGKILL) cannot clean up, and on cgroup v1 nobody else
// would; nor would anybody end what has left the cgroup.
#pragma once

#include "cgroup.h"
#include "error.h"

#include <stddef.h>

struct watchdog_options {
    struct run_cgroup *group;
    const char *run_id;
    void *secret; // it wipes its copy of that
    size_t secret_length;
    // Called in the watchdog for each process that it finds outside of the cgroup, and kills.
    void (*escaped)(const char *text, void *context);
    void *context;
};

// Starts it. When this process ends without watchdog_stop(), it kills and removes the group, then
// ends what the run has outside of it. Returns a descriptor, the caller's, that stands for the
// watchdog.
int watchdog_start(const struct watchdog_options *options, struct error *err);

// Sends it away: this process cleans up itself.
void watchdog_stop(int watchdog_fd);
