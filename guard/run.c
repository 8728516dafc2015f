// Run: the supervisor of one run, from the wish for a slot to its last line.
//
//     key ▶ slot ▶ cgroup ▶ spawn ▶ watch ▶ end (cgroup empty) ▶ key done ▶ settle ▶ summary

#include "supervisor.h"

#include "cleanup.h"
#include "clock.h"
#include "control.h"
#include "environment.h"
#include "run_exit.h"
#include "run_link.h"
#include "run_summary.h"
#include "spawn.h"
#include "state_key.h"
#include "terminal.h"
#include "watch.h"
#include "watchdog.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

// The daemon reads what a gone agent has left for up to a minute; then it has settled.
#define SETTLE_MAX_MS 90000
#define CLAIM_REST_MS 500

// What holds the run key.
struct secrets {
    struct control_message granted;
    struct control_run_adopt adopt; // what brings us back to a daemon that was gone
};

// What the steps hand on. A step that fails sets `exit_code`.
struct supervisor {
    const struct supervisor_options *options;
    struct control_client *client;
    struct state_key key;
    struct secrets secrets;
    struct run_cgroup *group;
    int watchdog_fd;
    struct terminal terminal;
    struct watch *watch;
    pid_t pid; // of the command
    int64_t started_us;
    struct watch_outcome outcome;
    struct run_summary summary;
    int exit_code;
};

static int fail_with(struct supervisor *run, int exit_code, const struct error *err)
{
    run->exit_code = exit_code;
    return err->code;
}

// There is no key to go on with, or no daemon.
static int fail_unclaimed(struct supervisor *run, const struct error *err)
{
    switch (err->code) {
    case -EALREADY:
        return fail_with(run, EXIT_SUCCESS, err);
    case -EBUSY:
    case -EAGAIN:
        return fail_with(run, RUN_EXIT_NO_SLOT, err);
    case -EINVAL:
        return fail_with(run, RUN_EXIT_USAGE, err);
    default:
        return fail_with(run, RUN_EXIT_UNREACHABLE, err);
    }
}

static int fail_refused(struct supervisor *run, const struct control_refused *refused,
                        struct error *err)
{
    static const int exit_codes[] = {
        [CONTROL_NO_SLOT] = RUN_EXIT_NO_SLOT,         [CONTROL_CEILING] = RUN_EXIT_CEILING,
        [CONTROL_INVALID] = RUN_EXIT_USAGE,           [CONTROL_UNKNOWN_RUN] = RUN_EXIT_USAGE,
        [CONTROL_UNAVAILABLE] = RUN_EXIT_UNREACHABLE,
    };
    error_set(err, -EAGAIN, "%s", refused->text);
    return fail_with(run, exit_codes[refused->code], err);
}

static void fill_request(const struct supervisor_options *options, int64_t wait_us,
                         struct control_message *request)
{
    *request = (struct control_message){
        .type = CONTROL_RUN_OPEN,
        .run_open = {.pid = getpid(),
                     .priority = options->priority,
                     .wait_us = wait_us,
                     .limits = options->limits},
    };
    snprintf(request->run_open.job, sizeof(request->run_open.job), "%s", options->job);
    snprintf(request->run_open.command, sizeof(request->run_open.command), "%s", options->argv[0]);
}

static int64_t wait_left_us(const struct supervisor *run)
{
    int64_t left_us = run->options->wait_us - (clock_monotonic_us() - run->started_us);
    return run->options->wait_us == INT64_MAX ? INT64_MAX : left_us > 0 ? left_us : 0;
}

static int ask_for_slot(struct supervisor *run, struct error *err)
{
    struct control_message message;
    fill_request(run->options, wait_left_us(run), &message);
    return control_client_send(run->client, &message, err);
}

// How long a daemon that is gone is waited for: not at all by a run that does not wait for a slot.
static int return_max_ms(const struct supervisor *run)
{
    int64_t left_ms = wait_left_us(run) / 1000;
    return left_ms < run->options->return_max_ms ? (int)left_ms : run->options->return_max_ms;
}

// The key went with the daemon. The lease of one that was killed outlives it for a while, so that
// the key seems to be somebody else's.
static int claim_again(struct supervisor *run, int64_t deadline_us, struct error *err)
{
    int result;
    while ((result = state_key_claim(&run->key, run->client, run->options->job, run->options->key,
                                     err)) == -EBUSY &&
           clock_monotonic_us() < deadline_us)
        poll(NULL, 0, CLAIM_REST_MS); // there is nothing to wait for
    return result;
}

