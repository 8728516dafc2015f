// Ledger rows: records of the journal as rows of text columns, ready to be sent. Pure.
//
// Postgres takes the rows of a table as one array per column, so that the statement does not depend
// on their number. Text that is not UTF-8 is mended here: Postgres would refuse the row.
#pragma once

#include "error.h"
#include "journal_follow.h"
#include "journal_record.h"
#include "ledger_table.h"
#include "price_table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEDGER_ROWS_MAX 1000            // the aim: a batch is full with as many rows,
#define LEDGER_ROWS_BYTES_MAX (8 << 20) // or with as much text
#define LEDGER_NULL UINT32_MAX
#define LEDGER_JOURNAL_ID_MAX 37 // a UUID's text and its NUL

// One row. Its columns are offsets in the batch's text, or LEDGER_NULL.
struct ledger_row {
    enum ledger_table table;
    struct journal_cursor place; // behind its record in the journal
    uint32_t columns[LEDGER_COLUMNS_MAX];
    char *refusal; // what Postgres said when it would not take the row, else NULL; owned
};

// A batch. Begin with a zeroed one; ledger_rows_clear() keeps the memory, ledger_rows_done() frees.
struct ledger_rows {
    struct ledger_row *rows;
    size_t count, capacity;
    char *text;
    size_t text_length, text_capacity;
};

void ledger_rows_clear(struct ledger_rows *rows);
void ledger_rows_done(struct ledger_rows *rows);
bool ledger_rows_are_full(const struct ledger_rows *rows);

// The journal that rows come from.
struct ledger_journal {
    char id[LEDGER_JOURNAL_ID_MAX]; // names it in feed_cursor and quarantine
    const char *host;               // the machine's name
};

// Writes the journal's id as Postgres writes a UUID. Returns `text`.
const char *ledger_journal_id_format(const uint8_t id[static JOURNAL_ID_BYTES],
                                     char text[static LEDGER_JOURNAL_ID_MAX]);

// Adds the rows of a record that ends at `place`; records that leave no row add none. All of these
// leave the batch as it was on -ENOMEM, their only error.
int ledger_rows_add_record(struct ledger_rows *rows, const struct journal_record *record,
                           const struct ledger_journal *journal, struct journal_cursor place,
                           struct error *err);

int ledger_rows_add_price(struct ledger_rows *rows, const struct price_row *price,
                          struct error *err);

// Adds a row whose columns are there as text, NULL for SQL's NULL.
int ledger_rows_add_texts(struct ledger_rows *rows, enum ledger_table table,
                          const char *const *columns, struct error *err);

// Adds a row of the quarantine. `type` and `record` as the table's columns of these names.
int ledger_rows_add_quarantine(struct ledger_rows *rows, const char *type, const char *record,
                               const char *reason, const struct ledger_journal *journal,
                               struct journal_cursor place, struct error *err);

// The columns of a row as JSON. *record is malloc'ed.
int ledger_rows_describe(const struct ledger_rows *rows, const struct ledger_row *row,
                         char **record, struct error *err);

// The text of a column, NULL for SQL's NULL.
const char *ledger_rows_column(const struct ledger_rows *rows, const struct ledger_row *row,
                               size_t column);

// One column over the rows of `table` in [first, last) that were not refused, as an array literal:
// {"a","b",NULL}. *array is malloc'ed; *row_count is how many it has.
int ledger_rows_array(const struct ledger_rows *rows, enum ledger_table table, size_t column,
                      size_t first, size_t last, char **array, size_t *row_count,
                      struct error *err);
