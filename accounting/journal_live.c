// Journal live set: three small arrays; tens of entries are the rule, so a search is a walk.
#include "journal_live.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LIVE_STEP 16

static const size_t none = SIZE_MAX;

void journal_live_done(struct journal_live *live)
{
    free(live->reservations);
    free(live->batches);
    free(live->runs);
    *live = (struct journal_live){0};
}

static size_t find_reservation(const struct journal_live *live, const uint8_t *exchange_id)
{
    for (size_t i = 0; i < live->reservation_count; i++)
        if (memcmp(live->reservations[i].exchange_id, exchange_id, EXCHANGE_ID_BYTES) == 0)
            return i;
    return none;
}

static size_t find_batch(const struct journal_live *live, const char *batch_id)
{
    for (size_t i = 0; i < live->batch_count; i++)
        if (strncmp(live->batches[i].batch_id, batch_id, UPSTREAM_ID_MAX) == 0)
            return i;
    return none;
}

static size_t find_run(const struct journal_live *live, const char *run_id)
{
    for (size_t i = 0; i < live->run_count; i++)
        if (strncmp(live->runs[i].open.run_id, run_id, RUN_ID_MAX) == 0)
            return i;
    return none;
}

const struct journal_live_run *journal_live_find_run(const struct journal_live *live,
                                                     const char *run_id)
{
    size_t index = find_run(live, run_id);
    return index == none ? NULL : &live->runs[index];
}

const struct journal_reservation *
journal_live_find_reservation(const struct journal_live *live,
                              const uint8_t exchange_id[static EXCHANGE_ID_BYTES])
{
    size_t index = find_reservation(live, exchange_id);
    return index == none ? NULL : &live->reservations[index];
}

struct budget_reservation journal_batch_reservation(const struct journal_batch *batch)
{
    struct budget_reservation reservation = {
        .reserved_at_us = batch->reserved_at_us,
        .held = {{
            [BUDGET_COST] = batch->cost_pico_usd,
            [BUDGET_TOKENS] = batch->tokens,
            [BUDGET_OUTPUT_TOKENS] = batch->output_tokens,
            [BUDGET_REQUESTS] = batch->requests,
        }},
    };
    memcpy(reservation.run_id, batch->run_id, sizeof(reservation.run_id));
    memcpy(reservation.job, batch->job, sizeof(reservation.job));
    return reservation;
}

// Makes *array hold one item more. Arrays grow by steps that double.
static int grow(void **array, size_t count, size_t item_bytes, size_t count_max, const char *what,
                struct error *err)
{
    if (count == count_max)
        return error_set(err, -ENOSPC, "more than %zu open %s", count_max, what);
    if (count != 0 && (count < LIVE_STEP || (count & (count - 1)) != 0))
        return 0;
    void *more = reallocarray(*array, count < LIVE_STEP ? LIVE_STEP : 2 * count, item_bytes);
    if (more == NULL)
        return error_set(err, -ENOMEM, "out of memory for open %s", what);
    *array = more;
    return 0;
}

int journal_live_make_room(struct journal_live *live, const struct journal_record *record,
                           struct error *err)
{
    if (record->type == JOURNAL_RESERVATION)
        return grow((void **)&live->reservations, live->reservation_count,
                    sizeof(*live->reservations), JOURNAL_LIVE_RESERVATIONS_MAX, "reservations",
                    err);
    if (record->type == JOURNAL_BATCH)
        return grow((void **)&live->batches, live->batch_count, sizeof(*live->batches),
                    JOURNAL_LIVE_BATCHES_MAX, "batches", err);
    if (record->type == JOURNAL_RUN_OPEN)
        return grow((void **)&live->runs, live->run_count, sizeof(*live->runs),
                    JOURNAL_LIVE_RUNS_MAX, "runs", err);
    return 0;
}

static void add(int64_t *sum, int64_t amount)
{
    if (__builtin_add_overflow(*sum, amount, sum))
        *sum = INT64_MAX; // no count of tokens or picodollars gets there
}

static void close_reservation(struct journal_live *live, const uint8_t *exchange_id)
{
    size_t index = find_reservation(live, exchange_id);
    if (index != none)
        live->reservations[index] = live->reservations[--live->reservation_count];
}

static void apply_batch(struct journal_live *live, const struct journal_batch *batch)
{
    close_reservation(live, batch->exchange_id);
    if (find_batch(live, batch->batch_id) == none)
        live->batches[live->batch_count++] = *batch;
}

static void apply_settlement(struct journal_live *live, const struct journal_settlement *settlement)
{
    close_reservation(live, settlement->exchange_id);
    size_t index = find_run(live, settlement->run_id);
    if (index == none)
        return;
    struct journal_run_totals *totals = &live->runs[index].totals;
    add(&totals->cost_pico_usd, settlement->cost_pico_usd);
    add(&totals->exchanges, 1);
    add(&totals->tokens.input, settlement->tokens.input);
    add(&totals->tokens.output, settlement->tokens.output);
    add(&totals->tokens.cache_write_5m, settlement->tokens.cache_write_5m);
    add(&totals->tokens.cache_write_1h, settlement->tokens.cache_write_1h);
    add(&totals->tokens.cache_read, settlement->tokens.cache_read);
}

static void apply_run_open(struct journal_live *live, const struct journal_run_open *run)
{
    if (find_run(live, run->run_id) != none)
        return;
    struct journal_live_run *added = &live->runs[live->run_count++];
    *added = (struct journal_live_run){.open = *run};
    memcpy(added->totals.run_id, run->run_id, sizeof(added->totals.run_id));
}

static void apply_run_placed(struct journal_live *live, const struct journal_run_placed *placed)
{
    size_t index = find_run(live, placed->run_id);
    if (index == none)
        return;
    struct journal_run_open *open = &live->runs[index].open;
    memcpy(open->directory, placed->directory, sizeof(open->directory));
    open->is_placed = true;
}

void journal_live_apply(struct journal_live *live, const struct journal_record *record)
{
    size_t index;
    switch (record->type) {
    case JOURNAL_RUN_OPEN:
        apply_run_open(live, record->run_open);
        break;
    case JOURNAL_RUN_PLACED:
        apply_run_placed(live, record->run_placed);
        break;
    case JOURNAL_RUN_TOTALS:
        index = find_run(live, record->run_totals->run_id);
        if (index != none)
            live->runs[index].totals = *record->run_totals;
        break;
    case JOURNAL_RESERVATION:
        if (find_reservation(live, record->reservation->exchange_id) == none)
            live->reservations[live->reservation_count++] = *record->reservation;
        break;
    case JOURNAL_SETTLEMENT:
        apply_settlement(live, record->settlement);
        break;
    case JOURNAL_BATCH:
        apply_batch(live, record->batch);
        break;
    case JOURNAL_BATCH_END:
        index = find_batch(live, record->batch_end->batch_id);
        if (index != none)
            live->batches[index] = live->batches[--live->batch_count];
        break;
    case JOURNAL_RUN_CLOSE:
        index = find_run(live, record->run_close->run_id);
        if (index != none)
            live->runs[index] = live->runs[--live->run_count];
        break;
    case JOURNAL_ALERT:
    case JOURNAL_ALERT_SENT:
    case JOURNAL_RUN_CACHE:
    case JOURNAL_OWNED:
    case JOURNAL_ACCOUNT:
    case JOURNAL_CHECKPOINT_END:
    case JOURNAL_SEGMENT_END:
        break;
    }
}