// The daemon has gone while we waited for a slot.
static int ask_again(struct supervisor *run, struct error *err)
{
    if (return_max_ms(run) == 0)
        return err->code;
    fputs("reeve: the daemon is gone, waiting for it\n", stderr);
    int64_t deadline_us = clock_monotonic_us() + (int64_t)return_max_ms(run) * 1000;
    int result;
    do { // what can be reached may be about to go itself
        result = control_client_reopen(run->client, return_max_ms(run), err);
        if (result == 0)
            result = claim_again(run, deadline_us, err);
        if (result == 0)
            result = ask_for_slot(run, err);
    } while ((result == -ECONNRESET || result == -EPIPE) && clock_monotonic_us() < deadline_us);
    return result;
}

static void take_grant(struct supervisor *run, struct control_message *message)
{
    run->secrets.granted = *message;
    explicit_bzero(message, sizeof(*message));
    run->started_us = clock_monotonic_us();
    memcpy(run->secrets.adopt.run_id, run->secrets.granted.granted.run_id, RUN_ID_MAX);
    memcpy(run->secrets.adopt.run_key, run->secrets.granted.granted.run_key, RUN_KEY_MAX);
    memcpy(run->summary.run_id, run->secrets.granted.granted.run_id, RUN_ID_MAX);
    memcpy(run->summary.job, run->secrets.granted.granted.job, JOB_NAME_MAX);
}

// Claims the run's key, if it has one. What is done, or is being done, takes no slot.
static int claim_key(struct supervisor *run, struct error *err)
{
    const struct supervisor_options *options = run->options;
    run->started_us = clock_monotonic_us();
    if (control_client_open_within(&run->client, options->control_socket, return_max_ms(run), err) <
        0)
        return fail_with(run, RUN_EXIT_UNREACHABLE, err);
    int result = state_key_claim(&run->key, run->client, options->job, options->key, err);
    while ((result == -ECONNRESET || result == -EPIPE) && return_max_ms(run) > 0 &&
           control_client_reopen(run->client, return_max_ms(run), err) == 0)
        result = state_key_claim(&run->key, run->client, options->job, options->key, err);
    return result < 0 ? fail_unclaimed(run, err) : 0;
}

// Asks the daemon for a slot, and waits for it as long as it was told to.
static int take_slot(struct supervisor *run, struct error *err)
{
    struct control_message message;
    if (ask_for_slot(run, err) < 0 && ask_again(run, err) < 0)
        return fail_unclaimed(run, err);
    for (;;) {
        if (control_client_receive(run->client, -1, &message, err) < 0) {
            if (ask_again(run, err) < 0)
                return fail_unclaimed(run, err);
            continue;
        }
        switch (message.type) {
        case CONTROL_QUEUED:
            fprintf(stderr, "reeve: waiting for a slot, number %lld in the queue\n",
                    (long long)message.queued.position);
            break;
        case CONTROL_GRANTED:
            take_grant(run, &message);
            return 0;
        case CONTROL_REFUSED:
            return fail_refused(run, &message.refused, err);
        default:
            error_set(err, -EBADMSG, "the daemon answered with a message of type %d", message.type);
            return fail_with(run, RUN_EXIT_UNREACHABLE, err);
        }
    }
}

// The run's key is good in its cgroup alone. Said before any process of it can use the key; to a
// daemon that is gone it is said again when it is back.
static void report_place(struct supervisor *run)
{
    struct control_message message = {.type = CONTROL_RUN_PLACED};
    snprintf(message.run_placed.directory, sizeof(message.run_placed.directory), "%s",
             run_cgroup_directory(run->group));
    memcpy(run->secrets.adopt.directory, message.run_placed.directory,
           sizeof(run->secrets.adopt.directory));
    control_client_send(run->client, &message, NULL);
}

// In the watchdog, once this process was killed.
static void report_escape(const char *text, void *context)
{
    run_link_tell_escape(context, text);
}

