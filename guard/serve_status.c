// Serve status: what the daemon knows of itself, gathered for `reeve status`.

#include "serve_status.h"

#include "clock.h"
#include "version.h"

#include <string.h>
#include <unistd.h>

static int64_t us_or_none(int64_t ms, int64_t none_ms)
{
    return ms == none_ms ? -1 : ms * 1000;
}

// Models at limits of their own do not change the credential's state.
static void describe_limits(struct status_credential *entry, const struct credential *credential)
{
    size_t used = 0;
    for (size_t i = 0; i < CREDENTIAL_LIMITS_MAX && used < sizeof(entry->text); i++) {
        const struct credential_limit *limit = &credential->limits[i];
        char until[CLOCK_TEXT_MAX];
        if (limit->until_ms > clock_now_us() / 1000)
            used += (size_t)snprintf(entry->text + used, sizeof(entry->text) - used,
                                     "%s%s is at its limit until %s", used > 0 ? "; " : "",
                                     limit->model, clock_format_utc(limit->until_ms * 1000, until));
    }
}

static void add_credential(struct status *status, const struct credential *credential)
{
    struct status_credential *entry = control_list_add(
        &status->credentials, &status->credential_count, sizeof(*status->credentials));
    if (entry == NULL)
        return;
    snprintf(entry->name, sizeof(entry->name), "%s", credential->name);
    snprintf(entry->type, sizeof(entry->type), "%s", credential_type_name(credential->secret.type));
    snprintf(entry->state, sizeof(entry->state), "%s", credential_state_name(credential->state));
    snprintf(entry->serves, sizeof(entry->serves), "%s",
             credential->serves == CREDENTIAL_SERVES_ANY ? "any" : "claude-code");
    bool has_secret = credential->secret.access[0] != '\0';
    if (has_secret)
        credential_fingerprint(credential->secret.access, entry->fingerprint);
    entry->priority = credential->priority;
    entry->expires_at_us =
        has_secret ? us_or_none(credential->secret.expires_at_ms, INT64_MAX) : -1;
    entry->until_us = us_or_none(credential->until_ms, INT64_MAX);
    entry->served_at_us = us_or_none(credential->served_at_ms, 0);
    entry->exchanges = credential->exchanges;
    entry->refreshes = credential->refreshes;
    entry->used_percent = credential->used_percent;
    snprintf(entry->text, sizeof(entry->text), "%.*s", CONTROL_TEXT_MAX - 1,
             credential_problem(credential));
    if (entry->text[0] == '\0')
        describe_limits(entry, credential);
}

void serve_status_credentials(struct status *status, const struct credential_pool *credentials)
{
    for (size_t i = 0; i < credential_pool_count(credentials); i++)
        add_credential(status, credential_pool_at(credentials, i));
}

// The moment at which the day or month ends that `now_us` is in.
static int64_t period_end_us(const struct time_zone *zone, bool is_day, int64_t now_us)
{
    int64_t day = time_zone_day(zone, now_us / 1000000);
    return time_zone_day_start_s(zone, is_day ? day + 1 : time_zone_month_first_day(day, 1)) *
           1000000;
}

static void add_ceiling(struct status *status, const struct serve_status_sources *sources,
                        enum budget_scope scope, const char *job, enum budget_kind kind,
                        int64_t limit)
{
    if (limit == LIMIT_NONE)
        return;
    struct status_ceiling *entry =
        control_list_add(&status->ceilings, &status->ceiling_count, sizeof(*status->ceilings));
    if (entry == NULL)
        return;
    bool is_day = scope == BUDGET_BOX_DAY || scope == BUDGET_JOB_DAY;
    snprintf(entry->scope, sizeof(entry->scope), "%s%s", *job != '\0' ? "job " : "box", job);
    snprintf(entry->period, sizeof(entry->period), "%s", is_day ? "day" : "month");
    snprintf(entry->kind, sizeof(entry->kind), "%s", kind == BUDGET_COST ? "cost" : "tokens");
    entry->resets_at_us = period_end_us(sources->zone, is_day, status->now_us);
    budget_read(sources->budget, scope, job, status->now_us, kind, &entry->settled, &entry->held,
                &entry->limit);
}

static void add_ceilings(struct status *status, const struct serve_status_sources *sources)
{
    const struct config *config = sources->config;
    const struct config_reeve *box = &config->reeve;
    add_ceiling(status, sources, BUDGET_BOX_DAY, "", BUDGET_COST, box->cost_max_per_day_pico_usd);
    add_ceiling(status, sources, BUDGET_BOX_DAY, "", BUDGET_TOKENS, box->tokens_max_per_day);
    add_ceiling(status, sources, BUDGET_BOX_MONTH, "", BUDGET_COST,
                box->cost_max_per_month_pico_usd);
    for (size_t i = 0; i < config->job_count; i++) {
        const struct config_job *job = &config->jobs[i];
        add_ceiling(status, sources, BUDGET_JOB_DAY, job->name, BUDGET_COST,
                    job->cost_max_per_day_pico_usd);
        add_ceiling(status, sources, BUDGET_JOB_DAY, job->name, BUDGET_TOKENS,
                    job->tokens_max_per_day);
        add_ceiling(status, sources, BUDGET_JOB_MONTH, job->name, BUDGET_COST,
                    job->cost_max_per_month_pico_usd);
    }
}

static void describe_ledger(struct status *status, const struct ledger_feed_report *feed)
{
    status->ledger_lag_bytes = (int64_t)feed->lag_bytes;
    switch ((enum ledger_feed_state)feed->state) {
    case LEDGER_FEED_STARTING:
    case LEDGER_FEED_STATES:
        snprintf(status->ledger, sizeof(status->ledger), "starting");
        return;
    case LEDGER_FEED_LEVEL:
        snprintf(status->ledger, sizeof(status->ledger), "up to date");
        return;
    case LEDGER_FEED_WRITING:
        snprintf(status->ledger, sizeof(status->ledger), "catching up");
        return;
    case LEDGER_FEED_RETRYING:
        snprintf(status->ledger, sizeof(status->ledger), "behind: %.200s", feed->last_error);
        return;
    }
}

void serve_status_fill(struct status *status, const struct serve_status_sources *sources)
{
    snprintf(status->version, sizeof(status->version), "%s", REEVE_VERSION);
    snprintf(status->listen, sizeof(status->listen), "%s", sources->listen);
    snprintf(status->upstream, sizeof(status->upstream), "%s", sources->config->reeve.upstream);
    status->pid = getpid();
    status->started_at_us = sources->started_at_us;
    status->now_us = clock_now_us();
    status->exchanges_in_flight = (int64_t)sources->exchanges_in_flight;
    run_registry_status(sources->registry, status);
    serve_status_credentials(status, sources->credentials);
    add_ceilings(status, sources);
    describe_ledger(status, sources->feed);
}
