// reeve report: the morning report of a day, or one table of what was spent.

#include "clock.h"
#include "command_line.h"
#include "ledger_source.h"
#include "report.h"
#include "report_accounts.h"
#include "report_format.h"
#include "report_morning.h"
#include "report_range.h"
#include "subcommands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

static const char usage[] =
    "usage: reeve report [--day DAY] [--mail ADDRESS] [--deliver] [OPTION…]\n"
    "       reeve report [--by WHAT] [--since TIME] [--until TIME] [OPTION…]\n"
    "\n"
    "The first form is the morning report: what yesterday (or DAY) cost and its month, what\n"
    "stands out against the same weekday of four weeks, runs, the cache, ceilings ahead. The\n"
    "second is one table of any time.\n"
    "\n"
    "Dollars are exact in csv and json. SAVED is what reads from the prompt cache saved against\n"
    "the uncached price. ~ marks a cost that is estimated in part, ? one of a model whose price\n"
    "is not known.\n";

struct report_options {
    struct ledger_source_options source;
    const char *since, *until, *by_text, *day, *zone, *mail;
    enum report_by by;
    enum report_format format;
    bool json, delivers;
};

// One table, not the morning report.
static bool is_of_table(const struct report_options *options)
{
    return options->by_text != NULL || options->since != NULL || options->until != NULL;
}

static int by_parse(void *into, const char *text, struct error *err)
{
    struct report_options *options = into;
    options->by_text = text;
    return report_by_parse(text, &options->by)
               ? 0
               : error_set(err, -EINVAL, "write day, job, model, run or credential");
}

static int format_parse(void *format, const char *text, struct error *err)
{
    return report_format_parse(text, format)
               ? 0
               : error_set(err, -EINVAL, "write table, csv, json, md or html");
}

// Returns -1 to go on, or the exit code.
static int check_options(const struct command_line *line, const struct report_options *options)
{
    bool is_table = is_of_table(options);
    if (is_table && (options->day != NULL || options->mail != NULL || options->delivers))
        return command_line_refuse(
            line, "--by, --since and --until make one table; --day, --mail and --deliver are of "
                  "the morning report: leave out either");
    if (is_table && options->format >= REPORT_TABLE_FORMATS)
        return command_line_refuse(
            line, "--format %s: write table, csv or json with --by, --since or --until",
            report_format_name(options->format));
    return -1;
}

// Returns -1 to go on, or the exit code.
static int read_options(struct report_options *options, int argc, char **argv)
{
    const struct command_option rows[] = {
        {.name = "day",
         .value = "DAY",
         .help = "the morning report of it; without it, of yesterday",
         .text = &options->day},
        {.name = "mail",
         .value = "ADDRESS",
         .help = "hands it to sendmail, as text and as HTML",
         .text = &options->mail},
        {.name = "deliver",
         .help = "mails it to ReportMail=, and sends a line to the channels On=report",
         .flag = &options->delivers},
        {.name = "by",
         .value = "WHAT",
         .help = "day, job, model, run or credential; without it job",
         .parse = by_parse,
         .into = options},
        {.name = "since",
         .value = "TIME",
         .help = "2026-11-25, 2026-11-25T16:00, today, yesterday, now, or so long ago: 7d,\n"
                 "36h; without it, the start of yesterday",
         .text = &options->since},
        {.name = "until", .value = "TIME", .help = "without it, now", .text = &options->until},
        {.name = "zone",
         .value = "ZONE",
         .help = "whose days and times, as Europe/Berlin; without it yours ($TZ)",
         .text = &options->zone},
        {.name = "format",
         .value = "FORMAT",
         .help = "table, csv or json; the morning report also md and html",
         .parse = format_parse,
         .into = &options->format},
        {.name = "json", .help = "short for --format json", .flag = &options->json},
        LEDGER_SOURCE_OPTIONS(&options->source),
        {0},
    };
    const struct command_line line = {"report", usage, rows, NULL};
    struct command_words words;
    int code = command_line_read(&line, argc, argv, &words);
    if (code >= 0)
        return code;
    if (options->json)
        options->format = REPORT_JSON;
    return check_options(&line, options);
}

static int make_query(const struct report_options *options, struct report_query *query,
                      struct error *err)
{
    int64_t now_us = clock_now_us();
    int code = 0;
    query->by = options->by;
    query->since_us = report_day_start(now_us, 1);
    query->until_us = now_us;
    if (options->since != NULL)
        code = report_time_parse(options->since, now_us, &query->since_us, err);
    if (code == 0 && options->until != NULL)
        code = report_time_parse(options->until, now_us, &query->until_us, err);
    if (code == 0 && query->since_us >= query->until_us)
        code = error_set(err, -EINVAL, "--since %s is not before --until %s",
                         options->since == NULL ? "yesterday" : options->since,
                         options->until == NULL ? "now" : options->until);
    return code;
}

// What of the table's total is a subscription's: the same time once more, by credential.
static int find_equivalent(const struct ledger_source *source, struct report *report,
                           struct error *err)
{
    struct report by_credential = {0};
    struct report_query query = report->query;
    struct report_accounts *accounts = calloc(1, sizeof(*accounts));
    if (accounts == NULL)
        return error_set(err, -ENOMEM, "no memory for the accounts");
    report_accounts_collect(accounts, &source->config, &source->paths);
    query.by = REPORT_BY_CREDENTIAL;
    int code = report_read(source->ledger, &query, &by_credential, err);
    for (size_t i = 0; code == 0 && i < by_credential.row_count; i++)
        if (report_accounts_is_subscription(accounts, by_credential.rows[i].key))
            report->equivalent_pico_usd += by_credential.rows[i].cost_pico_usd;
    report_done(&by_credential);
    free(accounts);
    return code;
}

static int print_table(const struct report_options *options, struct error *err)
{
    struct ledger_source source = {0};
    struct report report = {0};
    struct report_query query = {.time_zone = options->zone};
    int code = make_query(options, &query, err);
    if (code == 0)
        code = ledger_source_init(&source, &options->source, err);
    if (code == 0)
        code = ledger_source_open(&source, err);
    if (code == 0)
        code = report_read(source.ledger, &query, &report, err);
    if (code == 0)
        code = find_equivalent(&source, &report, err);
    if (code == 0)
        code = report_write(&report, options->format, stdout, err);
    report_done(&report);
    ledger_source_done(&source);
    return code;
}

static int print_morning(const struct report_options *options, struct error *err)
{
    struct report_morning_options morning = {
        .source = &options->source,
        .day = options->day,
        .zone = options->zone,
        .mail = options->mail,
        .delivers = options->delivers,
        .format = options->format,
    };
    return report_morning(&morning, err);
}

int report_main(int argc, char **argv)
{
    char zone[128];
    struct error err = {0};
    struct report_options options = {.by = REPORT_BY_JOB};
    int code = read_options(&options, argc, argv);
    if (code >= 0)
        return code;
    if (options.zone != NULL) {
        setenv("TZ", options.zone, 1);
        tzset();
    } else {
        options.zone = report_zone_find(zone, sizeof(zone));
    }
    code = is_of_table(&options) ? print_table(&options, &err) : print_morning(&options, &err);
    if (code == 0)
        return EX_OK;
    fprintf(stderr, "reeve report: %s\n", err.text);
    return code == -EINVAL ? EX_USAGE : code == -ENOTCONN ? EX_UNAVAILABLE : EX_SOFTWARE;
}
