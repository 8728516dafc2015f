// Price table: dated prices by model, from CSV data.
//
// Prices are data, sql/prices.csv, whose head explains its columns. A name (a model's, one of its
// aliases, or either with the suffix "[1m]") leads to the row of a kind that is in force at a time.
#pragma once

#include "error.h"
#include "usage.h"

#include <stddef.h>
#include <stdint.h>

#define PRICE_FILE_BYTES_MAX (1 << 20) // a longer file is refused
#define PRICE_ROWS_MAX 4096            // and one with more rows
#define PRICE_ALIASES_MAX 256          // bytes of a row's aliases
#define PRICE_SOURCE_MAX 512
#define PRICE_CONFIDENCE_MAX 16
#define PRICE_DATE_MAX 16
#define PRICE_ROW_NAME_MAX (MODEL_NAME_MAX + 16) // "claude-haiku-5-5@2026-10-07/long"

#define PRICE_MODEL_ANY "*"          // the model of price_table_dearest()
#define PRICE_MULTIPLIER_ONE 1000000 // multipliers are in millionths

enum price_kind {
    PRICE_STANDARD,
    PRICE_LONG,    // all tokens of a prompt above `above_tokens`
    PRICE_FAST,    // usage.speed "fast"
    PRICE_REQUEST, // a fee for each use of a server tool: "web_search", "web_fetch"
    PRICE_REFUSAL, // a category whose refusals before any output are not billed; "none": no
                   // category
    PRICE_KINDS,
};

// The words of the column `kind`.
const char *price_kind_name(enum price_kind kind);

// What a token of each class costs, in picodollars.
struct price_rates {
    int64_t input, output, cache_write_5m, cache_write_1h, cache_read;
};

struct price_row {
    char name[PRICE_ROW_NAME_MAX];   // of the row, unique in a table; rows of exchanges refer to it
    char model[MODEL_NAME_MAX];      // or what is charged for, or the category of refusal
    char aliases[PRICE_ALIASES_MAX]; // spaces between
    enum price_kind kind;
    int64_t above_tokens; // PRICE_LONG only, else 0
    int64_t from_us;      // since 1970, UTC; INT64_MIN: always
    int64_t until_us;     // the first moment out of force; INT64_MAX: open
    struct price_rates rates;
    int64_t request_pico_usd;     // PRICE_REQUEST only
    int32_t us_geo_millionths;    // multiplier of all rates for geo "us"; 0: not offered
    int32_t batch_millionths;     // the same for batches
    char retired[PRICE_DATE_MAX]; // date, empty while the model is served
    char confidence[PRICE_CONFIDENCE_MAX];
    char source[PRICE_SOURCE_MAX];
    int line; // in the file
};

struct price_table;

// Loads the table that is built into the binary (sql/prices.csv). Caller frees with
// price_table_free().
int price_table_load_builtin(struct price_table **table, struct error *err);

// Loads `path` in place of the built-in table. Errors name file, line, value and accepted form: a
// gap or an overlap of a model's dates, a duplicate name, a rate that is not a whole number of
// picodollars a token before or after its multipliers.
int price_table_load_file(struct price_table **table, const char *path, struct error *err);

// The same from text in memory; `place` stands for the path in errors.
int price_table_parse(struct price_table **table, const char *place, const char *text,
                      size_t length, struct error *err);

void price_table_free(struct price_table *table);

// The row of `kind` for `name` at `time_us` (since 1970, UTC), or NULL: the name is not known, or
// nothing of that kind is in force. PRICE_STANDARD and PRICE_REQUEST have no gaps: before its first
// row a model costs what that row says. Owned by the table.
const struct price_row *price_table_find(const struct price_table *table, const char *name,
                                         enum price_kind kind, int64_t time_us);

// What is charged where nothing better is known: each rate the dearest of all rows of all times,
// PRICE_FAST ones only for USAGE_SPEED_FAST. Its model is PRICE_MODEL_ANY. Owned by the table.
const struct price_row *price_table_dearest(const struct price_table *table,
                                            enum usage_speed speed);

// The row at `index`, NULL after the last: by model, kind and date, the two dearest at the end.
const struct price_row *price_table_at(const struct price_table *table, size_t index);
