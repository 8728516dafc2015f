// Agent: a connection that an agent has opened: requests in, answers out, framing and time.

#include "agent_state.h"

#include "agent_pass.h"
#include "cleanup.h"
#include "clock.h"
#include "exchange.h"
#include "proxy.h"
#include "reply.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BODY_TIMEOUT_US (INT64_C(60) * 1000000)   // without a byte of the body
#define STALL_TIMEOUT_US (INT64_C(600) * 1000000) // without a byte of the answer taken
#define LINGER_TIMEOUT_US (INT64_C(2) * 1000000)
#define LINGER_BYTES_MAX (INT64_C(64) << 20)
#define INPUT_BYTES_MIN 4096

// ---- the life of a connection

static void agent_enter(struct agent *agent, enum agent_state state)
{
    static const unsigned legal[] = {
        [AGENT_HEAD] = 1 << AGENT_BODY | 1 << AGENT_ANSWER | 1 << AGENT_LINGER | 1 << AGENT_CLOSED,
        [AGENT_BODY] = 1 << AGENT_ANSWER | 1 << AGENT_LINGER | 1 << AGENT_CLOSED,
        [AGENT_ANSWER] = 1 << AGENT_HEAD | 1 << AGENT_LINGER | 1 << AGENT_CLOSED,
        [AGENT_LINGER] = 1 << AGENT_CLOSED,
    };
    static const int64_t timeouts_us[] = {
        [AGENT_HEAD] = AGENT_IDLE_TIMEOUT_US, [AGENT_BODY] = BODY_TIMEOUT_US,
        [AGENT_ANSWER] = INT64_MAX,           [AGENT_LINGER] = LINGER_TIMEOUT_US,
        [AGENT_CLOSED] = INT64_MAX,
    };
    int64_t timeout_us = timeouts_us[state];
    assert((legal[agent->state] & 1U << state) != 0);
    agent->state = state;
    agent->deadline_us = timeout_us == INT64_MAX ? INT64_MAX : clock_monotonic_us() + timeout_us;
}

void agent_close(struct agent *agent)
{
    struct agents *agents = agent->agents;
    struct exchange *exchange = take_pointer(&agent->exchange);
    event_del(&agent->readable);
    event_del(&agent->writable);
    close(agent->fd);
    agent_enter(agent, AGENT_CLOSED);
    LIST_REMOVE(agent, link);
    LIST_INSERT_HEAD(&agents->closed, agent, link);
    agents->count--;
    event_active(agents->reaper, EV_TIMEOUT, 0);
    if (exchange != NULL)
        exchange_agent_gone(exchange);
    if (agent->gone != NULL)
        agent->gone(agent->gone_context);
    agents->on_closed(agents->context);
}

// ---- writing

static bool unsent_keep(struct agent *agent, const char *bytes, size_t length)
{
    if (agent->unsent_from == agent->unsent_to)
        agent->unsent_from = agent->unsent_to = 0;
    if (agent->unsent_to + length > agent->unsent_capacity) {
        size_t capacity = agent->unsent_to + length;
        char *grown = realloc(agent->unsent, capacity);
        if (grown == NULL)
            return false;
        agent->unsent = grown;
        agent->unsent_capacity = capacity;
    }
    memcpy(agent->unsent + agent->unsent_to, bytes, length);
    agent->unsent_to += length;
    return true;
}

size_t agent_unsent(const struct agent *agent)
{
    return agent->unsent_to - agent->unsent_from;
}

void agent_write(struct agent *agent, const struct iovec *parts, int part_count)
{
    size_t sent = 0;
    if (agent->state == AGENT_CLOSED)
        return;
    if (!agent->corked && agent_unsent(agent) == 0) {
        struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts,
                                 .msg_iovlen = (size_t)part_count};
        ssize_t result = sendmsg(agent->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (result >= 0)
            sent = (size_t)result;
        else if (errno != EAGAIN && errno != EINTR) {
            shutdown(agent->fd, SHUT_RDWR); // reading will say that it is gone
            return;
        }
    }
    for (int i = 0; i < part_count; i++) {
        size_t skip = sent < parts[i].iov_len ? sent : parts[i].iov_len;
        sent -= skip;
        if (skip < parts[i].iov_len &&
            !unsent_keep(agent, (const char *)parts[i].iov_base + skip, parts[i].iov_len - skip)) {
            shutdown(agent->fd, SHUT_RDWR);
            return;
        }
    }
    if (agent_unsent(agent) > 0 && !agent->corked) {
        agent->deadline_us = clock_monotonic_us() + STALL_TIMEOUT_US;
        event_add(&agent->writable, NULL);
    }
}

