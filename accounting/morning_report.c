// Morning report: see morning_report.h. What is read is in morning_read.c; this is the rest.
#include "morning_report.h"

#include "morning_read.h"

#include <stdlib.h>
#include <string.h>

#define COMPARED_DAYS (7 * ANOMALY_WEEKS)
#define CACHE_TOKENS_MIN 50000    // of prompts, below which a hit rate says nothing
#define FAILURES_EXCHANGES_MIN 10 // the same of exchanges and failures

// ---- days

static int64_t start_us(const struct morning_query *query, int64_t day)
{
    return time_zone_day_start_s(query->zone, day) * 1000000;
}

static void set_up_days(struct morning_report *report)
{
    const struct morning_query *query = &report->query;
    int64_t month = time_zone_month_first_day(query->day, 0);
    int64_t compared = query->day - COMPARED_DAYS;
    report->since_us = start_us(query, query->day);
    report->until_us = start_us(query, query->day + 1);
    report->first_day = month < compared ? month : compared;
    report->day_index = (size_t)(query->day - report->first_day);
    report->month_index = (size_t)(month - report->first_day);
    report->day_count = report->day_index + 1;
    report->as_of_us = report->until_us;
    // Yesterday's report has today in its month, unless that begins another one.
    report->day_is_open = query->now_us > report->until_us &&
                          query->now_us < start_us(query, query->day + 2) &&
                          time_zone_month_first_day(query->day + 1, 0) == month;
    if (report->day_is_open) {
        report->as_of_us = query->now_us;
        report->day_count++;
    }
    int64_t left = time_zone_month_first_day(query->day, 1) - (query->day + 1);
    report->days_left = (size_t)left;
}

static void sums_add(struct morning_sums *sum, const struct morning_sums *sums)
{
    sum->exchanges += sums->exchanges;
    sum->estimated += sums->estimated;
    sum->unknown_models += sums->unknown_models;
    sum->failed += sums->failed;
    sum->retries += sums->retries;
    tokens_add(&sum->tokens, &sums->tokens);
    sum->cost_pico_usd += sums->cost_pico_usd;
    sum->estimated_pico_usd += sums->estimated_pico_usd;
    sum->retries_pico_usd += sums->retries_pico_usd;
    sum->counted_pico_usd += sums->counted_pico_usd;
    sum->counted_tokens += sums->counted_tokens;
}

static void sum_up_days(struct morning_report *report)
{
    for (size_t day = 0; day < report->day_count; day++) {
        for (size_t i = 0; i < report->job_count; i++)
            sums_add(&report->days[day], &report->jobs[i].days[day]);
        if (day >= report->month_index)
            sums_add(&report->month, &report->days[day]);
    }
}

// ---- anomalies

int64_t morning_hit_permille(const struct token_counts *tokens)
{
    int64_t prompt =
        tokens->input + tokens->cache_write_5m + tokens->cache_write_1h + tokens->cache_read;
    return prompt == 0 ? -1 : tokens->cache_read * 1000 / prompt;
}

// What is measured of a day. False: it says nothing.
static bool measure(enum anomaly_measure what, const struct morning_sums *sums, int64_t *value)
{
    const struct token_counts *tokens = &sums->tokens;
    switch (what) {
    case ANOMALY_COST:
        *value = sums->cost_pico_usd;
        return true;
    case ANOMALY_EXCHANGES:
        *value = sums->exchanges;
        return true;
    case ANOMALY_CACHE:
        *value = morning_hit_permille(tokens);
        return tokens->input + tokens->cache_write_5m + tokens->cache_write_1h +
                   tokens->cache_read >=
               CACHE_TOKENS_MIN;
    case ANOMALY_FAILURES:
        if (sums->exchanges < FAILURES_EXCHANGES_MIN)
            return false;
        *value = (sums->failed + sums->estimated) * 1000 / sums->exchanges;
        return true;
    default:
        return false;
    }
}

