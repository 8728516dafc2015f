// Morning tables: see morning_tables.h.
#include "morning_tables.h"

#include "clock.h"
#include "morning_words.h"
#include "report_count.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define COLUMNS(list) list, sizeof(list) / sizeof((list)[0])
#define MONEY(cost_pico_usd) money_format_short((cost_pico_usd), (char[MONEY_TEXT_MAX]){0})
#define COUNT(count) report_format_count((count), (char[REPORT_COUNT_MAX]){0})
#define SHARE(permille) morning_format_share((permille), (char[MORNING_SHARE_MAX]){0})

// Says how many rows a table would have had.
static void add_more(struct report_document *document, size_t count, const char *what)
{
    if (count > MORNING_TABLE_ROWS_MAX)
        document_add_note(document, TONE_QUIET, "%zu more %ss are in the CSV",
                          count - MORNING_TABLE_ROWS_MAX, what);
}

// ---- ceilings

static const char *format_amount(const struct morning_limit *limit, int64_t amount,
                                 char text[static MONEY_TEXT_MAX])
{
    if (!limit->is_of_tokens)
        return money_format_short(amount, text);
    return report_format_count(amount, text);
}

static const char *format_limit(const struct morning_limit *limit, char *text, size_t size)
{
    snprintf(text, size, "%s%s per %s", limit->job == NULL ? "everything" : limit->job,
             limit->is_of_tokens ? ", tokens" : "",
             limit->period == MORNING_PER_DAY ? "day" : "month");
    return text;
}

static const char *format_reached(const struct morning_report *report,
                                  const struct morning_ceiling *ceiling,
                                  char text[static MORNING_DATE_MAX])
{
    if (ceiling->used >= ceiling->limit.limit)
        snprintf(text, MORNING_DATE_MAX, "reached");
    else if (ceiling->forecast.reached_after == FORECAST_NEVER)
        snprintf(text, MORNING_DATE_MAX, "-");
    else
        morning_format_date(report, report->day_index + 1 + ceiling->forecast.reached_after,
                            MORNING_DATE_SHORT, text);
    return text;
}

void morning_say_ceiling(const struct morning_report *report, const struct morning_ceiling *ceiling,
                         struct report_document *document)
{
    char name[128], date[MORNING_DATE_MAX], used[MONEY_TEXT_MAX], limit[MONEY_TEXT_MAX];
    bool reached = ceiling->used >= ceiling->limit.limit;
    if (!reached && ceiling->forecast.reached_after == FORECAST_NEVER)
        return;
    format_limit(&ceiling->limit, name, sizeof(name));
    format_amount(&ceiling->limit, ceiling->used, used);
    format_amount(&ceiling->limit, ceiling->limit.limit, limit);
    if (reached)
        document_add_note(document, TONE_BAD, "Ceiling of %s reached: %s of %s", name, used, limit);
    else
        document_add_note(document, TONE_BAD,
                          "Ceiling of %s: %s of %s used, and as it goes reached on %s", name, used,
                          limit, format_reached(report, ceiling, date));
}

void morning_add_ceilings(const struct morning_report *report, struct report_document *document)
{
    static const struct document_column columns[] = {{"ceiling", true},   {"used", false},
                                                     {"of", false},       {"share", false},
                                                     {"forecast", false}, {"reached", false}};
    char name[128], text[MONEY_TEXT_MAX], date[MORNING_DATE_MAX];
    if (report->ceiling_count == 0)
        return;
    document_add_section(document, "Ceilings");
    document_begin_table(document, COLUMNS(columns));
    for (size_t i = 0; i < report->ceiling_count && i < MORNING_TABLE_ROWS_MAX; i++) {
        const struct morning_ceiling *ceiling = &report->ceilings[i];
        const struct morning_limit *limit = &ceiling->limit;
        int share = morning_permille(ceiling->used, limit->limit);
        document_begin_row(document, share < 1000 ? share : 1000, false);
        document_add_cell(document, "%s", format_limit(limit, name, sizeof(name)));
        document_add_cell(document, "%s", format_amount(limit, ceiling->used, text));
        document_add_cell(document, "%s", format_amount(limit, limit->limit, text));
        document_add_cell(document, "%s", SHARE(share));
        document_add_cell(document, "%s",
                          limit->period == MORNING_PER_DAY
                              ? "-"
                              : format_amount(limit, ceiling->forecast.expected, text));
        document_add_cell(document, "%s", format_reached(report, ceiling, date));
    }
    add_more(document, report->ceiling_count, "ceiling");
}

