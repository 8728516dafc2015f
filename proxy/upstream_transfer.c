// Upstream transfer: one request and its response on a connection, in HTTP/1.1's own framing.

#include "upstream_pool.h"

#include "clock.h"

#include <stdlib.h>
#include <string.h>

#define READS_PER_EVENT 8 // then other connections get their turn

void transfer_free(struct upstream_transfer *transfer)
{
    explicit_bzero(transfer->head, transfer->head_length); // it holds the credential
    free(transfer->head);
    free(transfer);
}

// Takes the transfer off its connection, which goes back to the pool or is closed; tells the end.
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
    connections_advance(upstream);
}

void transfer_cut(struct upstream_transfer *transfer, const char *why)
{
    struct error err;
    error_set(&err, -EPIPE, "%s: %s", transfer->upstream->url, why);
    transfer_end(transfer, transfer->any_sent ? UPSTREAM_CUT : UPSTREAM_NOT_SENT, false, &err);
}

// The next bytes to send: head, then body, framed in chunks if its length
// is unknown. Sets *bytes and returns how many; 0 when there are none for
// now or at all (then the state is TRANSFER_SENT).
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
    transfer->connection->moved_us = clock_monotonic_us();
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

// One send for the head and as much of a held body as fits beside it: most
// requests need no other.
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

void transfer_send(struct upstream_transfer *transfer)
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
            // The upstream may have answered and closed without reading
            // all: what it said counts.
            struct connection *connection = transfer->connection;
            transfer->state = TRANSFER_BROKEN;
            connection_read(connection);
            if (connection->transfer == transfer && connection->state == CONNECTION_HEAD)
                transfer_cut(transfer, "the connection broke while the "
                                       "request was being sent");
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

// Parses a head out of what has arrived; keeps the bytes if it is not
// whole.
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

void connection_read(struct connection *connection)
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
        connection->moved_us = clock_monotonic_us();
        struct upstream_transfer *transfer = connection->transfer;
        if (connection->state == CONNECTION_HEAD)
            response_head(connection, upstream->buffer, kept + got);
        else
            response_body(connection, upstream->buffer, got);
        if (connection->transfer != transfer || transfer->paused)
            return;
        // A short read from a plain socket has emptied it; TLS may hold more that poll cannot see.
    }
    // In the loop's next turn; what event_active() does comes within this one.
    event_add(&connection->again, &(struct timeval){0, 0});
}