// Makes the run's cgroup, and leaves somebody behind who cleans it up if we cannot.
static int make_cgroup(struct supervisor *run, struct error *err)
{
    const struct control_granted *granted = &run->secrets.granted.granted;
    if (run_cgroup_new(&run->group, run->options->cgroup, granted->run_id, &granted->limits, err) <
        0)
        return fail_with(run, RUN_EXIT_FAILURE, err);
    struct watchdog_options watchdog = {
        .group = run->group,
        .run_id = run->summary.run_id,
        .secret = &run->secrets,
        .secret_length = sizeof(run->secrets),
        .escaped = report_escape,
        .context = run->client,
    };
    run->watchdog_fd = watchdog_start(&watchdog, err);
    if (run->watchdog_fd < 0)
        return fail_with(run, RUN_EXIT_FAILURE, err);
    report_place(run);
    return 0;
}

static int prepare_watch(struct supervisor *run, struct error *err)
{
    terminal_open(&run->terminal);
    struct watch_options options = {
        .group = run->group,
        .client = run->client,
        .adopt = &run->secrets.adopt,
        .terminal = &run->terminal,
        .runtime_max_us = run->secrets.granted.granted.limits.runtime_max_us,
        .kill_grace_us = run->secrets.granted.granted.kill_grace_us,
    };
    return watch_new(&run->watch, &options, err) < 0 ? fail_with(run, RUN_EXIT_FAILURE, err) : 0;
}

static void on_placed(pid_t pid, void *context)
{
    watch_remember_place(context, pid);
}

// Starts the command in its cgroup, with the run's identity.
static int spawn(struct supervisor *run, struct error *err)
{
    char **environment;
    if (environment_new(&environment, environ, &run->secrets.granted.granted, run->summary.job,
                        err) < 0)
        return fail_with(run, RUN_EXIT_FAILURE, err);
    struct spawn_options options = {
        .argv = run->options->argv,
        .environment = environment,
        .group = run->group,
        .terminal = &run->terminal,
        .placed = on_placed,
        .context = run->watch,
    };
    int result = spawn_command(&options, &run->pid, err);
    environment_free(environment);
    if (result < 0) {
        terminal_take_back(&run->terminal, run->pid);
        return fail_with(run,
                         result == -ENOENT   ? RUN_EXIT_NOT_FOUND
                         : result == -EACCES ? RUN_EXIT_NOT_EXECUTABLE
                                             : RUN_EXIT_FAILURE,
                         err);
    }
    return 0;
}

static void report_start(struct supervisor *run)
{
    struct control_message message = {.type = CONTROL_RUN_STARTED, .run_started.pid = run->pid};
    snprintf(message.run_started.cgroup, sizeof(message.run_started.cgroup), "%s",
             run_cgroup_path(run->group));
    control_client_send(run->client, &message, NULL); // if it is gone, the watch will find out
}

// The command never ran: what was made for it goes, and the daemon hears of a run that ended at
// once.
static void end_unstarted(struct supervisor *run)
{
    run->outcome = (struct watch_outcome){
        .end = RUN_EXITED,
        .exit_code = run->exit_code,
        .usage = {-1, -1, -1, -1, -1, 0},
    };
    if (run->group != NULL)
        run_cgroup_destroy(run->group, NULL);
}

// The key of a run that ended well, and of which nothing lives, is done. If the connection is lost
// it is tried again with the next one.
static void finish_key(struct supervisor *run)
{
    const struct watch_outcome *outcome = &run->outcome;
    struct error err;
    if (outcome->end != RUN_EXITED || outcome->exit_code != 0 || outcome->is_left_behind)
        return;
    if (state_key_finish(&run->key, run->client, &err) < 0 && !run->key.is_held)
        fprintf(stderr, "reeve run: %s\n", err.text);
}

// Reports the end, and waits until the daemon has settled the run's last exchanges. -EPERM: it
// knows no such run; -ETIMEDOUT; or else the connection is lost.
static int report_end(struct supervisor *run, struct error *err)
{
    const struct watch_outcome *outcome = &run->outcome;
    struct control_message message = {
        .type = CONTROL_RUN_ENDED,
        .run_ended = {.end = outcome->end,
                      .exit_code = outcome->exit_code,
                      .memory_peak_bytes = outcome->usage.memory_peak_bytes,
                      .cpu_us = outcome->usage.cpu_us,
                      .io_read_bytes = outcome->usage.io_read_bytes,
                      .io_written_bytes = outcome->usage.io_written_bytes,
                      .memory_stall_us = outcome->usage.memory_stall_us},
    };
    finish_key(run);
    int result = control_client_send(run->client, &message, err);
    while (result == 0) {
        result = control_client_receive(run->client, SETTLE_MAX_MS, &message, err);
        if (result == 0 && message.type == CONTROL_SETTLED) {
            run->summary.account = message.settled;
            run->summary.is_settled = true;
            return 0;
        }
        if (result == 0 && message.type == CONTROL_REFUSED)
            result = error_set(err, -EPERM, "%s", message.refused.text);
        if (result == 0)
            control_message_done(&message); // a kill that crossed our report
    }
    return result;
}

