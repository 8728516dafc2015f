// Restore: what the journal remembers, the budget first, at a start; and the checkpoints for it.

#include "restore.h"

#include "cleanup.h"
#include "clock.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static bool has_settled(const struct budget_amounts *amounts)
{
    for (int kind = 0; kind < BUDGET_KINDS; kind++)
        if (amounts->of[kind] > 0)
            return true;
    return false;
}

static void checkpoint_account(const struct budget_account *account, void *context)
{
    struct journal_account record = {
        .scope = account->scope,
        .period_start_us = account->period_start_us,
        .settled = account->settled,
    };
    if (!has_settled(&account->settled))
        return;
    memcpy(record.name, account->name, sizeof(record.name));
    journal_checkpoint_account(context, &record);
}

static void on_checkpoint(struct journal_checkpoint *checkpoint, void *context)
{
    const struct restore_targets *targets = context;
    budget_each(targets->budget, checkpoint_account, checkpoint);
    for (size_t i = 0; i < targets->witness_count; i++)
        targets->witnesses[i].checkpoint(checkpoint, targets->witnesses[i].context);
}

void restore_add_witness(struct restore_targets *targets, const struct restore_witness *witness)
{
    assert(targets->witness_count < RESTORE_WITNESSES_MAX);
    targets->witnesses[targets->witness_count++] = *witness;
}

// Of RUN_ID_MAX and JOB_NAME_MAX bytes; gcc 11 takes one for the other where the parameters say so.
static struct budget_reservation reservation_make(const char *run_id, const char *job,
                                                  int64_t reserved_at_us)
{
    struct budget_reservation reservation = {.reserved_at_us = reserved_at_us};
    memcpy(reservation.run_id, run_id, sizeof(reservation.run_id));
    memcpy(reservation.job, job, sizeof(reservation.job));
    return reservation;
}

// Books what was counted. Holds are not replayed: what was held is settled by now, an orphan's or a
// batch's.
static int book(struct budget *budget, const struct budget_reservation *reservation,
                const struct budget_amounts *used, struct error *err)
{
    int result = budget_restore_reservation(budget, reservation, err);
    if (result == 0)
        budget_settle(budget, reservation, used);
    return result;
}

static int book_settlement(struct budget *budget, const struct journal_settlement *settlement,
                           struct error *err)
{
    struct budget_reservation reservation =
        reservation_make(settlement->run_id, settlement->job, settlement->reserved_at_us);
    struct budget_amounts used = {{
        [BUDGET_COST] = settlement->counted_pico_usd,
        [BUDGET_TOKENS] = settlement->counted_tokens,
        [BUDGET_OUTPUT_TOKENS] = settlement->counted_output_tokens,
        [BUDGET_REQUESTS] = exchange_end_is_request(settlement->end) ? 1 : 0,
    }};
    if (settlement->batch_id[0] != '\0')
        return 0;
    return book(budget, &reservation, &used, err);
}

static int book_batch(struct budget *budget, const struct journal_batch_end *batch,
                      struct error *err)
{
    struct budget_reservation reservation =
        reservation_make(batch->run_id, batch->job, batch->reserved_at_us);
    struct budget_amounts used = {{
        [BUDGET_COST] = batch->counted_pico_usd,
        [BUDGET_TOKENS] = batch->counted_tokens,
        [BUDGET_OUTPUT_TOKENS] = batch->counted_output_tokens,
        [BUDGET_REQUESTS] = batch->counted_requests,
    }};
    return book(budget, &reservation, &used, err);
}

static int on_record(const struct journal_record *record, void *context, struct error *err)
{
    const struct restore_targets *targets = context;
    struct budget *budget = targets->budget;
    for (size_t i = 0; i < targets->witness_count; i++)
        targets->witnesses[i].replay(record, targets->witnesses[i].context);
    switch (record->type) {
    case JOURNAL_ACCOUNT:
        return budget_restore_account(budget, record->account->scope, record->account->name,
                                      record->account->period_start_us, &record->account->settled,
                                      err);
    case JOURNAL_SETTLEMENT:
        return book_settlement(budget, record->settlement, err);
    case JOURNAL_BATCH_END:
        return book_batch(budget, record->batch_end, err);
    case JOURNAL_RUN_CLOSE:
        budget_forget_run(budget, record->run_close->run_id);
        return 0;
    default:
        return 0;
    }
}

