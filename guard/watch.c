// Watch: follows a command and its cgroup from its start until nothing of it is left.

#include "watch.h"

#include "cgroup_events.h"
#include "clock.h"
#include "log.h"
#include "run_escape.h"
#include "run_link.h"

#include <assert.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define RETRY_US 20000          // until a killed cgroup is looked at again
#define RETRIES_MAX 1500        // 30 s: a process that survives SIGKILL for longer is the kernel's
#define ESCAPE_LOOK_US 10000000 // between looks for processes that have left the cgroup
#define ESCAPE_REST_FACTOR 100  // and that many times as long as a look has taken
#define ESCAPE_CONFIRM_US 50000
#define ESCAPES_TOLD_MAX 16       // to the daemon; the log has them all
#define OOM_CONFIRM_US 5000       // v1 reports the shortage, then kills, then counts
#define OOM_CONFIRMATIONS_MAX 200 // 1 s

static const int forwarded_signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
#define FORWARDED_COUNT (sizeof(forwarded_signals) / sizeof(forwarded_signals[0]))

enum watch_state {
    WATCH_RUNNING,
    WATCH_LINGERING,   // the command has ended, others of the run have not
    WATCH_TERMINATING, // all have been asked to end
    WATCH_KILLING,     // all are being killed
    WATCH_EMPTY,       // nothing is left but the cgroup
    WATCH_STATES,
};

struct watch {
    struct watch_options options;
    struct event_base *base;
    struct run_link *daemon;
    enum watch_state state;
    pid_t pid; // of the command
    bool command_ended;
    enum run_end forced; // why it was ended by force, RUN_LIVE if it was not; the first cause stays
    int status;          // of the command, as from waitpid(2)
    int retries;
    int oom_confirmations;
    struct run_cgroup_usage usage;
    struct run_escape *escape;
    int escapes;
    bool is_left_behind;
    struct event *forwarded[FORWARDED_COUNT];
    struct event *child;
    struct event *cgroup;
    struct event *runtime;
    struct event *timer; // of the state: grace or retry
    struct event *oom;   // confirms an out-of-memory
    struct event *look;  // for escapes
};

static void schedule(struct event *event, int64_t delay_us)
{
    struct timeval delay = {.tv_sec = delay_us / 1000000, .tv_usec = delay_us % 1000000};
    if (delay_us != LIMIT_NONE)
        event_add(event, &delay);
}

static void set_cause(struct watch *watch, enum run_end cause)
{
    if (watch->forced == RUN_LIVE)
        watch->forced = cause;
}

static void watch_enter(struct watch *watch, enum watch_state state)
{
    static const bool legal[WATCH_STATES][WATCH_STATES] = {
        [WATCH_RUNNING] = {false, true, true, true, true},
        [WATCH_LINGERING] = {false, false, true, true, true},
        [WATCH_TERMINATING] = {false, false, false, true, true},
        [WATCH_KILLING] = {false, false, false, false, true},
        [WATCH_EMPTY] = {false},
    };
    assert(legal[watch->state][state]);
    watch->state = state;
    watch->retries = 0;
    event_del(watch->timer);
    switch (state) {
    case WATCH_TERMINATING:
        run_cgroup_signal(watch->options.group, SIGTERM);
        run_cgroup_signal(watch->options.group, SIGCONT); // a stopped one would not notice
        schedule(watch->timer, watch->options.kill_grace_us);
        break;
    case WATCH_LINGERING:
        schedule(watch->timer, watch->options.kill_grace_us);
        schedule(watch->look, 0); // on v1 it may have left some of its cgroups only
        break;
    case WATCH_KILLING:
        run_cgroup_kill(watch->options.group);
        schedule(watch->timer, RETRY_US);
        break;
    case WATCH_EMPTY:
        run_cgroup_read_usage(watch->options.group, &watch->usage);
        if (watch->usage.oom_kills > 0)
            set_cause(watch, RUN_OUT_OF_MEMORY);
        event_active(watch->timer, EV_TIMEOUT, 0); // remove it
        break;
    case WATCH_RUNNING:
    case WATCH_STATES:
        break;
    }
}

static void finish(struct watch *watch)
{
    event_base_loopbreak(watch->base);
}

static void terminate(struct watch *watch, enum run_end cause)
{
    if (watch->state != WATCH_RUNNING && watch->state != WATCH_LINGERING)
        return;
    set_cause(watch, cause);
    watch_enter(watch, WATCH_TERMINATING);
}

// True, and all the rest is on its way, if the kernel has killed in the cgroup for want of memory.
static bool check_out_of_memory(struct watch *watch)
{
    struct run_cgroup_usage usage;
    run_cgroup_read_usage(watch->options.group, &usage);
    if (usage.oom_kills == 0)
        return false;
    set_cause(watch, RUN_OUT_OF_MEMORY);
    if (watch->state < WATCH_KILLING)
        watch_enter(watch, WATCH_KILLING);
    return true;
}

