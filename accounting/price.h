// Price: usage × price = money. Pure.
#pragma once

#include "error.h"
#include "price_table.h"
#include "usage.h"

#include <stdbool.h>
#include <stdint.h>

struct price_quote {
    int64_t cost_pico_usd;
    char price_row[PRICE_ROW_NAME_MAX]; // of the model that answered
    bool unknown_model;                 // some part was priced at the dearest known rates
};

// Prices `usage` at the prices in force at `time_us` (since 1970, UTC).
// -ERANGE: a count is negative or the sum leaves int64; nothing is to be charged less for it.
int price_usage(const struct price_table *table, const struct usage *usage, int64_t time_us,
                struct price_quote *quote, struct error *err);

// An upper bound for an exchange before it is sent.
struct price_bound {
    const char *const *models; // every model that may be billed; the dearest counts
    size_t model_count;
    int64_t input_tokens; // upper bound of the whole prompt
    int64_t output_tokens; // max_tokens
    bool cache_write_1h;  // the body asks for that TTL
    bool may_cache;       // the body has cache_control at all
    bool may_be_us;       // geo is not known to be other than "us"
    bool may_be_fast;     // the body asks for speed "fast"
    bool batch;
};

// *cost_pico_usd: no price_usage() of any usage within the bound is above it. -ERANGE on overflow.
int price_upper_bound(const struct price_table *table, const struct price_bound *bound,
                      int64_t time_us, int64_t *cost_pico_usd, struct error *err);