// The answer is out: goes on to the next request, or ends the connection in sync.
static void agent_finish(struct agent *agent)
{
    bool whole = agent->state == AGENT_ANSWER;
    if (whole && agent->keep_alive && !agent->agents->stopping) {
        agent_enter(agent, AGENT_HEAD);
        agent->closing = false;
        agent_resume(agent);
        event_active(&agent->readable, EV_TIMEOUT, 0); // what was sent ahead
        return;
    }
    // Closing with unread input would reset the connection, and the answer with it (RFC 9112, 9.6).
    shutdown(agent->fd, SHUT_WR);
    agent_enter(agent, AGENT_LINGER);
    agent->input_length = 0;
    agent_resume(agent);
}

void agent_on_writable(evutil_socket_t fd, short what, void *context)
{
    struct agent *agent = context;
    (void)what;
    size_t length = agent_unsent(agent);
    ssize_t sent = send(fd, agent->unsent + agent->unsent_from, length, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        agent_close(agent);
        return;
    }
    if (sent > 0) {
        agent->unsent_from += (size_t)sent;
        agent->deadline_us = clock_monotonic_us() + STALL_TIMEOUT_US;
    }
    if (agent_unsent(agent) > 0) {
        event_add(&agent->writable, NULL);
        return;
    }
    agent->deadline_us = INT64_MAX;
    free(take_pointer(&agent->unsent)); // memory only under back-pressure
    agent->unsent_capacity = agent->unsent_from = agent->unsent_to = 0;
    if (agent->closing)
        agent_finish(agent);
    else if (agent->exchange != NULL)
        exchange_agent_drained(agent->exchange);
}

void agent_cork(struct agent *agent)
{
    agent->corked = true;
}

void agent_uncork(struct agent *agent)
{
    if (!agent->corked)
        return;
    agent->corked = false;
    if (agent_unsent(agent) > 0)
        event_active(&agent->writable, EV_WRITE, 0);
}

void agent_answered(struct agent *agent, bool keep_alive)
{
    agent->exchange = NULL;
    agent->keep_alive = agent->keep_alive && keep_alive;
    agent->closing = true;
    agent_uncork(agent);
    if (agent_unsent(agent) == 0)
        agent_finish(agent);
}

