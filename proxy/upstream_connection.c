// Upstream connections: opened by libcurl, idle, given to those in line, dead.

#include "upstream_pool.h"

#include "clock.h"
#include "log.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>

#define CONNECT_TIMEOUT_MS 10000L
#define IDLE_MAX_US (INT64_C(120) * 1000000)
#define LIBCURL_CLOSES 0x075500 // 7.85.0

void connection_enter(struct connection *connection, enum connection_state state)
{
    static const unsigned legal[] = {
        [CONNECTION_CONNECTING] = 1 << CONNECTION_IDLE | 1 << CONNECTION_DEAD,
        [CONNECTION_IDLE] = 1 << CONNECTION_HEAD | 1 << CONNECTION_DEAD,
        [CONNECTION_HEAD] = 1 << CONNECTION_BODY | 1 << CONNECTION_DEAD,
        [CONNECTION_BODY] = 1 << CONNECTION_IDLE | 1 << CONNECTION_DEAD,
    };
    struct upstream *upstream = connection->upstream;
    assert((legal[connection->state] & 1U << state) != 0);
    if (connection->state == CONNECTION_CONNECTING)
        upstream->connecting_count--;
    if (connection->state == CONNECTION_IDLE) {
        LIST_REMOVE(connection, link);
        upstream->idle_count--;
        LIST_INSERT_HEAD(&upstream->used, connection, link);
        upstream->used_count++;
    }
    if (state == CONNECTION_IDLE || state == CONNECTION_DEAD) {
        LIST_REMOVE(connection, link);
        upstream->used_count--;
        if (state == CONNECTION_IDLE)
            LIST_INSERT_HEAD(&upstream->idle, connection, link);
        else
            LIST_INSERT_HEAD(&upstream->dead, connection, link);
    }
    if (state == CONNECTION_IDLE) {
        upstream->idle_count++;
        connection->idle_since_us = clock_monotonic_us();
    }
    connection->state = state;
}

void connections_reap(struct upstream *upstream)
{
    while (!LIST_EMPTY(&upstream->dead)) {
        struct connection *connection = LIST_FIRST(&upstream->dead);
        LIST_REMOVE(connection, link);
        curl_loop_remove(upstream->loop, connection->easy);
        curl_easy_cleanup(connection->easy);
        free(connection->kept);
        free(connection);
    }
}

// Before 7.85 libcurl leaves it open until its cache is full (curl, pull request 9342), and with it
// the upstream at work on what nobody waits for. Ubuntu 22.04 has 7.81.
static void hang_up(const struct connection *connection)
{
    if (curl_version_info(CURLVERSION_NOW)->version_num < LIBCURL_CLOSES)
        shutdown(event_get_fd(&connection->readable), SHUT_RDWR);
}

void connection_close(struct connection *connection)
{
    if (connection->state != CONNECTION_CONNECTING) {
        hang_up(connection);
        event_del(&connection->readable);
        event_del(&connection->writable);
        event_del(&connection->again);
    }
    connection_enter(connection, CONNECTION_DEAD);
    event_active(connection->upstream->reaper, EV_TIMEOUT, 0);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    const struct connection *connection = context;
    (void)fd;
    (void)what;
    if (connection->transfer == NULL || !connection->transfer->paused)
        connection_read(context);
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
    struct connection *connection = context;
    (void)fd;
    (void)what;
    if (connection->transfer != NULL)
        transfer_send(connection->transfer);
}

// Told when it changes, and not every time.
static void reach_note(struct upstream *upstream, enum upstream_reach reach,
                       const struct error *err)
{
    if (upstream->reach == reach)
        return;
    if (reach == UPSTREAM_UNREACHABLE)
        log_event(LOG_WARNING, "upstream_unreachable", "error", err->text, NULL);
    else if (upstream->reach == UPSTREAM_UNREACHABLE)
        log_event(LOG_NOTICE, "upstream_reached", "url", upstream->url, NULL);
    upstream->reach = reach;
}

// A connection has failed. Those in line hear of it, one for each that was opened for one of them;
// for a spare one that they relied on another one is opened.
static void line_hears(struct upstream *upstream, bool is_spare, const struct error *err)
{
    struct upstream_transfer *transfer = TAILQ_FIRST(&upstream->waiting);
    if (transfer == NULL || upstream->connecting_count >= upstream->waiting_count)
        return;
    if (is_spare) {
        connections_advance(upstream);
        return;
    }
    const struct upstream_receiver *receiver = transfer->receiver;
    void *context = transfer->context;
    upstream_cancel(transfer);
    receiver->done(context, UPSTREAM_NOT_SENT, err);
}

