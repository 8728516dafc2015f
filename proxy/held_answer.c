// Held answer: a small answer that is looked at as a whole before the agent gets any of it.

#include "held_answer.h"

#include "answer_edit.h"
#include "batches.h"
#include "cleanup.h"
#include "exchange_state.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>

void held_answer_done(struct held_answer *held)
{
    free(held->bytes);
    *held = (struct held_answer){0};
}

bool held_answer_begin(struct exchange *exchange, const struct http_head *head)
{
    bool is_good = head->status >= 200 && head->status < 300;
    if (exchange->route.answer == ROUTE_ANSWER_STREAMS || !is_good ||
        head->framing == HTTP_BODY_NONE)
        return false;
    exchange->held.state = HELD_ANSWER_GATHERED;
    return true;
}

int held_answer_head(struct exchange *exchange, const struct http_head *head, struct error *err)
{
    struct http_head resized = *head;
    resized.framing = HTTP_BODY_CHUNKED;
    resized.header_count = 0;
    for (size_t i = 0; i < head->header_count; i++)
        if (head->headers[i].field != HTTP_FIELD_CONTENT_LENGTH)
            resized.headers[resized.header_count++] = head->headers[i];
    return relay_head(&exchange->relay, exchange->agent, &resized, err);
}

void held_answer_take(struct exchange *exchange, const char *bytes, size_t length)
{
    struct held_answer *held = &exchange->held;
    if (length == 0 || held->state == HELD_ANSWER_LOST)
        return;
    if (held->length + length > held->capacity) {
        size_t capacity = 2 * (held->length + length);
        char *grown = capacity <= 2 * HELD_ANSWER_BYTES_MAX ? realloc(held->bytes, capacity) : NULL;
        if (grown == NULL) {
            held->state = HELD_ANSWER_LOST;
            return;
        }
        held->bytes = grown;
        held->capacity = capacity;
    }
    memcpy(held->bytes + held->length, bytes, length);
    held->length += length;
}

// The agent gets the answer when this is on the disk.
static void hold_for(struct exchange *exchange, uint64_t position)
{
    struct journal *journal = exchange->proxy->journal;
    journal_wait_cancel(journal, &exchange->durable);
    exchange->durable.position = position;
    exchange->on_disk = journal_is_synced(journal, position);
    if (exchange->on_disk)
        return;
    if (exchange->agent != NULL)
        agent_cork(exchange->agent);
    journal_wait(journal, &exchange->durable);
}

// What was made is the job's. False: nobody can say what it is.
static bool take_created(struct exchange *exchange, struct slice id)
{
    struct proxy *proxy = exchange->proxy;
    struct error err;
    uint64_t position = 0;
    if (exchange->route.kind == ROUTE_BATCH) {
        if (batches_adopt(proxy->batches, &exchange->admission, id, exchange->credential->name,
                          &err) < 0)
            return false;
        exchange->reserved = false; // it is the batch's
    }
    attempt_owns(exchange, id);
    if (ownership_add(proxy->ownership, proxy->journal, id, exchange->run->job, &position, &err) <
        0)
        log_event(LOG_ERR, "owner_not_journaled", "run", exchange->run->id, "path", exchange->path,
                  "error", err.text, NULL);
    else
        hold_for(exchange, position);
    return true;
}

// Nothing of the answer has been sent, so that there is room for another one.
static void refuse(struct exchange *exchange)
{
    struct agent *agent = take_pointer(&exchange->agent);
    exchange_settle(exchange, EXCHANGE_CUT);
    relay_done(&exchange->relay);
    journal_wait_cancel(exchange->proxy->journal, &exchange->durable);
    exchange->on_disk = true;
    log_event(LOG_ERR, "answer_unreadable", "run", exchange->run->id, "path", exchange->path,
              "request_id", exchange->request_id, NULL);
    if (agent == NULL)
        return;
    agent_uncork(agent);
    reply_error_with(agent, &(struct reply){.status = 502, .never_retry = true},
                     "reeve: the upstream's answer is not JSON that could be read, or too large");
}

void held_answer_end(struct exchange *exchange)
{
    const struct proxy *proxy = exchange->proxy;
    struct slice body = {exchange->held.bytes, exchange->held.length};
    const struct answer_reader reader = {
        .ownership = proxy->ownership,
        .job = exchange->run->job,
        .sees_unknown = proxy->allows_unknown_ids,
        .origin = exchange->origin,
    };
    cleanup_free char *edited = NULL;
    size_t length = 0;
    bool is_good = exchange->held.state == HELD_ANSWER_GATHERED &&
                   answer_edit(&reader, exchange->route, body, &edited, &length);
    if (is_good && exchange->route.answer == ROUTE_ANSWER_CREATED)
        is_good = take_created(exchange, answer_object_id(body));
    if (is_good && exchange->route.object == ROUTE_OBJECT_BATCH && answer_batch_has_ended(body))
        batches_hurry(proxy->batches, answer_object_id(body));
    if (is_good)
        relay_body(&exchange->relay, edited, length, true);
    else
        refuse(exchange);
}