// Has the daemon, or its successor, take the run up again. -EPERM: it knows no such run.
static int return_to_daemon(struct supervisor *run, int64_t deadline_us, struct error *err)
{
    int64_t left_ms = (deadline_us - clock_monotonic_us()) / 1000;
    int timeout_ms = left_ms > 0 ? (int)left_ms : 0;
    struct control_message answer;
    int result = run_link_return(run->client, &run->secrets.adopt, timeout_ms, err);
    if (result == 0)
        result = control_client_receive(run->client, timeout_ms, &answer, err);
    if (result == 0 && answer.type == CONTROL_REFUSED)
        result = error_set(err, -EPERM, "%s", answer.refused.text);
    return result;
}

// Settles the run, with a daemon that may have to come back for it. The watch is over: signals end
// this process again.
static int settle(struct supervisor *run, struct error *err)
{
    int64_t deadline_us = clock_monotonic_us() + (int64_t)run->options->return_max_ms * 1000;
    watch_free(take_pointer(&run->watch));
    int result = run->outcome.daemon_is_gone ? -ENOTCONN : report_end(run, err);
    if (result == 0 || result == -EPERM || result == -ETIMEDOUT)
        return result;
    fputs("reeve: the daemon is gone, waiting for it to settle the run\n", stderr);
    do {
        result = return_to_daemon(run, deadline_us, err);
        if (result == 0)
            result = report_end(run, err);
    } while (result < 0 && result != -EPERM && clock_monotonic_us() < deadline_us);
    return result;
}

static void summarize(struct supervisor *run)
{
    struct run_summary *summary = &run->summary;
    summary->end = summary->is_settled ? summary->account.end : run->outcome.end;
    summary->exit_code = run_exit_code(summary->end, run->outcome.exit_code);
    summary->duration_us = clock_monotonic_us() - run->started_us;
    summary->memory_peak_bytes = run->outcome.usage.memory_peak_bytes;
    summary->cpu_us = run->outcome.usage.cpu_us;
    summary->io_read_bytes = run->outcome.usage.io_read_bytes;
    summary->io_written_bytes = run->outcome.usage.io_written_bytes;
    summary->memory_stall_us = run->outcome.usage.memory_stall_us;
    run->exit_code = summary->exit_code;
    if (run->options->json)
        run_summary_print_json(summary, stderr, NULL);
    else
        run_summary_print(summary, stderr);
}

static void done(struct supervisor *run)
{
    explicit_bzero(&run->secrets, sizeof(run->secrets));
    prctl(PR_SET_DUMPABLE, 1);
    watch_free(run->watch);
    if (run->watchdog_fd >= 0)
        watchdog_stop(run->watchdog_fd);
    run_cgroup_free(run->group);
    control_client_close(run->client);
}

int supervise_run(const struct supervisor_options *options)
{
    struct supervisor run = {.options = options, .watchdog_fd = -1, .terminal.fd = -1};
    struct error err;
    prctl(PR_SET_DUMPABLE, 0); // as the run key is in here
    if (claim_key(&run, &err) < 0 || take_slot(&run, &err) < 0) {
        fprintf(stderr, "reeve run: %s\n", err.text);
        done(&run);
        return run.exit_code;
    }
    if (make_cgroup(&run, &err) < 0 || prepare_watch(&run, &err) < 0 || spawn(&run, &err) < 0) {
        fprintf(stderr, "reeve run: %s\n", err.text);
        end_unstarted(&run);
    } else {
        report_start(&run);
        watch_until_empty(run.watch, run.pid, &run.outcome);
    }
    if (settle(&run, &err) < 0)
        fprintf(stderr, "reeve run: %s\n", err.text);
    summarize(&run);
    done(&run);
    return run.exit_code;
}