static void check_empty(struct watch *watch)
{
    if (watch->state == WATCH_EMPTY || !watch->command_ended)
        return;
    if (!run_cgroup_is_populated(watch->options.group))
        watch_enter(watch, WATCH_EMPTY);
    else if (watch->state == WATCH_RUNNING)
        watch_enter(watch, WATCH_LINGERING);
}

static void tell_escape(struct watch *watch, const char *text)
{
    log_event(LOG_ERR, "run_escaped", "what", text, NULL);
    if (++watch->escapes <= ESCAPES_TOLD_MAX)
        run_link_tell_escape(watch->options.client, text);
}

static void on_escape(const char *text, void *context)
{
    tell_escape(context, text);
}

static void on_look(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct watch *watch = context;
    int64_t started_us = clock_monotonic_us();
    size_t outside = run_escape_look(watch->escape);
    int64_t rest_us = ESCAPE_REST_FACTOR * (clock_monotonic_us() - started_us);
    schedule(watch->look, outside > 0                ? ESCAPE_CONFIRM_US
                          : rest_us > ESCAPE_LOOK_US ? rest_us
                                                     : ESCAPE_LOOK_US);
}

// What has left the run is not left behind.
static void remove_cgroup(struct watch *watch)
{
    struct error err;
    if (run_escape_look(watch->escape) > 0 && ++watch->retries < RETRIES_MAX) {
        schedule(watch->timer, RETRY_US);
        return;
    }
    int result = run_cgroup_destroy(watch->options.group, &err);
    if (result == -EBUSY && ++watch->retries < RETRIES_MAX) {
        schedule(watch->timer, RETRY_US);
        return;
    }
    if (result < 0) {
        log_event(LOG_ERR, "cgroup_left_behind", "error", err.text, NULL);
        watch->is_left_behind = true;
        tell_escape(watch, "its cgroup, which cannot be removed");
    }
    finish(watch);
}

static void kill_again(struct watch *watch)
{
    check_empty(watch);
    if (watch->state == WATCH_EMPTY)
        return;
    if (++watch->retries >= RETRIES_MAX) {
        log_event(LOG_ERR, "run_left_behind", "cgroup", run_cgroup_path(watch->options.group),
                  "error", "a process survives SIGKILL", NULL);
        watch->is_left_behind = true;
        tell_escape(watch, "a process that survives SIGKILL");
        run_cgroup_read_usage(watch->options.group, &watch->usage);
        finish(watch);
        return;
    }
    run_cgroup_kill(watch->options.group);
    schedule(watch->timer, RETRY_US);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct watch *watch = context;
    switch (watch->state) {
    case WATCH_LINGERING:
    case WATCH_TERMINATING:
        watch_enter(watch, WATCH_KILLING);
        break;
    case WATCH_KILLING:
        kill_again(watch);
        break;
    case WATCH_EMPTY:
        remove_cgroup(watch);
        break;
    case WATCH_RUNNING:
    case WATCH_STATES:
        break;
    }
}

static void on_runtime(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    terminate(context, RUN_TIMEOUT);
}

static void on_forwarded(evutil_socket_t signal, short what, void *context)
{
    (void)what;
    const struct watch *watch = context;
    if (watch->command_ended) // its process group may be somebody else's by now
        run_cgroup_signal(watch->options.group, (int)signal);
    else
        kill(-watch->pid, (int)signal);
}

static void command_ended(struct watch *watch, int status)
{
    watch->command_ended = true;
    watch->status = status;
    terminal_take_back(watch->options.terminal, watch->pid);
    check_out_of_memory(watch);
}

// Reaps the command and the orphans that it has left to us.
static void on_child(evutil_socket_t signal, short what, void *context)
{
    (void)signal;
    (void)what;
    struct watch *watch = context;
    pid_t pid;
    int status;
    while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
        if (pid == watch->pid && WIFSTOPPED(status))
            terminal_suspend(watch->options.terminal, watch->pid);
        else if (pid == watch->pid)
            command_ended(watch, status);
    }
    check_empty(watch);
}

static void on_daemon(const struct control_message *message, void *context)
{
    bool killed = message->type == CONTROL_RUN_KILL;
    enum run_end reason = killed ? message->run_kill.reason : RUN_LOST;
    log_event(LOG_NOTICE, "run_ending", "reason", run_end_name(reason), "text",
              killed ? message->run_kill.text : message->refused.text, NULL);
    terminate(context, reason);
}

