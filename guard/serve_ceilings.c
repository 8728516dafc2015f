// Serve ceilings: what the configuration says of ceilings, set in the budget.

#include "serve_ceilings.h"

struct ceiling {
    enum budget_scope scope;
    enum budget_kind kind;
    int64_t limit;
};

static int set_all(struct budget *budget, const char *name, const struct ceiling *ceilings,
                   size_t count, struct error *err)
{
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++)
        result = budget_set_ceiling(budget, ceilings[i].scope, name, ceilings[i].kind,
                                    ceilings[i].limit, err);
    return result;
}

int serve_ceilings_set(struct budget *budget, const struct config *config, struct error *err)
{
    const struct config_reeve *box = &config->reeve;
    const struct ceiling of_box[] = {
        {BUDGET_BOX_DAY, BUDGET_COST, box->cost_max_per_day_pico_usd},
        {BUDGET_BOX_MONTH, BUDGET_COST, box->cost_max_per_month_pico_usd},
        {BUDGET_BOX_DAY, BUDGET_TOKENS, box->tokens_max_per_day},
    };
    int result = set_all(budget, "", of_box, sizeof(of_box) / sizeof(of_box[0]), err);
    for (size_t i = 0; result == 0 && i < config->job_count; i++) {
        const struct config_job *job = &config->jobs[i];
        const struct ceiling of_job[] = {
            {BUDGET_JOB_DAY, BUDGET_COST, job->cost_max_per_day_pico_usd},
            {BUDGET_JOB_MONTH, BUDGET_COST, job->cost_max_per_month_pico_usd},
            {BUDGET_JOB_DAY, BUDGET_TOKENS, job->tokens_max_per_day},
        };
        result = set_all(budget, job->name, of_job, sizeof(of_job) / sizeof(of_job[0]), err);
    }
    return result;
}

int serve_ceilings_set_run(struct budget *budget, const struct live_run *run, struct error *err)
{
    const struct ceiling of_run[] = {
        {BUDGET_RUN, BUDGET_COST, run->limits.cost_max_pico_usd},
        {BUDGET_RUN, BUDGET_TOKENS, run->limits.tokens_max},
        {BUDGET_RUN, BUDGET_OUTPUT_TOKENS, run->limits.output_tokens_max},
        {BUDGET_RUN, BUDGET_REQUESTS, run->limits.requests_max},
    };
    return set_all(budget, run->id, of_run, sizeof(of_run) / sizeof(of_run[0]), err);
}

struct run_policy serve_ceilings_policy(const struct config *config, const char *job_name)
{
    const struct config_job *job = config_find_job(config, job_name);
    struct config_job defaults = {0};
    struct error err;
    bool has_defaults = job == NULL && config_job_init(&defaults, job_name, &err) == 0;
    const struct config_job *source = job != NULL ? job : &defaults;
    struct run_policy policy = {
        .models = job != NULL ? job->models : NULL,
        .step_down = job != NULL ? job->step_down : NULL,
        .soft_percent = source->soft_limit_percent,
        .clamp_min_tokens = source->clamp_min_tokens,
        .clamps = source->on_ceiling == CONFIG_ON_CEILING_CLAMP,
        .allows_unbounded = config->reeve.unbounded == CONFIG_UNBOUNDED_ALLOW,
    };
    if (has_defaults)
        config_job_done(&defaults);
    return policy;
}
