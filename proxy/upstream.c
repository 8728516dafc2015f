// Upstream: a warm pool of verified connections to the Claude API, one exchange at a time on each.

#include "upstream.h"

#include "cleanup.h"
#include "clock.h"
#include "curl_loop.h"
#include "http_chunk.h"
#include "http_write.h"
#include "log.h"

#include <assert.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_TIMEOUT_MS 10000L
#define IDLE_MAX_US (INT64_C(120) * 1000000)
#define UPKEEP_INTERVAL_S 15
#define READS_PER_EVENT 8  // then other connections get their turn
#define CHUNK_FRAME_MAX 24 // "<hex length>\r\n" and the "\r\n" before it

enum connection_state {
    CONNECTION_CONNECTING,
    CONNECTION_IDLE,
    CONNECTION_HEAD, // a transfer has it; the response head is not whole
    CONNECTION_BODY,
    CONNECTION_DEAD, // off all lists but the dead one, freed by the reaper
};

struct connection {
    struct curl_loop_job job; // first: curl hands it back
    struct upstream *upstream;
    struct connection *next; // on the connecting/busy, idle or dead list
    struct connection *previous;
    struct upstream_transfer *transfer;
    CURL *easy;
    struct event readable, writable;
    int64_t idle_since_us;
    enum connection_state state;
    char error_text[CURL_ERROR_SIZE];
    bool keep_alive;
    // The response being read.
    struct http_chunk_decoder chunks;
    enum http_framing framing;
    int64_t body_left; // with HTTP_BODY_LENGTH
    char *kept;        // the beginning of a head that came in parts
    size_t kept_length, searched;
};

enum transfer_state {
    TRANSFER_WAITING, // in line for a connection
    TRANSFER_SENDING,
    TRANSFER_SENT,
    TRANSFER_BROKEN, // sending failed; an answer may be there all the same
};

struct upstream_transfer {
    struct upstream *upstream;
    struct upstream_transfer *next; // in line
    struct connection *connection;  // NULL while waiting
    const struct upstream_receiver *receiver;
    void *context;
    char *head;
    size_t head_length, head_sent;
    char frame[CHUNK_FRAME_MAX]; // chunk framing not yet sent, for bodies of unknown length
    size_t frame_length, frame_sent;
    size_t chunk_left; // of the chunk whose frame has been made
    int64_t body_length;
    uint64_t body_sent;
    enum transfer_state state;
    bool any_sent;
    bool paused;
    bool body_ended; // of unknown length: the last chunk is in `frame`
    bool head_request;
};

struct upstream {
    struct event_base *base;
    struct curl_loop *loop;
    char *url;  // scheme, host and port
    char *host; // for the Host header
    char *path; // before every target, "" or "/prefix"
    char *ca_file;
    CURLSH *share; // TLS sessions and names resolved
    struct connection *idle, *used, *dead;
    struct upstream_transfer *waiting, **waiting_tail;
    size_t idle_count, used_count, waiting_count, connecting_count;
    size_t connections_warm;
    struct event *reaper, *upkeep;
    char buffer[UPSTREAM_READ_BYTES + HTTP_HEAD_BYTES_MAX]; // of whichever connection is at work
};

static void connection_read(struct connection *connection);
static void transfer_send(struct upstream_transfer *transfer);
static void line_advance(struct upstream *upstream);

// ---- lists

static void list_push(struct connection **list, struct connection *connection)
{
    connection->previous = NULL;
    connection->next = *list;
    if (*list != NULL)
        (*list)->previous = connection;
    *list = connection;
}

static void list_remove(struct connection **list, struct connection *connection)
{
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        *list = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
}

// ---- connection: made by curl, then ours until it is closed

