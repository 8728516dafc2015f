// Usage: what an exchange consumed, as the upstream counted it. The input of pricing.
//
// Source of the members and of which of them overlap: Claude API, "Usage" object and Messages
// streaming. Absent or null counts are 0.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_NAME_MAX 96  // bytes with NUL; longer names are cut and so unknown
#define UPSTREAM_ID_MAX 64 // of a batch, a file, a message: "msgbatch_01HkcTjaV5uDC8jWR4ZsDV8d"
#define CUSTOM_ID_MAX 65   // of a request in a batch: 1 to 64 characters
#define USAGE_ITERATIONS_MAX 256 // more than these and the usage counts as unreadable

// The five billed token classes. They do not overlap.
struct token_counts {
    int64_t input;          // uncached prompt tokens
    int64_t output;         // all output, thinking included
    int64_t cache_write_5m; // unsplit cache writes count here
    int64_t cache_write_1h;
    int64_t cache_read;
};

static inline void tokens_add(struct token_counts *sum, const struct token_counts *tokens)
{
    sum->input += tokens->input;
    sum->output += tokens->output;
    sum->cache_write_5m += tokens->cache_write_5m;
    sum->cache_write_1h += tokens->cache_write_1h;
    sum->cache_read += tokens->cache_read;
}

// What a token ceiling counts.
enum tokens_count {
    TOKENS_UNCACHED, // input, cache writes and output
    TOKENS_ALL,      // cache reads as well
    TOKENS_OUTPUT,   // output alone
};

static inline int64_t tokens_counted(const struct token_counts *tokens, enum tokens_count count)
{
    int64_t uncached = tokens->input + tokens->cache_write_5m + tokens->cache_write_1h;
    if (count == TOKENS_OUTPUT)
        return tokens->output;
    return tokens->output + uncached + (count == TOKENS_ALL ? tokens->cache_read : 0);
}

enum usage_speed { USAGE_SPEED_STANDARD, USAGE_SPEED_FAST };
enum usage_tier { USAGE_TIER_STANDARD, USAGE_TIER_PRIORITY, USAGE_TIER_BATCH };
enum usage_geo { USAGE_GEO_GLOBAL, USAGE_GEO_US }; // anything but "us" bears no multiplier

enum usage_iteration_type {
    USAGE_ITERATION_MESSAGE,
    USAGE_ITERATION_FALLBACK_MESSAGE,
    USAGE_ITERATION_COMPACTION,
    USAGE_ITERATION_ADVISOR_MESSAGE,
    USAGE_ITERATION_UNKNOWN, // a type that we do not know: priced at the message's model and logged
};

struct usage_iteration {
    enum usage_iteration_type type;
    char model[MODEL_NAME_MAX]; // empty: the message's model
    struct token_counts tokens;
    // A refusal before any output in a category that is not billed (fallback attempts only).
    bool declined_unbilled;
};

struct usage {
    char model[MODEL_NAME_MAX]; // that answered, as the response names it
    struct token_counts tokens; // top level
    int64_t thinking_tokens;    // part of tokens.output
    int64_t web_search_requests;
    int64_t web_fetch_requests;
    enum usage_speed speed;
    enum usage_tier tier;
    enum usage_geo geo;
    // The whole message was refused before any output in a category that is not billed.
    bool refused_unbilled;
    struct usage_iteration *iterations; // owned, NULL when iteration_count is 0
    size_t iteration_count;
};
