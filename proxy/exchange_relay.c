// Exchange relay: the answer of an exchange on its way to the agent, from the head to the end.

#include "exchange_relay.h"

#include "cleanup.h"
#include "exchange_state.h"
#include "log.h"

#include <string.h>

// Holds the answer back until the reservation is on the disk. That began with the send, and is over
// long before an answer comes; only then does it cost the agent nothing.
static void exchange_hold(struct exchange *exchange)
{
    struct journal *journal = exchange->proxy->journal;
    exchange->durable.position = exchange->admission.journal_position;
    exchange->on_disk =
        !exchange->reserved || journal_is_synced(journal, exchange->durable.position);
    if (exchange->on_disk)
        return;
    agent_cork(exchange->agent);
    upstream_pause(exchange->transfer);
    journal_wait(journal, &exchange->durable);
}

bool exchange_relay_head(struct exchange *exchange, const struct http_head *head)
{
    struct error err;
    exchange_enter(exchange, EXCHANGE_RELAYING);
    exchange_hold(exchange);
    if (head->status / 100 != 2)
        exchange_settle(exchange, EXCHANGE_UPSTREAM_ERROR);
    exchange_head_forget(exchange);
    int result = exchange->held.state != HELD_ANSWER_NONE
                     ? held_answer_head(exchange, head, &err)
                     : relay_head(&exchange->relay, exchange->agent, head, &err);
    if (result == 0)
        return true;
    log_event(LOG_ERR, "relay_failed", "run", exchange->run->id, "error", err.text, NULL);
    agent_abort(take_pointer(&exchange->agent));
    exchange_agent_gone(exchange);
    return false;
}

// The response has ended and may reach the agent whole.
static void exchange_finish(struct exchange *exchange)
{
    exchange->agent = NULL;
    if (exchange->upstream_end == UPSTREAM_COMPLETE)
        relay_end(&exchange->relay);
    else
        relay_abort(&exchange->relay);
    exchange_end(exchange);
}

void exchange_relay_durable(struct journal_waiter *waiter, int result)
{
    struct exchange *exchange =
        (struct exchange *)((char *)waiter - offsetof(struct exchange, durable));
    if (result < 0) {
        log_event(LOG_CRIT, "reservation_not_durable", "run", exchange->run->id, "error",
                  strerror(-result), NULL);
        exchange_cancel(exchange);
        return;
    }
    exchange->on_disk = true;
    agent_uncork(exchange->agent);
    if (exchange->state == EXCHANGE_HELD)
        exchange_finish(exchange);
    else
        upstream_resume(exchange->transfer);
}

void exchange_relay_end(struct exchange *exchange, enum upstream_end end)
{
    exchange->upstream_end = end;
    if (exchange->state == EXCHANGE_RELAYING && !exchange->on_disk)
        exchange_enter(exchange, EXCHANGE_HELD);
    else
        exchange_finish(exchange);
}

static void kept_relay(struct exchange *exchange, bool last)
{
    struct slice body = kept_answer_body(exchange->attempts.kept);
    if (body.length > 0)
        relay_body(&exchange->relay, body.bytes, body.length, last);
}

bool exchange_relay_or_keep(struct exchange *exchange, const char *bytes, size_t length)
{
    int64_t wait_us;
    if (attempt_keep(exchange, bytes, length))
        return false;
    attempt_failed(exchange, "", &wait_us); // notes what it says; nothing follows
    if (!exchange_relay_head(exchange, kept_answer_head(exchange->attempts.kept, 0)))
        return false;
    kept_relay(exchange, false);
    return true;
}

void exchange_relay_kept(struct exchange *exchange)
{
    kept_relay(exchange, true);
    exchange_relay_end(exchange, UPSTREAM_COMPLETE);
}
