// Morning CSV: see morning_csv.h.
#include "morning_csv.h"

#include "csv_write.h"
#include "money.h"
#include "morning_words.h"

#include <inttypes.h>

// What the lines that follow are of.
struct subject {
    FILE *stream;
    const char *section;
    const char *name;
};

static void begin_line(const struct subject *of, const char *measure)
{
    fprintf(of->stream, "%s,", of->section);
    csv_write_name(of->name, of->stream);
    fprintf(of->stream, ",%s,", measure);
}

static void put_text(const struct subject *of, const char *measure, const char *text)
{
    begin_line(of, measure);
    csv_write_name(text, of->stream);
    fputs("\r\n", of->stream);
}

static void put_number(const struct subject *of, const char *measure, int64_t number)
{
    begin_line(of, measure);
    fprintf(of->stream, "%" PRId64 "\r\n", number);
}

static void put_money(const struct subject *of, const char *measure, int64_t cost_pico_usd)
{
    char text[MONEY_TEXT_MAX];
    begin_line(of, measure);
    fprintf(of->stream, "%s\r\n", money_format_exact(cost_pico_usd, 2, text));
}

static void put_tokens(const struct subject *of, const struct token_counts *tokens)
{
    put_number(of, "input_tokens", tokens->input);
    put_number(of, "output_tokens", tokens->output);
    put_number(of, "cache_write_5m_tokens", tokens->cache_write_5m);
    put_number(of, "cache_write_1h_tokens", tokens->cache_write_1h);
    put_number(of, "cache_read_tokens", tokens->cache_read);
}

static void put_sums(const struct subject *of, const struct morning_sums *sums)
{
    put_money(of, "cost_usd", sums->cost_pico_usd);
    put_number(of, "exchanges", sums->exchanges);
    put_number(of, "estimated", sums->estimated);
    put_money(of, "estimated_usd", sums->estimated_pico_usd);
    put_number(of, "unknown_models", sums->unknown_models);
    put_number(of, "failed", sums->failed);
    put_number(of, "retries_billed", sums->retries);
    put_money(of, "retries_usd", sums->retries_pico_usd);
    put_tokens(of, &sums->tokens);
}

static void put_whole(const struct morning_report *report, FILE *stream)
{
    char date[MORNING_DATE_MAX];
    const struct subject day = {stream, "day", ""};
    const struct subject month = {stream, "month", ""};
    put_text(&day, "date", morning_format_date(report, report->day_index, MORNING_DATE_ISO, date));
    put_text(&day, "time_zone", report->query.zone_name);
    put_sums(&day, &report->days[report->day_index]);
    put_money(&day, "equivalent_usd", report->equivalent_pico_usd);
    put_sums(&month, &report->month);
    put_money(&month, "equivalent_usd", report->month_equivalent_pico_usd);
    put_money(&month, "monthly_fees_usd", report->fees_pico_usd);
    put_money(&month, "forecast_usd", report->forecast.expected);
    put_money(&month, "forecast_lowest_usd", report->forecast.lowest);
    put_money(&month, "forecast_highest_usd", report->forecast.highest);
    for (size_t i = 0; i < report->day_count; i++) {
        const struct subject each = {stream, "days",
                                     morning_format_date(report, i, MORNING_DATE_ISO, date)};
        put_money(&each, "cost_usd", report->days[i].cost_pico_usd);
    }
}

static void put_anomalies(const struct morning_report *report, FILE *stream)
{
    for (size_t i = 0; i < report->anomaly_count; i++) {
        const struct anomaly *found = &report->anomalies[i].found;
        const struct subject of = {stream, "anomaly", report->anomalies[i].job};
        put_text(&of, "measure", anomaly_measure_name(found->measure));
        if (found->measure == ANOMALY_COST) {
            put_money(&of, "value_usd", found->value);
            put_money(&of, "usual_usd", found->usual);
        } else {
            put_number(&of, "value", found->value);
            put_number(&of, "usual", found->usual);
        }
    }
}

