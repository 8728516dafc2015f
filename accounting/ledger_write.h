// Ledger write: a batch of rows and the journal's cursor in one transaction.
//
// A row that Postgres refuses never holds up the others and is never lost: it is found by halving
// the batch and goes to reeve.quarantine in the same transaction.
#pragma once

#include "error.h"
#include "journal_follow.h"
#include "ledger.h"
#include "ledger_rows.h"

#include <stdint.h>

// How far a journal has been followed: all zero if this ledger does not know it.
int ledger_read_cursor(struct ledger *ledger, const char *journal_id, struct journal_cursor *cursor,
                       struct error *err);

struct ledger_written {
    uint64_t rows; // new ones; rows that were there already do not count
    uint64_t quarantined;
};

// Writes the rows and moves the cursor to `cursor`, both or neither. Doing it twice changes
// nothing. After an error the caller reads the cursor anew: the commit may have come through.
int ledger_write(struct ledger *ledger, struct ledger_rows *rows,
                 const struct ledger_journal *journal, const struct journal_cursor *cursor,
                 struct ledger_written *written, struct error *err);

// Writes rows that come from no journal. *new_rows (may be NULL) is how many were not there yet.
int ledger_write_rows(struct ledger *ledger, const struct ledger_rows *rows, uint64_t *new_rows,
                      struct error *err);
