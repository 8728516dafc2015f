// Report accounts: see report_accounts.h.
#include "report_accounts.h"

#include "credential_file.h"

#include <dirent.h>
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

// Only the type is of interest; the secret is wiped.
static void add_stored(struct report_accounts *accounts, const struct paths *paths)
{
    char directory[PATH_MAX], path[PATH_MAX];
    struct error err;
    DIR *listing =
        paths_in_state(paths, "credentials", directory, &err) == 0 ? opendir(directory) : NULL;
    if (listing == NULL)
        return;
    for (const struct dirent *entry; (entry = readdir(listing)) != NULL;) {
        struct credential_secret secret = {0};
        if (config_name_is_valid(entry->d_name) &&
            snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name) < (int)sizeof(path) &&
            credential_file_read(path, CREDENTIAL_ANY, &secret, &err) == 0)
            add_account(accounts, entry->d_name, secret.type != CREDENTIAL_API_KEY, 0);
        explicit_bzero(&secret, sizeof(secret));
    }
    closedir(listing);
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
    for (size_t i = 0; i < config->credential_count; i++) {
        const struct config_credential *each = &config->credentials[i];
        add_account(accounts, each->name, each->type != CONFIG_CREDENTIAL_API_KEY,
                    each->monthly_fee_pico_usd);
    }
    if (config->credential_count == 0)
        add_stored(accounts, paths);
}
