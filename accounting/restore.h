// Restore: what the journal remembers, the budget first, at a start; and the checkpoints for it.
//
// Every spent picodollar is back before the first request is taken. What was reserved when the
// daemon died is an orphan: nobody knows what it used, so it is charged in full. Batches are none:
// the upstream goes on with them, and what they have reserved is held again; nor is what a
// predecessor that has handed the journal over still has in flight. Runs that were live
// stay so, with what they have spent: their supervisors come back, or the guard closes them.
#pragma once

#include "budget.h"
#include "error.h"
#include "journal.h"

#define RESTORE_WITNESSES_MAX 4

// Somebody else who remembers by the journal: called for every record that a start has to know, and
// when a segment begins.
struct restore_witness {
    void (*replay)(const struct journal_record *record, void *context);
    void (*checkpoint)(struct journal_checkpoint *checkpoint, void *context);
    void *context;
};

// A reservation that a predecessor will settle.
struct restore_in_flight {
    uint8_t exchange_id[EXCHANGE_ID_BYTES];
    struct budget_reservation reservation;
};

// What is filled from the journal, and gives its checkpoints. Outlives the journal.
struct restore_targets {
    struct budget *budget;
    const struct restore_in_flight *in_flight; // held, and no orphans; valid during restore()
    size_t in_flight_count;
    struct restore_witness witnesses[RESTORE_WITNESSES_MAX];
    size_t witness_count;
};

void restore_add_witness(struct restore_targets *targets, const struct restore_witness *witness);

struct restore_summary {
    size_t orphans;   // reservations charged in full
    size_t in_flight; // those of predecessors, held
    size_t runs;      // that were live, and are
    size_t batches;   // whose results are not known yet
    uint64_t records;
    uint64_t torn_bytes; // cut off at the end of the journal
};

// What is booked for a reservation of which nobody knows any more what it has used: all of it.
struct journal_settlement restore_orphan(const struct journal_reservation *reservation);

// Opens the journal in `directory`, replays it into `targets`, settles the orphans and holds what
// predecessors and open batches have reserved (journal_live() names them, and the runs that were
// live).
int restore(const char *directory, struct restore_targets *targets, struct journal **journal,
            struct restore_summary *summary, struct error *err);
