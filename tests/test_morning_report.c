// Tests of morning_report.c and morning_read.c on books made by hand, and of what is said of them.
#include "ledger_fixture.h"

#include "cleanup.h"
#include "money.h"
#include "morning_csv.h"
#include "morning_document.h"
#include "morning_json.h"
#include "morning_report.h"
#include "report_html.h"
#include "report_text.h"
#include "suite_run.h"

#include <jansson.h>

#define DAY_2026_11_24 INT64_C(20781) // since 1970
#define NOON_OF_THE_25TH INT64_C(1795608000000000)
#define DOLLAR PICO_USD_PER_USD

static struct ledger_fixture fixture;
static struct ledger *books;
static struct price_table *prices;
static struct time_zone *utc;
static struct time_zone *berlin;

static void start_server(void)
{
    ledger_fixture_init(&fixture);
    ck_assert_success(ledger_local_start(&fixture.local, err));
    ck_assert_success(price_table_load_builtin(&prices, err));
    ck_assert_success(time_zone_load(&utc, "UTC", err));
    ck_assert_success(time_zone_load(&berlin, "Europe/Berlin", err));
}

static void stop_server(void)
{
    time_zone_free(utc);
    time_zone_free(berlin);
    price_table_free(prices);
    ledger_fixture_done(&fixture);
}

// A price row of 4, 20, 5, 8 and 0.2 dollars a million, and a function that books an exchange of a
// million reads, or of other tokens.
static void setup(void)
{
    ck_assert_success(ledger_open(&books, fixture.local.dsn, err));
    ck_assert_success(ledger_execute(books, "DROP SCHEMA IF EXISTS reeve CASCADE", err));
    ck_assert_success(ledger_schema_migrate(books, NULL, err));
    ck_assert_success(ledger_execute(
        books,
        "INSERT INTO reeve.price VALUES ('opus', 'claude-opus-5-5', 'standard', NULL, NULL, NULL, "
        "4,"
        " 20, 5, 8, 0.2, NULL, 1.1, 0.5, 'test');"
        "CREATE FUNCTION pg_temp.book(_job text, _run text, _at timestamptz, _cost numeric,"
        "  _write_5m bigint DEFAULT 0, _write_1h bigint DEFAULT 0, _read bigint DEFAULT 0,"
        "  _model text DEFAULT 'claude-opus-5-5', _credential text DEFAULT 'main')"
        " RETURNS void LANGUAGE sql AS $$"
        "  INSERT INTO reeve.job VALUES (_job, _at) ON CONFLICT (job) DO UPDATE"
        "    SET first_seen_at = least(job.first_seen_at, excluded.first_seen_at);"
        "  INSERT INTO reeve.exchange SELECT gen_random_uuid(), _run, _job, 'box', _credential,"
        "    '/v1/messages', _run, _model, _model, 'opus', NULL, NULL, 'end_turn', _at, _at, 1, "
        "_cost,"
        "    _cost, _cost, 5, 2, 3, 2, _write_5m, _write_1h, _read, 0, 0, 0, 1, 200, 'complete',"
        "    'standard', 'standard', 'global', true, false, false, NULL, NULL, NULL, now() $$",
        err));
}

static void teardown(void)
{
    ledger_close(books);
}

static struct morning_query make_query(void)
{
    return (struct morning_query){.day = DAY_2026_11_24,
                                  .now_us = NOON_OF_THE_25TH,
                                  .zone = utc,
                                  .zone_name = "UTC",
                                  .limits_zone = "UTC",
                                  .prices = prices};
}

static struct morning_report read_report(const struct morning_query *query)
{
    struct morning_report report;
    ck_assert_success(morning_report_read(books, query, &report, err));
    return report;
}

static void book(const char *calls)
{
    char statement[4096];
    snprintf(statement, sizeof(statement), "SELECT %s", calls);
    ck_assert_success(ledger_execute(books, statement, err));
}