// ---- by job, model and credential

static const struct report_row *find_row(const struct report *report, const char *key)
{
    for (size_t i = 0; i < report->row_count; i++)
        if (strcmp(report->rows[i].key, key) == 0)
            return &report->rows[i];
    return NULL;
}

static void add_row(struct report_document *document, const char *key, const struct report_row *day,
                    const struct report_row *month, int share)
{
    static const struct report_row none = {0};
    day = day == NULL ? &none : day;
    document_begin_row(document, share, share < 0);
    document_add_cell(document, "%s", key);
    document_add_cell(document, "%s%s%s", day->estimated > 0 ? "~" : "",
                      day->unknown_models > 0 ? "?" : "", MONEY(day->cost_pico_usd));
    document_add_cell(document, "%s", MONEY(month->cost_pico_usd));
    document_add_cell(document, "%s", COUNT(day->exchanges));
    document_add_cell(document, "%s", COUNT(day->tokens.input));
    document_add_cell(document, "%s", COUNT(day->tokens.output));
    document_add_cell(document, "%s",
                      COUNT(day->tokens.cache_write_5m + day->tokens.cache_write_1h));
    document_add_cell(document, "%s", COUNT(day->tokens.cache_read));
}

// What a credential is billed as stands behind its name.
static const char *format_key(const struct morning_report *report, enum report_by by,
                              const char *key, char *text, size_t size)
{
    const struct morning_account *account =
        by == REPORT_BY_CREDENTIAL ? morning_account_find(report, key) : NULL;
    const char *mark = account != NULL && account->is_subscription ? " (equivalent)" : "";
    snprintf(text, size, "%s%s", *key == '\0' ? "-" : key, mark);
    return text;
}

static void add_others(struct report_document *document, const struct report *month, size_t shown)
{
    int64_t cost = 0;
    for (size_t i = shown; i < month->row_count; i++)
        cost += month->rows[i].cost_pico_usd;
    if (shown < month->row_count)
        document_add_note(document, TONE_QUIET, "%zu more, together %s in the month",
                          month->row_count - shown, MONEY(cost));
}

// By the month's cost, so that what costs most is at the top even after a quiet day.
void morning_add_by(const struct morning_report *report, enum report_by by,
                    struct report_document *document)
{
    static const char *const titles[] = {[REPORT_BY_JOB] = "By job",
                                         [REPORT_BY_MODEL] = "By model",
                                         [REPORT_BY_CREDENTIAL] = "By credential"};
    const struct document_column columns[] = {
        {report_by_name(by), true}, {"cost", false},   {"month", false},   {"exch", false},
        {"input", false},           {"output", false}, {"written", false}, {"read", false}};
    char key[160];
    const struct report *day = &report->by[by];
    const struct report *month = &report->month_by[by];
    size_t shown =
        month->row_count < MORNING_TABLE_ROWS_MAX ? month->row_count : MORNING_TABLE_ROWS_MAX;
    if (month->row_count == 0)
        return;
    document_add_section(document, titles[by]);
    document_begin_table(document, COLUMNS(columns));
    for (size_t i = 0; i < shown; i++) {
        const struct report_row *row = find_row(day, month->rows[i].key);
        int share =
            row == NULL ? 0 : morning_permille(row->cost_pico_usd, day->total.cost_pico_usd);
        add_row(document, format_key(report, by, month->rows[i].key, key, sizeof(key)), row,
                &month->rows[i], share);
    }
    add_row(document, "total", &day->total, &month->total, -1);
    add_others(document, month, shown);
}

// ---- tokens

void morning_plot_tokens(const struct morning_report *report, struct report_document *document)
{
    const struct token_counts *tokens = &report->days[report->day_index].tokens;
    const struct {
        const char *name;
        int64_t count;
    } kinds[] = {{"read from the cache", tokens->cache_read},
                 {"written for 5 minutes", tokens->cache_write_5m},
                 {"written for an hour", tokens->cache_write_1h},
                 {"uncached input", tokens->input},
                 {"output", tokens->output}};
    if (tokens_counted(tokens, TOKENS_ALL) == 0)
        return;
    document_begin_plot(document, PLOT_PARTS, "Tokens by kind", "");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        document_add_bar(document, kinds[i].name, COUNT(kinds[i].count), kinds[i].count, BAR_PLAIN);
}

