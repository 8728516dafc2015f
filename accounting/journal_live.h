// Journal live set: what is open by the records so far: reservations without a settlement, batches
// without an end, runs without a close. The writer books room for what ends them and repeats them
// in each checkpoint; a start finds its orphans here.
#pragma once

#include "error.h"
#include "journal_record.h"

#include <stddef.h>

#define JOURNAL_LIVE_RESERVATIONS_MAX 4096
#define JOURNAL_LIVE_BATCHES_MAX 5120
#define JOURNAL_LIVE_RUNS_MAX 2048

struct journal_live_run {
    struct journal_run_open open;
    struct journal_run_totals totals; // of its settled exchanges
};

// In no particular order. Zero it to begin.
struct journal_live {
    struct journal_reservation *reservations;
    size_t reservation_count;
    struct journal_batch *batches; // their reservations are not among those above
    size_t batch_count;
    struct journal_live_run *runs;
    size_t run_count;
};

void journal_live_done(struct journal_live *live);

// -ENOSPC: a maximum is reached, or -ENOMEM, if `record` opens something and there is no place for
// it. After 0, journal_live_apply() of it succeeds.
int journal_live_make_room(struct journal_live *live, const struct journal_record *record,
                           struct error *err);

// Follows one record. Records that close what is not open, and repeats, change nothing.
void journal_live_apply(struct journal_live *live, const struct journal_record *record);

// What the batch holds against the ceilings.
struct budget_reservation journal_batch_reservation(const struct journal_batch *batch);

// NULL if it is not open.
const struct journal_live_run *journal_live_find_run(const struct journal_live *live,
                                                     const char *run_id);

const struct journal_reservation *
journal_live_find_reservation(const struct journal_live *live,
                              const uint8_t exchange_id[static EXCHANGE_ID_BYTES]);
