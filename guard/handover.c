// Handover: the daemon lets a new one take its place.

#include "handover.h"

#include "agent_pass.h"
#include "batches.h"
#include "cleanup.h"
#include "exchange.h"
#include "exchange_pass.h"
#include "feed_child.h"
#include "handover_message.h"
#include "handover_tell.h"
#include "journal.h"
#include "log.h"
#include "run_registry.h"
#include "serve_alerts.h"
#include "serve_credentials.h"
#include "serve_page.h"
#include "server.h"
#include "state.h"
#include "succession.h"
#include "successor_start.h"

#include <assert.h>
#include <event2/event.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define REFRESH_LOOK_US 50000 // whether the refresh that is waited for has ended
#define READY_MAX_S 30        // for the replay of the journal, which takes milliseconds
#define NOTIFY_MAX_US 5000000

enum handover_state {
    HANDOVER_STARTING,  // the new one prepares
    HANDOVER_WAITING,   // it is prepared, and a refresh is under way here
    HANDOVER_SUCCEEDED, // it serves
    HANDOVER_ALONE,     // it has gone, or has not come to serve
};

struct handover {
    struct serve *serve;
    enum handover_state state;
    int fd;                    // to the new one; -1 without it
    pid_t child;               // that was started, and has to be reaped; 0 none
    pid_t successor;           // 0: not known yet
    struct control_peer *peer; // who has asked; NULL: it has gone, or been answered
    struct event *readable, *timer;
    struct handover_packet packet;
};

static void handover_enter(struct handover *handover, enum handover_state state)
{
    static const unsigned legal[] = {
        [HANDOVER_STARTING] = 1 << HANDOVER_WAITING,
        [HANDOVER_WAITING] = 1 << HANDOVER_SUCCEEDED | 1 << HANDOVER_ALONE,
        [HANDOVER_SUCCEEDED] = 1 << HANDOVER_ALONE,
        [HANDOVER_ALONE] = 0,
    };
    assert((legal[handover->state] & 1U << state) != 0);
    handover->state = state;
}

// ---- a new one that does not come to serve: all stays as it was

// Ends what was started, unless it has left for good. Returns its status as waitpid(2) gives it.
static int child_reap(struct handover *handover)
{
    int status = 0;
    if (handover->child > 0 && waitpid(handover->child, &status, WNOHANG) == 0) {
        kill(handover->child, SIGKILL);
        waitpid(handover->child, &status, 0);
    }
    handover->child = 0;
    return status;
}

static void drop_link(struct handover *handover)
{
    if (handover->readable != NULL)
        event_free(take_pointer(&handover->readable));
    if (handover->fd >= 0)
        close(take_fd(&handover->fd));
}

void handover_free(struct handover *handover)
{
    if (handover == NULL)
        return;
    drop_link(handover);
    if (handover->timer != NULL)
        event_free(handover->timer);
    child_reap(handover);
    free(handover);
}

