// Cgroup place: where a cgroup v2 for a run can be made.
#pragma once

#include "cgroup_backend.h"

// What the cgroup that we are in is to us.
enum cgroup_own {
    CGROUP_OWN_USABLE,  // delegated to us, and ours alone
    CGROUP_OWN_SHARED,  // delegated to us, but with other processes in it
    CGROUP_OWN_FOREIGN, // not delegated to us
};

// Finds a place, or has one made, in one of the ways that cgroup_place.c lists. -EPERM: none works,
// and what would help.
int cgroup_place_find(struct cgroup_v2_place *place, const char *run_id,
                      const struct run_limits *limits, struct error *err);

// Parts of it, for tests. `mount` is where cgroup2 is mounted, `path` is our own below it, "/a/b".
int cgroup_place_look(struct cgroup_v2_place *place, enum cgroup_own *own, const char *mount,
                      const char *path, struct error *err);
int cgroup_place_of_root(struct cgroup_v2_place *place, const char *mount, struct error *err);
