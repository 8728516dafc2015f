// Metrics text: counters and status in Prometheus' text form.

#include "metrics_text.h"

#include "clock.h"
#include "money.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define LABEL_MAX 256 // bytes of a value, escaped

struct text {
    char *bytes;
    size_t length;
    bool overflown;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *format, ...)
{
    va_list values;
    size_t room = METRICS_TEXT_MAX - text->length;
    va_start(values, format);
    int length = vsnprintf(text->bytes + text->length, room, format, values);
    va_end(values);
    if (length < 0 || (size_t)length >= room)
        text->overflown = true;
    else
        text->length += (size_t)length;
}

// What must not stand in a label's value as it is: \, " and line feeds. Cut where it gets too long.
static const char *escape(const char *value, char escaped[static LABEL_MAX])
{
    size_t used = 0;
    for (; *value != '\0' && used + 3 < LABEL_MAX; value++) {
        if (*value == '\\' || *value == '"' || *value == '\n')
            escaped[used++] = '\\';
        escaped[used++] = *value == '\n' ? 'n' : *value;
    }
    escaped[used] = '\0';
    return escaped;
}

static void head(struct text *text, const char *name, const char *type, const char *help)
{
    put(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void single(struct text *text, const char *name, const char *type, const char *help,
                   int64_t value)
{
    head(text, name, type, help);
    put(text, "%s %" PRId64 "\n", name, value);
}

static const char *dollars(int64_t cost_pico_usd, char exact[static MONEY_TEXT_MAX])
{
    return money_format_exact(cost_pico_usd, 2, exact);
}

// ---- exchanges

typedef int64_t series_value(const struct metrics_series *series);

static int64_t value_exchanges(const struct metrics_series *series)
{
    return series->exchanges;
}

static int64_t value_estimated(const struct metrics_series *series)
{
    return series->estimated;
}

static void put_series(struct text *text, const struct metrics *metrics, const char *name,
                       const char *help, series_value *value)
{
    head(text, name, "counter", help);
    for (size_t i = 0; i < metrics->series_count; i++) {
        const struct metrics_series *series = &metrics->series[i];
        char job[LABEL_MAX], model[LABEL_MAX];
        if (series->exchanges > 0)
            put(text, "%s{job=\"%s\",model=\"%s\"} %" PRId64 "\n", name, escape(series->job, job),
                escape(series->model, model), value(series));
    }
}

static void put_costs(struct text *text, const struct metrics *metrics)
{
    static const char name[] = "reeve_exchange_cost_dollars_total";
    head(text, name, "counter", "What settled exchanges cost at list prices.");
    for (size_t i = 0; i < metrics->series_count; i++) {
        const struct metrics_series *series = &metrics->series[i];
        char job[LABEL_MAX], model[LABEL_MAX], exact[MONEY_TEXT_MAX];
        if (series->exchanges > 0)
            put(text, "%s{job=\"%s\",model=\"%s\"} %s\n", name, escape(series->job, job),
                escape(series->model, model), dollars(series->cost_pico_usd, exact));
    }
}

static void put_tokens(struct text *text, const struct metrics *metrics)
{
    static const char name[] = "reeve_exchange_tokens_total";
    head(text, name, "counter", "Billed tokens of settled exchanges; the kinds do not overlap.");
    for (size_t i = 0; i < metrics->series_count; i++) {
        const struct metrics_series *series = &metrics->series[i];
        const struct {
            const char *kind;
            int64_t count;
        } kinds[] = {
            {"input", series->tokens.input},
            {"output", series->tokens.output},
            {"cache_write_5m", series->tokens.cache_write_5m},
            {"cache_write_1h", series->tokens.cache_write_1h},
            {"cache_read", series->tokens.cache_read},
        };
        char job[LABEL_MAX], model[LABEL_MAX];
        escape(series->job, job);
        escape(series->model, model);
        for (size_t kind = 0; series->exchanges > 0 && kind < sizeof(kinds) / sizeof(kinds[0]);
             kind++)
            put(text, "%s{job=\"%s\",model=\"%s\",kind=\"%s\"} %" PRId64 "\n", name, job, model,
                kinds[kind].kind, kinds[kind].count);
    }
}

static void put_histogram(struct text *text, const char *name, const char *help,
                          const struct metrics_histogram *histogram)
{
    int64_t count = 0;
    head(text, name, "histogram", help);
    for (size_t i = 0; i < METRICS_BUCKETS; i++) {
        count += histogram->counts[i];
        put(text, "%s_bucket{le=\"%g\"} %" PRId64 "\n", name, (double)metrics_bounds_us[i] / 1e6,
            count);
    }
    count += histogram->counts[METRICS_BUCKETS];
    put(text, "%s_bucket{le=\"+Inf\"} %" PRId64 "\n", name, count);
    put(text, "%s_sum %" PRId64 ".%06" PRId64 "\n", name, histogram->sum_us / 1000000,
        histogram->sum_us % 1000000);
    put(text, "%s_count %" PRId64 "\n", name, count);
}

static void put_exchanges(struct text *text, const struct metrics *metrics)
{
    put_series(text, metrics, "reeve_exchanges_total", "Settled exchanges, retries included.",
               value_exchanges);
    put_series(text, metrics, "reeve_exchanges_estimated_total",
               "Settled exchanges whose usage is not known exactly.", value_estimated);
    put_tokens(text, metrics);
    put_costs(text, metrics);
    head(text, "reeve_exchange_ends_total", "counter", "Settled exchanges by how they ended.");
    for (int end = EXCHANGE_COMPLETE; end < METRICS_ENDS; end++)
        if (end == EXCHANGE_COMPLETE || metrics->ends[end] > 0)
            put(text, "reeve_exchange_ends_total{end=\"%s\"} %" PRId64 "\n",
                exchange_end_name((enum exchange_end)end), metrics->ends[end]);
    head(text, "reeve_upstream_errors_total", "counter", "Error statuses of the upstream.");
    for (size_t i = 0; i <= METRICS_STATUSES; i++)
        put(text, "reeve_upstream_errors_total{status=\"%s\"} %" PRId64 "\n",
            metrics_status_name(i), metrics->upstream_errors[i]);
    head(text, "reeve_refusals_total", "counter", "Requests that reeve has refused by itself.");
    for (size_t i = 0; i <= METRICS_REFUSALS; i++)
        put(text, "reeve_refusals_total{reason=\"%s\"} %" PRId64 "\n", metrics_refusal_name(i),
            metrics->refusals[i]);
    put_histogram(text, "reeve_added_latency_seconds",
                  "From the last byte of a message's request to its way upstream.",
                  &metrics->added);
    put_histogram(text, "reeve_first_byte_seconds",
                  "From sending an exchange to the first byte of its answer.",
                  &metrics->first_byte);
}

// ---- runs, ceilings, credentials

static void put_run_states(struct text *text, const struct status *status)
{
    static const char *const states[] = {"starting",  "running",  "adrift",     "ending",
                                         "abandoned", "settling", METRICS_OTHER};
    enum { STATES = sizeof(states) / sizeof(states[0]) };
    int64_t counts[STATES] = {0};
    for (size_t i = 0; i < status->run_count; i++) {
        size_t state = 0;
        while (state < STATES - 1 && strcmp(status->runs[i].state, states[state]) != 0)
            state++;
        counts[state]++;
    }
    head(text, "reeve_runs", "gauge", "Live runs by state.");
    for (size_t state = 0; state < STATES; state++)
        put(text, "reeve_runs{state=\"%s\"} %" PRId64 "\n", states[state], counts[state]);
}

static void put_runs(struct text *text, const struct metrics_facts *facts)
{
    const struct status *status = facts->status;
    int64_t taken = 0;
    put_run_states(text, status);
    head(text, "reeve_runs_ended_total", "counter", "Runs that have ended, by reason.");
    for (int end = RUN_EXITED; end <= RUN_LOST; end++)
        put(text, "reeve_runs_ended_total{reason=\"%s\"} %" PRId64 "\n",
            run_end_name((enum run_end)end), facts->metrics->runs_ended[end]);
    for (size_t i = 0; i < status->run_count; i++)
        taken += status->runs[i].pid != 0;
    single(text, "reeve_slots", "gauge", "Runs that may go on at a time.", status->slots);
    single(text, "reeve_slots_taken", "gauge", "Slots that are taken.", taken);
    single(text, "reeve_runs_waiting", "gauge", "Runs that wait for a slot.",
           (int64_t)status->waiting_count);
    single(text, "reeve_exchanges_in_flight", "gauge", "Exchanges that have not ended.",
           status->exchanges_in_flight);
    single(text, "reeve_exchanges_waiting", "gauge",
           "Exchanges that wait for money which others have reserved.", facts->exchanges_waiting);
    single(text, "reeve_request_body_bytes", "gauge", "Bodies of requests that are held.",
           facts->body_bytes_held);
}

// One line of a ceiling: "job" is empty, which is the same as absent, for the box.
static void put_ceiling(struct text *text, const char *name, const struct status_ceiling *ceiling,
                        const char *value)
{
    static const char of_job[] = "job ";
    bool is_job = strncmp(ceiling->scope, of_job, sizeof(of_job) - 1) == 0;
    char job[LABEL_MAX];
    put(text, "%s{scope=\"%s\",job=\"%s\",period=\"%s\"} %s\n", name, is_job ? "job" : "box",
        is_job ? escape(ceiling->scope + sizeof(of_job) - 1, job) : "", ceiling->period, value);
}

// One amount of all ceilings on dollars, or of all on tokens.
static void put_ceiling_amounts(struct text *text, const struct status *status, const char *what,
                                const char *help, size_t offset, bool of_dollars)
{
    char name[64];
    snprintf(name, sizeof(name), "reeve_ceiling_%s_%s", what, of_dollars ? "dollars" : "tokens");
    head(text, name, "gauge", help);
    for (size_t i = 0; i < status->ceiling_count && i < METRICS_CEILINGS_MAX; i++) {
        const struct status_ceiling *ceiling = &status->ceilings[i];
        char value[MONEY_TEXT_MAX];
        int64_t amount;
        if ((strcmp(ceiling->kind, "cost") == 0) != of_dollars)
            continue;
        memcpy(&amount, (const char *)ceiling + offset, sizeof(amount));
        if (of_dollars)
            dollars(amount, value);
        else
            snprintf(value, sizeof(value), "%" PRId64, amount);
        put_ceiling(text, name, ceiling, value);
    }
}

static void put_ceilings(struct text *text, const struct status *status)
{
    static const struct {
        const char *what, *help;
        size_t offset;
    } amounts[] = {
        {"limit", "Hard ceilings of a day or month.", offsetof(struct status_ceiling, limit)},
        {"settled", "What is spent of a ceiling.", offsetof(struct status_ceiling, settled)},
        {"held", "What exchanges in flight have reserved of a ceiling.",
         offsetof(struct status_ceiling, held)},
    };
    for (size_t i = 0; i < sizeof(amounts) / sizeof(amounts[0]); i++) {
        put_ceiling_amounts(text, status, amounts[i].what, amounts[i].help, amounts[i].offset,
                            true);
        put_ceiling_amounts(text, status, amounts[i].what, amounts[i].help, amounts[i].offset,
                            false);
    }
}

static void put_credentials(struct text *text, const struct status *status)
{
    char name[LABEL_MAX], state[LABEL_MAX];
    head(text, "reeve_credential_ready", "gauge", "1 for a credential that can serve.");
    for (size_t i = 0; i < status->credential_count && i < METRICS_CREDENTIALS_MAX; i++) {
        const struct status_credential *credential = &status->credentials[i];
        put(text, "reeve_credential_ready{credential=\"%s\",type=\"%s\"} %d\n",
            escape(credential->name, name), credential->type,
            strcmp(credential->state, "ready") == 0);
    }
    head(text, "reeve_credential_state", "gauge", "1 for the state that a credential is in.");
    for (size_t i = 0; i < status->credential_count && i < METRICS_CREDENTIALS_MAX; i++)
        put(text, "reeve_credential_state{credential=\"%s\",state=\"%s\"} 1\n",
            escape(status->credentials[i].name, name), escape(status->credentials[i].state, state));
    head(text, "reeve_credential_expiry_timestamp_seconds", "gauge",
         "When a credential expires, for those that do.");
    for (size_t i = 0; i < status->credential_count && i < METRICS_CREDENTIALS_MAX; i++)
        if (status->credentials[i].expires_at_us >= 0)
            put(text, "reeve_credential_expiry_timestamp_seconds{credential=\"%s\"} %" PRId64 "\n",
                escape(status->credentials[i].name, name),
                status->credentials[i].expires_at_us / 1000000);
}

// ---- books and process

static void put_books(struct text *text, const struct metrics_facts *facts)
{
    const struct journal_status *journal = facts->journal;
    single(text, "reeve_ledger_lag_bytes", "gauge", "Journal that is not in the ledger yet.",
           facts->status->ledger_lag_bytes);
    single(text, "reeve_ledger_reachable", "gauge",
           "0 while the last attempt to write to the ledger has failed.",
           strncmp(facts->status->ledger, "behind", strlen("behind")) != 0);
    single(text, "reeve_journal_bytes_total", "counter", "Journal that has been written.",
           (int64_t)journal->position);
    single(text, "reeve_journal_unsynced_bytes", "gauge",
           "Journal that is written and not on the disk yet.",
           (int64_t)(journal->position - journal->synced));
    single(text, "reeve_journal_full", "gauge", "1 while the disk has no room for an exchange.",
           journal->full);
    single(text, "reeve_journal_sync_failures_total", "counter", "Times that fdatasync failed.",
           (int64_t)journal->losses);
}

static void put_process(struct text *text, const struct metrics_facts *facts)
{
    struct rusage usage;
    char version[LABEL_MAX];
    head(text, "reeve_build_info", "gauge", "1, with the version.");
    put(text, "reeve_build_info{version=\"%s\"} 1\n", escape(facts->status->version, version));
    single(text, "reeve_page_viewers", "gauge", "Browsers that look at the live page.",
           facts->page_viewers);
    single(text, "process_start_time_seconds", "gauge", "When the daemon started, since 1970.",
           facts->status->started_at_us / 1000000);
    if (getrusage(RUSAGE_SELF, &usage) < 0)
        return;
    int64_t cpu_us = ((int64_t)usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
                     usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
    head(text, "process_cpu_seconds_total", "counter", "User and system time of the daemon.");
    put(text, "process_cpu_seconds_total %" PRId64 ".%06" PRId64 "\n", cpu_us / 1000000,
        cpu_us % 1000000);
}

char *metrics_text_make(const struct metrics_facts *facts, size_t *length)
{
    struct text text = {.bytes = malloc(METRICS_TEXT_MAX)};
    if (text.bytes == NULL)
        return NULL;
    put_exchanges(&text, facts->metrics);
    put_runs(&text, facts);
    put_ceilings(&text, facts->status);
    put_credentials(&text, facts->status);
    put_books(&text, facts);
    put_process(&text, facts);
    if (text.overflown) {
        free(text.bytes);
        return NULL;
    }
    *length = text.length;
    return text.bytes;
}
