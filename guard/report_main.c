// reeve report: what was spent, by day, job, model, run or credential.

#include "clock.h"
#include "ledger_source.h"
#include "report.h"
#include "report_format.h"
#include "report_range.h"
#include "subcommands.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static const char usage[] =
    "usage: reeve report [--since TIME] [--until TIME] [--by WHAT] [--format FORMAT] [PLACE]\n"
    "\n"
    "--since, --until  2026-11-25, 2026-11-25T16:00, today, yesterday, now, or so long ago: 7d,\n"
    "                  36h. Without them: from the start of yesterday to now\n"
    "--by              day, job, model, run or credential; without it: job\n"
    "--format          table, csv or json; --json is short for --format json\n"
    "\n"
    "Days are those of your time zone ($TZ). Dollars are exact in csv and json. SAVED is what "
    "reads\n"
    "from the prompt cache saved against the uncached price. ~ marks a cost that is estimated in\n"
    "part, ? one of a model whose price is not known.\n"
    "PLACE: --ledger DSN, $REEVE_LEDGER_DSN, Ledger= in --config FILE, or else the private\n"
    "Postgres of --state-dir DIR.\n";

struct report_options {
    struct ledger_source_options source;
    const char *since, *until;
    enum report_by by;
    enum report_format format;
};

// Returns an exit code, or -1 to go on.
static int read_options(struct report_options *options, int argc, char **argv)
{
    enum { CONFIG = 1, STATE_DIR, LEDGER, SINCE, UNTIL, BY, FORMAT, JSON, HELP };
    static const struct option long_options[] = {
        {"config", required_argument, NULL, CONFIG},
        {"state-dir", required_argument, NULL, STATE_DIR},
        {"ledger", required_argument, NULL, LEDGER},
        {"since", required_argument, NULL, SINCE},
        {"until", required_argument, NULL, UNTIL},
        {"by", required_argument, NULL, BY},
        {"format", required_argument, NULL, FORMAT},
        {"json", no_argument, NULL, JSON},
        {"help", no_argument, NULL, HELP},
        {0},
    };
    for (int option; (option = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        if (option == CONFIG) {
            options->source.config_file = optarg;
        } else if (option == STATE_DIR) {
            options->source.state_dir = optarg;
        } else if (option == LEDGER) {
            options->source.dsn = optarg;
        } else if (option == SINCE) {
            options->since = optarg;
        } else if (option == UNTIL) {
            options->until = optarg;
        } else if (option == BY && !report_by_parse(optarg, &options->by)) {
            fprintf(stderr, "reeve report: --by %s: write day, job, model, run or credential\n",
                    optarg);
            return EX_USAGE;
        } else if (option == FORMAT && !report_format_parse(optarg, &options->format)) {
            fprintf(stderr, "reeve report: --format %s: write table, csv or json\n", optarg);
            return EX_USAGE;
        } else if (option == JSON) {
            options->format = REPORT_JSON;
        } else if (option == HELP) {
            fputs(usage, stdout);
            return EX_OK;
        } else if (option == '?') {
            return EX_USAGE;
        }
    }
    if (optind == argc)
        return -1;
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

static int print_report(const struct report_options *options, const struct report_query *query,
                        struct error *err)
{
    struct ledger_source source;
    struct report report = {0};
    int code = ledger_source_init(&source, &options->source, err);
    if (code == 0)
        code = ledger_source_open(&source, err);
    if (code == 0)
        code = report_read(source.ledger, query, &report, err);
    if (code == 0)
        code = report_write(&report, options->format, stdout, err);
    report_done(&report);
    ledger_source_done(&source);
    return code;
}

int report_main(int argc, char **argv)
{
    char zone[128];
    struct error err = {0};
    struct report_options options = {.by = REPORT_BY_JOB};
    struct report_query query = {.time_zone = report_zone_find(zone, sizeof(zone))};
    int code = read_options(&options, argc, argv);
    if (code >= 0)
        return code;
    code = make_query(&options, &query, &err);
    if (code == 0)
        code = print_report(&options, &query, &err);
    if (code == 0)
        return EX_OK;
    fprintf(stderr, "reeve report: %s\n", err.text);
    return code == -EINVAL ? EX_USAGE : code == -ENOTCONN ? EX_UNAVAILABLE : EX_SOFTWARE;
}