static void connection_enter(struct connection *connection, enum connection_state state)
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
        list_remove(&upstream->idle, connection);
        upstream->idle_count--;
        list_push(&upstream->used, connection);
        upstream->used_count++;
    }
    if (state == CONNECTION_IDLE || state == CONNECTION_DEAD) {
        list_remove(&upstream->used, connection);
        upstream->used_count--;
        list_push(state == CONNECTION_IDLE ? &upstream->idle : &upstream->dead, connection);
    }
    if (state == CONNECTION_IDLE) {
        upstream->idle_count++;
        connection->idle_since_us = clock_monotonic_us();
    }
    connection->state = state;
}

// Frees what has died, outside of every callback of libcurl and of the batch of events at hand.
static void on_reap(evutil_socket_t fd, short what, void *context)
{
    struct upstream *upstream = context;
    (void)fd;
    (void)what;
    while (upstream->dead != NULL) {
        struct connection *connection = upstream->dead;
        list_remove(&upstream->dead, connection);
        curl_loop_remove(upstream->loop, connection->easy);
        curl_easy_cleanup(connection->easy);
        free(connection->kept);
        free(connection);
    }
}

static void connection_close(struct connection *connection)
{
    if (connection->state != CONNECTION_CONNECTING) {
        event_del(&connection->readable);
        event_del(&connection->writable);
    }
    connection_enter(connection, CONNECTION_DEAD);
    event_active(connection->upstream->reaper, EV_TIMEOUT, 0);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
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
        event_add(&connection->readable, NULL);
        connection_enter(connection, CONNECTION_IDLE);
        line_advance(upstream);
        return;
    }
    struct error err;
    error_set(&err, -EHOSTUNREACH, "connecting to %s: %s", upstream->url,
              connection->error_text[0] != '\0' ? connection->error_text
                                                : curl_easy_strerror(result));
    log_event(LOG_WARNING, "upstream-unreachable", "error", err.text, NULL);
    connection_close(connection);
    struct upstream_transfer *transfer = upstream->waiting;
    if (transfer == NULL)
        return;
    // Somebody waited for this connection: it is the first in line who hears of it.
    const struct upstream_receiver *receiver = transfer->receiver;
    void *context = transfer->context;
    upstream_cancel(transfer);
    receiver->done(context, UPSTREAM_NOT_SENT, &err);
}

static int connection_start(struct upstream *upstream, struct error *err)
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
    connection->easy = easy;
    curl_easy_setopt(easy, CURLOPT_URL, upstream->url);
    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1); // what ALPN offers
    curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SHARE, upstream->share);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, connection);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, connection->error_text);
    if (upstream->ca_file != NULL)
        curl_easy_setopt(easy, CURLOPT_CAINFO, upstream->ca_file);
    list_push(&upstream->used, connection);
    upstream->used_count++;
    upstream->connecting_count++;
    int result = curl_loop_add(upstream->loop, easy, err);
    if (result < 0)
        connection_close(connection);
    return result;
}

// ---- transfer: in line, sending, sent

static void transfer_free(struct upstream_transfer *transfer)
{
    explicit_bzero(transfer->head, transfer->head_length); // it holds the credential
    free(transfer->head);
    free(transfer);
}

// Gives idle connections to those in line, and opens connections for the rest.
static void line_advance(struct upstream *upstream)
{
    while (upstream->waiting != NULL && upstream->idle != NULL) {
        struct upstream_transfer *transfer = upstream->waiting;
        struct connection *connection = upstream->idle;
        upstream->waiting = transfer->next;
        if (upstream->waiting == NULL)
            upstream->waiting_tail = &upstream->waiting;
        upstream->waiting_count--;
        connection_enter(connection, CONNECTION_HEAD);
        connection->transfer = transfer;
        transfer->connection = connection;
        transfer->state = TRANSFER_SENDING;
        event_active(&connection->writable, EV_WRITE, 0);
    }
    while (upstream->connecting_count < upstream->waiting_count &&
           upstream->used_count + upstream->idle_count < UPSTREAM_CONNECTIONS_MAX &&
           connection_start(upstream, NULL) == 0)
        ;
}

