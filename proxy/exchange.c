// Exchange: one request of an agent and its response, from the head to the settled account.

#include "exchange.h"

#include "cleanup.h"
#include "clock.h"
#include "exchange_pass.h"
#include "exchange_relay.h"
#include "exchange_request.h"
#include "exchange_state.h"
#include "head_refusal.h"
#include "local.h"
#include "log.h"
#include "run_ceiling.h"
#include "splice.h"
#include "waiting.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#define DRAIN_MAX_S 60 // for the usage of an agent that has left
#define DRAIN_BYTES_MAX (8 << 20)
#define DRAINING_MAX 256

_Static_assert(AGENT_READ_BYTES <= UPLOAD_PIECE_BYTES_MAX, "a piece of a body fits the upload");

static void exchange_scan(struct exchange *exchange);
static void exchange_admit(struct exchange *exchange);
static void exchange_count(struct exchange *exchange);
static bool exchange_choose(struct exchange *exchange);
static void exchange_send(struct exchange *exchange);
static void on_timer(evutil_socket_t fd, short what, void *context);
static void on_soon(evutil_socket_t fd, short what, void *context);

// ---- begin: whose is it, and what does it ask for?

static const struct exchange_callbacks callbacks = {
    .timer = on_timer, .soon = on_soon, .durable = exchange_relay_durable};

struct exchange *exchange_begin(struct proxy *proxy, struct agent *agent,
                                const struct http_head *head, char *bytes)
{
    struct live_run *run = NULL;
    struct reply reply;
    struct route route = route_find(head->method, head->path);
    if (local_answer(proxy, agent, head, route)) {
        explicit_bzero(bytes, head->length);
        free(bytes);
        return NULL;
    }
    const char *message = head_refusal(proxy, agent, head, route, &run, &reply);
    struct exchange *exchange = NULL;
    if (message == NULL) {
        exchange = exchange_new(proxy, agent, run, route, head, &callbacks);
        reply = (struct reply){.status = 529};
        message = "reeve: too many requests at once";
    }
    if (exchange == NULL) {
        explicit_bzero(bytes, head->length);
        free(bytes);
        reply_error_with(agent, &reply, message);
        return NULL;
    }
    exchange->head_bytes = bytes;
    agent_continue(agent);
    return exchange;
}

// ---- body: held whole, but for uploads

static void upload_take(struct exchange *exchange, const char *bytes, size_t length)
{
    if (!upload_append(&exchange->upload, bytes, length)) {
        // Part of it is upstream already; the agent is told, the upstream cut off.
        if (exchange->transfer != NULL)
            upstream_cancel(take_pointer(&exchange->transfer));
        exchange_refuse(exchange, &(struct reply){.status = 413},
                        "Request exceeds the maximum size");
        return;
    }
    if (upload_is_full(&exchange->upload))
        agent_pause(exchange->agent);
    if (exchange->transfer != NULL)
        upstream_body_ready(exchange->transfer);
    else if (exchange->state == EXCHANGE_READING)
        exchange_send(exchange);
}

void exchange_body(struct exchange *exchange, const char *bytes, size_t length)
{
    struct error err;
    if (exchange->route.kind == ROUTE_UPLOAD) {
        upload_take(exchange, bytes, length);
        return;
    }
    int result = request_body_append(&exchange->body, bytes, length, &err);
    if (result == 0)
        return;
    struct reply reply = {.status = 503};
    if (result == -EFBIG)
        reply.status = 413;
    else if (result == -EBUSY)
        reply.status = 529;
    exchange_refuse(exchange, &reply, err.text);
}

