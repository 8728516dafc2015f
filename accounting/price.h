// Price: usage × price = money. Pure.
//
// By the rules of the Claude API documentation on pricing, streaming usage, compaction, advisor,
// fallbacks and refusals. Where they leave something open the dearer reading is taken.
#pragma once

#include "error.h"
#include "price_table.h"
#include "usage.h"

#include <stdbool.h>
#include <stdint.h>

struct price_quote {
    int64_t cost_pico_usd;
    char price_row[PRICE_ROW_NAME_MAX]; // that priced the model that answered
    struct token_counts tokens;         // all that is billed, of whatever model
    bool unknown_model;                 // some part was priced at the dearest known rates
};

// Prices `usage` at the prices in force at `time_us` (since 1970, UTC): the time of its
// reservation, or the bound of price_upper_bound() need not hold over a change of prices. The
// priority tier, which is under contract, is priced as standard.
// -ERANGE: a count is negative or the sum leaves int64; nothing is to be charged less for it.
int price_usage(const struct price_table *table, const struct usage *usage, int64_t time_us,
                struct price_quote *quote, struct error *err);

// Writes the categories of refusal that cost nothing at `time_us` before any output, "none"
// standing for a refusal without one, with a space behind each: "cyber none ". What does not fit is
// left out, and so billed. Returns `text`.
const char *price_free_refusals(const struct price_table *table, int64_t time_us, char *text,
                                size_t size);

// What an exchange can use, known before it is sent. Tokens are totals over everything that is
// billed: a request that may run the prompt several times (fallbacks, compaction, an advisor,
// server tools) is bounded by the sum of its passes.
struct price_bound {
    const char *const *models; // every model that may be billed; each rate is that of the dearest
    size_t model_count;        // 0: any model
    int64_t input_tokens;      // prompt tokens, read from the cache, written to it or neither
    int64_t output_tokens;     // max_tokens of each pass
    int64_t web_search_requests;
    int64_t web_fetch_requests;
    bool may_cache; // the body has cache_control, or server tools, which write without being asked
    bool cache_write_1h; // the body asks for that TTL
    bool may_be_us;      // geo is not known to be other than "us"
    bool may_be_fast;    // the body asks for speed "fast"
    bool batch;          // priced as a batch
};

// *cost_pico_usd: no price_usage() of a usage within the bound is above it, at the same time.
// -ERANGE: a bound is negative or the cost leaves int64.
int price_upper_bound(const struct price_table *table, const struct price_bound *bound,
                      int64_t time_us, int64_t *cost_pico_usd, struct error *err);
