// Restore: the budget as the journal remembers it, at a start; and the checkpoints that it needs.
//
// Every spent picodollar is back before the first request is taken. What was reserved when the
// daemon died is an orphan: nobody knows what it used, so it is charged in full.
#pragma once

#include "budget.h"
#include "error.h"
#include "journal.h"

struct restore_summary {
    size_t orphans;   // reservations charged in full
    size_t runs_lost; // runs that were live
    uint64_t records;
    uint64_t torn_bytes; // cut off at the end of the journal
};

// Opens the journal in `directory`, replays it into `budget`, settles the orphans and closes the
// runs that were live. `budget` outlives the journal, which takes its checkpoints from it.
int restore(const char *directory, struct budget *budget, struct journal **journal,
            struct restore_summary *summary, struct error *err);
