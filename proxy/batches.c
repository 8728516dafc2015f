// Batches: those that the upstream has not been seen to end.

#include "batches.h"

#include "batch_account.h"
#include "batch_fetch.h"
#include "cleanup.h"
#include "clock.h"
#include "journal.h"
#include "log.h"

#include <assert.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>

#define DELAY_FIRST_US INT64_C(1000000) // doubles after every call that brings nothing
#define DELAY_MAX_US INT64_C(300000000)

// Claude API: a batch is processed within a day, its results can be read for 29 days after it was
// created. After that it is over, whatever the upstream says or does not say.
#define AGE_MAX_US (INT64_C(30) * 86400 * 1000000)

enum batch_state {
    BATCH_WAITING,  // until it is due
    BATCH_ASKING,   // for its status
    BATCH_READING,  // its results
    BATCH_SETTLING, // they have been read, or are gone; the journal did not take the end yet
};

struct batch {
    TAILQ_ENTRY(batch) link;
    enum batch_state state;
    bool is_gone;             // SETTLING
    int64_t delay_us, due_us; // clock_monotonic_us()
    struct batch_account account;
};

struct batches {
    struct proxy *proxy;
    TAILQ_HEAD(batch_list, batch) open;
    size_t count;
    struct batch *current; // the one that is asked about; NULL none
    struct batch_fetch *fetch;
    struct event timer;
};

static void batch_enter(struct batch *batch, enum batch_state state)
{
    static const unsigned legal[] = {
        [BATCH_WAITING] = 1 << BATCH_ASKING | 1 << BATCH_SETTLING,
        [BATCH_ASKING] = 1 << BATCH_WAITING | 1 << BATCH_READING | 1 << BATCH_SETTLING,
        [BATCH_READING] = 1 << BATCH_WAITING | 1 << BATCH_SETTLING,
        [BATCH_SETTLING] = 0,
    };
    assert((legal[batch->state] & 1U << state) != 0);
    batch->state = state;
}

static void batch_remove(struct batches *batches, struct batch *batch)
{
    TAILQ_REMOVE(&batches->open, batch, link);
    batches->count--;
    batch_account_done(&batch->account);
    free(batch);
}

// ---- when

static struct batch *find_due(const struct batches *batches)
{
    struct batch *due = NULL, *each;
    TAILQ_FOREACH(each, &batches->open, link)
    if (due == NULL || each->due_us < due->due_us)
        due = each;
    return due;
}

// Sets the timer to the next one that is due, unless a call is under way.
static void schedule(struct batches *batches)
{
    const struct batch *due = find_due(batches);
    if (batches->current != NULL || due == NULL)
        return;
    int64_t left_us = due->due_us - clock_monotonic_us();
    left_us = left_us > 0 ? left_us : 0;
    event_add(&batches->timer, &(struct timeval){left_us / 1000000, left_us % 1000000});
}

// Comes back to it later, and later each time.
static void postpone(struct batch *batch)
{
    batch->due_us = clock_monotonic_us() + batch->delay_us;
    batch->delay_us = 2 * batch->delay_us < DELAY_MAX_US ? 2 * batch->delay_us : DELAY_MAX_US;
}

// ---- what a call has brought

static const struct batch_fetch_receiver receiver;

static void settle_batch(struct batches *batches, struct batch *batch)
{
    struct error err;
    if (batch_account_close(&batch->account, batches->proxy, batch->is_gone, &err) == 0) {
        batch_remove(batches, batch);
        return;
    }
    log_event(LOG_WARNING, "batch_waits_for_journal", "batch", batch->account.batch.batch_id,
              "error", err.text, NULL);
    postpone(batch);
}

static void end_batch(struct batches *batches, struct batch *batch, bool is_gone)
{
    batch_enter(batch, BATCH_SETTLING);
    batch->is_gone = is_gone;
    settle_batch(batches, batch);
}

static void fail_call(struct batches *batches, struct batch *batch, const struct error *err)
{
    const struct journal_batch *record = &batch->account.batch;
    log_event(LOG_WARNING, "batch_not_fetched", "batch", record->batch_id, "job", record->job,
              "error", err->text, NULL);
    if (clock_now_us() - record->reserved_at_us > AGE_MAX_US) {
        end_batch(batches, batch, true);
        return;
    }
    batch_enter(batch, BATCH_WAITING);
    postpone(batch);
}

// Starts a call about the current batch.
static void call(struct batches *batches, struct batch *batch, enum batch_fetch_kind kind)
{
    struct error err;
    batch_enter(batch, kind == BATCH_FETCH_STATUS ? BATCH_ASKING : BATCH_READING);
    batches->current = batch;
    if (batch_fetch_start(&batches->fetch, batches->proxy, &batch->account.batch, kind, &receiver,
                          batches, &err) == 0)
        return;
    batches->current = NULL;
    fail_call(batches, batch, &err);
}

static bool on_line(void *context, struct slice line)
{
    struct batches *batches = context;
    struct error err;
    return batch_account_take(&batches->current->account, batches->proxy, line, &err) == 0;
}

