// What the API would bill: the fake's own prices and sums, independent of reeve's.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct fake_bill {
    int64_t input, output, cache_write_5m, cache_write_1h, cache_read; // tokens, extras included
    int64_t web_searches;
    int64_t pico_usd; // 1e-12 dollars
};

// The model's canonical name, or NULL for a model that the API does not know or has retired.
const char *fake_price_find_model(const char *model);

// Whether speed "fast" and geo "us" exist for a model that is known.
bool fake_price_has_fast(const char *model);
bool fake_price_has_geo(const char *model);

// The names of all models in service, in order; NULL at the end.
const char *fake_price_model_at(size_t index);

// Whether a refusal of this category (NULL: none given) before any output is billed.
bool fake_price_refusal_is_billed(const char *category);

// Bills a final usage object of a message that `model` answered. `content` is the message's
// content: its fallback blocks say why an attempt was declined.
void fake_price_usage(const char *model, const json_t *usage, const json_t *content,
                      struct fake_bill *bill);