START_TEST(days_and_months_are_those_of_the_zone)
{
    book("pg_temp.book('a', 'r1', '2026-10-31 22:59:59Z', 1)," // October in both
         "pg_temp.book('a', 'r1', '2026-10-31 23:00:00Z', 2)," // November in Berlin
         "pg_temp.book('a', 'r2', '2026-11-23 22:59:59.999999Z', 4),"
         "pg_temp.book('a', 'r2', '2026-11-23 23:00:00Z', 8),"  // the 24th in Berlin
         "pg_temp.book('a', 'r3', '2026-11-24 22:59:59Z', 16)," // the last hour of it
         "pg_temp.book('a', 'r3', '2026-11-24 23:59:59Z', 32)," // the 24th of UTC alone
         "pg_temp.book('a', 'r4', '2026-11-25 11:59:59Z', 64),"
         "pg_temp.book('a', 'r4', '2026-11-25 12:00:00Z', 128)"); // it is noon: not there yet
    struct morning_query query = make_query();
    cleanup_with(morning_report_done) struct morning_report of_utc = read_report(&query);
    ck_assert_int_eq(of_utc.days[of_utc.day_index].cost_pico_usd, 48 * DOLLAR);
    ck_assert_int_eq(of_utc.month.cost_pico_usd, 124 * DOLLAR);
    query.zone = berlin;
    cleanup_with(morning_report_done) struct morning_report of_berlin = read_report(&query);
    ck_assert_int_eq(of_berlin.days[of_berlin.day_index].cost_pico_usd, 24 * DOLLAR);
    ck_assert_int_eq(of_berlin.month.cost_pico_usd, 126 * DOLLAR);
    ck_assert(of_berlin.day_is_open);
    ck_assert_uint_eq(of_berlin.run_costs.count, 2);
    ck_assert_str_eq(of_berlin.runs[0].run_id, "r3");
    // Later the report of that day is of its end.
    query.now_us += INT64_C(86400000000);
    cleanup_with(morning_report_done) struct morning_report later = read_report(&query);
    ck_assert(!later.day_is_open);
    ck_assert_int_eq(later.month.cost_pico_usd, 30 * DOLLAR);
    ck_assert_uint_eq(later.days_left, 6);
}
END_TEST

START_TEST(the_last_day_of_a_month_has_no_day_left)
{
    struct morning_query query = make_query();
    book("pg_temp.book('a', 'r', '2026-10-31 12:00Z', 1), pg_temp.book('a', 'r', '2026-11-01 "
         "12:00Z', 2)");
    query.day = DAY_2026_11_24 - 24;
    query.now_us = NOON_OF_THE_25TH - 24 * INT64_C(86400000000);
    cleanup_with(morning_report_done) struct morning_report report = read_report(&query);
    ck_assert(!report.day_is_open);
    ck_assert_uint_eq(report.days_left, 0);
    ck_assert_int_eq(report.month.cost_pico_usd, DOLLAR);
    ck_assert_int_eq(report.forecast.expected, DOLLAR);
}
END_TEST

// A million written for 5 minutes at $5, then read again at $0.2: in time, late by 2 minutes, by 8,
// by 56; and the first exchange of another run of the job, late by one.
START_TEST(windows_of_the_cache)
{
    book("pg_temp.book('a', 'r1', '2026-11-24 10:00:00Z', 0, 1000000),"
         "pg_temp.book('a', 'r1', '2026-11-24 10:05:00Z', 0, 0, 0, 1000000),"
         "pg_temp.book('a', 'r1', '2026-11-24 10:12:00Z', 0, 1000000),"
         "pg_temp.book('a', 'r1', '2026-11-24 10:25:00Z', 0, 1000000),"
         "pg_temp.book('a', 'r1', '2026-11-24 11:25:01Z', 0, 1000000),"
         "pg_temp.book('a', 'r2', '2026-11-24 11:31:01Z', 0, 500000),"
         // For an hour: late by 20 minutes, and read after 50.
         "pg_temp.book('b', 'r3', '2026-11-24 10:00:00Z', 0, 0, 1000000),"
         "pg_temp.book('b', 'r3', '2026-11-24 11:20:00Z', 0, 0, 1000000),"
         "pg_temp.book('b', 'r3', '2026-11-24 12:10:00Z', 0, 0, 0, 1000000),"
         // What was read was not lost, whatever else was written.
         "pg_temp.book('c', 'r4', '2026-11-24 10:00:00Z', 0, 1000000),"
         "pg_temp.book('c', 'r4', '2026-11-24 10:06:00Z', 0, 1000, 0, 1000000)");
    struct morning_query query = make_query();
    cleanup_with(morning_report_done) struct morning_report report = read_report(&query);
    ck_assert_uint_eq(report.cache_count, 3);
    const struct morning_cache *a = &report.caches[0];
    ck_assert_int_eq(a->read_tokens, 1000000);
    ck_assert_int_eq(a->saved_pico_usd, DOLLAR * 38 / 10);
    ck_assert_int_eq(a->writes_pico_usd, DOLLAR * 45 / 10); // 4.5 million, a dollar more each
    ck_assert_int_eq(a->of_5m.missed, 2);
    ck_assert_int_eq(a->of_5m.missed_pico_usd, DOLLAR * 48 / 10 + DOLLAR * 24 / 10);
    // For an hour: 4.5 million cost 3 dollars more each, 2.5 of them need not be written at 8.
    ck_assert_int_eq(a->of_5m.other_pico_usd, DOLLAR * 135 / 10 - DOLLAR * 195 / 10);
    const struct morning_cache *b = &report.caches[1];
    ck_assert_int_eq(b->of_5m.missed, 0);
    ck_assert_int_eq(b->of_1h.missed, 1);
    ck_assert_int_eq(b->of_1h.missed_pico_usd, DOLLAR * 78 / 10);
    // For 5 minutes: 2 million cost 3 dollars less each, one has to be written at 5 and not read.
    ck_assert_int_eq(b->of_1h.other_pico_usd, DOLLAR * 48 / 10 - DOLLAR * 6);
    ck_assert_int_eq(report.caches[2].of_5m.missed, 0);
    ck_assert_int_eq(report.cache_total.of_5m.missed_pico_usd, DOLLAR * 72 / 10);
}
END_TEST

