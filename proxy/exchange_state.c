// Exchange state: what an exchange is made of, its states, and how it begins and ends.

#include "exchange_state.h"

#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "metrics.h"
#include "ownership.h"
#include "run_ceiling.h"
#include "settle.h"
#include "waiting.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

void exchange_text_keep(char text[static EXCHANGE_TEXT_MAX], const struct http_head *head,
                        const char *name)
{
    const struct http_header *header = http_head_find(head, name);
    if (header != NULL)
        slice_copy(header->value, text, EXCHANGE_TEXT_MAX);
}

// Where the agent has found reeve, by its own words; "" where they would not do in a URL, which
// then is relative.
static void origin_keep(struct exchange *exchange, const struct http_head *head)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]";
    const struct http_header *header = http_head_find_field(head, HTTP_FIELD_HOST);
    struct slice host = header != NULL ? header->value : head->authority;
    char text[ANSWER_ORIGIN_MAX - 8];
    if (head->authority.bytes != NULL)
        host = head->authority;
    if (host.bytes != NULL && host.length > 0 && slice_copy(host, text, sizeof(text)) &&
        strspn(text, plain) == host.length)
        snprintf(exchange->origin, sizeof(exchange->origin), "http://%s", text);
}

struct exchange *exchange_new(struct proxy *proxy, struct agent *agent, struct live_run *run,
                              struct route route, const struct http_head *head,
                              const struct exchange_callbacks *callbacks)
{
    size_t head_size =
        sizeof(*head) - sizeof(head->headers) + head->header_count * sizeof(head->headers[0]);
    struct exchange *exchange = calloc(1, sizeof(*exchange));
    struct http_head *head_copy = malloc(head_size);
    if (exchange == NULL || head_copy == NULL || proxy->exchange_count == PROXY_EXCHANGES_MAX) {
        free(exchange);
        free(head_copy);
        return NULL;
    }
    memcpy(head_copy, head, head_size);
    exchange->proxy = proxy;
    exchange->agent = agent;
    exchange->run = run;
    exchange->route = route;
    exchange->head = head_copy;
    exchange->first_byte_us = -1;
    exchange->counted_tokens = ADMIT_NOT_COUNTED;
    exchange->waits_for = BUDGET_SCOPES;
    exchange->attempt = 1;
    exchange->upload.total_max = route.body_bytes_max;
    exchange->durable.synced = callbacks->durable;
    event_assign(&exchange->timer, proxy->base, -1, 0, callbacks->timer, exchange);
    event_assign(&exchange->soon, proxy->base, -1, 0, callbacks->soon, exchange);
    request_body_init(&exchange->body, head->content_length, route.body_bytes_max,
                      &proxy->body_bytes_held, proxy->spool_directory);
    slice_copy(head->path, exchange->path, sizeof(exchange->path));
    origin_keep(exchange, head);
    exchange_text_keep(exchange->session_id, head, "x-claude-code-session-id");
    const struct http_header *retries = http_head_find(head, "x-stainless-retry-count");
    if (retries != NULL && retries->value.length == 1 && retries->value.bytes[0] >= '0' &&
        retries->value.bytes[0] <= '9')
        exchange->attempt = retries->value.bytes[0] - '0' + 1;
    TAILQ_INSERT_TAIL(&proxy->exchanges, exchange, link);
    proxy->exchange_count++;
    run->exchanges_in_flight++;
    return exchange;
}

