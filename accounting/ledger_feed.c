// Ledger feed, the process: wait ▶ gather ▶ catch up ▶ report.
#include "ledger_feed.h"

#include "clock.h"
#include "source_state_server.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define GATHER_MS 200 // after a wake, so that a burst becomes one batch
#define LOOK_MS 30000 // without a wake: one may have been missed
#define REST_US                                                                                    \
    INT64_C(60000000) // a connection that is idle for so long is closed: poolers and Neon
                      // end it anyway, and the private Postgres saves a backend
#define RETRY_FIRST_MS 500
#define RETRY_MAX_MS 60000

struct feed {
    struct ledger_catch_up catch_up;
    int fd;        // to the daemon, or -1
    int signal_fd; // SIGTERM and SIGINT
    int stop_fd;   // an eventfd: the end has been announced
    bool stopping;
    enum ledger_feed_state state;
    int retry_ms; // until the next attempt, while retrying
    int64_t written_at_us;
    char last_error[LEDGER_FEED_ERROR_MAX];
};

// A thread, for libpq blocks the other one: waits for a signal or the daemon's end, passes it on
// and sees to it that the process ends in time. Dying in the middle is safe: the journal has it
// all.
static void *await_end(void *context)
{
    const struct feed *feed = context;
    struct pollfd polled[] = {{.fd = feed->signal_fd, .events = POLLIN}, {.fd = feed->fd}};
    while (poll(polled, 2, -1) < 0 && errno == EINTR)
        continue;
    alarm(LEDGER_FEED_STOP_MAX_SEC);
    eventfd_write(feed->stop_fd, 1);
    return NULL;
}

static int begin_waiting(struct feed *feed, struct error *err)
{
    sigset_t awaited;
    pthread_t thread;
    sigemptyset(&awaited);
    sigaddset(&awaited, SIGTERM);
    sigaddset(&awaited, SIGINT);
    pthread_sigmask(SIG_BLOCK, &awaited, NULL);
    signal(SIGPIPE, SIG_IGN);
    feed->signal_fd = signalfd(-1, &awaited, SFD_CLOEXEC);
    feed->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (feed->signal_fd < 0 || feed->stop_fd < 0)
        return error_set_errno(err, -errno, "preparing to wait for signals");
    int code = pthread_create(&thread, NULL, await_end, feed);
    if (code != 0)
        return error_set_errno(err, -code, "starting the thread that waits for signals");
    pthread_detach(thread);
    return 0;
}

static void send_report(struct feed *feed)
{
    const struct ledger_catch_up *catch_up = &feed->catch_up;
    struct ledger_feed_report report = {
        .version = LEDGER_FEED_REPORT_VERSION,
        .state = feed->state,
        .acknowledged = catch_up->acknowledged,
        .lag_bytes = ledger_catch_up_lag(&feed->catch_up),
        .rows = catch_up->written,
        .quarantined = catch_up->quarantined,
    };
    memcpy(report.last_error, feed->last_error, sizeof(report.last_error));
    if (feed->fd >= 0) // a daemon that does not read gets the next one
        send(feed->fd, &report, sizeof(report), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void report_batch(void *context)
{
    struct feed *feed = context;
    feed->state = LEDGER_FEED_WRITING;
    feed->written_at_us = clock_monotonic_us();
    feed->last_error[0] = '\0';
    send_report(feed);
}

// Waits for a wake, which is taken, for the end or for the time. poll() ignores a negative fd.
static void wait_for(struct feed *feed, int fd, int timeout_ms)
{
    struct pollfd polled[] = {{.fd = feed->stop_fd, .events = POLLIN},
                              {.fd = fd, .events = POLLIN}};
    char packet[16];
    if (poll(polled, 2, timeout_ms) <= 0)
        return;
    feed->stopping = polled[0].revents != 0;
    while (polled[1].revents != 0 && recv(fd, packet, sizeof(packet), MSG_DONTWAIT) > 0)
        continue;
}

// Until the next attempt is due.
static void wait_for_work(struct feed *feed)
{
    int64_t deadline_us = clock_monotonic_us();
    if (feed->state == LEDGER_FEED_RETRYING) { // wakes do not hurry a retry, only the end does
        deadline_us += feed->retry_ms * INT64_C(1000);
        for (int64_t left_us;
             !feed->stopping && (left_us = deadline_us - clock_monotonic_us()) > 0;)
            wait_for(feed, feed->fd, (int)(left_us / 1000) + 1);
        return;
    }
    wait_for(feed, feed->fd, LOOK_MS);
    if (!feed->stopping)
        wait_for(feed, -1, GATHER_MS);
}

static void catch_up(struct feed *feed)
{
    struct error err = {0};
    if (ledger_catch_up(&feed->catch_up, &err) == 0) {
        feed->state = LEDGER_FEED_LEVEL;
        feed->retry_ms = 0;
        feed->last_error[0] = '\0';
    } else {
        feed->state = LEDGER_FEED_RETRYING;
        feed->retry_ms = feed->retry_ms == 0                 ? RETRY_FIRST_MS
                         : feed->retry_ms < RETRY_MAX_MS / 2 ? feed->retry_ms * 2
                                                             : RETRY_MAX_MS;
        snprintf(feed->last_error, sizeof(feed->last_error), "%.*s",
                 (int)sizeof(feed->last_error) - 1, err.text);
    }
    if (clock_monotonic_us() - feed->written_at_us > REST_US)
        ledger_catch_up_rest(&feed->catch_up);
    send_report(feed);
}

int ledger_feed_run(const struct ledger_catch_up_options *options,
                    const struct ledger_feed_link *link, struct error *err)
{
    struct feed feed = {.fd = link->fd};
    struct source_state_server *state = NULL;
    int code = begin_waiting(&feed, err);
    if (code == 0)
        code = ledger_catch_up_init(&feed.catch_up, options, err);
    if (code == 0 && link->state_fd >= 0)
        code = source_state_server_start(&state, options, link->state_fd, err);
    if (code != 0)
        return code;
    feed.catch_up.progress = report_batch;
    feed.catch_up.context = &feed;
    catch_up(&feed);
    while (!feed.stopping) {
        wait_for_work(&feed);
        catch_up(&feed); // after the end has been announced, a last time
    }
    source_state_server_stop(state);
    ledger_catch_up_done(&feed.catch_up);
    return 0;
}
