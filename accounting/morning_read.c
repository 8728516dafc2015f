// Morning read: see morning_read.h.
#include "morning_read.h"

#include "cleanup.h"
#include "clock.h"
#include "embedded.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MOMENT_TEXT_MAX 40 // "2026-11-25T16:00:44.123456Z" and its NUL

static const char *format_moment(int64_t time_us, char text[static MOMENT_TEXT_MAX])
{
    char whole[CLOCK_TEXT_MAX];
    clock_format_utc(time_us, whole);
    whole[strlen(whole) - 1] = '\0';
    snprintf(text, MOMENT_TEXT_MAX, "%s.%06dZ", whole, (int)(time_us % 1000000));
    return text;
}

// Runs the statement that is the file `name`.
static int ask(struct ledger *ledger, const char *name, size_t count, const char *const *parameters,
               PGresult **result, struct error *err)
{
    const struct embedded_file *file = embedded_find(name);
    assert(file != NULL);
    cleanup_free char *statement = strndup(file->bytes, file->length);
    if (statement == NULL)
        return error_set(err, -ENOMEM, "no memory for %s", name);
    int code = ledger_query(ledger, statement, count, parameters, result, err);
    return code == 0 ? 0 : error_wrap(err, "asking %s", name);
}

static int ask_of_day(struct ledger *ledger, const char *name, const struct morning_report *report,
                      PGresult **result, struct error *err)
{
    char since[MOMENT_TEXT_MAX], until[MOMENT_TEXT_MAX];
    const char *const parameters[] = {format_moment(report->since_us, since),
                                      format_moment(report->until_us, until)};
    return ask(ledger, name, 2, parameters, result, err);
}

// ---- cells

static int64_t number_or_unknown(const PGresult *result, int row, int column)
{
    return PQgetisnull(result, row, column) ? -1 : ledger_number_at(result, row, column);
}

static struct token_counts tokens_at(const PGresult *result, int row, int column)
{
    return (struct token_counts){.input = ledger_number_at(result, row, column),
                                 .output = ledger_number_at(result, row, column + 1),
                                 .cache_write_5m = ledger_number_at(result, row, column + 2),
                                 .cache_write_1h = ledger_number_at(result, row, column + 3),
                                 .cache_read = ledger_number_at(result, row, column + 4)};
}

static int no_memory(struct error *err)
{
    return error_set(err, -ENOMEM, "no memory for the report");
}

// ---- days and jobs

enum {
    DAY,
    DAY_JOB,
    FIRST_SEEN,
    EXCHANGES,
    ESTIMATED,
    UNKNOWN,
    FAILED,
    RETRIES,
    DAY_TOKENS,
    DAY_COST = DAY_TOKENS + 5,
    ESTIMATED_COST,
    RETRIES_COST,
    COUNTED,
    COUNTED_TOKENS
};

static struct morning_sums sums_at(const PGresult *result, int row)
{
    return (struct morning_sums){
        .exchanges = ledger_number_at(result, row, EXCHANGES),
        .estimated = ledger_number_at(result, row, ESTIMATED),
        .unknown_models = ledger_number_at(result, row, UNKNOWN),
        .failed = ledger_number_at(result, row, FAILED),
        .retries = ledger_number_at(result, row, RETRIES),
        .tokens = tokens_at(result, row, DAY_TOKENS),
        .cost_pico_usd = ledger_number_at(result, row, DAY_COST),
        .estimated_pico_usd = ledger_number_at(result, row, ESTIMATED_COST),
        .retries_pico_usd = ledger_number_at(result, row, RETRIES_COST),
        .counted_pico_usd = ledger_number_at(result, row, COUNTED),
        .counted_tokens = ledger_number_at(result, row, COUNTED_TOKENS),
    };
}

static int64_t day_start_us(const struct morning_report *report, size_t index)
{
    return time_zone_day_start_s(report->query.zone, report->first_day + (int64_t)index) * 1000000;
}

// The day that the job was first seen on; `seen_us` may be long before the first of the days.
static size_t first_day_of(const struct morning_report *report, int64_t seen_us)
{
    size_t index = 0;
    while (index + 1 < report->day_count && day_start_us(report, index + 1) <= seen_us)
        index++;
    return index;
}

