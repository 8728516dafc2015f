// Morning JSON: see morning_json.h.
#include "morning_json.h"

#include "cleanup.h"
#include "clock.h"
#include "money.h"
#include "value_json.h"

#include <jansson.h>
#include <string.h>

static json_t *pack_number(int64_t number)
{
    return json_integer((json_int_t)number);
}

// NULL where nothing is known, which json_pack() leaves out under "o*".
static json_t *pack_known(int64_t number)
{
    return number < 0 ? NULL : pack_number(number);
}

static json_t *pack_day(const struct morning_report *report, size_t index)
{
    int64_t seconds = (report->first_day + (int64_t)index) * 86400; // as if it were one of UTC
    char text[CLOCK_TEXT_MAX];
    clock_format_utc(seconds * 1000000, text);
    text[strlen("2026-11-25")] = '\0';
    return json_string(text);
}

static json_t *pack_tokens(const struct token_counts *tokens)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "input", pack_number(tokens->input), "output",
                     pack_number(tokens->output), "cache_write_5m",
                     pack_number(tokens->cache_write_5m), "cache_write_1h",
                     pack_number(tokens->cache_write_1h), "cache_read",
                     pack_number(tokens->cache_read));
}

static json_t *pack_sums(const struct morning_sums *sums)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o*}", "exchanges",
                     pack_number(sums->exchanges), "estimated", pack_number(sums->estimated),
                     "unknown_models", pack_number(sums->unknown_models), "failed",
                     pack_number(sums->failed), "retries_billed", pack_number(sums->retries),
                     "cost_usd", money_json(sums->cost_pico_usd), "estimated_usd",
                     money_json(sums->estimated_pico_usd), "retries_usd",
                     money_json(sums->retries_pico_usd), "tokens", pack_tokens(&sums->tokens),
                     "cache_hit_permille", pack_known(morning_hit_permille(&sums->tokens)));
}

static json_t *pack_row(const struct report_row *row)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "exchanges", pack_number(row->exchanges),
                     "estimated", pack_number(row->estimated), "cost_usd",
                     money_json(row->cost_pico_usd), "estimated_usd",
                     money_json(row->estimated_pico_usd), "cache_saving_usd",
                     money_json(row->cache_saving_pico_usd), "tokens", pack_tokens(&row->tokens));
}

// The rows of a grouping, each with its month; those of the month alone have no day.
static json_t *pack_by(const struct morning_report *report, enum report_by by)
{
    json_t *rows = json_array();
    const struct report *day = &report->by[by];
    const struct report *month = &report->month_by[by];
    for (size_t i = 0; i < month->row_count; i++) {
        const struct report_row *row = NULL;
        for (size_t k = 0; k < day->row_count && row == NULL; k++)
            row = strcmp(day->rows[k].key, month->rows[i].key) == 0 ? &day->rows[k] : NULL;
        json_array_append_new(rows,
                              json_pack("{s:s, s:o*, s:o}", report_by_name(by), month->rows[i].key,
                                        "day", row == NULL ? NULL : pack_row(row), "month",
                                        pack_row(&month->rows[i])));
    }
    return rows;
}

static json_t *pack_days(const struct morning_report *report)
{
    json_t *days = json_array();
    for (size_t i = 0; i < report->day_count; i++)
        json_array_append_new(days,
                              json_pack("{s:o, s:o, s:o}", "day", pack_day(report, i), "exchanges",
                                        pack_number(report->days[i].exchanges), "cost_usd",
                                        money_json(report->days[i].cost_pico_usd)));
    return days;
}

static json_t *pack_measure(enum anomaly_measure measure, int64_t value)
{
    return measure == ANOMALY_COST ? money_json(value) : pack_number(value);
}

