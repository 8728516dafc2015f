// Serves one connection: reads requests strictly, sends answers part by part, sees the client
// leave.

#include "fake.h"
#include "fake_io.h"

#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIPELINED_BYTES_MAX 1048576

enum connection_state { READING_HEAD, READING_BODY, ANSWERING, HANGING, CLOSING };

struct connection {
    struct fake *fake;
    struct connection *next;
    struct connection **link; // that points here
    uint64_t number;
    enum connection_state state;
    struct fake_io io;
    struct event *readable;
    struct event *writable;
    struct event *delay;
    struct evbuffer *input;
    // of the request
    struct fake_request request;
    struct fake_chunked chunked;
    struct evbuffer *body;
    size_t body_max;
    bool body_counted;
    bool body_dropped; // too large: read on without keeping it
    // of the answer
    struct fake_exchange exchange;
    bool exchange_open;
    struct fake_wire wire;
    size_t next_part;
    bool delayed; // the delay of the next part has passed
};

static void enter(struct connection *connection, enum connection_state state)
{
    static const unsigned legal[] = {
        [READING_HEAD] = 1u << READING_BODY | 1u << HANGING | 1u << CLOSING,
        [READING_BODY] = 1u << ANSWERING | 1u << HANGING | 1u << CLOSING,
        [ANSWERING] = 1u << READING_HEAD | 1u << HANGING | 1u << CLOSING,
        [HANGING] = 1u << CLOSING,
    };
    assert(legal[connection->state] & 1u << state);
    connection->state = state;
}

static void close_exchange(struct connection *connection, enum fake_end end)
{
    if (!connection->exchange_open)
        return;
    connection->exchange_open = false;
    size_t output_bytes = 0;
    size_t bytes_out = 0;
    for (size_t i = 0; i < connection->next_part; i++) {
        output_bytes = connection->wire.parts.list[i].output_bytes;
        bytes_out += connection->wire.parts.list[i].length;
    }
    if (connection->exchange.entry != NULL)
        json_object_set_new(connection->exchange.entry, "bytes_out",
                            json_integer((json_int_t)bytes_out));
    fake_api_close(connection->fake, &connection->exchange, end, output_bytes);
}

static void close_connection(struct connection *connection, bool reset)
{
    enter(connection, CLOSING);
    close_exchange(connection, FAKE_END_DISCONNECTED);
    *connection->link = connection->next;
    if (connection->next != NULL)
        connection->next->link = connection->link;
    fake_parts_done(&connection->wire.parts);
    fake_head_done(&connection->request.head);
    event_free(connection->readable);
    event_free(connection->writable);
    event_free(connection->delay);
    evbuffer_free(connection->input);
    evbuffer_free(connection->body);
    fake_io_done(&connection->io, reset);
    free(connection);
}

// How an answer ends whose parts are all sent.
static enum fake_end natural_end(const struct connection *connection)
{
    if (connection->wire.cut)
        return FAKE_END_CUT;
    return connection->exchange.answer.failed ? FAKE_END_FAILED : FAKE_END_COMPLETE;
}

// All parts are with the socket: the next request, or the end that was asked for.
static void finish_answer(struct connection *connection)
{
    if (connection->wire.ending != FAKE_ENDING_HANG)
        close_exchange(connection, natural_end(connection)); // of an answer without parts
    fake_parts_done(&connection->wire.parts);
    connection->next_part = 0;
    fake_head_done(&connection->request.head);
    switch (connection->wire.ending) {
    case FAKE_ENDING_KEEP:
        enter(connection, READING_HEAD);
        evbuffer_drain(connection->body, evbuffer_get_length(connection->body));
        if (evbuffer_get_length(connection->input) > 0)
            event_active(connection->readable, EV_READ, 0);
        break;
    case FAKE_ENDING_HANG:
        enter(connection, HANGING);
        break;
    case FAKE_ENDING_CLOSE:
        fake_io_end(&connection->io); // the client closes once it has read everything
        enter(connection, HANGING);
        break;
    case FAKE_ENDING_RESET:
        close_connection(connection, true);
        break;
    }
}

// Whether the next part has to wait; starts its timer.
static bool wait_for_part(struct connection *connection)
{
    int64_t delay_ms = connection->wire.parts.list[connection->next_part].delay_ms;
    if (delay_ms <= 0 || connection->delayed) {
        connection->delayed = false;
        return false;
    }
    struct timeval delay = {delay_ms / 1000, delay_ms % 1000 * 1000};
    event_add(connection->delay, &delay);
    return true;
}