static bool find_anomaly(const struct morning_report *report, const struct morning_job *job,
                         enum anomaly_measure what, struct anomaly *found)
{
    int64_t value;
    int64_t before[ANOMALY_WEEKS];
    size_t count = 0;
    if (!measure(what, &job->days[report->day_index], &value))
        return false;
    for (size_t week = 1; week <= ANOMALY_WEEKS; week++) {
        size_t day = report->day_index - 7 * week;
        if (day >= job->first_day && measure(what, &job->days[day], &before[count]))
            count++;
    }
    return anomaly_find(what, value, before, count, found);
}

static int find_anomalies(struct morning_report *report, struct error *err)
{
    report->anomalies =
        calloc(report->job_count * ANOMALY_MEASURES + 1, sizeof(*report->anomalies));
    if (report->anomalies == NULL)
        return error_set(err, -ENOMEM, "no memory for the report");
    for (size_t i = 0; i < report->job_count; i++) {
        const struct morning_job *job = &report->jobs[i];
        struct morning_anomaly *next = &report->anomalies[report->anomaly_count];
        report->too_new_jobs += job->days[report->day_index].exchanges > 0 &&
                                job->first_day + 7 * ANOMALY_WEEKS_MIN > report->day_index;
        for (enum anomaly_measure what = 0; what < ANOMALY_MEASURES; what++) {
            if (!find_anomaly(report, job, what, &next->found))
                continue;
            next->job = job->name;
            next = &report->anomalies[++report->anomaly_count];
        }
    }
    return 0;
}

// ---- the month to come

static int64_t amount_of(const struct morning_sums *sums, bool tokens, bool counted)
{
    if (tokens)
        return sums->counted_tokens;
    return counted ? sums->counted_pico_usd : sums->cost_pico_usd;
}

// The days since the books, or the job, began.
static void forecast_amounts(const struct morning_report *report, const struct morning_sums *days,
                             size_t first_day, bool tokens, bool counted, int64_t limit,
                             struct forecast *forecast)
{
    struct forecast_days past = {0};
    struct forecast_question question = {
        .day_is_open = report->day_is_open, .days_left = report->days_left, .limit = limit};
    size_t open = report->day_is_open ? 1 : 0;
    for (size_t i = first_day; i + open < report->day_count; i++)
        past.amounts[past.count++] = amount_of(&days[i], tokens, counted);
    for (size_t i = report->month_index; i < report->day_count; i++)
        question.so_far += amount_of(&days[i], tokens, counted);
    if (report->day_is_open)
        question.open_so_far = amount_of(&days[report->day_count - 1], tokens, counted);
    forecast_month(&past, &question, forecast);
}

static size_t first_day_of_books(const struct morning_report *report)
{
    size_t first = report->day_count - 1;
    for (size_t i = 0; i < report->job_count; i++)
        first = report->jobs[i].first_day < first ? report->jobs[i].first_day : first;
    return first;
}

static const struct morning_job *find_job(const struct morning_report *report, const char *name)
{
    for (size_t i = 0; i < report->job_count; i++)
        if (strcmp(report->jobs[i].name, name) == 0)
            return &report->jobs[i];
    return NULL;
}

static void fill_ceiling(const struct morning_report *report, const struct morning_limit *limit,
                         struct morning_ceiling *ceiling)
{
    const struct morning_job *job = limit->job == NULL ? NULL : find_job(report, limit->job);
    const struct morning_sums *days = job == NULL ? report->days : job->days;
    *ceiling =
        (struct morning_ceiling){.limit = *limit, .forecast = {.reached_after = FORECAST_NEVER}};
    if (limit->job != NULL && job == NULL)
        return; // nothing was spent
    if (limit->period == MORNING_PER_DAY) {
        ceiling->used = amount_of(&days[report->day_index], limit->is_of_tokens, true);
        return;
    }
    for (size_t i = report->month_index; i < report->day_count; i++)
        ceiling->used += amount_of(&days[i], limit->is_of_tokens, true);
    forecast_amounts(report, days, job == NULL ? first_day_of_books(report) : job->first_day,
                     limit->is_of_tokens, true, limit->limit, &ceiling->forecast);
}

static int look_ahead(struct morning_report *report, struct error *err)
{
    const struct morning_query *query = &report->query;
    forecast_amounts(report, report->days, first_day_of_books(report), false, false, INT64_MAX,
                     &report->forecast);
    report->ceilings = calloc(query->limit_count + 1, sizeof(*report->ceilings));
    if (report->ceilings == NULL)
        return error_set(err, -ENOMEM, "no memory for the report");
    for (size_t i = 0; i < query->limit_count; i++)
        fill_ceiling(report, &query->limits[i], &report->ceilings[report->ceiling_count++]);
    return 0;
}

