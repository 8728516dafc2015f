// Ledger move: copies the books from one ledger to another.
//
// All of a ledger as it stands at one moment, with the place in the journals that belongs to it, so
// that the feed goes on from there. Rows that are there already stay; repeating it is safe.
#pragma once

#include "error.h"
#include "ledger.h"

#include <stdint.h>

struct ledger_moved {
    int64_t rows; // read
    int64_t new_rows;
    int64_t exchanges; // of them
    int64_t cost_pico_usd;
};

// Copies everything from `source` to `target`, whose tables are made if need be, and checks that
// every exchange has arrived with its cost. -EBADMSG: one has not.
int ledger_move(struct ledger *source, struct ledger *target, struct ledger_moved *moved,
                struct error *err);