// Takes the transfer off its connection, which goes back to the pool or is closed, and tells the
// end.
static void transfer_end(struct upstream_transfer *transfer, enum upstream_end end, bool reusable,
                         const struct error *err)
{
    struct connection *connection = transfer->connection;
    const struct upstream_receiver *receiver = transfer->receiver;
    void *context = transfer->context;
    bool paused = transfer->paused;
    struct upstream *upstream = transfer->upstream;
    connection->transfer = NULL;
    transfer_free(transfer);
    if (reusable) {
        connection_enter(connection, CONNECTION_IDLE);
        if (paused)
            event_add(&connection->readable, NULL);
    } else {
        connection_close(connection);
    }
    receiver->done(context, end, err);
    line_advance(upstream);
}

static void transfer_cut(struct upstream_transfer *transfer, const char *why)
{
    struct error err;
    error_set(&err, -EPIPE, "%s: %s", transfer->upstream->url, why);
    transfer_end(transfer, transfer->any_sent ? UPSTREAM_CUT : UPSTREAM_NOT_SENT, false, &err);
}

// The next bytes to send: head, then body, framed in chunks if its length is unknown. Sets *bytes
// and returns how many; 0 when there are none for now or at all (then the state is TRANSFER_SENT).
static size_t transfer_peek(struct upstream_transfer *transfer, const char **bytes)
{
    if (transfer->head_sent < transfer->head_length) {
        *bytes = transfer->head + transfer->head_sent;
        return transfer->head_length - transfer->head_sent;
    }
    if (transfer->frame_sent < transfer->frame_length) {
        *bytes = transfer->frame + transfer->frame_sent;
        return transfer->frame_length - transfer->frame_sent;
    }
    bool chunked = transfer->body_length == UPSTREAM_LENGTH_UNKNOWN;
    if (chunked ? transfer->body_ended : transfer->body_sent == (uint64_t)transfer->body_length) {
        transfer->state = TRANSFER_SENT;
        return 0;
    }
    size_t there = transfer->receiver->body_peek(transfer->context, transfer->body_sent, bytes);
    if (!chunked)
        return there;
    if (there == 0)
        return 0;
    if (transfer->chunk_left == 0) {
        const char *before = transfer->body_sent > 0 ? "\r\n" : "";
        transfer->body_ended = there == UPSTREAM_BODY_END;
        transfer->chunk_left = transfer->body_ended ? 0 : there;
        transfer->frame_length = (size_t)snprintf(
            transfer->frame, sizeof(transfer->frame),
            transfer->body_ended ? "%s0\r\n\r\n" : "%s%zx\r\n", before, transfer->chunk_left);
        transfer->frame_sent = 0;
        *bytes = transfer->frame;
        return transfer->frame_length;
    }
    return there < transfer->chunk_left ? there : transfer->chunk_left;
}

static void transfer_advance(struct upstream_transfer *transfer, size_t sent)
{
    transfer->any_sent = true;
    if (transfer->head_sent < transfer->head_length) {
        transfer->head_sent += sent;
    } else if (transfer->frame_sent < transfer->frame_length) {
        transfer->frame_sent += sent;
    } else {
        transfer->body_sent += sent;
        if (transfer->body_length == UPSTREAM_LENGTH_UNKNOWN)
            transfer->chunk_left -= sent;
    }
}