// ---- accounts

const struct morning_account *morning_account_find(const struct morning_report *report,
                                                   const char *name)
{
    for (size_t i = 0; i < report->query.account_count; i++)
        if (strcmp(report->query.accounts[i].name, name) == 0)
            return &report->query.accounts[i];
    return NULL;
}

static int64_t sum_equivalent(const struct morning_report *report, const struct report *by)
{
    int64_t sum = 0;
    for (size_t i = 0; i < by->row_count; i++) {
        const struct morning_account *account = morning_account_find(report, by->rows[i].key);
        if (account != NULL && account->is_subscription)
            sum += by->rows[i].cost_pico_usd;
    }
    return sum;
}

static void sum_up_accounts(struct morning_report *report)
{
    for (size_t i = 0; i < report->query.account_count; i++)
        report->fees_pico_usd += report->query.accounts[i].monthly_fee_pico_usd;
    report->equivalent_pico_usd = sum_equivalent(report, &report->by[REPORT_BY_CREDENTIAL]);
    report->month_equivalent_pico_usd =
        sum_equivalent(report, &report->month_by[REPORT_BY_CREDENTIAL]);
}

// ---- runs

bool morning_run_ended_badly(const struct morning_run *run)
{
    static const char *const bad[] = {"ceiling", "oom", "timeout", "killed", "lost"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (strcmp(run->ended, bad[i]) == 0)
            return true;
    return false;
}

static int sum_up_runs(struct morning_report *report, struct error *err)
{
    int64_t *costs = calloc(report->run_count + 1, sizeof(*costs));
    size_t count = 0;
    if (costs == NULL)
        return error_set(err, -ENOMEM, "no memory for the report");
    for (size_t i = 0; i < report->run_count; i++)
        if (report->runs[i].exchanges > 0)
            costs[count++] = report->runs[i].cost_pico_usd;
    run_costs_sum_up(costs, count, &report->run_costs);
    free(costs);
    return 0;
}

// ---- all of it

static int read_parts(struct ledger *ledger, struct morning_report *report, struct error *err)
{
    static int (*const parts[])(struct ledger *, struct morning_report *, struct error *) = {
        morning_read_days, morning_read_by, morning_read_runs, morning_read_caches,
        morning_read_cheaper};
    int code = 0;
    for (size_t i = 0; code == 0 && i < sizeof(parts) / sizeof(parts[0]); i++)
        code = parts[i](ledger, report, err);
    return code;
}

// All parts see the same moment of the books, whatever is written meanwhile.
int morning_report_read(struct ledger *ledger, const struct morning_query *query,
                        struct morning_report *report, struct error *err)
{
    *report = (struct morning_report){.query = *query};
    set_up_days(report);
    int code = ledger_execute(ledger, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", err);
    if (code == 0)
        code = read_parts(ledger, report, err);
    if (code == 0)
        code = ledger_execute(ledger, "COMMIT", err);
    if (code != 0) {
        ledger_roll_back(ledger);
        return code;
    }
    sum_up_days(report);
    sum_up_accounts(report);
    code = sum_up_runs(report, err);
    if (code == 0)
        code = find_anomalies(report, err);
    return code == 0 ? look_ahead(report, err) : code;
}

void morning_report_done(struct morning_report *report)
{
    for (size_t i = 0; i < report->job_count; i++)
        free(report->jobs[i].name);
    for (size_t i = 0; i < report->run_count; i++) {
        free(report->runs[i].run_id);
        free(report->runs[i].job);
        free(report->runs[i].ended);
    }
    for (size_t i = 0; i < report->cache_count; i++)
        free(report->caches[i].job);
    for (size_t i = 0; i < REPORT_BYS; i++) {
        report_done(&report->by[i]);
        report_done(&report->month_by[i]);
    }
    free(report->jobs);
    free(report->anomalies);
    free(report->runs);
    free(report->caches);
    free(report->ceilings);
    *report = (struct morning_report){0};
}
