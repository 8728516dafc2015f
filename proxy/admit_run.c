// Admit run: whether a run of a job could have anything at all, before it is started.

#include "admit_run.h"

#include "clock.h"
#include "model_list.h"
#include "price.h"

#include <string.h>

// Lowers *cost_pico_usd to what the shortest useful answer of `model` costs.
static void lower_cost(const struct proxy *proxy, const char *model, int64_t output_tokens,
                       int64_t time_us, int64_t *cost_pico_usd)
{
    int64_t cost;
    struct price_bound bound = {.models = &model, .model_count = 1, .output_tokens = output_tokens};
    if (price_upper_bound(proxy->prices, &bound, time_us, &cost, NULL) == 0 &&
        cost < *cost_pico_usd)
        *cost_pico_usd = cost;
}

static int64_t find_lowest_cost(const struct proxy *proxy, const struct run_policy *policy,
                                int64_t time_us)
{
    int64_t cost = INT64_MAX, tokens = policy->clamp_min_tokens;
    const char *list = policy->models;
    const struct price_row *row;
    struct slice name;
    if (list == NULL)
        for (size_t i = 0; (row = price_table_at(proxy->prices, i)) != NULL; i++)
            if (row->kind == PRICE_STANDARD && strcmp(row->model, PRICE_MODEL_ANY) != 0)
                lower_cost(proxy, row->model, tokens, time_us, &cost);
    while (list != NULL && model_list_next(&list, &name)) {
        char model[MODEL_NAME_MAX];
        slice_copy(name, model, sizeof(model));
        lower_cost(proxy, model, tokens, time_us, &cost);
    }
    return cost == INT64_MAX ? 0 : cost;
}

bool admit_run(struct proxy *proxy, const char *job, const struct run_policy *policy,
               struct budget_ceiling *exhausted)
{
    int64_t time_us = clock_now_us(), tokens = policy->clamp_min_tokens;
    struct budget_amounts needed = {{
        [BUDGET_COST] = find_lowest_cost(proxy, policy, time_us),
        [BUDGET_TOKENS] = tokens,
        [BUDGET_OUTPUT_TOKENS] = tokens,
        [BUDGET_REQUESTS] = 1,
    }};
    return !budget_is_exhausted(proxy->budget, job, time_us, &needed, exhausted);
}
