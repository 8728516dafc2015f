// Run sweep: ends what a run has outside of its cgroup once its supervisor was killed.
//
// Nobody is left by then who would know them by descent. They are known by REEVE_RUN in their
// environment; and in what was delegated to the supervisor there is nobody else, cgroup v2.
#pragma once

#include "cgroup.h"
#include "run_marks.h"

#include <stddef.h>

#define RUN_SWEEP_TOLD_MAX 16

struct run_sweep {
    struct run_marks marks;
    unsigned long long since;        // this process's own start: the run is younger
    char place[RUN_CGROUP_PATH_MAX]; // what was delegated, "/a/b"; "" if nothing was
    pid_t told[RUN_SWEEP_TOLD_MAX];
    size_t told_count;
    void (*found)(const char *text, void *context);
    void *context;
};

// While the run's cgroup `directory` is there; "" without one. `found` is told of the first
// RUN_SWEEP_TOLD_MAX that are killed: "pid 4711 (node)".
void run_sweep_init(struct run_sweep *sweep, const char *run_id, const char *directory,
                    void (*found)(const char *text, void *context), void *context);

// Kills all of them; who is in the run's cgroup as well. Returns how many were there: repeat in a
// moment until it is 0.
size_t run_sweep(struct run_sweep *sweep);