// The rows come by job and day.
static size_t count_jobs(const PGresult *result)
{
    size_t count = 0;
    for (int row = 0; row < PQntuples(result); row++)
        count += row == 0 || strcmp(PQgetvalue(result, row, DAY_JOB),
                                    PQgetvalue(result, row - 1, DAY_JOB)) != 0;
    return count;
}

static int take_days(const PGresult *result, struct morning_report *report, struct error *err)
{
    int count = PQntuples(result);
    struct morning_job *job = NULL;
    report->jobs = calloc(count_jobs(result) + 1, sizeof(*report->jobs));
    if (report->jobs == NULL)
        return no_memory(err);
    for (int row = 0; row < count; row++) {
        const char *name = PQgetvalue(result, row, DAY_JOB);
        size_t day = (size_t)ledger_number_at(result, row, DAY);
        assert(day < report->day_count);
        if (job == NULL || strcmp(job->name, name) != 0) {
            job = &report->jobs[report->job_count];
            job->name = strdup(name);
            if (job->name == NULL)
                return no_memory(err);
            report->job_count++;
            bool is_known = !PQgetisnull(result, row, FIRST_SEEN);
            job->first_day =
                is_known ? first_day_of(report, ledger_number_at(result, row, FIRST_SEEN)) : day;
            job->first_day = job->first_day < day ? job->first_day : day;
        }
        job->days[day] = sums_at(result, row);
    }
    return 0;
}

int morning_read_days(struct ledger *ledger, struct morning_report *report, struct error *err)
{
    cleanup_result PGresult *result = NULL;
    char bounds[(MORNING_DAYS_MAX + 1) * MOMENT_TEXT_MAX + 3] = "{";
    char moment[MOMENT_TEXT_MAX];
    size_t used = 1;
    for (size_t i = 0; i <= report->day_count; i++) {
        int64_t bound_us = i < report->day_count ? day_start_us(report, i) : report->as_of_us;
        used += (size_t)snprintf(bounds + used, sizeof(bounds) - used, "%s%s", i == 0 ? "" : ",",
                                 format_moment(bound_us, moment));
    }
    snprintf(bounds + used, sizeof(bounds) - used, "}");
    const char *const parameters[] = {bounds};
    int code = ask(ledger, "sql/report_days.sql", 1, parameters, &result, err);
    return code == 0 ? take_days(result, report, err) : code;
}

// ---- runs

enum {
    RUN_ID,
    RUN_JOB,
    RUN_EXCHANGES,
    RUN_TOKENS,
    RUN_COST,
    RUN_ENDED,
    RUN_LASTED,
    RUN_PEAK,
    RUN_MEMORY
};

int morning_read_runs(struct ledger *ledger, struct morning_report *report, struct error *err)
{
    cleanup_result PGresult *result = NULL;
    int code = ask_of_day(ledger, "sql/report_runs.sql", report, &result, err);
    if (code != 0)
        return code;
    int count = PQntuples(result);
    report->runs = calloc((size_t)count + 1, sizeof(*report->runs));
    if (report->runs == NULL)
        return no_memory(err);
    for (int row = 0; row < count; row++) {
        struct morning_run *run = &report->runs[report->run_count++];
        *run = (struct morning_run){
            .run_id = strdup(PQgetvalue(result, row, RUN_ID)),
            .job = strdup(PQgetvalue(result, row, RUN_JOB)),
            .ended = strdup(PQgetvalue(result, row, RUN_ENDED)),
            .exchanges = ledger_number_at(result, row, RUN_EXCHANGES),
            .tokens = ledger_number_at(result, row, RUN_TOKENS),
            .cost_pico_usd = ledger_number_at(result, row, RUN_COST),
            .lasted_us = number_or_unknown(result, row, RUN_LASTED),
            .memory_peak_bytes = number_or_unknown(result, row, RUN_PEAK),
            .memory_max_bytes = number_or_unknown(result, row, RUN_MEMORY),
        };
        if (run->run_id == NULL || run->job == NULL || run->ended == NULL)
            return no_memory(err);
    }
    return 0;
}

// ---- the cache

enum { CACHE_JOB, PROMPT, READ, SAVED, WRITES, WINDOW_5M, WINDOW_1H = WINDOW_5M + 3 };

