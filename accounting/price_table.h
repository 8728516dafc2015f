// Price table: dated prices by model, from CSV data.
#pragma once

#include "error.h"
#include "usage.h"

#include <stdint.h>

#define PRICE_ROW_NAME_MAX (MODEL_NAME_MAX + 16) // "claude-opus-5-5@2026-09-22"

// What a million tokens of each class cost, in picodollars a token.
struct price_rates {
    int64_t input, output, cache_write_5m, cache_write_1h, cache_read;
};

struct price_table;

// Loads the table that is built into the binary (sql/prices.csv). Caller frees with price_table_free().
int price_table_load_builtin(struct price_table **table, struct error *err);

// Loads `path` in place of the built-in table. Errors name file, line, value and accepted form: a gap
// or an overlap of a model's dates, a duplicate name, a number that is not an exact picodollar amount.
int price_table_load_file(struct price_table **table, const char *path, struct error *err);

void price_table_free(struct price_table *table);
