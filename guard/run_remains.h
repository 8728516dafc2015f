// Run remains: what is left of a run whose supervisor is gone, as the daemon finds it: the cgroups
// that bear the run's id.
#pragma once

#include <stdbool.h>

struct run_remains;

// Looks for them below `mount`, CGROUP_MOUNT but in tests. `run_id` is used in the call alone. NULL
// when out of memory, which stands for nothing: all of these take it.
struct run_remains *run_remains_find(const char *mount, const char *run_id);
void run_remains_free(struct run_remains *remains);

// Whether one is there, if only an empty one: then nobody has cleaned up after the run.
bool run_remains_exist(const struct run_remains *remains);

// Whether any process is in them.
bool run_remains_are_populated(const struct run_remains *remains);

// Kills what is in them, as far as this process may. Repeat until they are not populated.
void run_remains_kill(const struct run_remains *remains);

// Removes the empty cgroups, as far as this process may.
void run_remains_remove(const struct run_remains *remains);
