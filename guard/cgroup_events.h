// Cgroup events: descriptors that become readable when something happens in a cgroup.
#pragma once

#include "error.h"

// v1: an eventfd that the kernel writes to at each out-of-memory in the memory cgroup. Returns the
// descriptor, the caller's, or a negative errno.
int cgroup_events_open_v1(int directory_fd, struct error *err);

// v2: an inotify descriptor for memory.events and cgroup.events of the cgroup at `directory`.
int cgroup_events_open_v2(const char *directory, struct error *err);

// Reads what is pending. Both kinds are non-blocking.
void cgroup_events_drain(int fd);
