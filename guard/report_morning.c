// Report morning: see report_morning.h.
#include "report_morning.h"

#include "cleanup.h"
#include "clock.h"
#include "morning_csv.h"
#include "morning_document.h"
#include "morning_json.h"
#include "morning_report.h"
#include "report_accounts.h"
#include "report_html.h"
#include "report_mail.h"
#include "report_mailer.h"
#include "report_markdown.h"
#include "report_notify.h"
#include "report_range.h"
#include "report_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// All that a report is made from.
struct sources {
    struct ledger_source ledger;
    struct report_accounts *accounts;
    struct price_table *prices;
    struct time_zone *zone;
};

static void sources_done(struct sources *sources)
{
    time_zone_free(sources->zone);
    price_table_free(sources->prices);
    free(sources->accounts);
    ledger_source_done(&sources->ledger);
}

static int sources_open(struct sources *sources, const struct report_morning_options *options,
                        struct error *err)
{
    int code = time_zone_load(&sources->zone, options->zone, err);
    if (code != 0)
        return error_set(err, -EINVAL,
                         "there is no time zone %.60s; write one of the tz database with --zone, "
                         "as Europe/Berlin",
                         options->zone);
    code = ledger_source_init(&sources->ledger, options->source, err);
    if (code != 0)
        return code;
    const char *file = sources->ledger.config.reeve.prices;
    code = file == NULL ? price_table_load_builtin(&sources->prices, err)
                        : price_table_load_file(&sources->prices, file, err);
    if (code != 0)
        return code;
    sources->accounts = calloc(1, sizeof(*sources->accounts));
    if (sources->accounts == NULL)
        return error_set(err, -ENOMEM, "no memory for the report");
    report_accounts_collect(sources->accounts, &sources->ledger.config, &sources->ledger.paths);
    return ledger_source_open(&sources->ledger, err);
}

// The process's zone is the one that is reported in.
static int find_day(const struct report_morning_options *options, const struct time_zone *zone,
                    int64_t now_us, int64_t *day, struct error *err)
{
    int64_t time_us = now_us;
    int64_t today = time_zone_day(zone, now_us / 1000000);
    *day = today - 1;
    if (options->day == NULL)
        return 0;
    int code = report_time_parse(options->day, now_us, &time_us, err);
    if (code != 0)
        return error_wrap(err, "--day");
    *day = time_zone_day(zone, time_us / 1000000);
    if (*day >= today)
        return error_set(err, -EINVAL, "--day %s: is not over yet; write a day before today",
                         options->day);
    return 0;
}

// A terminal that has colours, and a user who wants them (https://no-color.org).
static bool is_for_colour(FILE *stream)
{
    const char *no_colour = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    return isatty(fileno(stream)) && (no_colour == NULL || *no_colour == '\0') &&
           (terminal == NULL || strcmp(terminal, "dumb") != 0);
}

static int write_report(const struct morning_report *report, enum report_format format,
                        FILE *stream, struct error *err)
{
    if (format == REPORT_JSON)
        return morning_write_json(report, stream, err);
    if (format == REPORT_CSV) {
        morning_write_csv(report, stream);
        return 0;
    }
    struct report_document document = {0};
    int code = morning_document_make(report, &document, err);
    if (code == 0 && format == REPORT_MARKDOWN)
        report_write_markdown(&document, stream);
    else if (code == 0 && format == REPORT_HTML)
        report_write_html(&document, stream);
    else if (code == 0)
        report_write_text(&document, is_for_colour(stream), stream);
    report_document_done(&document);
    return code;
}

// Whoever can be told is told, even if others cannot; `err` has the first failure.
static int hand_on(const struct morning_report *report,
                   const struct report_morning_options *options, const struct ledger_source *source,
                   struct error *err)
{
    struct error failure;
    size_t told = 0;
    const char *to = options->mail;
    int code = 0;
    if (to == NULL && options->delivers)
        to = source->config.reeve.report_mail;
    if (to != NULL)
        code = report_send_mail(report, to, err);
    if (to != NULL && code == 0)
        fprintf(stderr, "reeve report: mailed to %s\n", to);
    if (!options->delivers)
        return code;
    int line_code = report_send_line(report, &source->config, &source->paths, &told, &failure);
    if (line_code == 0 && told > 0)
        fprintf(stderr, "reeve report: told %zu channel%s\n", told, told == 1 ? "" : "s");
    if (code == 0 && line_code != 0)
        *err = failure;
    return code != 0 ? code : line_code;
}

// What is mailed alone is not printed as well.
static int print_and_hand_on(const struct morning_report *report,
                             const struct report_morning_options *options,
                             const struct ledger_source *source, struct error *err)
{
    int code = 0;
    if (options->mail == NULL || options->delivers)
        code = write_report(report, options->format, stdout, err);
    if (code == 0 && (fflush(stdout) != 0 || ferror(stdout)))
        code = error_set_errno(err, -errno, "writing the report");
    return code == 0 ? hand_on(report, options, source, err) : code;
}

static int make_query(const struct report_morning_options *options, const struct sources *sources,
                      struct morning_query *query, struct error *err)
{
    *query = (struct morning_query){
        .now_us = clock_now_us(),
        .zone = sources->zone,
        .zone_name = options->zone,
        .prices = sources->prices,
        .limits = sources->accounts->limits,
        .limit_count = sources->accounts->limit_count,
        .limits_zone = sources->ledger.config.reeve.time_zone,
        .accounts = sources->accounts->accounts,
        .account_count = sources->accounts->account_count,
    };
    return find_day(options, sources->zone, query->now_us, &query->day, err);
}

int report_morning(const struct report_morning_options *options, struct error *err)
{
    struct sources sources = {0};
    struct morning_query query;
    struct morning_report *report = calloc(1, sizeof(*report));
    if (report == NULL)
        return error_set(err, -ENOMEM, "no memory for the report");
    int code = options->mail == NULL ? 0 : report_mail_check_addresses(options->mail, err);
    if (code == 0)
        code = sources_open(&sources, options, err);
    if (code == 0)
        code = make_query(options, &sources, &query, err);
    if (code == 0)
        code = morning_report_read(sources.ledger.ledger, &query, report, err);
    if (code == 0)
        code = print_and_hand_on(report, options, &sources.ledger, err);
    morning_report_done(report);
    free(report);
    sources_done(&sources);
    return code;
}