static json_t *pack_anomalies(const struct morning_report *report)
{
    json_t *anomalies = json_array();
    for (size_t i = 0; i < report->anomaly_count; i++) {
        const struct anomaly *found = &report->anomalies[i].found;
        json_array_append_new(
            anomalies, json_pack("{s:s, s:s, s:o, s:o, s:o}", "job", report->anomalies[i].job,
                                 "measure", anomaly_measure_name(found->measure), "value",
                                 pack_measure(found->measure, found->value), "usual",
                                 pack_measure(found->measure, found->usual), "spread",
                                 pack_measure(found->measure, found->spread)));
    }
    return anomalies;
}

static json_t *pack_run(const struct morning_run *run)
{
    return json_pack(
        "{s:s, s:s, s:o, s:o, s:o, s:s*, s:o*, s:o*, s:o*}", "run", run->run_id, "job", run->job,
        "exchanges", pack_number(run->exchanges), "tokens", pack_number(run->tokens), "cost_usd",
        money_json(run->cost_pico_usd), "ended", *run->ended == '\0' ? NULL : run->ended,
        "lasted_us", pack_known(run->lasted_us), "memory_peak_bytes",
        pack_known(run->memory_peak_bytes), "memory_max_bytes", pack_known(run->memory_max_bytes));
}

static json_t *pack_run_costs(const struct run_costs *costs)
{
    json_t *buckets = json_array();
    for (size_t i = 0; i < costs->bucket_count; i++)
        json_array_append_new(buckets, json_pack("{s:o, s:o}", "from_usd",
                                                 money_json(costs->buckets[i].from_pico_usd),
                                                 "runs", pack_number(costs->buckets[i].count)));
    return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "runs", (json_int_t)costs->count,
                     "lowest_usd", money_json(costs->lowest), "median_usd",
                     money_json(costs->median), "p90_usd", money_json(costs->p90), "p99_usd",
                     money_json(costs->p99), "highest_usd", money_json(costs->highest), "buckets",
                     buckets);
}

static json_t *pack_runs(const struct morning_report *report)
{
    json_t *dearest = json_array();
    json_t *ended_badly = json_array();
    for (size_t i = 0; i < report->run_count; i++) {
        const struct morning_run *run = &report->runs[i];
        if (i < MORNING_DEAREST_RUNS && run->exchanges > 0)
            json_array_append_new(dearest, pack_run(run));
        if (morning_run_ended_badly(run))
            json_array_append_new(ended_badly, pack_run(run));
    }
    return json_pack("{s:o, s:o, s:o}", "costs", pack_run_costs(&report->run_costs), "dearest",
                     dearest, "ended_badly", ended_badly);
}

static json_t *pack_window(const struct morning_cache_window *window)
{
    return json_pack("{s:o, s:o, s:o}", "missed", pack_number(window->missed), "missed_usd",
                     money_json(window->missed_pico_usd), "other_window_usd",
                     money_json(window->other_pico_usd));
}

static json_t *pack_cache(const struct morning_cache *cache)
{
    return json_pack("{s:s*, s:o, s:o, s:o, s:o, s:o, s:o}", "job", cache->job, "prompt_tokens",
                     pack_number(cache->prompt_tokens), "read_tokens",
                     pack_number(cache->read_tokens), "saved_usd",
                     money_json(cache->saved_pico_usd), "writes_usd",
                     money_json(cache->writes_pico_usd), "window_5m", pack_window(&cache->of_5m),
                     "window_1h", pack_window(&cache->of_1h));
}

static json_t *pack_caches(const struct morning_report *report)
{
    json_t *jobs = json_array();
    for (size_t i = 0; i < report->cache_count; i++)
        json_array_append_new(jobs, pack_cache(&report->caches[i]));
    return json_pack("{s:o, s:o}", "total", pack_cache(&report->cache_total), "jobs", jobs);
}

static json_t *pack_cheaper(const struct morning_report *report)
{
    json_t *models = json_array();
    for (size_t i = 0; i < report->cheaper.count; i++) {
        const struct cheaper_model *model = &report->cheaper.models[i];
        bool has = *model->cheaper != '\0';
        json_array_append_new(models,
                              json_pack("{s:s, s:o, s:o, s:s*, s:o*}", "model", model->model,
                                        "exchanges", pack_number(model->exchanges), "cost_usd",
                                        money_json(model->cost_pico_usd), "cheaper_model",
                                        has ? model->cheaper : NULL, "cheaper_usd",
                                        has ? money_json(model->cheaper_pico_usd) : NULL));
    }
    return models;
}