// One send for the head and as much of a held body as fits beside it: most requests need no other.
static CURLcode transfer_send_first(struct upstream_transfer *transfer, size_t *sent)
{
    struct upstream *upstream = transfer->upstream;
    const char *bytes = NULL;
    size_t length = transfer->head_length;
    size_t room = UPSTREAM_READ_BYTES;
    if (length > room || transfer->body_length <= 0)
        return curl_easy_send(transfer->connection->easy, transfer->head, length, sent);
    size_t there = transfer->receiver->body_peek(transfer->context, 0, &bytes);
    there = there > room - length ? room - length : there;
    memcpy(upstream->buffer, transfer->head, length);
    memcpy(upstream->buffer + length, bytes, there);
    CURLcode code =
        curl_easy_send(transfer->connection->easy, upstream->buffer, length + there, sent);
    explicit_bzero(upstream->buffer, length);
    if (code == CURLE_OK && *sent > length) {
        transfer->head_sent = length;
        transfer_advance(transfer, *sent - length);
        *sent = 0;
    }
    return code;
}

static void transfer_send(struct upstream_transfer *transfer)
{
    while (transfer->state == TRANSFER_SENDING) {
        const char *bytes;
        size_t sent = 0;
        CURLcode code;
        if (!transfer->any_sent) {
            code = transfer_send_first(transfer, &sent);
        } else {
            size_t length = transfer_peek(transfer, &bytes);
            if (length == 0)
                return;
            code = curl_easy_send(transfer->connection->easy, bytes, length, &sent);
        }
        if (code == CURLE_AGAIN) {
            event_add(&transfer->connection->writable, NULL);
            return;
        }
        if (code != CURLE_OK) {
            // The upstream may have answered and closed without reading all: what it said counts.
            struct connection *connection = transfer->connection;
            transfer->state = TRANSFER_BROKEN;
            connection_read(connection);
            if (connection->transfer == transfer && connection->state == CONNECTION_HEAD)
                transfer_cut(transfer, "the connection broke while the request was being sent");
            return;
        }
        if (sent > 0)
            transfer_advance(transfer, sent);
    }
}

// ---- response: head, body, end

// Ends the response. `rest` bytes followed it, which nobody asked for.
static void response_end(struct connection *connection, size_t rest)
{
    struct upstream_transfer *transfer = connection->transfer;
    bool reusable = connection->keep_alive && rest == 0 && transfer->state == TRANSFER_SENT &&
                    connection->state == CONNECTION_BODY;
    transfer_end(transfer, UPSTREAM_COMPLETE, reusable, NULL);
}

static void response_body(struct connection *connection, char *bytes, size_t length)
{
    struct upstream_transfer *transfer = connection->transfer;
    size_t payload = length, consumed = length;
    bool end = false;
    if (connection->framing == HTTP_BODY_CHUNKED) {
        enum http_chunk_outcome outcome =
            http_chunk_decode(&connection->chunks, bytes, length, &payload, &consumed);
        if (outcome == HTTP_CHUNK_BROKEN) {
            transfer_cut(transfer, "a chunk of the response is malformed");
            return;
        }
        end = outcome == HTTP_CHUNK_END;
    } else if (connection->framing == HTTP_BODY_LENGTH) {
        if ((int64_t)length >= connection->body_left) {
            payload = consumed = (size_t)connection->body_left;
            end = true;
        }
        connection->body_left -= (int64_t)payload;
    }
    if (payload > 0)
        transfer->receiver->body(transfer->context, bytes, payload, end);
    if (end && connection->transfer == transfer)
        response_end(connection, length - consumed);
}

static void response_head_keep(struct connection *connection, const char *bytes, size_t length)
{
    if (connection->kept == NULL)
        connection->kept = malloc(HTTP_HEAD_BYTES_MAX);
    if (connection->kept == NULL || length > HTTP_HEAD_BYTES_MAX) {
        transfer_cut(connection->transfer, "no room for the head of the response");
        return;
    }
    memcpy(connection->kept, bytes, length);
    connection->kept_length = length;
}

