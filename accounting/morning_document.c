// Morning document: see morning_document.h. This is the spine, and what a glance needs; tables are
// in morning_tables.c.
#include "morning_document.h"

#include "morning_tables.h"
#include "morning_words.h"
#include "report_count.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct morning_sums *reported_day(const struct morning_report *report)
{
    return &report->days[report->day_index];
}

static int64_t all_tokens(const struct token_counts *tokens)
{
    return tokens_counted(tokens, TOKENS_ALL);
}

// The ceiling of everything in dollars for that period, NULL: none.
static const struct morning_ceiling *box_ceiling(const struct morning_report *report,
                                                 enum morning_period period)
{
    for (size_t i = 0; i < report->ceiling_count; i++) {
        const struct morning_limit *limit = &report->ceilings[i].limit;
        if (limit->job == NULL && limit->period == period && !limit->is_of_tokens)
            return &report->ceilings[i];
    }
    return NULL;
}

// ---- figures

static void say_day(const struct morning_report *report, struct report_document *document)
{
    char title[MORNING_DATE_MAX], cost[MONEY_TEXT_MAX], tokens[REPORT_COUNT_MAX];
    char limit[MONEY_TEXT_MAX], part[MONEY_TEXT_MAX + 32] = "";
    const struct morning_sums *day = reported_day(report);
    const struct morning_ceiling *ceiling = box_ceiling(report, MORNING_PER_DAY);
    int64_t runs = (int64_t)report->run_costs.count;
    if (report->equivalent_pico_usd == day->cost_pico_usd && day->cost_pico_usd > 0)
        snprintf(part, sizeof(part), ", all API-equivalent");
    else if (report->equivalent_pico_usd > 0)
        snprintf(part, sizeof(part), ", %s of it API-equivalent",
                 money_format_short(report->equivalent_pico_usd, cost));
    document_add_figure(document, TONE_PLAIN,
                        morning_format_date(report, report->day_index, MORNING_DATE_WEEKDAY, title),
                        money_format_short(day->cost_pico_usd, cost),
                        "%" PRId64 " exchange%s in %" PRId64 " run%s, %s tokens%s%s%s%s",
                        day->exchanges, morning_plural(day->exchanges), runs, morning_plural(runs),
                        report_format_count(all_tokens(&day->tokens), tokens), part,
                        ceiling == NULL ? "" : "; the ceiling is ",
                        ceiling == NULL ? "" : money_format_short(ceiling->limit.limit, limit),
                        ceiling == NULL ? "" : " a day");
}

static void say_month(const struct morning_report *report, struct report_document *document)
{
    char title[MORNING_DATE_MAX + 32], month[MORNING_DATE_MAX], cost[MONEY_TEXT_MAX];
    char today[MONEY_TEXT_MAX];
    size_t open = report->day_is_open ? 1 : 0;
    size_t days = report->day_count - report->month_index - open;
    snprintf(title, sizeof(title), "%s%s",
             morning_format_date(report, report->day_index, MORNING_DATE_MONTH, month),
             report->days_left == 0 ? "" : " so far");
    if (report->day_is_open)
        document_add_figure(
            document, TONE_PLAIN, title, money_format_short(report->month.cost_pico_usd, cost),
            "%zu day%s, and %s so far today", days, days == 1 ? "" : "s",
            money_format_short(report->days[report->day_count - 1].cost_pico_usd, today));
    else
        document_add_figure(document, TONE_PLAIN, title,
                            money_format_short(report->month.cost_pico_usd, cost), "%zu day%s",
                            days, days == 1 ? "" : "s");
}

static void say_forecast(const struct morning_report *report, struct report_document *document)
{
    char cost[MONEY_TEXT_MAX], lowest[MONEY_TEXT_MAX], highest[MONEY_TEXT_MAX];
    char limit[MONEY_TEXT_MAX];
    const struct forecast *forecast = &report->forecast;
    const struct morning_ceiling *ceiling = box_ceiling(report, MORNING_PER_MONTH);
    if (report->days_left == 0)
        return; // the month is over
    bool over = ceiling != NULL && ceiling->forecast.reached_after != FORECAST_NEVER;
    document_add_figure(document, over ? TONE_BAD : TONE_PLAIN, "Forecast",
                        money_format_short(forecast->expected, cost),
                        "%s to %s, with %zu day%s left%s%s",
                        money_format_short(forecast->lowest, lowest),
                        money_format_short(forecast->highest, highest), report->days_left,
                        report->days_left == 1 ? "" : "s",
                        ceiling == NULL ? "; there is no monthly ceiling" : "; the ceiling is ",
                        ceiling == NULL ? "" : money_format_short(ceiling->limit.limit, limit));
}

