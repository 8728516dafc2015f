// Cgroup: the cgroup of one run, whatever the kernel offers. One interface over v1, v2 and none.
//
// Names say run_cgroup, as libcgroup has taken cgroup_*.
#pragma once

#include "error.h"
#include "run.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define RUN_CGROUP_PATH_MAX 1024

struct run_cgroup;

enum run_cgroup_choice {
    RUN_CGROUP_AUTO, // v2 in a delegated subtree, or v1; an error where neither can be had
    RUN_CGROUP_NONE, // --no-cgroup: processes are found by descent, memory and tasks are not
                     // limited
};

struct run_cgroup_usage {
    int64_t memory_peak_bytes; // -1 unknown
    int64_t cpu_us;            // -1 unknown, as below
    int64_t io_read_bytes;
    int64_t io_written_bytes;
    int64_t memory_stall_us; // that some process of it has waited for memory (PSI)
    int64_t oom_kills;       // processes, or on v2 whole groups, that the kernel killed in it
};

// Makes an empty cgroup with the run's memory, swap, tasks and CPU limits. An error says what would
// make it work. The caller ends with run_cgroup_destroy() and run_cgroup_free().
int run_cgroup_new(struct run_cgroup **group, enum run_cgroup_choice choice, const char *run_id,
                   const struct run_limits *limits, struct error *err);
void run_cgroup_free(struct run_cgroup *group); // NULL is allowed; the cgroup itself stays

// For people: "memory:/reeve/ID", a path on v2, "" without a cgroup.
const char *run_cgroup_path(const struct run_cgroup *group);

// The directory whose cgroup.procs lists its processes, "" without a cgroup.
const char *run_cgroup_directory(const struct run_cgroup *group);

// A directory for clone3(CLONE_INTO_CGROUP), which puts the child in at birth; -1 where that cannot
// be done. The group's own.
int run_cgroup_spawn_fd(const struct run_cgroup *group);

// Puts in a process that has one thread and waits to execute its command; 0 is this process.
// Nothing to do after CLONE_INTO_CGROUP. On v1 it takes an RCU grace period, about 10 ms, to put in
// another, and no time to go in oneself (cgroup_procs_write_start() in Linux, since 5.4).
int run_cgroup_attach(struct run_cgroup *group, pid_t pid, struct error *err);

// Readable when the kernel has run out of the group's memory, or, on v2, when the last process has
// left; -1 where there is no such thing. The group's own. Read it empty, then ask.
int run_cgroup_event_fd(const struct run_cgroup *group);

// Whether any process is in it.
bool run_cgroup_is_populated(const struct run_cgroup *group);

// Sends a signal to every process in it.
void run_cgroup_signal(struct run_cgroup *group, int signal);

// Kills every process in it at once. They are gone when it is not populated: until then, repeat.
void run_cgroup_kill(struct run_cgroup *group);

// Says which child of this process is no process of the run.
void run_cgroup_set_watchdog(struct run_cgroup *group, pid_t pid);
pid_t run_cgroup_watchdog(const struct run_cgroup *group); // 0: there is none

void run_cgroup_read_usage(const struct run_cgroup *group, struct run_cgroup_usage *usage);

// Removes the cgroup. -EBUSY: the kernel is not done with its last process; repeat.
int run_cgroup_destroy(struct run_cgroup *group, struct error *err);