// ---- runs

static const char *format_lasted(int64_t lasted_us, char text[static CLOCK_TEXT_MAX])
{
    if (lasted_us >= 0)
        return clock_format_duration(lasted_us, text);
    snprintf(text, CLOCK_TEXT_MAX, "-");
    return text;
}

static void add_dearest(const struct morning_report *report, struct report_document *document)
{
    static const struct document_column columns[] = {
        {"the dearest runs", true}, {"job", true},    {"cost", false}, {"exch", false},
        {"tokens", false},          {"lasted", false}};
    char lasted[CLOCK_TEXT_MAX];
    document_begin_table(document, COLUMNS(columns));
    for (size_t i = 0; i < report->run_count && i < MORNING_DEAREST_RUNS; i++) {
        const struct morning_run *run = &report->runs[i];
        if (run->exchanges == 0)
            break;
        document_begin_row(document,
                           morning_permille(run->cost_pico_usd, report->run_costs.total_pico_usd),
                           false);
        document_add_cell(document, "%s", run->run_id);
        document_add_cell(document, "%s", run->job);
        document_add_cell(document, "%s", MONEY(run->cost_pico_usd));
        document_add_cell(document, "%s", COUNT(run->exchanges));
        document_add_cell(document, "%s", COUNT(run->tokens));
        document_add_cell(document, "%s", format_lasted(run->lasted_us, lasted));
    }
}

static const char *format_memory(int64_t bytes, char text[static REPORT_COUNT_MAX])
{
    if (bytes < 0)
        snprintf(text, REPORT_COUNT_MAX, "-");
    else
        snprintf(text, REPORT_COUNT_MAX, "%" PRId64 "M", bytes >> 20);
    return text;
}

static void add_ended_badly(const struct morning_report *report, struct report_document *document)
{
    static const struct document_column columns[] = {{"ended badly", true}, {"job", true},
                                                     {"by", true},          {"cost", false},
                                                     {"peak", false},       {"lasted", false}};
    char lasted[CLOCK_TEXT_MAX], memory[REPORT_COUNT_MAX];
    size_t count = 0;
    for (size_t i = 0; i < report->run_count; i++) {
        const struct morning_run *run = &report->runs[i];
        if (!morning_run_ended_badly(run) || count++ >= MORNING_TABLE_ROWS_MAX)
            continue;
        if (count == 1)
            document_begin_table(document, COLUMNS(columns));
        document_begin_row(document, -1, false);
        document_add_cell(document, "%s", run->run_id);
        document_add_cell(document, "%s", run->job);
        document_add_cell(document, "%s", run->ended);
        document_add_cell(document, "%s", MONEY(run->cost_pico_usd));
        document_add_cell(document, "%s", format_memory(run->memory_peak_bytes, memory));
        document_add_cell(document, "%s", format_lasted(run->lasted_us, lasted));
    }
    if (count > MORNING_TABLE_ROWS_MAX)
        document_add_note(document, TONE_BAD, "%zu more runs ended badly",
                          count - MORNING_TABLE_ROWS_MAX);
    if (count == 0)
        document_add_note(
            document, TONE_GOOD,
            "No run came to a ceiling, ran out of memory or time, was killed or lost");
}

void morning_plot_run_costs(const struct morning_report *report, struct report_document *document)
{
    char text[REPORT_COUNT_MAX], from[MONEY_TEXT_MAX], label[MONEY_TEXT_MAX + 1];
    const struct run_costs *costs = &report->run_costs;
    if (costs->count == 0)
        return;
    document_begin_plot(document, PLOT_STEPS, "What a run cost", "runs, by dollars from");
    for (size_t i = 0; i < costs->bucket_count; i++) {
        const struct run_costs_bucket *bucket = &costs->buckets[i];
        snprintf(text, sizeof(text), "%" PRId64, bucket->count);
        bool whole = bucket->from_pico_usd % PICO_USD_PER_USD == 0;
        snprintf(label, sizeof(label), "$%s",
                 money_format_exact(bucket->from_pico_usd, whole ? 0 : 2, from));
        document_add_bar(document, label, text, bucket->count, BAR_RELATED);
    }
}