// Parses a head out of what has arrived; keeps the bytes if it is not whole.
static void response_head(struct connection *connection, char *bytes, size_t length)
{
    struct upstream_transfer *transfer = connection->transfer;
    while (connection->transfer == transfer && connection->state == CONNECTION_HEAD) {
        struct http_head head;
        struct error err;
        int refused_status;
        enum http_head_outcome outcome =
            http_response_parse(&head, bytes, length, transfer->head_request, &connection->searched,
                                &refused_status, &err);
        if (outcome == HTTP_HEAD_INCOMPLETE) {
            response_head_keep(connection, bytes, length);
            return;
        }
        if (outcome == HTTP_HEAD_REFUSED || head.status == 101) {
            transfer_cut(transfer, outcome == HTTP_HEAD_REFUSED ? err.text : "switched protocols");
            return;
        }
        connection->searched = 0;
        bytes += head.length;
        length -= head.length;
        if (head.status < 200)
            continue;
        connection_enter(connection, CONNECTION_BODY);
        connection->keep_alive = head.keep_alive;
        connection->framing = head.framing;
        connection->body_left = head.content_length;
        connection->chunks = (struct http_chunk_decoder){0};
        transfer->receiver->head(transfer->context, &head);
    }
    if (connection->transfer != transfer)
        return;
    if (connection->framing == HTTP_BODY_NONE ||
        (connection->framing == HTTP_BODY_LENGTH && connection->body_left == 0))
        response_end(connection, length);
    else if (length > 0)
        response_body(connection, bytes, length);
}

// The peer closed, or the connection broke.
static void connection_lost(struct connection *connection, CURLcode code)
{
    struct upstream_transfer *transfer = connection->transfer;
    if (transfer == NULL) {
        connection_close(connection);
    } else if (code == CURLE_OK && connection->state == CONNECTION_BODY &&
               connection->framing == HTTP_BODY_UNTIL_CLOSE) {
        connection->keep_alive = false;
        response_end(connection, 0);
    } else {
        transfer_cut(transfer, connection->state == CONNECTION_HEAD
                                   ? "closed before a response came"
                                   : "closed before the response was whole");
    }
}

static void connection_read(struct connection *connection)
{
    struct upstream *upstream = connection->upstream;
    for (int reads = 0; reads < READS_PER_EVENT; reads++) {
        size_t kept = connection->kept_length, got = 0;
        if (kept > 0)
            memcpy(upstream->buffer, connection->kept, kept);
        CURLcode code =
            curl_easy_recv(connection->easy, upstream->buffer + kept, UPSTREAM_READ_BYTES, &got);
        if (code == CURLE_AGAIN)
            return;
        if (code != CURLE_OK || got == 0) {
            connection_lost(connection, code);
            return;
        }
        if (connection->transfer == NULL) { // nobody asked for anything
            connection_close(connection);
            return;
        }
        connection->kept_length = 0;
        struct upstream_transfer *transfer = connection->transfer;
        if (connection->state == CONNECTION_HEAD)
            response_head(connection, upstream->buffer, kept + got);
        else
            response_body(connection, upstream->buffer, got);
        if (connection->transfer != transfer || transfer->paused)
            return;
        // A short read from a plain socket has emptied it; TLS may hold more that poll cannot see.
    }
    event_active(&connection->readable, EV_READ, 0);
}

// ---- the pool's public face

// *head is malloc'ed; whoever frees it wipes it, as it holds the credential.
static int request_head_write(struct upstream *upstream, const struct upstream_request *request,
                              char **head, size_t *head_length, struct error *err)
{
    struct http_writer writer;
    http_writer_init(&writer, upstream->buffer, sizeof(upstream->buffer));
    http_write_request_line(&writer, request->method, slice_of(upstream->path), request->target);
    http_write_text(&writer, "Host", upstream->host);
    for (size_t i = 0; i < request->header_count; i++)
        http_write_header(&writer, request->headers[i].name, request->headers[i].value);
    if (request->body_length == UPSTREAM_LENGTH_UNKNOWN)
        http_write_text(&writer, "Transfer-Encoding", "chunked");
    else if (request->body_length > 0 || slice_is(request->method, "POST"))
        http_write_number(&writer, "Content-Length", request->body_length);
    int result = http_write_end(&writer, err);
    char *copy = result == 0 ? malloc(writer.length) : NULL;
    if (copy != NULL) {
        memcpy(copy, upstream->buffer, writer.length);
        *head = copy;
        *head_length = writer.length;
    } else if (result == 0) {
        result = error_set(err, -ENOMEM, "out of memory for a request to %s", upstream->url);
    }
    explicit_bzero(upstream->buffer, writer.length);
    return result;
}