static void on_done(void *context, enum batch_fetch_end end, const struct error *err)
{
    struct batches *batches = context;
    struct batch *batch = batches->current;
    batches->current = NULL;
    batches->fetch = NULL;
    switch (end) {
    case BATCH_FETCH_PROCESSING:
        batch_enter(batch, BATCH_WAITING);
        postpone(batch);
        break;
    case BATCH_FETCH_READY:
        call(batches, batch, BATCH_FETCH_RESULTS);
        break;
    case BATCH_FETCH_READ:
        end_batch(batches, batch, false);
        break;
    case BATCH_FETCH_GONE:
        end_batch(batches, batch, true);
        break;
    case BATCH_FETCH_FAILED:
        fail_call(batches, batch, err);
        break;
    }
    schedule(batches);
}

static const struct batch_fetch_receiver receiver = {.line = on_line, .done = on_done};

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    struct batches *batches = context;
    struct batch *due = find_due(batches);
    (void)fd;
    (void)what;
    if (batches->current != NULL || due == NULL || due->due_us > clock_monotonic_us()) {
        schedule(batches);
        return;
    }
    if (due->state == BATCH_SETTLING)
        settle_batch(batches, due);
    else
        call(batches, due, BATCH_FETCH_STATUS);
    schedule(batches);
}

// ---- which

static int batch_add(struct batches *batches, const struct journal_batch *record,
                     const struct budget_reservation *reservation, struct error *err)
{
    struct batch *batch = calloc(1, sizeof(*batch));
    if (batch == NULL)
        return error_set(err, -ENOMEM, "out of memory for batch %s", record->batch_id);
    batch->account.batch = *record;
    batch->account.reservation = *reservation;
    batch->delay_us = DELAY_FIRST_US;
    postpone(batch);
    TAILQ_INSERT_TAIL(&batches->open, batch, link);
    batches->count++;
    schedule(batches);
    return 0;
}

int batches_new(struct batches **batches, struct proxy *proxy, struct error *err)
{
    const struct journal_live *live = journal_live(proxy->journal);
    struct batches *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return error_set(err, -ENOMEM, "out of memory for batches");
    made->proxy = proxy;
    TAILQ_INIT(&made->open);
    event_assign(&made->timer, proxy->base, -1, 0, on_timer, made);
    int result = 0;
    for (size_t i = 0; result == 0 && i < live->batch_count; i++) {
        struct budget_reservation reservation = journal_batch_reservation(&live->batches[i]);
        result = batch_add(made, &live->batches[i], &reservation, err);
    }
    if (result < 0) {
        batches_free(made);
        return result;
    }
    *batches = made;
    return 0;
}

void batches_free(struct batches *batches)
{
    if (batches == NULL)
        return;
    batches_hand_over(batches);
    free(batches);
}

void batches_hand_over(struct batches *batches)
{
    if (batches->fetch != NULL)
        batch_fetch_cancel(take_pointer(&batches->fetch));
    batches->current = NULL;
    for (struct batch *batch; (batch = TAILQ_FIRST(&batches->open)) != NULL;)
        batch_remove(batches, batch);
    event_del(&batches->timer);
}

size_t batches_count(const struct batches *batches)
{
    return batches->count;
}

bool batches_have_room(const struct batches *batches)
{
    return batches->count < BATCHES_OPEN_MAX;
}

int batches_adopt(struct batches *batches, const struct admission *admission, struct slice id,
                  const char *credential, struct error *err)
{
    const struct budget_reservation *reservation = &admission->reservation;
    struct journal_batch record = {
        .reserved_at_us = reservation->reserved_at_us,
        .requests = reservation->held.of[BUDGET_REQUESTS],
        .cost_pico_usd = reservation->held.of[BUDGET_COST],
        .tokens = reservation->held.of[BUDGET_TOKENS],
        .output_tokens = reservation->held.of[BUDGET_OUTPUT_TOKENS],
    };
    if (id.length == 0 || !slice_copy(id, record.batch_id, sizeof(record.batch_id)))
        return error_set(err, -EMSGSIZE, "the id of a batch has %zu bytes", id.length);
    memcpy(record.exchange_id, admission->exchange_id, sizeof(record.exchange_id));
    memcpy(record.run_id, reservation->run_id, sizeof(record.run_id));
    memcpy(record.job, reservation->job, sizeof(record.job));
    memcpy(record.model, admission->model, sizeof(record.model));
    snprintf(record.credential, sizeof(record.credential), "%s", credential);
    return batches_take_over(batches, &record, reservation, err);
}

int batches_take_over(struct batches *batches, const struct journal_batch *record,
                      const struct budget_reservation *reservation, struct error *err)
{
    struct journal *journal = batches->proxy->journal;
    struct error journal_err;
    int result = journal_is_handed_over(journal) ? 0 : batch_add(batches, record, reservation, err);
    if (result < 0)
        return result;
    if (journal_append(journal, &(struct journal_record){.type = JOURNAL_BATCH, .batch = record},
                       NULL, &journal_err) < 0) // room was booked: the disk is failing
        log_event(LOG_CRIT, "batch_not_journaled", "batch", record->batch_id, "error",
                  journal_err.text, NULL);
    return 0;
}

bool batches_hurry(struct batches *batches, struct slice id)
{
    struct batch *batch;
    TAILQ_FOREACH(batch, &batches->open, link)
    if (slice_is(id, batch->account.batch.batch_id))
        break;
    if (batch == NULL)
        return false;
    batch->delay_us = DELAY_FIRST_US;
    if (batch->state == BATCH_WAITING)
        batch->due_us = clock_monotonic_us();
    schedule(batches);
    return true;
}