void agent_abort(struct agent *agent)
{
    // A reset tells the agent that the answer is not whole, where a plain close could pass for one.
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    setsockopt(agent->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    agent->exchange = NULL;
    agent_close(agent);
}

void agent_keep(struct agent *agent, void (*gone)(void *context), void *context)
{
    agent->gone = gone;
    agent->gone_context = context;
}

// ---- reading

bool agent_keeps_alive(const struct agent *agent)
{
    return agent->keep_alive && agent->state == AGENT_ANSWER && !agent->agents->stopping;
}

bool agent_asked_head(const struct agent *agent)
{
    return agent->asked_head;
}

int agent_minor_version(const struct agent *agent)
{
    return agent->minor_version;
}

const char *agent_stranger_refusal(struct agent *agent, struct live_run *run)
{
    return caller_refusal(agent->agents->proxy->callers, &agent->caller, agent->fd, run);
}

void agent_continue(struct agent *agent)
{
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct iovec part = {(void *)(uintptr_t)line, sizeof(line) - 1};
    if (agent->expects_continue)
        agent_write(agent, &part, 1);
    agent->expects_continue = false;
}

void agent_pause(struct agent *agent)
{
    if (!agent->paused)
        event_del(&agent->readable);
    agent->paused = true;
    agent->deadline_us = INT64_MAX; // it is not the agent that is slow
}

void agent_resume(struct agent *agent)
{
    if (!agent->paused)
        return;
    agent->paused = false;
    event_add(&agent->readable, NULL);
    if (agent->input_length > 0)
        event_active(&agent->readable, EV_TIMEOUT, 0);
}

void agent_refuse(struct agent *agent, int status, const char *text)
{
    if (agent->closing || (agent->exchange != NULL && exchange_is_answering(agent->exchange))) {
        agent_close(agent); // too late to say why
        return;
    }
    agent->keep_alive = false;
    struct exchange *exchange = take_pointer(&agent->exchange);
    if (exchange != NULL)
        exchange_agent_gone(exchange);
    reply_error(agent, status, text);
}

static bool input_keep(struct agent *agent, const char *bytes, size_t length)
{
    size_t needed = agent->input_length + length;
    if (needed > agent->input_capacity || agent->input == NULL) {
        size_t capacity = needed < INPUT_BYTES_MIN ? INPUT_BYTES_MIN : needed + needed / 2;
        char *grown = malloc(capacity);
        if (grown == NULL)
            return false;
        if (agent->input != NULL) {
            memcpy(grown, agent->input, agent->input_length);
            explicit_bzero(agent->input, agent->input_capacity);
            free(agent->input);
        }
        agent->input = grown;
        agent->input_capacity = capacity;
    }
    memcpy(agent->input + agent->input_length, bytes, length);
    agent->input_length = needed;
    return true;
}

// Gives body bytes to the exchange. Returns how many belonged to the body.
static size_t body_take(struct agent *agent, char *bytes, size_t length)
{
    if (length > AGENT_READ_BYTES)
        length = AGENT_READ_BYTES;
    size_t payload = length, used = length;
    bool end = false;
    if (agent->framing == HTTP_BODY_CHUNKED) {
        enum http_chunk_outcome outcome =
            http_chunk_decode(&agent->chunks, bytes, length, &payload, &used);
        if (outcome == HTTP_CHUNK_BROKEN) {
            agent_refuse(agent, 400, "a chunk of the request's body is malformed");
            return length;
        }
        end = outcome == HTTP_CHUNK_END;
    } else {
        if ((int64_t)length >= agent->body_left) {
            payload = used = (size_t)agent->body_left;
            end = true;
        }
        agent->body_left -= (int64_t)payload;
    }
    if (payload > 0 && agent->exchange != NULL)
        exchange_body(agent->exchange, bytes, payload);
    if (agent->state != AGENT_BODY)
        return length; // refused meanwhile
    agent->deadline_us = agent->paused ? INT64_MAX : clock_monotonic_us() + BODY_TIMEOUT_US;
    if (end) {
        agent_enter(agent, AGENT_ANSWER);
        if (agent->exchange != NULL)
            exchange_body_end(agent->exchange);
        else if (agent->closing && agent_unsent(agent) == 0)
            agent_finish(agent);
    }
    return used;
}

// Points the head's slices into a copy of the bytes that they were parsed from.
static void head_rebase(struct http_head *head, const char *from, const char *to)
{
    struct slice *const single[] = {&head->method, &head->authority, &head->target,
                                    &head->path,   &head->query,     &head->reason};
    for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++)
        if (single[i]->bytes != NULL)
            single[i]->bytes = to + (single[i]->bytes - from);
    for (size_t i = 0; i < head->header_count; i++) {
        head->headers[i].name.bytes = to + (head->headers[i].name.bytes - from);
        head->headers[i].value.bytes = to + (head->headers[i].value.bytes - from);
    }
}