void morning_add_runs(const struct morning_report *report, struct report_document *document)
{
    const struct run_costs *costs = &report->run_costs;
    document_add_section(document, "Runs");
    if (costs->count > 0) {
        document_add_note(document, TONE_PLAIN,
                          "Half of %zu run%s cost up to %s, nine in ten up to %s, the dearest %s",
                          costs->count, costs->count == 1 ? "" : "s", MONEY(costs->median),
                          MONEY(costs->p90), MONEY(costs->highest));
        add_dearest(report, document);
    }
    add_ended_badly(report, document);
}

// ---- the cache

// "+$0.47", "-$3.54", or "-" where nothing was written for that window.
static void add_other_window(struct report_document *document,
                             const struct morning_cache_window *window)
{
    if (window->other_pico_usd == 0)
        document_add_cell(document, "-");
    else
        document_add_cell(document, "%s%s", window->other_pico_usd > 0 ? "+" : "",
                          MONEY(window->other_pico_usd));
}

static void add_cache_row(struct report_document *document, const struct morning_cache *cache,
                          bool is_total)
{
    document_begin_row(document, -1, is_total);
    document_add_cell(document, "%s", is_total ? "total" : cache->job);
    document_add_cell(document, "%s",
                      SHARE(cache->prompt_tokens == 0
                                ? -1
                                : morning_permille(cache->read_tokens, cache->prompt_tokens)));
    document_add_cell(document, "%s", MONEY(cache->saved_pico_usd));
    document_add_cell(document, "%s", MONEY(cache->writes_pico_usd));
    document_add_cell(document, "%" PRId64, cache->of_5m.missed + cache->of_1h.missed);
    document_add_cell(document, "%s",
                      MONEY(cache->of_5m.missed_pico_usd + cache->of_1h.missed_pico_usd));
    add_other_window(document, &cache->of_5m);
    add_other_window(document, &cache->of_1h);
}

void morning_add_cache(const struct morning_report *report, struct report_document *document)
{
    static const struct document_column columns[] = {
        {"job", true},   {"hit", false},  {"saved", false},  {"writes", false},
        {"late", false}, {"lost", false}, {"all 1h", false}, {"all 5m", false}};
    if (report->cache_total.prompt_tokens == 0)
        return;
    document_add_section(document, "Prompt cache");
    document_begin_table(document, COLUMNS(columns));
    for (size_t i = 0; i < report->cache_count && i < MORNING_TABLE_ROWS_MAX; i++)
        add_cache_row(document, &report->caches[i], false);
    add_cache_row(document, &report->cache_total, true);
    add_more(document, report->cache_count, "job");
    document_add_note(document, TONE_QUIET,
                      "late: exchanges that came up to half of a window (5 minutes, an hour) after "
                      "it and wrote again; lost: what that cost at most above reading. all 1h, all "
                      "5m: what the other window would have changed, had all writes had it.");
}

// ---- the next cheaper model

void morning_add_cheaper(const struct morning_report *report, struct report_document *document)
{
    static const struct document_column columns[] = {
        {"model", true}, {"cost", false}, {"next cheaper", true}, {"same tokens", false}};
    if (report->cheaper.count == 0)
        return;
    document_add_section(document, "The same tokens on the next cheaper model");
    document_begin_table(document, COLUMNS(columns));
    for (size_t i = 0; i < report->cheaper.count && i < MORNING_TABLE_ROWS_MAX; i++) {
        const struct cheaper_model *model = &report->cheaper.models[i];
        bool has = *model->cheaper != '\0';
        document_begin_row(document, -1, false);
        document_add_cell(document, "%s", model->model);
        document_add_cell(document, "%s", MONEY(model->cost_pico_usd));
        document_add_cell(document, "%s", has ? model->cheaper : "-");
        document_add_cell(document, "%s", has ? MONEY(model->cheaper_pico_usd) : "-");
    }
    add_more(document, report->cheaper.count, "model");
    document_add_note(
        document, TONE_QUIET,
        "Arithmetic, not advice: another model would have used other tokens. Estimated "
        "exchanges are left out.");
}