void exchange_body_end(struct exchange *exchange)
{
    struct error err;
    exchange->whole_us = clock_monotonic_us();
    exchange->upload.ended = true;
    if (exchange->transfer != NULL) {
        upstream_body_ready(exchange->transfer);
    } else if (exchange->state != EXCHANGE_READING) {
        return; // an upload that waits for a credential
    } else if (request_body_complete(&exchange->body, &err) < 0) {
        exchange_refuse(exchange, &(struct reply){.status = 503}, err.text);
    } else if (exchange_is_to_pass(exchange)) {
        event_active(&exchange->soon, EV_TIMEOUT, 0); // with what was sent behind it
    } else if (exchange->route.kind == ROUTE_MESSAGES) {
        exchange_scan(exchange);
    } else if (exchange->route.kind == ROUTE_BATCH) {
        exchange->batch = batch_request_new(request_body_slice(&exchange->body));
        exchange_admit(exchange);
    } else {
        exchange_send(exchange);
    }
}

// ---- admit: reserve, count, wait or refuse

static void exchange_scan(struct exchange *exchange)
{
    struct error err;
    struct slice body = request_body_slice(&exchange->body);
    exchange->body_hash = body_hash_make(body.bytes, body.length);
    exchange->scan = malloc(sizeof(*exchange->scan));
    if (exchange->scan == NULL) {
        exchange_refuse(exchange, &(struct reply){.status = 503}, "reeve: out of memory");
    } else if (request_scan(exchange->scan, body.bytes, body.length, &err) < 0) {
        exchange_refuse(exchange, &(struct reply){.status = 400}, err.text);
    } else {
        exchange->streamed = exchange->scan->stream;
        exchange->in_thread = (exchange->scan->features & REQUEST_THREAD) != 0;
        exchange_admit(exchange);
    }
}

static void exchange_admit(struct exchange *exchange)
{
    static const struct reply refusals[] = {
        [ADMIT_REFUSED] = {.status = 402, .never_retry = true},
        [ADMIT_UNCOUNTED] = {.status = 503},
        [ADMIT_DENIED] = {.status = 403, .never_retry = true},
        [ADMIT_BAD] = {.status = 400},
        [ADMIT_NOT_FOUND] = {.status = 404},
        [ADMIT_TOO_DEAR] = {.status = 402, .never_retry = true},
        [ADMIT_FAILED] = {.status = 503, .never_retry = true},
    };
    char message[ADMIT_MESSAGE_MAX];
    enum budget_scope ahead = waiting_find_ahead(exchange);
    struct admit_request request = {
        .run = exchange->run,
        .scan = exchange->scan,
        .body_length = exchange->body.length,
        .counted_tokens = exchange->counted_tokens,
        .waiting = waiting_count(exchange),
        .is_behind = ahead != BUDGET_SCOPES,
    };
    if (exchange->run->closing) {
        exchange_refuse(exchange, &refusals[ADMIT_REFUSED], run_closing_message(exchange->run));
        return;
    }
    if (!exchange_choose(exchange))
        return;
    enum admit_outcome outcome =
        exchange->route.kind == ROUTE_BATCH
            ? batch_admit(exchange->proxy, &request, exchange->batch, &exchange->admission, message)
            : admit(exchange->proxy, &request, &exchange->admission, message);
    switch (outcome) {
    case ADMIT_FITS:
        exchange->reserved = true;
        waiting_leave(exchange);
        if (exchange->scan != NULL)
            splice_admitted(&exchange->body, exchange->scan, &exchange->admission);
        exchange_send(exchange);
        return;
    case ADMIT_UNREAD:
        if (exchange->state != EXCHANGE_SCANNING)
            exchange_enter(exchange, EXCHANGE_SCANNING);
        event_add(&exchange->soon, &(struct timeval){0, 0});
        return;
    case ADMIT_COUNT:
        exchange_count(exchange);
        return;
    case ADMIT_WAITS:
        waiting_join(exchange, request.is_behind ? ahead : exchange->admission.ceiling.scope);
        return;
    case ADMIT_REFUSED:
        run_at_ceiling(exchange->proxy, exchange->run, &exchange->admission.ceiling, message);
        break;
    default:
        break;
    }
    exchange_refuse(exchange, &refusals[outcome], message);
}