void exchange_enter(struct exchange *exchange, enum exchange_state state)
{
    static const unsigned legal[] = {
        [EXCHANGE_READING] = 1 << EXCHANGE_SCANNING | 1 << EXCHANGE_COUNTING |
                             1 << EXCHANGE_WAITING | 1 << EXCHANGE_PARKED | 1 << EXCHANGE_SENDING |
                             1 << EXCHANGE_ENDED,
        [EXCHANGE_SCANNING] = 1 << EXCHANGE_WAITING | 1 << EXCHANGE_PARKED | 1 << EXCHANGE_SENDING |
                              1 << EXCHANGE_ENDED,
        [EXCHANGE_COUNTING] = 1 << EXCHANGE_WAITING | 1 << EXCHANGE_PARKED | 1 << EXCHANGE_SENDING |
                              1 << EXCHANGE_ENDED,
        [EXCHANGE_WAITING] = 1 << EXCHANGE_PARKED | 1 << EXCHANGE_SENDING | 1 << EXCHANGE_ENDED,
        [EXCHANGE_PARKED] = 1 << EXCHANGE_SCANNING | 1 << EXCHANGE_COUNTING |
                            1 << EXCHANGE_WAITING | 1 << EXCHANGE_SENDING | 1 << EXCHANGE_RELAYING |
                            1 << EXCHANGE_ENDED,
        [EXCHANGE_SENDING] = 1 << EXCHANGE_PARKED | 1 << EXCHANGE_RELAYING |
                             1 << EXCHANGE_DRAINING | 1 << EXCHANGE_ENDED,
        [EXCHANGE_RELAYING] = 1 << EXCHANGE_HELD | 1 << EXCHANGE_DRAINING | 1 << EXCHANGE_ENDED,
        [EXCHANGE_HELD] = 1 << EXCHANGE_ENDED,
        [EXCHANGE_DRAINING] = 1 << EXCHANGE_ENDED,
    };
    assert((legal[exchange->state] & 1U << state) != 0);
    if (exchange->state == EXCHANGE_DRAINING)
        exchange->proxy->draining_count--;
    if (state == EXCHANGE_DRAINING)
        exchange->proxy->draining_count++;
    exchange->state = state;
}

void exchange_mark_sent(struct exchange *exchange)
{
    exchange->sent_us = clock_monotonic_us();
    if (exchange->route.kind == ROUTE_MESSAGES && exchange->whole_us > 0)
        metrics_added(exchange->proxy->metrics, exchange->sent_us - exchange->whole_us);
    exchange->whole_us = 0; // of another attempt, the time before was the upstream's
}

bool exchange_is_answering(const struct exchange *exchange)
{
    return exchange->state >= EXCHANGE_RELAYING;
}

void exchange_head_forget(struct exchange *exchange)
{
    if (exchange->head_bytes != NULL)
        explicit_bzero(exchange->head_bytes, exchange->head->length); // it holds the run key
    free(take_pointer(&exchange->head_bytes));
    free(take_pointer(&exchange->head));
    free(take_pointer(&exchange->scan));
    batch_request_free(take_pointer(&exchange->batch));
}

// The exchange is over: its reservation settled, its agent answered or gone.
void exchange_end(struct exchange *exchange)
{
    struct proxy *proxy = exchange->proxy;
    struct live_run *run = exchange->run;
    assert(!exchange->reserved && exchange->transfer == NULL);
    exchange_enter(exchange, EXCHANGE_ENDED);
    journal_wait_cancel(proxy->journal, &exchange->durable);
    event_del(&exchange->timer);
    event_del(&exchange->soon);
    waiting_leave(exchange);
    relay_done(&exchange->relay);
    exchange_head_forget(exchange);
    if (exchange->count != NULL)
        count_cancel(exchange->count);
    attempt_done(exchange);
    request_body_done(&exchange->body);
    upload_done(&exchange->upload);
    meter_free(exchange->meter);
    held_answer_done(&exchange->held);
    TAILQ_REMOVE(&proxy->exchanges, exchange, link);
    proxy->exchange_count--;
    free(exchange);
    run->exchanges_in_flight--;
    proxy->run_exchange_ended(run, proxy->context);
}