// Starts an exchange on the head at the front of `bytes`. Returns its length, 0 if it is not whole.
static size_t head_take(struct agent *agent, const char *bytes, size_t length)
{
    struct http_head head;
    struct error err;
    int refused_status = 400;
    bool is_new = agent->searched == 0;
    enum http_head_outcome outcome =
        http_request_parse(&head, bytes, length, &agent->searched, &refused_status, &err);
    if (outcome == HTTP_HEAD_INCOMPLETE) {
        if (is_new) // from its first byte on it must make haste
            agent->deadline_us = clock_monotonic_us() + AGENT_HEAD_TIMEOUT_US;
        return 0;
    }
    agent->searched = 0;
    char *copy = outcome == HTTP_HEAD_COMPLETE ? malloc(head.length) : NULL;
    if (copy == NULL) {
        if (outcome == HTTP_HEAD_COMPLETE)
            error_set(&err, -ENOMEM, "out of memory for the request");
        agent_refuse(agent, outcome == HTTP_HEAD_COMPLETE ? 503 : refused_status, err.text);
        return length;
    }
    memcpy(copy, bytes, head.length);
    head_rebase(&head, bytes, copy);
    agent->keep_alive = head.keep_alive;
    agent->expects_continue = head.expect_continue;
    agent->asked_head = slice_is(head.method, "HEAD");
    agent->minor_version = head.minor_version;
    agent->framing = head.framing;
    agent->body_left = head.content_length;
    agent->chunks = (struct http_chunk_decoder){0};
    bool has_body = head.framing == HTTP_BODY_CHUNKED ||
                    (head.framing == HTTP_BODY_LENGTH && head.content_length > 0);
    agent_enter(agent, has_body ? AGENT_BODY : AGENT_ANSWER);
    struct exchange *exchange = exchange_begin(agent->agents->proxy, agent, &head, copy);
    if (exchange != NULL) {
        agent->exchange = exchange;
        if (!has_body)
            exchange_body_end(exchange);
    }
    return head.length;
}

// Uses bytes that have arrived, in order; keeps what cannot be used yet.
static void agent_consume(struct agent *agent, char *bytes, size_t length)
{
    size_t used = 0;
    while (used < length) {
        size_t taken = 0;
        if (agent->state == AGENT_HEAD)
            taken = head_take(agent, bytes + used, length - used);
        else if (agent->state == AGENT_BODY && !agent->paused)
            taken = body_take(agent, bytes + used, length - used);
        else if (agent->state == AGENT_LINGER || agent->state == AGENT_CLOSED)
            return;
        if (taken == 0)
            break;
        used += taken;
    }
    if (used == length || agent->state == AGENT_CLOSED)
        return;
    if (!input_keep(agent, bytes + used, length - used))
        agent_close(agent);
    else if (agent->state == AGENT_ANSWER && agent->input_length >= HTTP_HEAD_BYTES_MAX)
        agent_pause(agent); // enough sent ahead
}

// Uses what was kept together with `length` new bytes.
static void agent_consume_kept(struct agent *agent, const char *bytes, size_t length)
{
    if (length > 0 && !input_keep(agent, bytes, length)) {
        agent_close(agent);
        return;
    }
    cleanup_free char *input = take_pointer(&agent->input);
    size_t input_length = agent->input_length, capacity = agent->input_capacity;
    agent->input_length = agent->input_capacity = 0;
    agent_consume(agent, input, input_length);
    if (input != NULL)
        explicit_bzero(input, capacity);
}

void agent_take(struct agent *agent, char *bytes, size_t length)
{
    if (agent->input_length > 0)
        agent_consume_kept(agent, bytes, length);
    else
        agent_consume(agent, bytes, length);
}

void agent_on_readable(evutil_socket_t fd, short what, void *context)
{
    struct agent *agent = context;
    struct agents *agents = agent->agents;
    ssize_t got = 0;
    if (agent_is_to_pass(agent)) { // with what is still to be read
        agent_pass(agent);
        return;
    }
    if ((what & EV_READ) == 0) {
        agent_consume_kept(agent, NULL, 0);
        return;
    }
    got = recv(fd, agents->buffer, sizeof(agents->buffer), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        agent_close(agent);
        return;
    }
    if (agent->state == AGENT_LINGER) {
        agent->lingered_bytes += got;
        if (agent->lingered_bytes > LINGER_BYTES_MAX)
            agent_close(agent);
    } else {
        agent_take(agent, agents->buffer, (size_t)got);
    }
}