static void on_counted(void *context, int64_t input_tokens, int http_status)
{
    struct exchange *exchange = context;
    exchange->count = NULL;
    if (input_tokens >= 0)
        exchange->counted_tokens = input_tokens;
    else if (!attempt_count_failed(exchange, http_status))
        exchange->counted_tokens = ADMIT_NOT_COUNTABLE;
    exchange_admit(exchange);
}

static void exchange_count(struct exchange *exchange)
{
    struct error err;
    if (exchange->state != EXCHANGE_COUNTING)
        exchange_enter(exchange, EXCHANGE_COUNTING);
    exchange->attempts.secret_number = exchange->credential->secret_number;
    if (count_start(&exchange->count, exchange->proxy->upstream, exchange->head,
                    request_body_slice(&exchange->body), exchange->admission.model,
                    &exchange->credential->secret, on_counted, exchange, &err) < 0)
        on_counted(exchange, -1, 0);
}

// The next step towards the upstream: for what is billed, the money comes first.
static void exchange_proceed(struct exchange *exchange)
{
    if (route_is_billed(exchange->route) && !exchange->reserved)
        exchange_admit(exchange);
    else
        exchange_send(exchange);
}

// The time to wait, to be parked or to drain is up.
static void on_timer(evutil_socket_t fd, short what, void *context)
{
    struct exchange *exchange = context;
    (void)fd;
    (void)what;
    if (exchange->state == EXCHANGE_WAITING) {
        char message[WAITING_MESSAGE_MAX];
        struct reply reply = waiting_refusal(exchange, message);
        exchange_refuse(exchange, &reply, message);
    } else if (exchange->state == EXCHANGE_PARKED) {
        exchange_proceed(exchange);
    } else if (exchange->state == EXCHANGE_DRAINING) {
        upstream_cancel(take_pointer(&exchange->transfer));
        exchange_settle(exchange, EXCHANGE_CLIENT_GONE);
        exchange_end(exchange);
    }
}

// ---- authorize: the credential of this attempt

static void exchange_park(struct exchange *exchange, int64_t wait_us)
{
    waiting_leave(exchange);
    if (exchange->state != EXCHANGE_PARKED)
        exchange_enter(exchange, EXCHANGE_PARKED);
    event_add(&exchange->timer, &(struct timeval){wait_us / 1000000, wait_us % 1000000});
}

// No attempt follows: the agent gets the last answer, or an error.
static void exchange_conclude(struct exchange *exchange)
{
    char message[ATTEMPT_MESSAGE_MAX];
    struct reply reply;
    const struct http_head *head = attempt_conclude(exchange, &reply, message);
    if (head == NULL)
        exchange_refuse(exchange, &reply, message);
    else if (exchange_relay_head(exchange, head))
        exchange_relay_kept(exchange);
}

// False: the exchange is parked, or has been answered.
static bool exchange_choose(struct exchange *exchange)
{
    int64_t wait_us;
    enum attempt_step step = attempt_choose(exchange, &wait_us);
    if (step == ATTEMPT_GO)
        return true;
    bool is_short = step == ATTEMPT_WAIT && exchange->attempts.not_before_us != 0;
    if (!is_short)
        exchange_settle(exchange, EXCHANGE_NOT_SENT); // others may need the money meanwhile
    if (step == ATTEMPT_WAIT)
        exchange_park(exchange, wait_us);
    else
        exchange_conclude(exchange);
    return false;
}

// An attempt has come to nothing, and the agent has not seen any of it. What nothing went out for
// stays reserved for the next one.
static void exchange_failed(struct exchange *exchange, enum upstream_end end, const char *problem)
{
    int64_t wait_us;
    if (exchange_is_to_pass(exchange)) {
        exchange_settle(exchange, end == UPSTREAM_NOT_SENT ? EXCHANGE_NOT_SENT : EXCHANGE_RETRIED);
        exchange_pass(exchange);
        return;
    }
    enum attempt_step step = attempt_failed(exchange, problem, &wait_us);
    if (end != UPSTREAM_NOT_SENT) {
        exchange_settle(exchange,
                        step == ATTEMPT_OVER ? EXCHANGE_UPSTREAM_ERROR : EXCHANGE_RETRIED);
        exchange->attempt++;
        exchange->http_status = 0;
        exchange->request_id[0] = '\0';
        exchange->first_byte_us = -1;
    } else if (step == ATTEMPT_OVER) {
        exchange_settle(exchange, EXCHANGE_NOT_SENT);
    }
    exchange_enter(exchange, EXCHANGE_PARKED);
    if (step == ATTEMPT_GO)
        exchange_proceed(exchange);
    else if (step == ATTEMPT_WAIT)
        exchange_park(exchange, wait_us);
    else
        exchange_conclude(exchange);
}