// The end of connecting, good or bad.
static void on_connected(struct curl_loop_job *job, CURLcode result)
{
    struct connection *connection = (struct connection *)job;
    struct upstream *upstream = connection->upstream;
    curl_socket_t fd = CURL_SOCKET_BAD;
    if (result == CURLE_OK)
        curl_easy_getinfo(connection->easy, CURLINFO_ACTIVESOCKET, &fd);
    if (fd != CURL_SOCKET_BAD) {
        event_assign(&connection->readable, upstream->base, fd, EV_READ | EV_PERSIST, on_readable,
                     connection);
        event_assign(&connection->writable, upstream->base, fd, EV_WRITE, on_writable, connection);
        event_assign(&connection->again, upstream->base, -1, 0, on_readable, connection);
        event_add(&connection->readable, NULL);
        connection_enter(connection, CONNECTION_IDLE);
        reach_note(upstream, UPSTREAM_REACHED, NULL);
        connections_advance(upstream);
        return;
    }
    struct error err;
    error_set(&err, -EHOSTUNREACH, "connecting to %s: %s", upstream->url,
              connection->error_text[0] != '\0' ? connection->error_text
                                                : curl_easy_strerror(result));
    bool is_spare = connection->is_spare;
    reach_note(upstream, UPSTREAM_UNREACHABLE, &err);
    connection_close(connection);
    line_hears(upstream, is_spare, &err);
}

static int connection_start(struct upstream *upstream, bool is_spare, struct error *err)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    CURL *easy = curl_easy_init();
    if (connection == NULL || easy == NULL) {
        free(connection);
        curl_easy_cleanup(easy);
        return error_set(err, -ENOMEM, "out of memory for a connection to %s", upstream->url);
    }
    connection->job.done = on_connected;
    connection->upstream = upstream;
    connection->is_spare = is_spare;
    connection->easy = easy;
    curl_easy_setopt(easy, CURLOPT_URL, upstream->url);
    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1); // what ALPN offers
    curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SHARE, upstream->share);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, connection);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, connection->error_text);
    if (upstream->ca_file != NULL)
        curl_easy_setopt(easy, CURLOPT_CAINFO, upstream->ca_file);
    LIST_INSERT_HEAD(&upstream->used, connection, link);
    upstream->used_count++;
    upstream->connecting_count++;
    int result = curl_loop_add(upstream->loop, easy, err);
    if (result < 0)
        connection_close(connection);
    return result;
}

// The peer may have closed within the batch of events at hand. What is sent to such a connection is
// lost, and nobody could tell whether it is billed.
static bool connection_is_quiet(struct connection *connection)
{
    char byte;
    size_t got;
    return curl_easy_recv(connection->easy, &byte, 1, &got) == CURLE_AGAIN;
}

void connections_advance(struct upstream *upstream)
{
    while (!TAILQ_EMPTY(&upstream->waiting) && !LIST_EMPTY(&upstream->idle)) {
        struct upstream_transfer *transfer = TAILQ_FIRST(&upstream->waiting);
        struct connection *connection = LIST_FIRST(&upstream->idle);
        if (!connection_is_quiet(connection)) {
            connection_close(connection);
            continue;
        }
        TAILQ_REMOVE(&upstream->waiting, transfer, link);
        upstream->waiting_count--;
        connection_enter(connection, CONNECTION_HEAD);
        connection->transfer = transfer;
        transfer->connection = connection;
        connection->moved_us = clock_monotonic_us();
        transfer->state = TRANSFER_SENDING;
        event_active(&connection->writable, EV_WRITE, 0);
    }
    while (upstream->connecting_count < upstream->waiting_count &&
           upstream->used_count + upstream->idle_count < UPSTREAM_CONNECTIONS_MAX &&
           connection_start(upstream, false, NULL) == 0)
        ;
}

// Nothing moves, and it is neither the agent that does not read nor the one that does not send.
static bool is_silent(const struct connection *connection, int64_t now_us)
{
    const struct upstream_transfer *transfer = connection->transfer;
    int64_t max_us = connection->upstream->silence_max_us;
    if (transfer == NULL || transfer->paused || max_us <= 0)
        return false;
    bool is_agents_turn = transfer->state == TRANSFER_SENDING &&
                          !event_pending(&connection->writable, EV_WRITE, NULL);
    return !is_agents_turn && now_us - connection->moved_us > max_us;
}

// Each cut changes the list: its owner may begin anew.
static void connections_cut_silent(struct upstream *upstream, int64_t now_us)
{
    struct connection *connection = LIST_FIRST(&upstream->used);
    while (connection != NULL) {
        if (!is_silent(connection, now_us)) {
            connection = LIST_NEXT(connection, link);
            continue;
        }
        char why[64], duration[CLOCK_TEXT_MAX];
        snprintf(why, sizeof(why), "silent for %s",
                 clock_format_duration(upstream->silence_max_us, duration));
        transfer_cut(connection->transfer, why);
        connection = LIST_FIRST(&upstream->used);
    }
}

void connections_keep_up(struct upstream *upstream)
{
    int64_t now_us = clock_monotonic_us();
    connections_cut_silent(upstream, now_us);
    size_t seen = 0;
    for (struct connection *connection = LIST_FIRST(&upstream->idle), *next; connection != NULL;
         connection = next) {
        next = LIST_NEXT(connection, link);
        if (++seen > upstream->connections_warm && now_us - connection->idle_since_us > IDLE_MAX_US)
            connection_close(connection);
    }
    while (upstream->idle_count + upstream->connecting_count < upstream->connections_warm &&
           connection_start(upstream, true, NULL) == 0)
        ;
    connections_advance(upstream);
}