static void say_cache(const struct morning_report *report, struct report_document *document)
{
    char share[MORNING_SHARE_MAX], saved[MONEY_TEXT_MAX], writes[MONEY_TEXT_MAX];
    const struct morning_cache *total = &report->cache_total;
    if (total->prompt_tokens == 0)
        return;
    document_add_figure(
        document, TONE_PLAIN, "Prompt cache",
        morning_format_share(morning_permille(total->read_tokens, total->prompt_tokens), share),
        "of prompt tokens read from it: saved %s, for %s spent on writing",
        money_format_short(total->saved_pico_usd, saved),
        money_format_short(total->writes_pico_usd, writes));
}

static void say_fees(const struct morning_report *report, struct report_document *document)
{
    char fees[MONEY_TEXT_MAX], equivalent[MONEY_TEXT_MAX];
    if (report->fees_pico_usd == 0)
        return;
    document_add_figure(document, TONE_PLAIN, "Subscriptions",
                        money_format_short(report->fees_pico_usd, fees),
                        "a month, whatever is used; the API-equivalent so far is %s",
                        money_format_short(report->month_equivalent_pico_usd, equivalent));
}

// ---- what stands out

static void say_anomaly(const struct morning_report *report, const struct morning_anomaly *anomaly,
                        struct report_document *document)
{
    const struct anomaly *found = &anomaly->found;
    char weekday[MORNING_DATE_MAX], value[MONEY_TEXT_MAX], usual[MONEY_TEXT_MAX];
    const char *what = anomaly_measure_name(found->measure);
    morning_format_date(report, report->day_index, MORNING_DATE_WEEKDAY, weekday);
    if (found->measure == ANOMALY_COST) {
        money_format_short(found->value, value);
        money_format_short(found->usual, usual);
    } else if (found->measure == ANOMALY_EXCHANGES) {
        snprintf(value, sizeof(value), "%" PRId64, found->value);
        snprintf(usual, sizeof(usual), "%" PRId64, found->usual);
    } else {
        what = found->measure == ANOMALY_CACHE ? "read from the cache" : "failed or estimated";
        morning_format_share(found->value, value);
        morning_format_share(found->usual, usual);
    }
    document_add_note(document, TONE_BAD, "%s: %s %s, usual for a %s is %s", anomaly->job, what,
                      value, weekday, usual);
}

// One sentence for each way of ending badly that there was.
static void say_bad_ends(const struct morning_report *report, struct report_document *document)
{
    static const struct {
        const char *ended, *words;
    } ends[] = {{"ceiling", "came to a hard ceiling"},
                {"oom", "ran out of memory"},
                {"timeout", "ran out of time"},
                {"killed", "ended by reeve kill"},
                {"lost", "lost, with the machine or the supervisor"}};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        int64_t count = 0;
        for (size_t k = 0; k < report->run_count; k++)
            count += strcmp(report->runs[k].ended, ends[i].ended) == 0;
        if (count > 0)
            document_add_note(document, TONE_BAD, "%" PRId64 " run%s %s", count,
                              morning_plural(count), ends[i].words);
    }
}

static void say_what_stands_out(const struct morning_report *report,
                                struct report_document *document)
{
    char cost[MONEY_TEXT_MAX];
    const struct morning_sums *day = reported_day(report);
    document_add_section(document, "What stands out");
    for (size_t i = 0; i < report->anomaly_count; i++)
        say_anomaly(report, &report->anomalies[i], document);
    for (size_t i = 0; i < report->ceiling_count; i++)
        morning_say_ceiling(report, &report->ceilings[i], document);
    say_bad_ends(report, document);
    if (day->unknown_models > 0)
        document_add_note(document, TONE_BAD,
                          "%" PRId64 " exchange%s of a model without a price: charged as the "
                          "dearest one known",
                          day->unknown_models, morning_plural(day->unknown_models));
    if (report->anomaly_count == 0)
        document_add_note(document, TONE_GOOD,
                          "No job is unlike itself on the same weekday of the last four weeks");
    if (report->too_new_jobs > 0)
        document_add_note(document, TONE_QUIET,
                          "%zu job%s not known for three weeks yet, and so not compared",
                          report->too_new_jobs, report->too_new_jobs == 1 ? " is" : "s are");
    if (day->retries > 0)
        document_add_note(document, TONE_PLAIN, "%" PRId64 " retr%s billed: %s", day->retries,
                          day->retries == 1 ? "y was" : "ies were",
                          money_format_short(day->retries_pico_usd, cost));
    if (day->failed > 0)
        document_add_note(document, TONE_PLAIN, "%" PRId64 " exchange%s failed, or broke off",
                          day->failed, morning_plural(day->failed));
}

// ---- days