// ---- send: hand it to the upstream

static void on_head(void *context, const struct http_head *head);
static void on_body(void *context, const char *bytes, size_t length, bool last);
static void on_done(void *context, enum upstream_end end, const struct error *err);

static const struct upstream_receiver receiver = {
    .body_peek = exchange_request_peek, .head = on_head, .body = on_body, .done = on_done};

static void exchange_send(struct exchange *exchange)
{
    struct error err;
    if (!exchange_choose(exchange)) // the one that was chosen may have died in the queue for money
        return;
    int result = exchange_request_open(exchange, &receiver, &err);
    if (result < 0) {
        struct reply reply = {.status = result == -EMSGSIZE ? 400 : 529};
        exchange_settle(exchange, EXCHANGE_NOT_SENT);
        exchange_refuse(exchange, &reply, err.text);
        return;
    }
    event_del(&exchange->timer);
    exchange_enter(exchange, EXCHANGE_SENDING);
    exchange_mark_sent(exchange);
    attempt_sent(exchange);
}

// ---- relay and meter

static void on_head(void *context, const struct http_head *head)
{
    struct exchange *exchange = context;
    bool success = head->status >= 200 && head->status < 300;
    exchange->http_status = head->status;
    exchange->first_byte_us = clock_monotonic_us() - exchange->sent_us;
    exchange_text_keep(exchange->request_id, head, "request-id");
    if (attempt_answered(exchange, head))
        return;
    bool held = held_answer_begin(exchange, head);
    if (exchange->reserved && success && !held) {
        const struct http_header *type = http_head_find_field(head, HTTP_FIELD_CONTENT_TYPE);
        const struct http_header *coding = http_head_find_field(head, HTTP_FIELD_CONTENT_ENCODING);
        struct slice none = {NULL, 0};
        exchange->meter =
            meter_new(head->status, type != NULL ? type->value : none,
                      coding != NULL ? coding->value : none, exchange->proxy->free_refusals);
    }
    if (exchange->state == EXCHANGE_DRAINING) {
        if (!success)
            exchange_settle(exchange, EXCHANGE_UPSTREAM_ERROR);
        return;
    }
    if (exchange_relay_head(exchange, head) && !held)
        event_active(&exchange->soon, EV_TIMEOUT, 0);
}

// A request is a successor's, more of a batch is to be read, money has been freed, credentials have
// changed, or a response's head has come and no body with it.
static void on_soon(evutil_socket_t fd, short what, void *context)
{
    struct exchange *exchange = context;
    (void)fd;
    (void)what;
    if (exchange_is_to_pass(exchange) && exchange->state < EXCHANGE_SENDING)
        exchange_pass(exchange);
    else if (exchange->state == EXCHANGE_SCANNING || exchange->state == EXCHANGE_WAITING ||
             exchange->state == EXCHANGE_PARKED)
        exchange_proceed(exchange);
    else
        relay_flush(&exchange->relay);
}

