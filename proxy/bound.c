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
#define COUNT_MARGIN_SHARE 128

int64_t bound_input_by_size(int64_t body_length)
{
    return body_length + HIDDEN_PROMPT_TOKENS;
}

int64_t bound_input_by_count(int64_t counted_tokens)
{
    return counted_tokens + counted_tokens / COUNT_MARGIN_SHARE + COUNT_MARGIN_TOKENS;
}

// Passes over the prompt that one request may be billed for.
static int64_t passes_max(const struct request_scan *scan)
{
    int64_t passes = 1 + (int64_t)scan->fallback_count;
    if ((scan->features & REQUEST_COMPACTION) != 0)
        passes++;
    if ((scan->features & REQUEST_ADVISOR) != 0)
        passes++;
    return passes;
}

int bound_amounts(const struct bound *bound, const struct price_table *prices,
                  enum tokens_count count, int64_t output_tokens, int64_t time_us,
                  struct budget_amounts *amounts, struct error *err)
{
    const struct request_scan *scan = bound->scan;
    char names[REQUEST_MODELS_MAX][MODEL_NAME_MAX];
    const char *models[REQUEST_MODELS_MAX + 1] = {bound->model};
    struct price_bound price = {
        .models = models,
        .model_count = 1,
        .web_search_requests = scan->web_search_uses_max > 0 ? scan->web_search_uses_max : 0,
        .may_cache = (scan->features & (REQUEST_CACHE_CONTROL | REQUEST_SERVER_TOOLS)) != 0,
        .cache_write_1h = (scan->features & REQUEST_CACHE_TTL_1H) != 0,
        .may_be_us = scan->inference_geo.bytes == NULL || !slice_is(scan->inference_geo, "global"),
        .may_be_fast = scan->speed.bytes != NULL && !slice_is(scan->speed, "standard"),
    };
    int64_t passes = passes_max(scan), cost_pico_usd;
    if (!money_multiply(bound->input_tokens, passes, &price.input_tokens) ||
        !money_multiply(output_tokens, passes, &price.output_tokens))
        return error_set(err, -ERANGE, "%" PRId64 " tokens are beyond all measure", output_tokens);
    for (size_t i = 0; i < scan->model_count; i++) {
        slice_copy(scan->models[i].name, names[i], sizeof(names[i]));
        models[price.model_count++] = names[i];
    }
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