__attribute__((format(printf, 2, 3))) static void handover_fail(struct handover *handover,
                                                                const char *format, ...)
{
    char text[ERROR_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    log_event(LOG_ERR, "not_reloaded", "error", text, NULL);
    if (handover->peer != NULL)
        control_peer_refuse(handover->peer, CONTROL_UNAVAILABLE, "%s; the daemon goes on as it was",
                            text);
    sd_notify(0, "READY=1");
    handover->serve->handover = NULL;
    handover_free(handover);
}

// It has closed its end without a word.
static void handover_fail_unsaid(struct handover *handover)
{
    const char *program = handover->serve->program;
    int status = child_reap(handover);
    if (WIFSIGNALED(status))
        handover_fail(handover, "%s ended by signal %d before it could serve", program,
                      WTERMSIG(status));
    else if (WEXITSTATUS(status) == 0) // it had left its successor, whose status nobody gets
        handover_fail(handover, "%s ended before it could serve; see the log", program);
    else
        handover_fail(handover, "%s ended with status %d before it could serve", program,
                      WEXITSTATUS(status));
}

void handover_call_off(struct serve *serve)
{
    if (serve->handover != NULL && serve->handover->state < HANDOVER_SUCCEEDED)
        handover_fail(serve->handover, "the daemon is being stopped");
}

void handover_peer_gone(struct serve *serve, const struct control_peer *peer)
{
    if (serve->handover != NULL && serve->handover->peer == peer)
        serve->handover->peer = NULL;
}

// ---- once it serves

static void on_exchange_ended(struct live_run *run, void *context)
{
    struct serve *serve = context;
    handover_tell_counts(serve->handover->fd, run);
}

static bool on_pass(const struct agent_parts *parts, void *context)
{
    struct serve *serve = context;
    struct error err;
    const int fds[] = {parts->fd, parts->rest_fd};
    struct handover_message message = {.type = HANDOVER_AGENT, .agent.bytes = parts->bytes};
    if (handover_send(serve->handover->fd, 0, &message, fds, parts->rest_fd >= 0 ? 2 : 1, &err) ==
        0)
        return true;
    log_event(LOG_ERR, "connection_not_passed", "error", err.text, NULL);
    return false;
}

// What has nothing under way here goes to the new one; without one it is turned away.
static void pass_what_is_idle(struct serve *serve)
{
    serve->proxy.pass_agent = on_pass;
    journal_dispatch(serve->journal);
    exchanges_pass(&serve->proxy);
    server_pass(serve->server);
}

static int on_record(const struct journal_record *record, void *context, struct error *err)
{
    struct serve *serve = context;
    return handover_tell_record(serve->handover->fd, record, err);
}

static void visit_counts(struct live_run *run, void *context)
{
    const struct handover *handover = context;
    handover_tell_counts(handover->fd, run);
}

static void answer(struct handover *handover)
{
    struct control_peer *peer = take_pointer(&handover->peer);
    struct control_message message = {
        .type = CONTROL_RELOADED,
        .reloaded = {.pid_before = getpid(),
                     .pid = handover->successor,
                     .exchanges_in_flight = (int64_t)handover->serve->proxy.exchange_count}};
    if (peer == NULL)
        return;
    control_peer_send(peer, &message);
    control_peer_close(peer);
}

// What is idle first, then the main process is another one; and what is under way here goes on.
static void handover_succeed(struct handover *handover)
{
    struct serve *serve = handover->serve;
    char text[64];
    handover_enter(handover, HANDOVER_SUCCEEDED);
    pass_what_is_idle(serve);
    run_table_each(serve->runs, visit_counts, handover);
    snprintf(text, sizeof(text), "MAINPID=%ld\nREADY=1", (long)handover->successor);
    sd_notify(0, text);
    sd_notify_barrier(0, NOTIFY_MAX_US); // or systemd may not find out any more whose word it was
    log_event(LOG_NOTICE, "handed_over", "pid", log_int(handover->successor), "exchanges",
              log_int((int64_t)serve->proxy.exchange_count), NULL);
    answer(handover);
    serve_drain(serve, SERVE_FINISHING, SERVE_FINISH_MAX_S);
}

// It was given everything and does not serve. What is under way is finished, then whoever has
// started this daemon has to start another one, whose replay charges what could not be booked.
static void handover_lose(struct handover *handover, const struct error *err)
{
    struct serve *serve = handover->serve;
    handover_enter(handover, HANDOVER_ALONE);
    log_event(LOG_CRIT, "successor_lost", "pid", log_int(handover->successor), "error", err->text,
              NULL);
    drop_link(handover);
    if (handover->peer != NULL)
        control_peer_refuse(take_pointer(&handover->peer), CONTROL_UNAVAILABLE,
                            "the new daemon was given everything, and does not serve: %s; this "
                            "one ends, to be started again",
                            err->text);
    pass_what_is_idle(serve);
    serve->exit_code = EX_TEMPFAIL;
    serve_drain(serve, SERVE_FINISHING, SERVE_STOP_MAX_S);
}

// ---- the step between: everything of which there can be one only

static void parts_give_up(struct serve *serve)
{
    feed_child_let_go(serve->feed);
    state_desk_free(take_pointer(&serve->state));
    serve_credentials_hand_over(serve->credentials);
    signal(SIGHUP, SIG_IGN);
    batches_hand_over(serve->proxy.batches);
    serve_page_stop(serve->page);
    serve_alerts_stop(serve->alerts);
    serve->proxy.run_exchange_ended = on_exchange_ended;
    run_registry_free(take_pointer(&serve->registry));
    event_free(take_pointer(&serve->journal_ready));
    journal_hand_over(serve->journal, on_record, serve);
}

static int give(struct handover *handover, struct error *err)
{
    struct serve *serve = handover->serve;
    const int fds[] = {server_listening_fd(serve->server),
                       control_server_listening_fd(serve->control)};
    struct handover_message take = {
        .type = HANDOVER_TAKE,
        .take = {.pid = getpid(), .owns_control_file = control_server_owns_file(serve->control)}};
    int result = succession_hand_over(serve->succession, handover->fd, err);
    if (result == 0)
        result = handover_tell_in_flight(handover->fd, &serve->proxy, err);
    if (result == 0)
        result = handover_send(handover->fd, 0, &take, fds, 2, err);
    server_hand_over(serve->server);
    control_server_hand_over(serve->control, handover->peer);
    return result;
}

static int await_ready(struct handover *handover, struct error *err)
{
    const struct handover_message *message = &handover->packet.message;
    int result = handover_receive(handover->fd, 0, &handover->packet, err);
    if (result < 0)
        return result;
    if (message->type == HANDOVER_FAILED)
        result = error_set(err, -EIO, "%s", message->failed.text);
    else if (message->type != HANDOVER_READY)
        result = error_set(err, -EBADMSG, "it says something else");
    handover_packet_done(&handover->packet);
    return result;
}

static void hand_over(struct handover *handover)
{
    struct error err;
    event_del(handover->timer);
    parts_give_up(handover->serve);
    int result = give(handover, &err);
    if (result == 0)
        result = await_ready(handover, &err);
    if (result == 0)
        handover_succeed(handover);
    else
        handover_lose(handover, &err);
}

// A refresh whose answer is lost can cost the credential: it is waited for.
static void hand_over_when_quiet(struct handover *handover)
{
    if (serve_credentials_are_refreshing(handover->serve->credentials))
        event_add(handover->timer, &(struct timeval){0, REFRESH_LOOK_US});
    else
        hand_over(handover);
}

// ---- what the new one says

static void on_prepared(struct handover *handover, const struct handover_prepared *prepared)
{
    const char *directory = handover->serve->paths.journal_dir;
    if (strcmp(prepared->journal_directory, directory) != 0) {
        handover_fail(handover,
                      "the journal would be in %s instead of %s: another StateDirectory= needs a "
                      "restart",
                      prepared->journal_directory, directory);
        return;
    }
    handover->successor = (pid_t)prepared->pid;
    if (handover->successor != handover->child) // it has left its successor, and ended
        waitpid(handover->child, NULL, 0);
    handover->child = 0;
    handover_enter(handover, HANDOVER_WAITING);
    hand_over_when_quiet(handover);
}

static void on_cancel(struct handover *handover, const struct handover_cancel *cancel)
{
    struct proxy *proxy = &handover->serve->proxy;
    const struct live_run *run = run_table_find_id(proxy->runs, cancel->run_id);
    if (run != NULL)
        exchange_cancel_run(proxy, run);
}

static void on_message(struct handover *handover)
{
    const struct handover_message *message = &handover->packet.message;
    if (handover->state == HANDOVER_STARTING && message->type == HANDOVER_PREPARED)
        on_prepared(handover, &message->prepared);
    else if (handover->state <= HANDOVER_WAITING && message->type == HANDOVER_FAILED)
        handover_fail(handover, "%s", message->failed.text);
    else if (handover->state == HANDOVER_SUCCEEDED && message->type == HANDOVER_CANCEL)
        on_cancel(handover, &message->cancel);
}

// One message in each turn: it may be the end of the handover.
static void on_readable(evutil_socket_t fd, short what, void *context)
{
    struct handover *handover = context;
    struct error err;
    (void)what;
    int result = handover_receive(fd, MSG_DONTWAIT, &handover->packet, &err);
    if (result == -EAGAIN || result == -ENOTSUP)
        return;
    if (result == 0) {
        handover_packet_done(&handover->packet); // no descriptors come this way
        on_message(handover);
        return;
    }
    if (handover->state < HANDOVER_SUCCEEDED) {
        handover_fail_unsaid(handover);
        return;
    }
    log_event(LOG_ERR, "successor_lost", "error", err.text, NULL);
    handover_enter(handover, HANDOVER_ALONE);
    drop_link(handover);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    struct handover *handover = context;
    (void)fd;
    (void)what;
    if (handover->state == HANDOVER_STARTING)
        handover_fail(handover, "%s has not come to serve within %d seconds",
                      handover->serve->program, SUCCESSOR_PREPARE_MAX_S);
    else if (handover->state == HANDOVER_WAITING)
        hand_over_when_quiet(handover);
}

// ---- the wish

static int handover_begin(struct serve *serve, struct control_peer *peer, struct error *err)
{
    const struct timeval patience = {.tv_sec = READY_MAX_S};
    struct handover *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return error_set(err, -ENOMEM, "out of memory for a new daemon");
    made->serve = serve;
    made->peer = peer;
    made->fd = -1;
    int result = successor_start(serve->program, serve->arguments, &made->fd, &made->child, err);
    if (result == 0) {
        setsockopt(made->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        setsockopt(made->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
        made->readable = event_new(serve->base, made->fd, EV_READ | EV_PERSIST, on_readable, made);
        made->timer = evtimer_new(serve->base, on_timer, made);
        if (made->readable == NULL || made->timer == NULL)
            result = error_set(err, -ENOMEM, "out of memory for a new daemon");
    }
    if (result < 0) {
        handover_free(made);
        return result;
    }
    event_add(made->readable, NULL);
    event_add(made->timer, &(struct timeval){SUCCESSOR_PREPARE_MAX_S, 0});
    serve->handover = made;
    return 0;
}

// Agents reach the socket, too, with the group of their supervisors: a reload is not theirs to ask
// for, as each one costs a process for as long as they care to stream.
static bool may_reload(const struct control_peer *peer)
{
    uid_t uid = control_peer_uid(peer);
    return uid == 0 || uid == geteuid();
}

bool handover_receive_control(struct serve *serve, struct control_peer *peer,
                              const struct control_message *message)
{
    struct error err;
    if (message->type != CONTROL_RELOAD)
        return false;
    if (!may_reload(peer)) {
        control_peer_refuse(peer, CONTROL_INVALID,
                            "only root and the user whose daemon it is may have it reloaded");
    } else if (serve->phase != SERVE_SERVING) {
        control_peer_refuse(peer, CONTROL_UNAVAILABLE, "the daemon is being stopped");
    } else if (serve->handover != NULL) {
        control_peer_refuse(peer, CONTROL_UNAVAILABLE, "a reload is under way already");
    } else if (succession_is_full(serve->succession)) {
        control_peer_refuse(peer, CONTROL_UNAVAILABLE,
                            "%d daemons that were replaced still finish their answers; try again "
                            "once one of them has ended",
                            SUCCESSION_MAX);
    } else if (handover_begin(serve, peer, &err) < 0) {
        log_event(LOG_ERR, "not_reloaded", "error", err.text, NULL);
        control_peer_refuse(peer, CONTROL_UNAVAILABLE, "%s; the daemon goes on as it was",
                            err.text);
    } else {
        log_event(LOG_NOTICE, "reloading", "program", serve->program, NULL);
        sd_notify(0, "RELOADING=1");
    }
    return true;
}