static void put_by(const struct morning_report *report, enum report_by by, FILE *stream)
{
    for (size_t i = 0; i < report->by[by].row_count; i++) {
        const struct report_row *row = &report->by[by].rows[i];
        const struct subject of = {stream, report_by_name(by), row->key};
        put_money(&of, "cost_usd", row->cost_pico_usd);
        put_number(&of, "exchanges", row->exchanges);
        put_tokens(&of, &row->tokens);
        put_money(&of, "cache_saving_usd", row->cache_saving_pico_usd);
    }
    for (size_t i = 0; i < report->month_by[by].row_count; i++) {
        const struct report_row *row = &report->month_by[by].rows[i];
        const struct subject of = {stream, report_by_name(by), row->key};
        put_money(&of, "month_cost_usd", row->cost_pico_usd);
    }
}

static void put_ceilings(const struct morning_report *report, FILE *stream)
{
    static const char *const sections[2][2] = {{"ceiling_per_day", "token_ceiling_per_day"},
                                               {"ceiling_per_month", "token_ceiling_per_month"}};
    for (size_t i = 0; i < report->ceiling_count; i++) {
        const struct morning_ceiling *ceiling = &report->ceilings[i];
        const struct morning_limit *limit = &ceiling->limit;
        const struct subject of = {stream, sections[limit->period][limit->is_of_tokens],
                                   limit->job == NULL ? "" : limit->job};
        if (limit->is_of_tokens) {
            put_number(&of, "used", ceiling->used);
            put_number(&of, "limit", limit->limit);
        } else {
            put_money(&of, "used_usd", ceiling->used);
            put_money(&of, "limit_usd", limit->limit);
        }
        if (limit->period == MORNING_PER_MONTH)
            put_money(&of, "forecast_usd", ceiling->forecast.expected);
    }
}

static void put_runs(const struct morning_report *report, FILE *stream)
{
    for (size_t i = 0; i < report->run_count; i++) {
        const struct morning_run *run = &report->runs[i];
        const struct subject of = {stream, "run", run->run_id};
        put_text(&of, "job", run->job);
        put_money(&of, "cost_usd", run->cost_pico_usd);
        put_number(&of, "exchanges", run->exchanges);
        put_number(&of, "tokens", run->tokens);
        if (*run->ended != '\0')
            put_text(&of, "ended", run->ended);
    }
}

static void put_cache(const struct morning_report *report, FILE *stream)
{
    for (size_t i = 0; i < report->cache_count; i++) {
        const struct morning_cache *cache = &report->caches[i];
        const struct subject of = {stream, "cache", cache->job};
        put_number(&of, "prompt_tokens", cache->prompt_tokens);
        put_number(&of, "read_tokens", cache->read_tokens);
        put_money(&of, "saved_usd", cache->saved_pico_usd);
        put_money(&of, "writes_usd", cache->writes_pico_usd);
        put_number(&of, "late_for_5m", cache->of_5m.missed);
        put_money(&of, "late_for_5m_usd", cache->of_5m.missed_pico_usd);
        put_number(&of, "late_for_1h", cache->of_1h.missed);
        put_money(&of, "late_for_1h_usd", cache->of_1h.missed_pico_usd);
        put_money(&of, "all_1h_usd", cache->of_5m.other_pico_usd);
        put_money(&of, "all_5m_usd", cache->of_1h.other_pico_usd);
    }
}

static void put_cheaper(const struct morning_report *report, FILE *stream)
{
    for (size_t i = 0; i < report->cheaper.count; i++) {
        const struct cheaper_model *model = &report->cheaper.models[i];
        const struct subject of = {stream, "next_cheaper_model", model->model};
        put_money(&of, "cost_usd", model->cost_pico_usd);
        if (*model->cheaper == '\0')
            continue;
        put_text(&of, "cheaper_model", model->cheaper);
        put_money(&of, "cheaper_usd", model->cheaper_pico_usd);
    }
}

void morning_write_csv(const struct morning_report *report, FILE *stream)
{
    fputs("section,name,measure,value\r\n", stream);
    put_whole(report, stream);
    put_anomalies(report, stream);
    put_ceilings(report, stream);
    put_by(report, REPORT_BY_JOB, stream);
    put_by(report, REPORT_BY_MODEL, stream);
    put_by(report, REPORT_BY_CREDENTIAL, stream);
    put_runs(report, stream);
    put_cache(report, stream);
    put_cheaper(report, stream);
}
