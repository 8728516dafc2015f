// Run registry, leases: what a run's right to its slot hangs on: the connection of its supervisor,
// the supervisor itself, and its cgroup.
//
//     connection lost ──▶ ADRIFT ── comes back ──▶ RUNNING
//                            └── its grace is over ──▶ ABANDONED ── nothing is left ──▶ lost
//     supervisor gone ─────────────────────────────────▶ ↑
//
// A supervisor that is killed leaves a watchdog, which holds the connection until it has cleaned
// up. Where that is gone too, the daemon kills what it may, and has the root helper kill the rest:
// all of the run's scope, be it in the run's cgroup or beside it.

#include "run_registry_state.h"

#include "cgroup_backend.h"
#include "clock.h"
#include "log.h"

#include <event2/event.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOOK_MIN_US 5000
#define LOOK_MAX_US 1000000
#define LOOKS_OF_WATCHDOG 5  // until it should have been done: 155 ms
#define LOOKS_LEFT_BEHIND 40 // until it is said that something does not die: 33 s
#define LOOK_SHIFT_MAX 8

static void on_supervisor_gone(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    registered_abandon(context);
}

void registered_hold(struct registered_run *run, pid_t pid)
{
    run->supervisor_pid = pid;
    run->supervisor_fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    if (run->supervisor_fd < 0)
        return;
    run->supervisor = event_new(run->registry->options.base, run->supervisor_fd, EV_READ,
                                on_supervisor_gone, run);
    if (run->supervisor != NULL)
        event_add(run->supervisor, NULL);
}

void registered_let_go(struct registered_run *run)
{
    if (run->supervisor != NULL)
        event_free(run->supervisor);
    if (run->lease != NULL)
        event_free(run->lease);
    if (run->supervisor_fd >= 0)
        close(run->supervisor_fd);
    run_remains_free(run->remains);
}

// As far as is known: of another pid namespace we know nothing.
static bool supervisor_is_gone(const struct registered_run *run)
{
    struct pollfd poller = {.fd = run->supervisor_fd, .events = POLLIN};
    if (run->supervisor_fd >= 0)
        return poll(&poller, 1, 0) > 0;
    return run->supervisor_pid > 0 && kill(run->supervisor_pid, 0) != 0 && errno == ESRCH;
}

static void on_lease(evutil_socket_t fd, short what, void *context);

static void schedule(struct registered_run *run, int64_t delay_us)
{
    struct timeval delay = {delay_us / 1000000, delay_us % 1000000};
    if (run->lease == NULL)
        run->lease = evtimer_new(run->registry->options.base, on_lease, run);
    if (run->lease == NULL || event_add(run->lease, &delay) != 0)
        log_event(LOG_ERR, "lease_not_watched", "run", run->live->id, NULL);
}

static void end_scope(const struct registered_run *run)
{
    const struct run_registry_options *options = &run->registry->options;
    if (options->overdue != NULL)
        options->overdue(run->live, options->context);
}

// Looks whether an abandoned run is over; helps where nobody else does.
static void look(struct registered_run *run)
{
    bool is_populated = run_remains_are_populated(run->remains);
    if (!is_populated && run->peer == NULL) {
        if (run_remains_exist(run->remains)) // of its scope nobody has taken care
            end_scope(run);
        run_remains_remove(run->remains);
        registered_settle_unseen(run, RUN_LOST);
        return;
    }
    run->looks++;
    if (is_populated && run->looks > LOOKS_OF_WATCHDOG) {
        run_remains_kill(run->remains);
        end_scope(run);
    }
    if (run->looks == LOOKS_LEFT_BEHIND)
        log_event(LOG_ERR, "run_left_behind", "run", run->live->id, "error",
                  "its supervisor is gone, and its processes do not end", NULL);
    int64_t delay_us = (int64_t)LOOK_MIN_US
                       << (run->looks < LOOK_SHIFT_MAX ? run->looks : LOOK_SHIFT_MAX);
    schedule(run, delay_us < LOOK_MAX_US ? delay_us : LOOK_MAX_US);
}

void registered_abandon(struct registered_run *run)
{
    const struct run_registry_options *options = &run->registry->options;
    if (run->state != REGISTERED_STARTING && run->state != REGISTERED_RUNNING &&
        run->state != REGISTERED_ADRIFT && run->state != REGISTERED_ENDING)
        return;
    log_event(LOG_WARNING, "run_lost", "run", run->live->id, "pid", log_int(run->supervisor_pid),
              NULL);
    run->live->closing = true;
    registered_enter(run, REGISTERED_ABANDONED);
    if (options->cancel != NULL)
        options->cancel(run->live, options->context);
    run->remains = run_remains_find(CGROUP_MOUNT, run->live->id);
    run->looks = 0;
    schedule(run, 0);
}

static void on_lease(evutil_socket_t fd, short what, void *context)
{
    struct registered_run *run = context;
    (void)fd;
    (void)what;
    if (run->state == REGISTERED_ABANDONED)
        look(run);
    else if (run->state == REGISTERED_ADRIFT)
        registered_abandon(run);
}

void registered_set_adrift(struct registered_run *run)
{
    if (run->state == REGISTERED_SETTLING)
        return;
    if (run->state == REGISTERED_ABANDONED) {
        schedule(run, 0);
    } else if (supervisor_is_gone(run)) {
        registered_abandon(run);
    } else {
        log_event(LOG_NOTICE, "run_adrift", "run", run->live->id, "pid",
                  log_int(run->supervisor_pid), NULL);
        registered_enter(run, REGISTERED_ADRIFT);
        schedule(run, run->registry->options.adoption_grace_us);
    }
}
