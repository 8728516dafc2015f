// Feed child: `reeve ledger feed` as a child of serve: started, woken, heard and started again.

#include "feed_child.h"

#include "cleanup.h"
#include "log.h"
#include "source_state_link.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#define RESTART_DELAY_MIN_S 1
#define RESTART_DELAY_MAX_S 60

struct feed_child {
    struct event_base *base;
    struct ledger_catch_up_options options;
    void (*reported)(const struct ledger_feed_report *report, void *context);
    void *context;
    void (*answered)(const struct source_state_answer *answer, void *context);
    void *answered_context;
    pid_t pid; // 0 while none runs
    struct ledger_feed_link link;
    struct event *readable, *state_readable;
    struct event *restart;
    int delay_s;
    struct ledger_feed_report report;
};

static void child_start(struct feed_child *child);

// Reaps the feed, after its socket has been closed.
static void child_reap(struct feed_child *child)
{
    int status = 0;
    if (child->pid <= 0)
        return;
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
        ;
    child->pid = 0;
    if (WIFSIGNALED(status) || WEXITSTATUS(status) != 0)
        log_event(LOG_WARNING, "ledger_feed_ended", "signal",
                  WIFSIGNALED(status) ? log_int(WTERMSIG(status)) : NULL, "status",
                  WIFEXITED(status) ? log_int(WEXITSTATUS(status)) : NULL, NULL);
}

static void child_stop(struct feed_child *child)
{
    if (child->readable != NULL)
        event_free(take_pointer(&child->readable));
    if (child->state_readable != NULL)
        event_free(take_pointer(&child->state_readable));
    if (child->link.fd >= 0)
        close(take_fd(&child->link.fd));
    if (child->link.state_fd >= 0)
        close(take_fd(&child->link.state_fd));
}

static void restart_later(struct feed_child *child)
{
    event_add(child->restart, &(struct timeval){child->delay_s, 0});
    child->delay_s =
        child->delay_s * 2 > RESTART_DELAY_MAX_S ? RESTART_DELAY_MAX_S : child->delay_s * 2;
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    struct feed_child *child = context;
    struct error err;
    struct ledger_feed_report report;
    (void)what;
    for (;;) {
        int result = ledger_feed_receive(fd, &report, &err);
        if (result == -EAGAIN)
            return;
        if (result < 0)
            break;
        if (report.last_error[0] != '\0' &&
            strcmp(report.last_error, child->report.last_error) != 0)
            log_event(LOG_WARNING, "ledger_behind", "error", report.last_error, NULL);
        child->report = report;
        child->delay_s = RESTART_DELAY_MIN_S;
        if (child->reported != NULL)
            child->reported(&report, child->context);
    }
    child_stop(child);
    kill(child->pid, SIGKILL); // it has closed its socket: all that is left of it is its end
    child_reap(child);
    restart_later(child);
}

// Its end, and what is no answer, show on the other socket.
static void on_state_readable(evutil_socket_t fd, short what, void *context)
{
    struct feed_child *child = context;
    struct source_state_answer answer;
    struct error err;
    int result;
    (void)what;
    while ((result = source_state_receive_answer(fd, &answer, &err)) == 0)
        if (child->answered != NULL)
            child->answered(&answer, child->answered_context);
    if (result == -EAGAIN)
        return;
    event_del(child->state_readable);
    if (result != -EPIPE) {
        log_event(LOG_ERR, "state_answers_end", "error", err.text, NULL);
        kill(child->pid, SIGKILL);
    }
}

static void on_restart(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    child_start(context);
}

static bool child_listen(struct feed_child *child)
{
    child->readable =
        event_new(child->base, child->link.fd, EV_READ | EV_PERSIST, on_readable, child);
    child->state_readable = event_new(child->base, child->link.state_fd, EV_READ | EV_PERSIST,
                                      on_state_readable, child);
    return child->readable != NULL && child->state_readable != NULL &&
           event_add(child->readable, NULL) == 0 && event_add(child->state_readable, NULL) == 0;
}

static void child_start(struct feed_child *child)
{
    struct error err;
    if (ledger_feed_start(&child->options, &child->pid, &child->link, &err) < 0) {
        log_event(LOG_ERR, "ledger_feed_not_started", "error", err.text, NULL);
        child->pid = 0;
        child->link = (struct ledger_feed_link){-1, -1};
        restart_later(child);
        return;
    }
    if (!child_listen(child)) {
        child_stop(child);
        child_reap(child);
        restart_later(child);
    }
}

int feed_child_new(struct feed_child **child, struct event_base *base,
                   const struct ledger_catch_up_options *options,
                   void (*reported)(const struct ledger_feed_report *report, void *context),
                   void *context, struct error *err)
{
    struct feed_child *new_child = calloc(1, sizeof(*new_child));
    if (new_child != NULL)
        new_child->restart = evtimer_new(base, on_restart, new_child);
    if (new_child == NULL || new_child->restart == NULL) {
        free(new_child);
        return error_set(err, -ENOMEM, "out of memory for the ledger feed");
    }
    new_child->base = base;
    new_child->options = *options;
    new_child->reported = reported;
    new_child->context = context;
    new_child->link = (struct ledger_feed_link){-1, -1};
    new_child->delay_s = RESTART_DELAY_MIN_S;
    *child = new_child;
    child_start(new_child);
    return 0;
}

void feed_child_free(struct feed_child *child)
{
    if (child == NULL)
        return;
    child_stop(child);
    child_reap(child);
    event_free(child->restart);
    free(child);
}

void feed_child_let_go(struct feed_child *child)
{
    child_stop(child);
    event_del(child->restart);
}

void feed_child_wake(struct feed_child *child)
{
    if (child->link.fd >= 0)
        ledger_feed_wake(child->link.fd);
}

void feed_child_hear_answers(struct feed_child *child,
                             void (*answered)(const struct source_state_answer *answer,
                                              void *context),
                             void *context)
{
    child->answered = answered;
    child->answered_context = context;
}

int feed_child_ask(struct feed_child *child, const struct source_state_question *question,
                   struct error *err)
{
    if (child->link.state_fd < 0)
        return error_set(err, -EAGAIN, "the ledger's feed is not running");
    return source_state_send_question(child->link.state_fd, question, err);
}

const struct ledger_feed_report *feed_child_report(const struct feed_child *child)
{
    return &child->report;
}