static void confirm_out_of_memory(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct watch *watch = context;
    if (!check_out_of_memory(watch) && watch->state != WATCH_EMPTY &&
        ++watch->oom_confirmations < OOM_CONFIRMATIONS_MAX)
        schedule(watch->oom, OOM_CONFIRM_US);
}

static void on_cgroup(evutil_socket_t fd, short what, void *context)
{
    struct watch *watch = context;
    cgroup_events_drain(fd);
    watch->oom_confirmations = 0;
    confirm_out_of_memory(fd, what, context);
    check_empty(watch);
}

// Adds a handler for each signal to pass on, except those that our own caller had ignored (nohup).
static bool take_signals(struct watch *watch)
{
    for (size_t i = 0; i < FORWARDED_COUNT; i++) {
        struct sigaction action;
        if (sigaction(forwarded_signals[i], NULL, &action) == 0 && action.sa_handler == SIG_IGN)
            continue;
        watch->forwarded[i] = evsignal_new(watch->base, forwarded_signals[i], on_forwarded, watch);
        if (watch->forwarded[i] == NULL)
            return false;
        event_add(watch->forwarded[i], NULL);
    }
    return true;
}

static bool make_events(struct watch *watch)
{
    const struct watch_options *options = &watch->options;
    watch->base = event_base_new();
    if (watch->base == NULL || !take_signals(watch))
        return false;
    watch->child = evsignal_new(watch->base, SIGCHLD, on_child, watch);
    const struct run_link_options link = {
        .base = watch->base,
        .client = options->client,
        .adopt = options->adopt,
        .received = on_daemon,
        .context = watch,
    };
    if (run_link_new(&watch->daemon, &link, NULL) < 0)
        return false;
    watch->runtime = evtimer_new(watch->base, on_runtime, watch);
    watch->timer = evtimer_new(watch->base, on_timer, watch);
    watch->oom = evtimer_new(watch->base, confirm_out_of_memory, watch);
    watch->look = evtimer_new(watch->base, on_look, watch);
    if (run_cgroup_event_fd(options->group) >= 0) {
        watch->cgroup = event_new(watch->base, run_cgroup_event_fd(options->group),
                                  EV_READ | EV_PERSIST, on_cgroup, watch);
        if (watch->cgroup == NULL)
            return false;
    }
    return watch->child != NULL && watch->runtime != NULL && watch->timer != NULL &&
           watch->oom != NULL && watch->look != NULL;
}

int watch_new(struct watch **watch, const struct watch_options *options, struct error *err)
{
    struct watch *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return error_set_errno(err, -ENOMEM, "preparing to watch the run");
    made->options = *options;
    int result = run_escape_new(&made->escape, options->adopt->run_id, options->adopt->run_key,
                                on_escape, made, err);
    if (result < 0) {
        watch_free(made);
        return result;
    }
    if (!make_events(made) || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
        watch_free(made);
        return error_set(err, -ENOMEM, "preparing to watch the run");
    }
    event_add(made->child, NULL);
    *watch = made;
    return 0;
}

void watch_remember_place(struct watch *watch, pid_t pid)
{
    run_escape_begin(watch->escape, pid, run_cgroup_watchdog(watch->options.group));
}

void watch_until_empty(struct watch *watch, pid_t pid, struct watch_outcome *outcome)
{
    watch->pid = pid;
    schedule(watch->look, ESCAPE_LOOK_US);
    run_link_start(watch->daemon);
    if (watch->cgroup != NULL)
        event_add(watch->cgroup, NULL);
    schedule(watch->runtime, watch->options.runtime_max_us);
    event_active(watch->child, EV_SIGNAL, 1); // it may have ended already
    event_base_dispatch(watch->base);
    bool signaled = WIFSIGNALED(watch->status);
    *outcome = (struct watch_outcome){
        .end = watch->forced != RUN_LIVE ? watch->forced
               : signaled                ? RUN_SIGNALED
                                         : RUN_EXITED,
        .exit_code = signaled ? 128 + WTERMSIG(watch->status) : WEXITSTATUS(watch->status),
        .usage = watch->usage,
        .daemon_is_gone = !run_link_is_up(watch->daemon),
        .is_left_behind = watch->is_left_behind,
    };
}

void watch_free(struct watch *watch)
{
    if (watch == NULL)
        return;
    struct event *const events[] = {watch->child, watch->cgroup, watch->runtime,
                                    watch->timer, watch->oom,    watch->look};
    run_link_free(watch->daemon);
    run_escape_free(watch->escape);
    for (size_t i = 0; i < FORWARDED_COUNT; i++)
        if (watch->forwarded[i] != NULL)
            event_free(watch->forwarded[i]);
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        if (events[i] != NULL)
            event_free(events[i]);
    if (watch->base != NULL)
        event_base_free(watch->base);
    free(watch);
}