START_TEST(ceilings_and_subscriptions)
{
    static const struct morning_limit limits[] = {
        {NULL, MORNING_PER_DAY, false, 2 * DOLLAR},
        {NULL, MORNING_PER_MONTH, false, 9 * DOLLAR},
        {"a", MORNING_PER_DAY, true, 1000},
        {"never ran", MORNING_PER_MONTH, false, DOLLAR},
    };
    static const struct morning_account accounts[] = {{"main", false, 0},
                                                      {"max", true, 200 * DOLLAR}};
    book("pg_temp.book('a', 'r1', '2026-11-23 12:00Z', 1),"
         "pg_temp.book('a', 'r1', '2026-11-24 12:00Z', 1),"
         "pg_temp.book('b', 'r2', '2026-11-24 13:00Z', 3, 0, 0, 0, 'claude-opus-5-5', 'max')");
    struct morning_query query = make_query();
    query.now_us += INT64_C(86400000000); // the day is over
    query.limits = limits;
    query.limit_count = 4;
    query.accounts = accounts;
    query.account_count = 2;
    cleanup_with(morning_report_done) struct morning_report report = read_report(&query);
    ck_assert_int_eq(report.ceilings[0].used, 4 * DOLLAR);
    ck_assert_int_eq(report.ceilings[1].used, 5 * DOLLAR);
    ck_assert_int_eq(report.ceilings[1].forecast.expected,
                     DOLLAR * 185 / 10); // a Monday of 1, five of 2.50
    ck_assert_uint_eq(report.ceilings[1].forecast.reached_after, 1);
    ck_assert_int_eq(report.ceilings[2].used, 5);
    ck_assert_int_eq(report.ceilings[3].used, 0);
    ck_assert_int_eq(report.equivalent_pico_usd, 3 * DOLLAR);
    ck_assert_int_eq(report.month_equivalent_pico_usd, 3 * DOLLAR);
    ck_assert_int_eq(report.fees_pico_usd, 200 * DOLLAR);
    ck_assert_uint_eq(report.too_new_jobs, 2);
    ck_assert_uint_eq(report.anomaly_count, 0);
    char line[MORNING_LINE_MAX];
    ck_assert_str_eq(
        morning_format_line(&report, line),
        "2026-11-24: $4.00 spent, in part API-equivalent; month $5.00, forecast $18.50; "
        "nothing stands out");
}
END_TEST

START_TEST(a_job_is_compared_with_its_weekdays)
{
    book("pg_temp.book('steady', 'r', '2026-10-20 12:00Z', 5), pg_temp.book('once', 'r', "
         "'2026-10-01 12:00Z', 5),"
         "pg_temp.book('steady', 'r', '2026-10-27 12:00Z', 5), pg_temp.book('steady', 'r', "
         "'2026-11-03 12:00Z', 5),"
         "pg_temp.book('steady', 'r', '2026-11-10 12:00Z', 5), pg_temp.book('steady', 'r', "
         "'2026-11-17 12:00Z', 5),"
         "pg_temp.book('steady', 'r', '2026-11-23 12:00Z', 99), pg_temp.book('steady', 'r', "
         "'2026-11-24 12:00Z', 20),"
         "pg_temp.book('once', 'r', '2026-11-24 12:00Z', 5)");
    struct morning_query query = make_query();
    cleanup_with(morning_report_done) struct morning_report report = read_report(&query);
    ck_assert_uint_eq(report.anomaly_count, 2);
    ck_assert_str_eq(report.anomalies[0].job, "once"); // known, and never on a Tuesday
    ck_assert_int_eq(report.anomalies[0].found.usual, 0);
    ck_assert_str_eq(report.anomalies[1].job, "steady");
    ck_assert_int_eq(report.anomalies[1].found.measure, ANOMALY_COST);
    ck_assert_int_eq(report.anomalies[1].found.usual, 5 * DOLLAR);
}
END_TEST

