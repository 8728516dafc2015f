// Ledger: the Postgres tables that follow the journal. One blocking connection.
//
// Works through PgBouncer in transaction mode and Neon's pooler: no session state, no start-up
// options, no named statements, all names qualified (schema reeve).
#pragma once

#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEDGER_DSN_MAX 1024
#define LEDGER_CONNECT_TIMEOUT_SEC 15 // Neon wakes within seconds; libpq counts it by address
#define JOURNAL_ID_TEXT_MAX 37        // UUID text and its NUL

// A place in a journal: everything before it has been dealt with.
struct ledger_cursor {
    uint64_t segment;
    uint64_t offset; // bytes from the segment's start
};

struct ledger;
struct ledger_rows; // ledger_rows.h

// Connects. `dsn` is a libpq connection string or URI; it never appears in an error.
int ledger_open(struct ledger **ledger, const char *dsn, struct error *err);
void ledger_close(struct ledger *ledger); // NULL is allowed

// How far the journal has been followed; {0, 0} if it is not known to this ledger.
int ledger_read_cursor(struct ledger *ledger, const char *journal_id, struct ledger_cursor *cursor,
                       struct error *err);
