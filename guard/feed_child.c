// Feed child: `reeve ledger feed` as a child of serve: started, woken, heard and started again.

#include "feed_child.h"

#include "cleanup.h"
#include "log.h"

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
    pid_t pid; // 0 while none runs
    int fd;
    struct event *readable;
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
    if (child->fd >= 0)
        close(take_fd(&child->fd));
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

static void on_restart(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    child_start(context);
}

static void child_start(struct feed_child *child)
{
    struct error err;
    if (ledger_feed_start(&child->options, &child->pid, &child->fd, &err) < 0) {
        log_event(LOG_ERR, "ledger_feed_not_started", "error", err.text, NULL);
        child->pid = 0;
        child->fd = -1;
        restart_later(child);
        return;
    }
    child->readable = event_new(child->base, child->fd, EV_READ | EV_PERSIST, on_readable, child);
    if (child->readable == NULL || event_add(child->readable, NULL) < 0) {
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
    new_child->fd = -1;
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

void feed_child_wake(struct feed_child *child)
{
    if (child->fd >= 0)
        ledger_feed_wake(child->fd);
}

const struct ledger_feed_report *feed_child_report(const struct feed_child *child)
{
    return &child->report;
}
