// Bound: what a Messages request can cost at most, in tokens and money. Pure.

#include "bound.h"

#include "money.h"
#include "price.h"

#include <inttypes.h>

// Tokens that the upstream adds to a prompt by itself, above what the body's bytes bound: the
// system prompts for tool use are documented with up to 735; this is far above all of them.
#define HIDDEN_PROMPT_TOKENS 4096

// count_tokens is documented as an estimate that may differ by a small amount.
#define COUNT_MARGIN_TOKENS 64
#define COUNT_MARGIN_SHARE 32

// Models count the same text differently: the newest up to 1.35 times as many as those before them
// (Claude API, migration to Opus 4.7).
#define COUNT_OTHER_MODELS_SHARE 2

int64_t bound_input_by_size(int64_t body_length)
{
    return body_length + HIDDEN_PROMPT_TOKENS;
}

int64_t bound_input_by_count(int64_t counted_tokens, bool other_models)
{
    int64_t margin = counted_tokens / COUNT_MARGIN_SHARE + COUNT_MARGIN_TOKENS;
    if (other_models)
        margin += counted_tokens / COUNT_OTHER_MODELS_SHARE;
    return counted_tokens + margin;
}

// Passes over the prompt besides those of fallbacks.
static int64_t passes_max(const struct request_scan *scan)
{
    int64_t passes = 1;
    passes += (scan->features & REQUEST_COMPACTION) != 0;
    passes += (scan->features & REQUEST_ADVISOR) != 0;
    return passes;
}

static int64_t fallback_passes_max(const struct request_scan *scan)
{
    return (int64_t)scan->fallback_count + ((scan->features & REQUEST_FALLBACKS_UNNAMED) != 0);
}

// Output of all passes. A fallback that names a max_tokens of its own is not clamped.
static bool output_sum(const struct request_scan *scan, int64_t output_tokens, int64_t *sum)
{
    int64_t of_fallback = output_tokens, fallbacks;
    if (scan->fallback_max_tokens >= 0)
        of_fallback = scan->fallback_max_tokens > scan->max_tokens ? scan->fallback_max_tokens
                                                                   : scan->max_tokens;
    return money_multiply(output_tokens, passes_max(scan), sum) &&
           money_multiply(of_fallback, fallback_passes_max(scan), &fallbacks) &&
           money_add(*sum, fallbacks, sum);
}

int bound_amounts(const struct bound *bound, const struct price_table *prices,
                  enum tokens_count count, int64_t output_tokens, int64_t time_us,
                  struct budget_amounts *amounts, struct error *err)
{
    const struct request_scan *scan = bound->scan;
    char names[REQUEST_MODELS_MAX][MODEL_NAME_MAX];
    const char *models[REQUEST_MODELS_MAX + 2] = {bound->model};
    struct price_bound price = {
        .models = models,
        .model_count = 1,
        .web_search_requests = scan->web_search_uses_max > 0 ? scan->web_search_uses_max : 0,
        .may_cache =
            (scan->features & (REQUEST_CACHE_CONTROL | REQUEST_SERVER_TOOLS | REQUEST_THREAD)) != 0,
        .cache_write_1h = (scan->features & REQUEST_CACHE_TTL_1H) != 0,
        .may_be_us = scan->inference_geo.bytes == NULL || !slice_is(scan->inference_geo, "global"),
        .may_be_fast = (scan->features & REQUEST_FAST) != 0 ||
                       (scan->speed.bytes != NULL && !slice_is(scan->speed, "standard")),
        .batch = bound->is_batched,
    };
    int64_t passes = passes_max(scan) + fallback_passes_max(scan), cost_pico_usd;
    if (!money_multiply(bound->input_tokens, passes, &price.input_tokens) ||
        !output_sum(scan, output_tokens, &price.output_tokens))
        return error_set(err, -ERANGE, "%" PRId64 " tokens are beyond all measure", output_tokens);
    for (size_t i = 0; i < scan->model_count; i++) {
        slice_copy(scan->models[i].name, names[i], sizeof(names[i]));
        models[price.model_count++] = names[i];
    }
    if ((scan->features & REQUEST_FALLBACKS_UNNAMED) != 0)
        models[price.model_count++] = PRICE_MODEL_ANY;
    int result = price_upper_bound(prices, &price, time_us, &cost_pico_usd, err);
    if (result < 0)
        return result;
    struct token_counts tokens = {.input = price.input_tokens, .output = price.output_tokens};
    *amounts = (struct budget_amounts){{
        [BUDGET_COST] = cost_pico_usd,
        [BUDGET_TOKENS] = tokens_counted(&tokens, count),
        [BUDGET_OUTPUT_TOKENS] = tokens.output,
        [BUDGET_REQUESTS] = 1,
    }};
    return 0;
}

int bound_growth(const struct bound *bound, const struct price_table *prices,
                 enum tokens_count count, int64_t time_us, struct budget_amounts *growth,
                 struct error *err)
{
    struct bound window = *bound;
    window.input_tokens = BOUND_CONTEXT_TOKENS;
    int result = bound_amounts(&window, prices, count, 0, time_us, growth, err);
    if (result == 0)
        growth->of[BUDGET_OUTPUT_TOKENS] = growth->of[BUDGET_REQUESTS] = 0;
    return result;
}
