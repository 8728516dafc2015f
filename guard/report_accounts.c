// Report accounts: see report_accounts.h.
#include "report_accounts.h"

#include "credential_file.h"
#include "credential_places.h"

#include <string.h>

static void add_limit(struct report_accounts *accounts, const char *job, enum morning_period period,
                      bool is_of_tokens, int64_t limit)
{
    if (limit != LIMIT_NONE && accounts->limit_count < REPORT_LIMITS_MAX)
        accounts->limits[accounts->limit_count++] =
            (struct morning_limit){job, period, is_of_tokens, limit};
}

static void add_account(struct report_accounts *accounts, const char *name, bool is_subscription,
                        int64_t monthly_fee_pico_usd)
{
    if (accounts->account_count == REPORT_ACCOUNTS_MAX)
        return;
    char *kept = accounts->names[accounts->account_count];
    snprintf(kept, JOB_NAME_MAX, "%.*s", JOB_NAME_MAX - 1, name);
    accounts->accounts[accounts->account_count++] =
        (struct morning_account){kept, is_subscription, monthly_fee_pico_usd};
}

// What only a file says of a credential is its type; the secret is wiped.
static int visit_place(const struct credential_place *place, void *context, struct error *err)
{
    struct report_accounts *accounts = context;
    const struct config_credential *section = place->section;
    struct credential_secret secret = {0};
    (void)err;
    if (section != NULL) {
        add_account(accounts, place->name, section->type != CONFIG_CREDENTIAL_API_KEY,
                    section->monthly_fee_pico_usd);
        return 0;
    }
    struct error unread; // by whoever may not: it counts as billed by use
    if (credential_file_read(place->path, CREDENTIAL_ANY, &secret, &unread) == 0)
        add_account(accounts, place->name, secret.type != CREDENTIAL_API_KEY, 0);
    explicit_bzero(&secret, sizeof(secret));
    return 0;
}

void report_accounts_collect(struct report_accounts *accounts, const struct config *config,
                             const struct paths *paths)
{
    const struct config_reeve *reeve = &config->reeve;
    accounts->limit_count = accounts->account_count = 0;
    add_limit(accounts, NULL, MORNING_PER_DAY, false, reeve->cost_max_per_day_pico_usd);
    add_limit(accounts, NULL, MORNING_PER_MONTH, false, reeve->cost_max_per_month_pico_usd);
    add_limit(accounts, NULL, MORNING_PER_DAY, true, reeve->tokens_max_per_day);
    for (size_t i = 0; i < config->job_count; i++) {
        const struct config_job *job = &config->jobs[i];
        add_limit(accounts, job->name, MORNING_PER_DAY, false, job->cost_max_per_day_pico_usd);
        add_limit(accounts, job->name, MORNING_PER_MONTH, false, job->cost_max_per_month_pico_usd);
        add_limit(accounts, job->name, MORNING_PER_DAY, true, job->tokens_max_per_day);
    }
    struct error
        err; // where nothing is stored, or this user may not look, the sections have been seen
    credential_places_each(config, paths, true, visit_place, accounts, &err);
}

bool report_accounts_is_subscription(const struct report_accounts *accounts, const char *name)
{
    for (size_t i = 0; i < accounts->account_count; i++)
        if (strcmp(accounts->accounts[i].name, name) == 0)
            return accounts->accounts[i].is_subscription;
    return false;
}