int upstream_open(struct upstream *upstream, const struct upstream_request *request,
                  const struct upstream_receiver *receiver, void *context,
                  struct upstream_transfer **transfer, struct error *err)
{
    if (upstream->waiting_count == UPSTREAM_WAITING_MAX)
        return error_set(err, -EAGAIN, "%d requests wait for a connection to %s",
                         UPSTREAM_WAITING_MAX, upstream->url);
    struct upstream_transfer *new_transfer = calloc(1, sizeof(*new_transfer));
    if (new_transfer == NULL)
        return error_set(err, -ENOMEM, "out of memory for a request to %s", upstream->url);
    int result =
        request_head_write(upstream, request, &new_transfer->head, &new_transfer->head_length, err);
    if (result < 0) {
        free(new_transfer);
        return result;
    }
    new_transfer->upstream = upstream;
    new_transfer->receiver = receiver;
    new_transfer->context = context;
    new_transfer->body_length = request->body_length;
    new_transfer->head_request = slice_is(request->method, "HEAD");
    *upstream->waiting_tail = new_transfer;
    upstream->waiting_tail = &new_transfer->next;
    upstream->waiting_count++;
    *transfer = new_transfer;
    line_advance(upstream);
    return 0;
}

void upstream_body_ready(struct upstream_transfer *transfer)
{
    if (transfer->state == TRANSFER_SENDING &&
        !event_pending(&transfer->connection->writable, EV_WRITE, NULL))
        event_active(&transfer->connection->writable, EV_WRITE, 0);
}

void upstream_pause(struct upstream_transfer *transfer)
{
    if (!transfer->paused && transfer->connection != NULL)
        event_del(&transfer->connection->readable);
    transfer->paused = true;
}

void upstream_resume(struct upstream_transfer *transfer)
{
    if (!transfer->paused)
        return;
    transfer->paused = false;
    if (transfer->connection != NULL) {
        event_add(&transfer->connection->readable, NULL);
        event_active(&transfer->connection->readable, EV_READ, 0);
    }
}

bool upstream_has_sent(const struct upstream_transfer *transfer)
{
    return transfer->any_sent;
}

void upstream_cancel(struct upstream_transfer *transfer)
{
    struct upstream *upstream = transfer->upstream;
    if (transfer->state == TRANSFER_WAITING) {
        struct upstream_transfer **link = &upstream->waiting;
        while (*link != transfer)
            link = &(*link)->next;
        *link = transfer->next;
        if (*link == NULL)
            upstream->waiting_tail = link;
        upstream->waiting_count--;
    } else {
        transfer->connection->transfer = NULL;
        connection_close(transfer->connection);
    }
    transfer_free(transfer);
}

struct upstream_counts upstream_count(const struct upstream *upstream)
{
    return (struct upstream_counts){upstream->used_count + upstream->idle_count,
                                    upstream->idle_count, upstream->waiting_count};
}

// Closes what has been idle for long, oldest last in the list, and keeps the pool warm.
static void on_upkeep(evutil_socket_t fd, short what, void *context)
{
    struct upstream *upstream = context;
    int64_t now_us = clock_monotonic_us();
    size_t seen = 0;
    (void)fd;
    (void)what;
    for (struct connection *connection = upstream->idle, *next; connection != NULL;
         connection = next) {
        next = connection->next;
        if (++seen > upstream->connections_warm && now_us - connection->idle_since_us > IDLE_MAX_US)
            connection_close(connection);
    }
    while (upstream->idle_count + upstream->connecting_count < upstream->connections_warm &&
           connection_start(upstream, NULL) == 0)
        ;
    line_advance(upstream);
}

