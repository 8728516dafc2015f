// Ledger table: what is written to which table, and the statement that does it. Pure.
#pragma once

#include "error.h"

#include <stdbool.h>
#include <stddef.h>

#define LEDGER_COLUMNS_MAX 48

// In the order in which they are written. The two ends of a run fill one table.
enum ledger_table {
    LEDGER_JOB,
    LEDGER_RUN_OPEN,
    LEDGER_EXCHANGE,
    LEDGER_RUN_CLOSE,
    LEDGER_ALERT,
    LEDGER_QUARANTINE,
    LEDGER_PRICE,
    LEDGER_SOURCE_STATE, // written by moves alone, see source_state.h
    LEDGER_TABLES,
};

struct ledger_column {
    const char *name;
    const char *type;
};

struct ledger_layout {
    const char *name; // of the table, in schema reeve
    const char *key;  // the column or columns that say whether a row is there already
    // What becomes of a row that is there: NULL, it stays as it is; else its columns are replaced,
    // if this condition holds.
    const char *replace_if;
    size_t column_count;
    struct ledger_column columns[LEDGER_COLUMNS_MAX];
};

const struct ledger_layout *ledger_table_layout(enum ledger_table table);

// The statement that takes any number of rows: $1 is the array of the first column, and so on.
// Taking a row twice changes nothing. *statement is malloc'ed.
int ledger_table_statement(enum ledger_table table, char **statement, struct error *err);