static json_t *pack_amount(const struct morning_limit *limit, int64_t amount)
{
    return limit->is_of_tokens ? pack_number(amount) : money_json(amount);
}

static json_t *pack_reached(const struct morning_report *report, const struct forecast *forecast)
{
    if (forecast->reached_after == FORECAST_NEVER)
        return NULL;
    return pack_day(report, report->day_index + 1 + forecast->reached_after);
}

static json_t *pack_ceilings(const struct morning_report *report)
{
    json_t *ceilings = json_array();
    for (size_t i = 0; i < report->ceiling_count; i++) {
        const struct morning_ceiling *ceiling = &report->ceilings[i];
        const struct morning_limit *limit = &ceiling->limit;
        bool month = limit->period == MORNING_PER_MONTH;
        json_array_append_new(
            ceilings,
            json_pack("{s:s*, s:s, s:s, s:o, s:o, s:o*, s:o*}", "job", limit->job, "period",
                      month ? "month" : "day", "unit", limit->is_of_tokens ? "tokens" : "usd",
                      "limit", pack_amount(limit, limit->limit), "used",
                      pack_amount(limit, ceiling->used), "expected",
                      month ? pack_amount(limit, ceiling->forecast.expected) : NULL, "reached_on",
                      month ? pack_reached(report, &ceiling->forecast) : NULL));
    }
    return ceilings;
}

static json_t *pack_month(const struct morning_report *report)
{
    json_t *month = pack_sums(&report->month);
    json_object_set_new(month, "equivalent_usd", money_json(report->month_equivalent_pico_usd));
    json_object_set_new(month, "monthly_fees_usd", money_json(report->fees_pico_usd));
    json_object_set_new(month, "forecast",
                        json_pack("{s:o, s:o, s:o, s:I}", "expected_usd",
                                  money_json(report->forecast.expected), "lowest_usd",
                                  money_json(report->forecast.lowest), "highest_usd",
                                  money_json(report->forecast.highest), "days_left",
                                  (json_int_t)report->days_left));
    return month;
}

static json_t *pack_report(const struct morning_report *report)
{
    char since[CLOCK_TEXT_MAX], until[CLOCK_TEXT_MAX], as_of[CLOCK_TEXT_MAX];
    json_t *day = pack_sums(&report->days[report->day_index]);
    json_object_set_new(day, "equivalent_usd", money_json(report->equivalent_pico_usd));
    return json_pack(
        "{s:o, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "day",
        pack_day(report, report->day_index), "time_zone", report->query.zone_name, "since",
        clock_format_utc(report->since_us, since), "until",
        clock_format_utc(report->until_us, until), "as_of",
        clock_format_utc(report->as_of_us, as_of), "total", day, "month", pack_month(report),
        "days", pack_days(report), "jobs", pack_by(report, REPORT_BY_JOB), "models",
        pack_by(report, REPORT_BY_MODEL), "credentials", pack_by(report, REPORT_BY_CREDENTIAL),
        "anomalies", pack_anomalies(report), "runs", pack_runs(report), "cache",
        pack_caches(report), "next_cheaper_model", pack_cheaper(report), "ceilings",
        pack_ceilings(report));
}

static void json_free(json_t **object)
{
    json_decref(*object);
}

int morning_write_json(const struct morning_report *report, FILE *stream, struct error *err)
{
    cleanup_with(json_free) json_t *whole = pack_report(report);
    if (whole == NULL || json_dumpf(whole, stream, JSON_INDENT(2)) != 0)
        return error_set(err, -ENOMEM, "no memory for the report as JSON");
    putc('\n', stream);
    return 0;
}
