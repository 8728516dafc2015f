// Cgroup tree: a cgroup and those that its processes may have made below it.
#pragma once

#include <stddef.h>

// Sends `signal` to every process in it and below; 0 only counts. Returns how many there are.
size_t cgroup_tree_signal(int directory_fd, int signal);

// Removes the cgroup `name` of an open one, those below it first. 0: it is gone; a negative errno:
// not all of it, -EBUSY while there is a process in one. `parent_fd` may be AT_FDCWD.
int cgroup_tree_remove(int parent_fd, const char *name);