static void on_body(void *context, const char *bytes, size_t length, bool last)
{
    struct exchange *exchange = context;
    if (exchange->state == EXCHANGE_SENDING && !exchange_relay_or_keep(exchange, bytes, length))
        return;
    if (exchange->held.state != HELD_ANSWER_NONE) {
        held_answer_take(exchange, bytes, length);
        return;
    }
    // The books come before the agent: its last event is relayed when the account is settled.
    if (exchange->reserved) {
        enum meter_progress progress = METER_MORE;
        if (exchange->meter != NULL)
            progress = meter_feed(exchange->meter, bytes, length);
        if (progress == METER_FINAL || last)
            exchange_settle(exchange, EXCHANGE_COMPLETE);
    }
    if (exchange->state == EXCHANGE_DRAINING) {
        exchange->drained_bytes += (int64_t)length;
        if (exchange->drained_bytes > DRAIN_BYTES_MAX)
            event_active(&exchange->timer, EV_TIMEOUT, 0);
    } else if (relay_body(&exchange->relay, bytes, length, last) && !last) {
        upstream_pause(exchange->transfer);
    }
}

void exchange_agent_drained(struct exchange *exchange)
{
    if (exchange->transfer != NULL && exchange->on_disk)
        upstream_resume(exchange->transfer);
}

// ---- the end, from either side

static void on_done(void *context, enum upstream_end end, const struct error *err)
{
    static const enum exchange_end ends[] = {
        [UPSTREAM_COMPLETE] = EXCHANGE_COMPLETE,
        [UPSTREAM_NOT_SENT] = EXCHANGE_NOT_SENT,
        [UPSTREAM_CUT] = EXCHANGE_CUT,
    };
    struct exchange *exchange = context;
    exchange->transfer = NULL;
    if (exchange->state == EXCHANGE_SENDING && end == UPSTREAM_CUT)
        kept_answer_free(take_pointer(&exchange->attempts.kept)); // it is not whole
    if (end != UPSTREAM_COMPLETE)
        log_event(LOG_WARNING, "upstream_failed", "run", exchange->run->id, "path", exchange->path,
                  "error", err->text, NULL);
    if (exchange->state == EXCHANGE_SENDING &&
        (exchange->attempts.kept != NULL || end == UPSTREAM_NOT_SENT)) {
        exchange_failed(exchange, end, end == UPSTREAM_COMPLETE ? "" : err->text);
        return;
    }
    if (exchange->held.state != HELD_ANSWER_NONE && end == UPSTREAM_COMPLETE)
        held_answer_end(exchange);
    exchange_settle(exchange, ends[end]);
    if (exchange->route.kind != ROUTE_MESSAGES && end == UPSTREAM_COMPLETE)
        exchange->run->free_calls++;
    if (exchange->state == EXCHANGE_SENDING) {
        exchange_refuse(exchange, &(struct reply){.status = 502}, err->text);
        return;
    }
    exchange_relay_end(exchange, end);
}

void exchange_agent_gone(struct exchange *exchange)
{
    bool drain = exchange->reserved && exchange->transfer != NULL &&
                 upstream_has_sent(exchange->transfer) &&
                 exchange->proxy->draining_count < DRAINING_MAX;
    exchange->agent = NULL;
    relay_done(&exchange->relay);
    journal_wait_cancel(exchange->proxy->journal, &exchange->durable);
    if (drain) {
        exchange_enter(exchange, EXCHANGE_DRAINING);
        upstream_resume(exchange->transfer);
        event_add(&exchange->timer, &(struct timeval){DRAIN_MAX_S, 0});
        return;
    }
    if (exchange->transfer != NULL) {
        bool sent = upstream_has_sent(exchange->transfer);
        upstream_cancel(take_pointer(&exchange->transfer));
        exchange_settle(exchange, sent ? EXCHANGE_CLIENT_GONE : EXCHANGE_NOT_SENT);
    }
    exchange_settle(exchange, EXCHANGE_NOT_SENT); // it was parked
    exchange_end(exchange);
}

void exchange_cancel_run(struct proxy *proxy, const struct live_run *run)
{
    for (struct exchange *exchange = TAILQ_FIRST(&proxy->exchanges), *next; exchange != NULL;
         exchange = next) {
        next = TAILQ_NEXT(exchange, link);
        if (run == NULL || exchange->run == run)
            exchange_cancel(exchange);
    }
}