// Sends parts until one has to wait or the socket is full. The books are closed before the last
// part is sent: who has read an answer finds it in the books.
static void send_answer(struct connection *connection)
{
    struct fake_parts *wire = &connection->wire.parts;
    int result = fake_io_flush(&connection->io);
    while (result == 0 && connection->next_part < wire->count) {
        if (wait_for_part(connection))
            return;
        const struct fake_part *part = &wire->list[connection->next_part++];
        if (connection->next_part == wire->count && connection->wire.ending != FAKE_ENDING_HANG)
            close_exchange(connection, natural_end(connection));
        result = fake_io_send(&connection->io, part->bytes, part->length);
    }
    if (result == -EAGAIN)
        event_add(connection->writable, NULL);
    else if (result != 0)
        close_connection(connection, true);
    else
        finish_answer(connection);
}

// Whether the script wants an answer before the body has been read, after which nothing is in sync.
static bool is_early(const struct connection *connection)
{
    const char *script = fake_head_find(&connection->request.head, "x-fake-script");
    return script != NULL && strstr(script, "\"early\"") != NULL;
}

static bool is_messages(const char *target)
{
    static const char path[] = "/v1/messages";
    char end = strncmp(target, path, strlen(path)) == 0 ? target[strlen(path)] : 'x';
    return end == '\0' || end == '?';
}

// For the benchmark, which has no time to parse.
static bool asks_for_stream(const struct fake_request *request)
{
    static const char *const members[] = {"\"stream\":true", "\"stream\": true"};
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        if (request->body != NULL &&
            memmem(request->body, request->body_bytes, members[i], strlen(members[i])) != NULL)
            return true;
    return false;
}

static void start_answer(struct connection *connection)
{
    struct fake_request *request = &connection->request;
    enter(connection, ANSWERING);
    if (connection->fake->bench_answers[0] != NULL && is_messages(request->head.target)) {
        const char *answer = connection->fake->bench_answers[asks_for_stream(request)];
        connection->wire.ending = FAKE_ENDING_KEEP;
        fake_io_send(&connection->io, answer, strlen(answer));
        send_answer(connection);
        return;
    }
    fake_api_answer(connection->fake, request, &connection->exchange);
    connection->exchange_open = true;
    bool keep_alive = request->head.keep_alive && !request->too_large && !is_early(connection);
    fake_wire_compose(&connection->exchange.answer, strcmp(request->head.method, "HEAD") == 0,
                      keep_alive, &connection->wire);
    send_answer(connection);
}

static void end_body(struct connection *connection)
{
    struct fake_request *request = &connection->request;
    request->too_large = connection->body_dropped;
    request->body = NULL;
    if (!connection->body_counted && !connection->body_dropped) {
        request->body = (const char *)evbuffer_pullup(connection->body, -1);
        if (request->body == NULL)
            request->body = "";
    }
    start_answer(connection);
}

static void take_body(struct connection *connection, const char *bytes, size_t length)
{
    connection->request.body_bytes += length;
    if (connection->request.body_bytes > connection->body_max)
        connection->body_dropped = true;
    if (!connection->body_counted && !connection->body_dropped)
        evbuffer_add(connection->body, bytes, length);
}

// A request that is not HTTP gets one plain answer; then the connection waits to be closed.
static void refuse_broken(struct connection *connection, const char *problem)
{
    char text[512];
    int length = snprintf(text, sizeof(text),
                          "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\n"
                          "connection: close\r\ncontent-length: %zu\r\n\r\nfake: %s\n",
                          strlen(problem) + 7, problem);
    struct fake_bill nothing = {0};
    fake_books_write(connection->fake->books,
                     json_pack("{s:s, s:i, s:I, s:s}", "kind", "broken", "status", 400,
                               "connection", (json_int_t)connection->number, "error", problem),
                     FAKE_END_COMPLETE, NULL, &nothing);
    fake_io_send(&connection->io, text, (size_t)length);
    fake_io_end(&connection->io);
    enter(connection, HANGING);
}

// Returns whether the body is complete. -1: broken, and answered.
static int read_length_body(struct connection *connection)
{
    uint64_t missing = connection->request.head.content_length - connection->request.body_bytes;
    size_t available = evbuffer_get_length(connection->input);
    size_t length = available < missing ? available : (size_t)missing;
    if (length > 0) {
        take_body(connection, (const char *)evbuffer_pullup(connection->input, (ssize_t)length),
                  length);
        evbuffer_drain(connection->input, length);
    }
    return length == missing;
}