static void plot_days(const struct morning_report *report, struct report_document *document)
{
    char label[MORNING_DATE_MAX], cost[MONEY_TEXT_MAX];
    document_begin_plot(document, PLOT_DAYS, "The last weeks",
                        "dollars a day; the same weekdays stand out");
    for (size_t i = 0; i < report->day_count; i++) {
        enum document_bar_weight weight = BAR_PLAIN;
        if (i > report->day_index)
            weight = BAR_OPEN;
        else if (i == report->day_index)
            weight = BAR_MAIN;
        else if ((report->day_index - i) % 7 == 0)
            weight = BAR_RELATED;
        document_add_bar(document, morning_format_date(report, i, MORNING_DATE_SHORT, label),
                         money_format_short(report->days[i].cost_pico_usd, cost),
                         report->days[i].cost_pico_usd, weight);
    }
}

// ---- how it was counted

static void say_how(const struct morning_report *report, struct report_document *document)
{
    char share[MORNING_SHARE_MAX], cost[MONEY_TEXT_MAX], as_of[MORNING_DATE_MAX];
    const struct morning_sums *day = reported_day(report);
    document_add_section(document, "How this was counted");
    document_add_note(
        document, TONE_QUIET,
        "Days are those of %s. An exchange counts where it was reserved. State of the "
        "books: %s.",
        report->query.zone_name, morning_format_moment(report, report->as_of_us, as_of));
    document_add_note(
        document, TONE_QUIET,
        "Estimated: %" PRId64 " of %" PRId64 " exchanges, %s of the cost (%s).", day->estimated,
        day->exchanges,
        morning_format_share(morning_permille(day->estimated_pico_usd, day->cost_pico_usd), share),
        money_format_short(day->estimated_pico_usd, cost));
    if (report->month_equivalent_pico_usd > 0)
        document_add_note(document, TONE_QUIET,
                          "API-equivalent is what the same tokens cost by use; a subscription is "
                          "paid by its fee.");
    if (report->ceiling_count > 0 &&
        strcmp(report->query.limits_zone, report->query.zone_name) != 0)
        document_add_note(document, TONE_QUIET,
                          "Ceilings count the days and months of %s: near midnight what they have "
                          "counted differs.",
                          report->query.limits_zone);
    document_add_note(document, TONE_QUIET,
                      "Usual is the median of the same weekday of four weeks. Forecast: each day "
                      "left as that median; its range from their lowest and highest.");
}

// ---- all of it

int morning_document_make(const struct morning_report *report, struct report_document *document,
                          struct error *err)
{
    char title[MORNING_DATE_MAX], subtitle[256];
    snprintf(subtitle, sizeof(subtitle), "reeve morning report, days of %.100s",
             report->query.zone_name);
    report_document_init(document,
                         morning_format_date(report, report->day_index, MORNING_DATE_LONG, title),
                         subtitle);
    say_day(report, document);
    say_month(report, document);
    say_forecast(report, document);
    say_cache(report, document);
    say_fees(report, document);
    say_what_stands_out(report, document);
    plot_days(report, document);
    morning_plot_tokens(report, document);
    morning_plot_run_costs(report, document);
    morning_add_ceilings(report, document);
    morning_add_by(report, REPORT_BY_JOB, document);
    morning_add_by(report, REPORT_BY_MODEL, document);
    morning_add_by(report, REPORT_BY_CREDENTIAL, document);
    morning_add_runs(report, document);
    morning_add_cache(report, document);
    morning_add_cheaper(report, document);
    say_how(report, document);
    return report_document_check(document, err);
}

const char *morning_format_line(const struct morning_report *report,
                                char line[static MORNING_LINE_MAX])
{
    char date[MORNING_DATE_MAX], cost[MONEY_TEXT_MAX], month[MONEY_TEXT_MAX];
    char forecast[MONEY_TEXT_MAX];
    const struct morning_sums *day = reported_day(report);
    int length = snprintf(line, MORNING_LINE_MAX, "%s: %s %s; month %s, forecast %s",
                          morning_format_date(report, report->day_index, MORNING_DATE_ISO, date),
                          money_format_short(day->cost_pico_usd, cost),
                          report->equivalent_pico_usd == 0 ? "spent"
                          : report->equivalent_pico_usd == day->cost_pico_usd
                              ? "API-equivalent"
                              : "spent, in part API-equivalent",
                          money_format_short(report->month.cost_pico_usd, month),
                          money_format_short(report->forecast.expected, forecast));
    if (report->anomaly_count == 0)
        snprintf(line + length, MORNING_LINE_MAX - (size_t)length, "; nothing stands out");
    else
        snprintf(line + length, MORNING_LINE_MAX - (size_t)length, "; %zu thing%s out: %.60s %s",
                 report->anomaly_count, report->anomaly_count == 1 ? " stands" : "s stand",
                 report->anomalies[0].job,
                 anomaly_measure_name(report->anomalies[0].found.measure));
    return line;
}
