// Row writer: writes the columns of one row of a batch, left to right, as the text that Postgres
// reads.
#pragma once

#include "error.h"
#include "journal_follow.h"
#include "ledger_rows.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Being out of memory is remembered until row_writer_end().
struct row_writer {
    struct ledger_rows *rows;
    struct ledger_row row;
    size_t column;
    size_t text_start; // where to go back to
    bool failed;
};

struct row_writer row_writer_begin(struct ledger_rows *rows, enum ledger_table table,
                                   struct journal_cursor place);

// Adds the row, whose columns have all been put. -ENOMEM: the batch is as it was.
int row_writer_end(struct row_writer *writer, struct error *err);

// Bytes that are not UTF-8, and NUL, become U+FFFD.
void row_put_bytes(struct row_writer *writer, const char *bytes, size_t length);
void row_put_text(struct row_writer *writer, const char *text);
void row_put_null(struct row_writer *writer);

// What is not known is empty in a record and NULL in a row.
void row_put_optional_text(struct row_writer *writer, const char *text);

void row_put_number(struct row_writer *writer, int64_t number);
void row_put_number_unless(struct row_writer *writer, int64_t number, int64_t unknown);
void row_put_bool(struct row_writer *writer, bool value);
void row_put_money(struct row_writer *writer, int64_t cost_pico_usd); // dollars, exact

// `number` / 1,000,000, exactly: picodollars a token are millionths of a dollar per million tokens.
void row_put_millionths(struct row_writer *writer, int64_t number);

void row_put_time(struct row_writer *writer, int64_t time_us); // since 1970, UTC
void row_put_uuid(struct row_writer *writer, const uint8_t bytes[static EXCHANGE_ID_BYTES]);