// Splits the base URL into what curl connects to, the Host header and the path before every target.
static int base_url_split(struct upstream *upstream, const char *base_url, struct error *err)
{
    CURLU *parsed = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL, *path = NULL;
    int result = -EINVAL;
    if (parsed != NULL && curl_url_set(parsed, CURLUPART_URL, base_url, 0) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_PATH, &path, 0) == CURLUE_OK &&
        (strcmp(scheme, "https") == 0 || strcmp(scheme, "http") == 0)) {
        bool has_port = curl_url_get(parsed, CURLUPART_PORT, &port, 0) == CURLUE_OK;
        size_t length = strlen(path);
        while (length > 0 && path[length - 1] == '/')
            length--;
        if (asprintf(&upstream->host, "%s%s%s", host, has_port ? ":" : "", has_port ? port : "") >
                0 &&
            asprintf(&upstream->url, "%s://%s", scheme, upstream->host) > 0)
            upstream->path = strndup(path, length);
        result = upstream->path != NULL ? 0 : -ENOMEM;
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_free(path);
    curl_url_cleanup(parsed);
    if (result < 0)
        error_set(err, result, "upstream '%s': accepted is https://HOST[:PORT][/PATH], or http://",
                  base_url);
    return result;
}

int upstream_new(struct upstream **upstream, struct event_base *base, struct curl_loop *loop,
                 const struct upstream_options *options, struct error *err)
{
    struct upstream *pool = calloc(1, sizeof(*pool));
    if (pool == NULL)
        return error_set(err, -ENOMEM, "out of memory for the upstream");
    pool->base = base;
    pool->loop = loop;
    pool->waiting_tail = &pool->waiting;
    pool->connections_warm = (size_t)options->connections_warm;
    int result = base_url_split(pool, options->base_url, err);
    if (result == 0) {
        pool->share = curl_share_init();
        pool->reaper = event_new(base, -1, 0, on_reap, pool);
        pool->upkeep = event_new(base, -1, EV_PERSIST, on_upkeep, pool);
        if (options->ca_file != NULL)
            pool->ca_file = strdup(options->ca_file);
        if (pool->share == NULL || pool->reaper == NULL || pool->upkeep == NULL ||
            (options->ca_file != NULL && pool->ca_file == NULL))
            result = error_set(err, -ENOMEM, "out of memory for the upstream");
    }
    if (result == 0 && pool->ca_file != NULL && access(pool->ca_file, R_OK) < 0)
        result = error_set_errno(err, -errno, "reading CA file %s", pool->ca_file);
    if (result < 0) {
        upstream_free(pool);
        return result;
    }
    curl_share_setopt(pool->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    curl_share_setopt(pool->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    struct timeval interval = {UPKEEP_INTERVAL_S, 0};
    event_add(pool->upkeep, &interval);
    event_active(pool->upkeep, EV_TIMEOUT, 0);
    *upstream = pool;
    return 0;
}

void upstream_free(struct upstream *upstream)
{
    if (upstream == NULL)
        return;
    assert(upstream->waiting == NULL);
    while (upstream->idle != NULL)
        connection_close(upstream->idle);
    while (upstream->used != NULL)
        connection_close(upstream->used);
    on_reap(-1, 0, upstream);
    if (upstream->reaper != NULL)
        event_free(upstream->reaper);
    if (upstream->upkeep != NULL)
        event_free(upstream->upkeep);
    curl_share_cleanup(upstream->share);
    free(upstream->url);
    free(upstream->host);
    free(upstream->path);
    free(upstream->ca_file);
    free(upstream);
}