static struct morning_cache_window window_at(const PGresult *result, int row, int column)
{
    return (struct morning_cache_window){
        .missed = ledger_number_at(result, row, column),
        .missed_pico_usd = ledger_number_at(result, row, column + 1),
        .other_pico_usd = ledger_number_at(result, row, column + 2)};
}

static void window_add(struct morning_cache_window *sum, const struct morning_cache_window *window)
{
    sum->missed += window->missed;
    sum->missed_pico_usd += window->missed_pico_usd;
    sum->other_pico_usd += window->other_pico_usd;
}

int morning_read_caches(struct ledger *ledger, struct morning_report *report, struct error *err)
{
    cleanup_result PGresult *result = NULL;
    struct morning_cache *total = &report->cache_total;
    int code = ask_of_day(ledger, "sql/report_cache.sql", report, &result, err);
    if (code != 0)
        return code;
    int count = PQntuples(result);
    report->caches = calloc((size_t)count + 1, sizeof(*report->caches));
    if (report->caches == NULL)
        return no_memory(err);
    for (int row = 0; row < count; row++) {
        struct morning_cache *cache = &report->caches[report->cache_count++];
        *cache = (struct morning_cache){
            .job = strdup(PQgetvalue(result, row, CACHE_JOB)),
            .prompt_tokens = ledger_number_at(result, row, PROMPT),
            .read_tokens = ledger_number_at(result, row, READ),
            .saved_pico_usd = ledger_number_at(result, row, SAVED),
            .writes_pico_usd = ledger_number_at(result, row, WRITES),
            .of_5m = window_at(result, row, WINDOW_5M),
            .of_1h = window_at(result, row, WINDOW_1H),
        };
        if (cache->job == NULL)
            return no_memory(err);
        total->prompt_tokens += cache->prompt_tokens;
        total->read_tokens += cache->read_tokens;
        total->saved_pico_usd += cache->saved_pico_usd;
        total->writes_pico_usd += cache->writes_pico_usd;
        window_add(&total->of_5m, &cache->of_5m);
        window_add(&total->of_1h, &cache->of_1h);
    }
    return 0;
}

// ---- the next cheaper model

enum { MODEL, MOMENT, GEO, TIER, USAGE_TOKENS, SEARCHES = USAGE_TOKENS + 5, USAGE_COST };

int morning_read_cheaper(struct ledger *ledger, struct morning_report *report, struct error *err)
{
    cleanup_result PGresult *result = NULL;
    int code = ask_of_day(ledger, "sql/report_usage.sql", report, &result, err);
    report->cheaper.prices = report->query.prices;
    for (int row = 0; code == 0 && row < PQntuples(result); row++) {
        struct usage usage = {
            .tokens = tokens_at(result, row, USAGE_TOKENS),
            .web_search_requests = ledger_number_at(result, row, SEARCHES),
            .geo =
                strcmp(PQgetvalue(result, row, GEO), "us") == 0 ? USAGE_GEO_US : USAGE_GEO_GLOBAL,
            .tier = strcmp(PQgetvalue(result, row, TIER), "batch") == 0 ? USAGE_TIER_BATCH
                                                                        : USAGE_TIER_STANDARD,
        };
        snprintf(usage.model, sizeof(usage.model), "%s", PQgetvalue(result, row, MODEL));
        code = cheaper_models_add(&report->cheaper, &usage, ledger_number_at(result, row, MOMENT),
                                  ledger_number_at(result, row, USAGE_COST), err);
    }
    return code;
}

// ---- by job, model and credential

int morning_read_by(struct ledger *ledger, struct morning_report *report, struct error *err)
{
    static const enum report_by each[] = {REPORT_BY_JOB, REPORT_BY_MODEL, REPORT_BY_CREDENTIAL};
    int code = 0;
    for (size_t i = 0; code == 0 && i < sizeof(each) / sizeof(each[0]); i++) {
        struct report_query day = {report->since_us, report->until_us, each[i], "UTC"};
        struct report_query month = {day_start_us(report, report->month_index), report->as_of_us,
                                     each[i], "UTC"};
        code = report_read(ledger, &day, &report->by[each[i]], err);
        if (code == 0)
            code = report_read(ledger, &month, &report->month_by[each[i]], err);
    }
    return code;
}