static char *render(const struct morning_report *report, bool html)
{
    char *text = NULL;
    size_t length = 0;
    cleanup_with(report_document_done) struct report_document document = {0};
    ck_assert_success(morning_document_make(report, &document, err));
    FILE *stream = open_memstream(&text, &length);
    if (html)
        report_write_html(&document, stream);
    else
        report_write_text(&document, false, stream);
    fclose(stream);
    return text;
}

START_TEST(empty_books_have_a_report)
{
    struct morning_query query = make_query();
    cleanup_with(morning_report_done) struct morning_report report = read_report(&query);
    cleanup_free char *text = render(&report, false);
    cleanup_free char *html = render(&report, true);
    ck_assert_ptr_nonnull(strstr(text, "Tuesday                      $0.00"));
    ck_assert_ptr_nonnull(strstr(html, "</html>"));
}
END_TEST

START_TEST(hostile_names_are_only_names)
{
    char *text = NULL;
    size_t length = 0;
    book("pg_temp.book('<script>alert(1)</script>', '=run', '2026-11-24 12:00Z', 1, 0, 0, 1000000, "
         "'=cmd|x', "
         "E'\\x1b[2J')");
    struct morning_query query = make_query();
    cleanup_with(morning_report_done) struct morning_report report = read_report(&query);
    cleanup_free char *html = render(&report, true);
    cleanup_free char *plain = render(&report, false);
    ck_assert_ptr_null(strstr(html, "<script"));
    ck_assert_ptr_nonnull(strstr(html, "&lt;script&gt;"));
    ck_assert_ptr_null(strchr(plain, '\x1b'));
    FILE *stream = open_memstream(&text, &length);
    morning_write_csv(&report, stream);
    fclose(stream);
    ck_assert_ptr_nonnull(strstr(text, "\nmodel,\"'=cmd|x\",cost_usd,1.00\r\n"));
    ck_assert_ptr_nonnull(strstr(text, "\nrun,\"'=run\",cost_usd,1.00\r\n"));
    free(text);
}
END_TEST

START_TEST(json_is_exact)
{
    char *text = NULL;
    size_t length = 0;
    book("pg_temp.book('a', 'r', '2026-11-24 12:00Z', 123456.123456789012)");
    struct morning_query query = make_query();
    cleanup_with(morning_report_done) struct morning_report report = read_report(&query);
    FILE *stream = open_memstream(&text, &length);
    ck_assert_success(morning_write_json(&report, stream, err));
    fclose(stream);
    json_t *whole = json_loads(text, 0, NULL);
    ck_assert_ptr_nonnull(whole);
    ck_assert_str_eq(
        json_string_value(json_object_get(json_object_get(whole, "total"), "cost_usd")),
        "123456.123456789012");
    ck_assert_str_eq(json_string_value(json_object_get(whole, "day")), "2026-11-24");
    json_decref(whole);
    free(text);
}
END_TEST

START_TEST(a_ledger_without_tables_says_so)
{
    struct morning_query query = make_query();
    struct morning_report report;
    struct error why = {0};
    ck_assert_success(ledger_execute(books, "DROP SCHEMA reeve CASCADE", err));
    ck_assert_int_eq(morning_report_read(books, &query, &report, &why), -ENOENT);
    morning_report_done(&report);
    ck_assert_success(ledger_execute(books, "SELECT 1", err)); // no transaction is left open
}
END_TEST

int main(void)
{
    setenv("TZ", "UTC", 1);
    Suite *suite = suite_create("morning_report");
    TCase *ledger = tcase_create("ledger");
    tcase_set_timeout(ledger, 60);
    tcase_add_unchecked_fixture(ledger, start_server, stop_server);
    tcase_add_checked_fixture(ledger, setup, teardown);
    tcase_add_test(ledger, days_and_months_are_those_of_the_zone);
    tcase_add_test(ledger, the_last_day_of_a_month_has_no_day_left);
    tcase_add_test(ledger, windows_of_the_cache);
    tcase_add_test(ledger, ceilings_and_subscriptions);
    tcase_add_test(ledger, a_job_is_compared_with_its_weekdays);
    tcase_add_test(ledger, empty_books_have_a_report);
    tcase_add_test(ledger, hostile_names_are_only_names);
    tcase_add_test(ledger, json_is_exact);
    tcase_add_test(ledger, a_ledger_without_tables_says_so);
    suite_add_tcase(suite, ledger);
    return suite_run(suite);
}
