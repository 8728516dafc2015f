// Restore: what the journal remembers, the budget first, at a start; and the checkpoints for it.
//
// Every spent picodollar is back before the first request is taken. What was reserved when the
// daemon died is an orphan: nobody knows what it used, so it is charged in full.
#pragma once

#include "budget.h"
#include "error.h"
#include "journal.h"

// What is filled from the journal, and gives its checkpoints. Outlives the journal.
struct restore_targets {
    struct budget *budget;
    // Others who remember by the journal: called for every record that a start has to know, and
    // when a segment begins. NULL: there is nobody.
    void (*replay)(const struct journal_record *record, void *context);
    void (*checkpoint)(struct journal_checkpoint *checkpoint, void *context);
    void *context;
};

struct restore_summary {
    size_t orphans;   // reservations charged in full
    size_t runs_lost; // runs that were live
    uint64_t records;
    uint64_t torn_bytes; // cut off at the end of the journal
};

// Opens the journal in `directory`, replays it into `targets`, settles the orphans and closes the
// runs that were live.
int restore(const char *directory, struct restore_targets *targets, struct journal **journal,
            struct restore_summary *summary, struct error *err);