struct journal_settlement restore_orphan(const struct journal_reservation *reservation)
{
    struct journal_settlement settlement = {
        .reserved_at_us = reservation->reserved_at_us,
        .settled_at_us = clock_now_us(),
        .first_byte_us = -1,
        .reserved_pico_usd = reservation->cost_pico_usd,
        .cost_pico_usd = reservation->cost_pico_usd,
        .counted_pico_usd = reservation->cost_pico_usd,
        .counted_tokens = reservation->tokens,
        .counted_output_tokens = reservation->output_tokens,
        .attempt = 1,
        .end = EXCHANGE_ORPHANED,
        .estimated = true,
    };
    memcpy(settlement.exchange_id, reservation->exchange_id, sizeof(settlement.exchange_id));
    memcpy(settlement.run_id, reservation->run_id, sizeof(settlement.run_id));
    memcpy(settlement.job, reservation->job, sizeof(settlement.job));
    memcpy(settlement.model_asked, reservation->model, sizeof(settlement.model_asked));
    memcpy(settlement.model, reservation->model, sizeof(settlement.model));
    settlement.tokens.output = reservation->output_tokens;
    if (reservation->tokens > reservation->output_tokens)
        settlement.tokens.input = reservation->tokens - reservation->output_tokens;
    return settlement;
}

static int settle_orphan(struct journal *journal, struct budget *budget,
                         const struct journal_reservation *reservation, struct error *err)
{
    struct journal_settlement settlement = restore_orphan(reservation);
    int result = journal_append(
        journal, &(struct journal_record){.type = JOURNAL_SETTLEMENT, .settlement = &settlement},
        NULL, err);
    return result < 0 ? result : book_settlement(budget, &settlement, err);
}

// NULL: nobody will settle it.
static const struct restore_in_flight *find_in_flight(const struct restore_targets *targets,
                                                      const struct journal_reservation *reservation)
{
    for (size_t i = 0; i < targets->in_flight_count; i++)
        if (memcmp(targets->in_flight[i].exchange_id, reservation->exchange_id,
                   EXCHANGE_ID_BYTES) == 0)
            return &targets->in_flight[i];
    return NULL;
}

// Holds what the batch has reserved. Its run may have ended long ago.
static int hold_batch(struct budget *budget, const struct journal_live *live,
                      const struct journal_batch *batch, struct error *err)
{
    struct budget_reservation reservation = journal_batch_reservation(batch);
    int result = budget_restore_reservation(budget, &reservation, err);
    if (journal_live_find_run(live, batch->run_id) == NULL)
        budget_forget_run(budget, batch->run_id);
    return result;
}

// Settles or holds what was in flight. A walk over a copy, as appending moves the rest.
static int end_reservations(struct journal *journal, const struct restore_targets *targets,
                            struct restore_summary *summary, struct error *err)
{
    const struct journal_live *live = journal_live(journal);
    size_t count = live->reservation_count;
    cleanup_free struct journal_reservation *reservations = calloc(count, sizeof(*reservations));
    if (count > 0 && reservations == NULL)
        return error_set(err, -ENOMEM, "out of memory for what was in flight at the last end");
    if (count > 0)
        memcpy(reservations, live->reservations, count * sizeof(*reservations));
    for (size_t i = 0; i < count; i++) {
        const struct restore_in_flight *held = find_in_flight(targets, &reservations[i]);
        int result = held != NULL
                         ? budget_restore_reservation(targets->budget, &held->reservation, err)
                         : settle_orphan(journal, targets->budget, &reservations[i], err);
        if (result < 0)
            return error_wrap(err, "settling what was in flight at the last end");
        summary->in_flight += held != NULL;
        summary->orphans += held == NULL;
    }
    return 0;
}

static int hold_batches(const struct journal_live *live, struct budget *budget,
                        struct restore_summary *summary, struct error *err)
{
    for (size_t i = 0; i < live->batch_count; i++) {
        int result = hold_batch(budget, live, &live->batches[i], err);
        if (result < 0)
            return error_wrap(err, "holding what batch %s has reserved", live->batches[i].batch_id);
        summary->batches++;
    }
    summary->runs = live->run_count;
    return 0;
}

int restore(const char *directory, struct restore_targets *targets, struct journal **journal,
            struct restore_summary *summary, struct error *err)
{
    struct journal *opened = NULL;
    struct journal_replay found = {0};
    struct journal_options options = {
        .directory = directory,
        .replay = on_record,
        .checkpoint = on_checkpoint,
        .context = targets,
    };
    int result = journal_open(&opened, &options, &found, err);
    if (result < 0)
        return result;
    *summary = (struct restore_summary){.records = found.records, .torn_bytes = found.torn_bytes};
    result = end_reservations(opened, targets, summary, err);
    if (result == 0)
        result = hold_batches(journal_live(opened), targets->budget, summary, err);
    if (result < 0) {
        journal_close(opened);
        return result;
    }
    *journal = opened;
    return 0;
}