static int read_chunked_body(struct connection *connection)
{
    size_t length;
    while ((length = evbuffer_get_length(connection->input)) > 0) {
        const char *bytes = (const char *)evbuffer_pullup(connection->input, -1);
        const char *data = NULL;
        const char *problem = NULL;
        size_t used;
        size_t data_length;
        int result = fake_chunked_next(&connection->chunked, bytes, length, &used, &data,
                                       &data_length, &problem);
        if (result < 0) {
            refuse_broken(connection, problem);
            return -1;
        }
        take_body(connection, data, data_length);
        evbuffer_drain(connection->input, used);
        if (result == 1)
            return 1;
    }
    return 0;
}

static int read_body(struct connection *connection)
{
    switch (connection->request.head.framing) {
    case FAKE_FRAMING_LENGTH:
        return read_length_body(connection);
    case FAKE_FRAMING_CHUNKED:
        return read_chunked_body(connection);
    case FAKE_FRAMING_NONE:
        break;
    }
    return 1;
}

// Returns whether the head is complete. -1: broken, and answered.
static int read_head(struct connection *connection)
{
    size_t length = evbuffer_get_length(connection->input);
    size_t wanted = length < FAKE_HEAD_MAX ? length : FAKE_HEAD_MAX;
    if (length == 0)
        return 0;
    const char *bytes = (const char *)evbuffer_pullup(connection->input, (ssize_t)wanted);
    const char *problem = NULL;
    struct fake_head head;
    ssize_t used = fake_head_parse(bytes, wanted, &head, &problem);
    if (used < 0) {
        refuse_broken(connection, problem);
        return -1;
    }
    if (used == 0)
        return 0;
    evbuffer_drain(connection->input, (size_t)used);
    connection->request = (struct fake_request){
        .head = head, .connection = connection->number, .is_tls = connection->io.tls != NULL};
    connection->chunked = (struct fake_chunked){0};
    connection->body_max = fake_api_body_max(&head, &connection->body_counted);
    connection->body_dropped =
        head.framing == FAKE_FRAMING_LENGTH && head.content_length > connection->body_max;
    if (head.expect_continue)
        fake_io_send(&connection->io, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    return 1;
}

static void read_request(struct connection *connection)
{
    if (connection->state == READING_HEAD) {
        if (read_head(connection) <= 0)
            return;
        enter(connection, READING_BODY);
    }
    if (connection->state != READING_BODY)
        return;
    if (is_early(connection)) {
        start_answer(connection);
        return;
    }
    if (read_body(connection) > 0)
        end_body(connection);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct connection *connection = context;
    char *buffer = connection->fake->read_buffer;
    for (;;) {
        ssize_t length = fake_io_read(&connection->io, buffer, FAKE_READ_BYTES);
        if (length == -EAGAIN)
            break;
        bool busy = connection->state != READING_HEAD && connection->state != READING_BODY;
        if (length <= 0 || (busy && evbuffer_get_length(connection->input) > PIPELINED_BYTES_MAX)) {
            close_connection(connection, length < 0);
            return;
        }
        if (connection->state != HANGING)
            evbuffer_add(connection->input, buffer, (size_t)length);
        if (connection->io.tls == NULL)
            break; // what is left makes the socket readable again; not so within TLS
    }
    if (connection->state == READING_HEAD || connection->state == READING_BODY)
        read_request(connection);
}

static void on_sendable(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    struct connection *connection = context;
    connection->delayed = (what & EV_TIMEOUT) != 0;
    if (connection->state == ANSWERING)
        send_answer(connection);
    else
        fake_io_flush(&connection->io);
}

void fake_connection_start(struct fake *fake, int fd, SSL_CTX *tls)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL || fake_io_init(&connection->io, fd, tls) != 0)
        abort();
    connection->fake = fake;
    connection->next = fake->connections;
    connection->link = &fake->connections;
    if (connection->next != NULL)
        connection->next->link = &connection->next;
    fake->connections = connection;
    connection->number = ++fake->last_connection;
    connection->input = evbuffer_new();
    connection->body = evbuffer_new();
    connection->readable = event_new(fake->base, fd, EV_READ | EV_PERSIST, on_readable, connection);
    connection->writable = event_new(fake->base, fd, EV_WRITE, on_sendable, connection);
    connection->delay = event_new(fake->base, -1, EV_TIMEOUT, on_sendable, connection);
    event_add(connection->readable, NULL);
}

void fake_connections_close(struct fake *fake)
{
    while (fake->connections != NULL)
        close_connection(fake->connections, true);
}
