// reeve report: the morning report of a day, or one table of what was spent.

#include "clock.h"
#include "ledger_source.h"
#include "report.h"
#include "report_accounts.h"
#include "report_format.h"
#include "report_morning.h"
#include "report_range.h"
#include "subcommands.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

static const char usage[] =
    "usage: reeve report [--day DAY] [--format FORMAT] [--mail ADDRESS] [--deliver] [PLACE]\n"
    "       reeve report [--by WHAT] [--since TIME] [--until TIME] [--format FORMAT] [PLACE]\n"
    "\n"
    "The first form is the morning report: what yesterday (or DAY) cost and its month, what "
    "stands\n"
    "out against the same weekday of four weeks, runs, the cache, ceilings ahead. The second is "
    "one\n"
    "table of any time.\n"
    "\n"
    "--format          table, csv or json; the morning report also md and html. --json is short\n"
    "                  for --format json\n"
    "--mail            hands it to sendmail, as text and as HTML\n"
    "--deliver         mails it to ReportMail=, and sends a line to the channels On=report\n"
    "--by              day, job, model, run or credential; without it: job\n"
    "--since, --until  2026-11-25, 2026-11-25T16:00, today, yesterday, now, or so long ago: 7d,\n"
    "                  36h. Without them: from the start of yesterday to now\n"
    "--zone            whose days and times, as Europe/Berlin; without it yours ($TZ)\n"
    "\n"
    "Dollars are exact in csv and json. SAVED is what reads from the prompt cache saved against\n"
    "the uncached price. ~ marks a cost that is estimated in part, ? one of a model whose price "
    "is\n"
    "not known.\n"
    "PLACE: --ledger DSN, $REEVE_LEDGER_DSN, Ledger= in --config FILE, or else the private\n"
    "Postgres of --state-dir DIR.\n";

struct report_options {
    struct ledger_source_options source;
    const char *since, *until, *by_text, *day, *zone, *mail;
    enum report_by by;
    enum report_format format;
    bool delivers;
};

static int refuse(const char *option, const char *value, const char *form)
{
    fprintf(stderr, "reeve report: %s %s: write %s\n", option, value, form);
    return EX_USAGE;
}

// One table, not the morning report.
static bool is_of_table(const struct report_options *options)
{
    return options->by_text != NULL || options->since != NULL || options->until != NULL;
}

// Returns an exit code, or -1 to go on.
static int check_options(struct report_options *options)
{
    bool is_table = is_of_table(options);
    if (options->by_text != NULL && !report_by_parse(options->by_text, &options->by))
        return refuse("--by", options->by_text, "day, job, model, run or credential");
    if (is_table && (options->day != NULL || options->mail != NULL || options->delivers)) {
        fputs("reeve report: --by, --since and --until make one table; --day, --mail and --deliver "
              "are of the morning report: leave out either\n",
              stderr);
        return EX_USAGE;
    }
    if (is_table && options->format >= REPORT_TABLE_FORMATS)
        return refuse("--format", report_format_name(options->format),
                      "table, csv or json with --by, --since or --until");
    return -1;
}

static int read_options(struct report_options *options, int argc, char **argv)
{
    enum {
        CONFIG = 1,
        STATE_DIR,
        LEDGER,
        SINCE,
        UNTIL,
        BY,
        DAY,
        ZONE,
        MAIL,
        DELIVER,
        FORMAT,
        JSON,
        HELP,
        OPTIONS
    };
    static const struct option long_options[] = {
        {"config", required_argument, NULL, CONFIG},
        {"state-dir", required_argument, NULL, STATE_DIR},
        {"ledger", required_argument, NULL, LEDGER},
        {"since", required_argument, NULL, SINCE},
        {"until", required_argument, NULL, UNTIL},
        {"by", required_argument, NULL, BY},
        {"day", required_argument, NULL, DAY},
        {"zone", required_argument, NULL, ZONE},
        {"mail", required_argument, NULL, MAIL},
        {"deliver", no_argument, NULL, DELIVER},
        {"format", required_argument, NULL, FORMAT},
        {"json", no_argument, NULL, JSON},
        {"help", no_argument, NULL, HELP},
        {0},
    };
    const char **const texts[OPTIONS] = {
        [CONFIG] = &options->source.config_file,
        [STATE_DIR] = &options->source.state_dir,
        [LEDGER] = &options->source.dsn,
        [SINCE] = &options->since,
        [UNTIL] = &options->until,
        [BY] = &options->by_text,
        [DAY] = &options->day,
        [ZONE] = &options->zone,
        [MAIL] = &options->mail,
    };
    for (int option; (option = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        if (option == '?')
            return EX_USAGE;
        if (option == HELP) {
            fputs(usage, stdout);
            return EX_OK;
        }
        if (option == FORMAT && !report_format_parse(optarg, &options->format))
            return refuse("--format", optarg, "table, csv, json, md or html");
        if (option == JSON)
            options->format = REPORT_JSON;
        else if (option == DELIVER)
            options->delivers = true;
        else if (texts[option] != NULL)
            *texts[option] = optarg;
    }
    if (optind == argc)
        return check_options(options);
    fprintf(stderr, "reeve report: %s is one argument too many\n", argv[optind]);
    return EX_USAGE;
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
