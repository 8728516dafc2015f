// Bound: what a Messages request can cost at most, in tokens and money. Pure.
#pragma once

#include "budget.h"
#include "error.h"
#include "price_table.h"
#include "request_scan.h"

#include <stdbool.h>
#include <stdint.h>

// What the upstream may add to a request by itself, counted or not: nobody can bound it beforehand.
#define BOUND_OPEN                                                                                 \
    (REQUEST_SERVER_TOOLS | REQUEST_FALLBACKS_UNNAMED | REQUEST_CONTAINER | REQUEST_SKILLS)

// A request as it is about to be sent.
struct bound {
    const struct request_scan *scan;
    const char *model;    // that is asked for, perhaps in place of the scan's
    int64_t input_tokens; // of one pass over the prompt, at most
    bool is_batched;      // sent in a Message Batch, at the price of one
};

// The largest context window on offer (Claude API, context windows): no prompt is longer.
#define BOUND_CONTEXT_TOKENS 1000000

// A token is at least one byte of the body; the upstream adds some of its own.
int64_t bound_input_by_size(int64_t body_length);

// The upstream's own count, which it calls an estimate, with a margin; with a larger one where
// `other_models` than the one it was counted for may read the prompt.
int64_t bound_input_by_count(int64_t counted_tokens, bool other_models);

// What an answer of `output_tokens` costs at most, all passes counted: every model that the body
// names, cache writes at the TTL that it asks for, geo and speed as they may turn out. Grows evenly
// with `output_tokens`. -ERANGE: beyond int64.
int bound_amounts(const struct bound *bound, const struct price_table *prices,
                  enum tokens_count count, int64_t output_tokens, int64_t time_us,
                  struct budget_amounts *amounts, struct error *err);

// What an open request is taken to add at most: a whole context window, once.
int bound_growth(const struct bound *bound, const struct price_table *prices,
                 enum tokens_count count, int64_t time_us, struct budget_amounts *growth,
                 struct error *err);
