// Usage of an unscripted answer: a fixed function of the request and of what was cached before it.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct fake_cache; // prompt prefixes that were written, per account and model

struct fake_cache *fake_cache_new(void);
void fake_cache_free(struct fake_cache *cache);

// The input side of a Usage object for this request body, as a new reference. A token is four bytes
// of compact JSON. Prefixes marked with cache_control are read if they were written before; they
// are remembered only with `remember`, as count_tokens writes no cache.
json_t *fake_usage_of_prompt(struct fake_cache *cache, const char *account, const json_t *body,
                             bool remember);

// The whole prompt of a Usage object: uncached, written and read.
int64_t fake_usage_prompt_tokens(const json_t *usage);

// Tokens that `bytes` of output count for; none for none.
int64_t fake_usage_output_tokens(size_t bytes);
