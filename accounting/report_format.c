// Report format: see report_format.h.
#include "report_format.h"

#include "cleanup.h"
#include "clock.h"
#include "csv_write.h"
#include "money.h"
#include "report_count.h"
#include "value_json.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CELL_MAX 64
#define NAME_WIDTH_MIN 12

// The table's columns after the name.
enum { EXCHANGES, INPUT, OUTPUT, WRITE_5M, WRITE_1H, READ, SAVED, COST, COLUMNS };
static const char *const titles[COLUMNS] = {"EXCH",    "INPUT", "OUTPUT", "WRITE5M",
                                            "WRITE1H", "READ",  "SAVED",  "COST"};

struct table_row {
    char name[CELL_MAX];
    char cells[COLUMNS][CELL_MAX];
};

const char *report_format_name(enum report_format format)
{
    static const char *const names[] = {"table", "csv", "json", "md", "html"};
    assert(format < REPORT_FORMATS);
    return names[format];
}

bool report_format_parse(const char *text, enum report_format *format)
{
    for (enum report_format each = 0; each < REPORT_FORMATS; each++) {
        if (strcmp(text, report_format_name(each)) == 0) {
            *format = each;
            return true;
        }
    }
    return false;
}

// A name from outside: control characters would move the terminal's cursor, or worse.
static void format_name(const char *name, char text[static CELL_MAX])
{
    size_t length = 0;
    for (; *name != '\0' && length < CELL_MAX - 1; name++) {
        unsigned char byte = (unsigned char)*name;
        text[length++] = byte < 0x20 || byte == 0x7f ? '?' : *name;
    }
    text[length] = '\0';
    if (length == 0)
        snprintf(text, CELL_MAX, "-");
}

static void format_row(const struct report_row *row, const char *name, struct table_row *table)
{
    char cost[MONEY_TEXT_MAX];
    format_name(name, table->name);
    report_format_count(row->exchanges, table->cells[EXCHANGES]);
    report_format_count(row->tokens.input, table->cells[INPUT]);
    report_format_count(row->tokens.output, table->cells[OUTPUT]);
    report_format_count(row->tokens.cache_write_5m, table->cells[WRITE_5M]);
    report_format_count(row->tokens.cache_write_1h, table->cells[WRITE_1H]);
    report_format_count(row->tokens.cache_read, table->cells[READ]);
    snprintf(table->cells[SAVED], CELL_MAX, "%s",
             money_format_short(row->cache_saving_pico_usd, cost));
    snprintf(table->cells[COST], CELL_MAX, "%s%s%s", row->estimated > 0 ? "~" : "",
             row->unknown_models > 0 ? "?" : "", money_format_short(row->cost_pico_usd, cost));
}

// Columns that say nothing are left out.
static void choose_columns(const struct report_row *total, bool shown[static COLUMNS])
{
    for (size_t i = 0; i < COLUMNS; i++)
        shown[i] = true;
    shown[WRITE_5M] = total->tokens.cache_write_5m > 0;
    shown[WRITE_1H] = total->tokens.cache_write_1h > 0;
    shown[READ] = total->tokens.cache_read > 0;
    shown[SAVED] = total->cache_saving_pico_usd > 0;
}

struct table_widths {
    size_t name;
    size_t columns[COLUMNS]; // 0: not shown
};

static struct table_widths measure(const struct table_row *rows, size_t row_count,
                                   const bool shown[static COLUMNS])
{
    struct table_widths widths = {.name = NAME_WIDTH_MIN};
    size_t others = 0;
    for (size_t i = 0; i < COLUMNS; i++) {
        for (size_t k = 0; shown[i] && k < row_count; k++) {
            size_t width = strlen(rows[k].cells[i]);
            widths.columns[i] = width > widths.columns[i] ? width : widths.columns[i];
        }
        others += shown[i] ? 1 + widths.columns[i] : 0;
    }
    for (size_t k = 0; k < row_count; k++)
        widths.name = strlen(rows[k].name) > widths.name ? strlen(rows[k].name) : widths.name;
    size_t room =
        others + NAME_WIDTH_MIN < REPORT_TABLE_WIDTH ? REPORT_TABLE_WIDTH - others : NAME_WIDTH_MIN;
    widths.name = widths.name < room ? widths.name : room;
    return widths;
}

static void write_table_row(const struct table_row *row, const struct table_widths *widths,
                            FILE *stream)
{
    size_t length = strlen(row->name);
    int shown = (int)(length > widths->name ? widths->name - 1 : length);
    fprintf(stream, "%.*s%s", shown, row->name, length > widths->name ? "~" : "");
    for (size_t i = length; i < widths->name; i++)
        putc(' ', stream);
    for (size_t i = 0; i < COLUMNS; i++)
        if (widths->columns[i] > 0)
            fprintf(stream, " %*s", (int)widths->columns[i], row->cells[i]);
    putc('\n', stream);
}

// The local time of the query's ends, to the minute.
static void format_local(int64_t time_us, char text[static CLOCK_TEXT_MAX])
{
    time_t seconds = (time_t)(time_us / 1000000);
    struct tm parts;
    localtime_r(&seconds, &parts);
    strftime(text, CLOCK_TEXT_MAX, "%Y-%m-%d %H:%M", &parts);
}

