// Watch: follows a command and its cgroup from its start until nothing of it is left.
//
//     RUNNING ── command ends ──▶ LINGERING ── grace over ──▶ KILLING ──▶ EMPTY
//        └── kill, time-out ──▶ TERMINATING (SIGTERM) ── grace over ──▶ ↑
//        └── out of memory ────────────────────────────────────────────▶ ↑
//
// Any state goes to EMPTY as soon as the command has ended and its cgroup is empty.
#pragma once

#include "cgroup.h"
#include "control.h"
#include "error.h"
#include "run.h"
#include "terminal.h"

#include <stdint.h>
#include <sys/types.h>

struct watch;

struct watch_options {
    struct run_cgroup *group;
    struct control_client *client;
    const struct control_run_adopt *adopt; // by which the daemon knows the run again
    const struct terminal *terminal;
    int64_t runtime_max_us; // LIMIT_NONE for no limit
    int64_t kill_grace_us;  // from SIGTERM, or the command's end, to SIGKILL
};

struct watch_outcome {
    enum run_end end;
    int exit_code; // the command's own; 128+n when signal n ended it
    struct run_cgroup_usage usage;
    bool daemon_is_gone; // it has not come back up to the end; the command went on
    bool is_left_behind; // what could not be killed or removed; the error log says why
};

// Takes over the signals that are passed on to the command (those that are not ignored) and becomes
// the reaper of its orphans. Before the command is started, so that nothing is missed.
int watch_new(struct watch **watch, const struct watch_options *options, struct error *err);

// The command is in its cgroup, where all processes of the run belong.
void watch_remember_place(struct watch *watch, pid_t pid);

// Watches `pid`, a child that leads its process group, until nothing of the run is left; then reads
// its usage and removes its cgroup.
void watch_until_empty(struct watch *watch, pid_t pid, struct watch_outcome *outcome);

// Gives the signals back. NULL is allowed.
void watch_free(struct watch *watch);