void exchange_cancel(struct exchange *exchange)
{
    struct agent *agent = take_pointer(&exchange->agent);
    relay_done(&exchange->relay);
    if (exchange->transfer != NULL) {
        bool sent = upstream_has_sent(exchange->transfer);
        upstream_cancel(take_pointer(&exchange->transfer));
        exchange_settle(exchange, sent ? EXCHANGE_CANCELLED : EXCHANGE_NOT_SENT);
    }
    exchange_settle(exchange, EXCHANGE_NOT_SENT); // it was parked
    if (agent != NULL)
        agent_abort(agent);
    exchange_end(exchange);
}

// Answers with an error of our own, and ends.
void exchange_refuse(struct exchange *exchange, const struct reply *reply, const char *message)
{
    struct agent *agent = take_pointer(&exchange->agent);
    if (reply->status == 402)
        exchange->run->refused++;
    if (agent != NULL && exchange_is_answering(exchange))
        agent_abort(agent); // too late to say why
    else if (agent != NULL)
        reply_error_with(agent, reply, message);
    exchange_end(exchange);
}

// The thread can be gone on from this message, by runs of the same job.
static void own_message(const struct exchange *exchange, const char *message_id)
{
    struct proxy *proxy = exchange->proxy;
    struct error err;
    if (proxy->ownership != NULL && message_id[0] != '\0' &&
        ownership_add(proxy->ownership, proxy->journal, slice_of(message_id), exchange->run->job,
                      NULL, &err) < 0)
        log_event(LOG_ERR, "owner_not_journaled", "run", exchange->run->id, "error", err.text,
                  NULL);
}

void exchange_wake_parked(struct proxy *proxy)
{
    struct exchange *each;
    TAILQ_FOREACH(each, &proxy->exchanges, link)
    if (each->state == EXCHANGE_PARKED)
        event_active(&each->soon, EV_TIMEOUT, 0);
}

void exchange_each_reservation(const struct proxy *proxy,
                               void (*visit)(const uint8_t exchange_id[static EXCHANGE_ID_BYTES],
                                             const struct budget_reservation *reservation,
                                             void *context),
                               void *context)
{
    const struct exchange *each;
    TAILQ_FOREACH(each, &proxy->exchanges, link)
    if (each->reserved)
        visit(each->admission.exchange_id, &each->admission.reservation, context);
}

void exchange_settle(struct exchange *exchange, enum exchange_end end)
{
    struct budget_ceiling above;
    struct meter_result metered;
    bool has_meter = exchange->meter != NULL;
    if (!exchange->reserved)
        return;
    exchange->reserved = false;
    if (end != EXCHANGE_RETRIED && exchange->http_status != 0 && exchange->http_status / 100 != 2)
        end = EXCHANGE_UPSTREAM_ERROR; // whatever became of it afterwards
    if (has_meter) {
        meter_finish(exchange->meter, &metered);
        if (end == EXCHANGE_COMPLETE && !metered.complete)
            end = metered.error_type[0] != '\0' ? EXCHANGE_STREAM_ERROR : EXCHANGE_CUT;
    }
    bool overrun =
        settle(exchange->proxy, exchange->run, &exchange->admission,
               &(struct settle_facts){
                   .end = end,
                   .credential = exchange->credential != NULL ? exchange->credential->name : "",
                   .path = exchange->path,
                   .session_id = exchange->session_id,
                   .request_id = exchange->request_id,
                   .first_byte_us = exchange->first_byte_us,
                   .attempt = exchange->attempt,
                   .http_status = exchange->http_status,
                   .streamed = exchange->streamed,
                   .body = &exchange->body_hash,
               },
               has_meter ? &metered : NULL, &above);
    if (has_meter && exchange->in_thread) {
        own_message(exchange, metered.message_id);
        attempt_owns(exchange, slice_of(metered.message_id));
    }
    if (has_meter)
        meter_result_done(&metered);
    if (overrun)
        run_above_ceiling(exchange->proxy, exchange->run, &above);
    waiting_retry(exchange->proxy); // what was only held is free again
}