static void write_notes(const struct report *report, FILE *stream)
{
    char cost[MONEY_TEXT_MAX];
    const struct report_row *total = &report->total;
    if (total->estimated > 0 || total->unknown_models > 0 || report->equivalent_pico_usd > 0)
        putc('\n', stream);
    if (report->equivalent_pico_usd > 0)
        fprintf(stream, "API-equivalent: %s of the cost; a subscription covers it\n",
                money_format_short(report->equivalent_pico_usd, cost));
    if (total->estimated > 0)
        fprintf(stream, "~ %" PRId64 " of %" PRId64 " exchanges estimated: %s of the cost\n",
                total->estimated, total->exchanges,
                money_format_short(total->estimated_pico_usd, cost));
    if (total->unknown_models > 0)
        fprintf(stream, "? %" PRId64 " priced at the dearest known rates: unknown model\n",
                total->unknown_models);
}

static int write_table(const struct report *report, FILE *stream, struct error *err)
{
    char since[CLOCK_TEXT_MAX];
    char until[CLOCK_TEXT_MAX];
    bool shown[COLUMNS];
    format_local(report->query.since_us, since);
    format_local(report->query.until_us, until);
    if (report->row_count == 0) {
        fprintf(stream, "no exchanges from %s to %s (%s)\n", since, until, report->query.time_zone);
        return 0;
    }
    size_t count = report->row_count + 2; // and the head and the total
    cleanup_free struct table_row *rows = calloc(count, sizeof(*rows));
    if (rows == NULL)
        return error_set(err, -ENOMEM, "no memory for a table of %zu rows", count);
    for (const char *letter = report_by_name(report->query.by); *letter != '\0'; letter++)
        rows[0].name[strlen(rows[0].name)] = (char)(*letter - 'a' + 'A');
    for (size_t i = 0; i < COLUMNS; i++)
        snprintf(rows[0].cells[i], CELL_MAX, "%s", titles[i]);
    for (size_t i = 0; i < report->row_count; i++)
        format_row(&report->rows[i], report->rows[i].key, &rows[i + 1]);
    format_row(&report->total, "total", &rows[count - 1]);
    choose_columns(&report->total, shown);
    struct table_widths widths = measure(rows, count, shown);
    fprintf(stream, "%s to %s (%s)\n\n", since, until, report->query.time_zone);
    for (size_t i = 0; i < count; i++)
        write_table_row(&rows[i], &widths, stream);
    write_notes(report, stream);
    return 0;
}

static int write_csv(const struct report *report, FILE *stream)
{
    char cost[MONEY_TEXT_MAX];
    fprintf(stream,
            "%s,exchanges,estimated,unknown_models,input_tokens,output_tokens,"
            "cache_write_5m_tokens,cache_write_1h_tokens,cache_read_tokens,cost_usd,"
            "estimated_usd,cache_saving_usd\r\n",
            report_by_name(report->query.by));
    for (size_t i = 0; i < report->row_count; i++) {
        const struct report_row *row = &report->rows[i];
        csv_write_name(row->key, stream);
        fprintf(stream,
                ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64
                ",%" PRId64,
                row->exchanges, row->estimated, row->unknown_models, row->tokens.input,
                row->tokens.output, row->tokens.cache_write_5m, row->tokens.cache_write_1h,
                row->tokens.cache_read);
        fprintf(stream, ",%s", money_format_exact(row->cost_pico_usd, 2, cost));
        fprintf(stream, ",%s", money_format_exact(row->estimated_pico_usd, 2, cost));
        fprintf(stream, ",%s\r\n", money_format_exact(row->cache_saving_pico_usd, 2, cost));
    }
    return 0;
}

static json_t *pack_sums(const struct report_row *row)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "exchanges",
                     (json_int_t)row->exchanges, "estimated", (json_int_t)row->estimated,
                     "unknown_models", (json_int_t)row->unknown_models, "input_tokens",
                     (json_int_t)row->tokens.input, "output_tokens", (json_int_t)row->tokens.output,
                     "cache_write_5m_tokens", (json_int_t)row->tokens.cache_write_5m,
                     "cache_write_1h_tokens", (json_int_t)row->tokens.cache_write_1h,
                     "cache_read_tokens", (json_int_t)row->tokens.cache_read, "cost_usd",
                     money_json(row->cost_pico_usd), "estimated_usd",
                     money_json(row->estimated_pico_usd), "cache_saving_usd",
                     money_json(row->cache_saving_pico_usd));
}

static int write_json(const struct report *report, FILE *stream, struct error *err)
{
    char since[CLOCK_TEXT_MAX];
    char until[CLOCK_TEXT_MAX];
    json_t *rows = json_array();
    bool complete = rows != NULL;
    for (size_t i = 0; complete && i < report->row_count; i++) {
        json_t *row = json_pack("{s:s}", report_by_name(report->query.by), report->rows[i].key);
        complete = json_object_update_new(row, pack_sums(&report->rows[i])) == 0 &&
                   json_array_append_new(rows, row) == 0;
    }
    json_t *whole = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "since",
                              clock_format_utc(report->query.since_us, since), "until",
                              clock_format_utc(report->query.until_us, until), "time_zone",
                              report->query.time_zone, "by", report_by_name(report->query.by),
                              "rows", rows, "total", pack_sums(&report->total), "equivalent_usd",
                              money_json(report->equivalent_pico_usd));
    complete = complete && whole != NULL && json_dumpf(whole, stream, JSON_INDENT(2)) == 0;
    json_decref(whole);
    if (!complete)
        return error_set(err, -ENOMEM, "no memory for a report of %zu rows", report->row_count);
    putc('\n', stream);
    return 0;
}

int report_write(const struct report *report, enum report_format format, FILE *stream,
                 struct error *err)
{
    int code = 0;
    if (format == REPORT_TABLE)
        code = write_table(report, stream, err);
    else if (format == REPORT_CSV)
        code = write_csv(report, stream);
    else
        code = write_json(report, stream, err);
    if (code == 0 && (fflush(stream) != 0 || ferror(stream)))
        code = error_set_errno(err, -errno, "writing the report");
    return code;
}
