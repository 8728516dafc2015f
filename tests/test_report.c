// Tests of report.c, report_format.c and report_range.c: known exchanges, known sums.
#include "ledger_fixture.h"

#include "cleanup.h"
#include "clock.h"
#include "ledger_write.h"
#include "money.h"
#include "report.h"
#include "report_format.h"
#include "report_range.h"
#include "suite_run.h"

#include <jansson.h>

static struct ledger_fixture fixture;
static struct ledger *books;
static const struct ledger_journal journal = {"00000000-0000-4000-8000-000000000001", "box"};

#define NOON INT64_C(1764072000000000) // 2025-11-25T12:00:00Z
#define HOUR INT64_C(3600000000)

static void start_server(void)
{
    ledger_fixture_init(&fixture);
    ck_assert_success(ledger_local_start(&fixture.local, err));
}

static void stop_server(void)
{
    ledger_fixture_done(&fixture);
}

static void setup(void)
{
    cleanup_with(ledger_rows_done) struct ledger_rows rows = {0};
    struct price_row price = {
        .name = "opus",
        .model = "claude-opus",
        .from_us = INT64_MIN,
        .until_us = INT64_MAX,
        .rates = {4000000, 20000000, 5000000, 8000000, 200000},
        .us_geo_millionths = 1100000,
        .batch_millionths = 500000,
    };
    ck_assert_success(ledger_open(&books, fixture.local.dsn, err));
    ck_assert_success(ledger_execute(books, "DROP SCHEMA IF EXISTS reeve CASCADE", err));
    ck_assert_success(ledger_schema_migrate(books, NULL, err));
    ck_assert_success(ledger_rows_add_price(&rows, &price, err));
    ck_assert_success(ledger_write_rows(books, &rows, NULL, err));
}

static void teardown(void)
{
    ledger_close(books);
}

static struct journal_settlement make_exchange(const char *job, const char *model, int64_t time_us,
                                               int64_t cost_pico_usd)
{
    struct journal_settlement exchange = {
        .reserved_at_us = time_us,
        .settled_at_us = time_us + HOUR,
        .cost_pico_usd = cost_pico_usd,
        .tokens = {1, 2, 3, 4, 5},
        .price_row = "opus",
        .attempt = 1,
    };
    snprintf(exchange.job, sizeof(exchange.job), "%s", job);
    snprintf(exchange.run_id, sizeof(exchange.run_id), "run-%s", job);
    snprintf(exchange.model, sizeof(exchange.model), "%s", model);
    snprintf(exchange.credential, sizeof(exchange.credential), "main");
    return exchange;
}

static void write_exchanges(struct journal_settlement *exchanges, size_t count)
{
    cleanup_with(ledger_rows_done) struct ledger_rows rows = {0};
    struct ledger_written written;
    struct journal_cursor cursor = {0};
    for (size_t i = 0; i < count; i++) {
        memcpy(exchanges[i].exchange_id, &(uint64_t){i + 1}, sizeof(uint64_t));
        struct journal_record record = {.type = JOURNAL_SETTLEMENT, .settlement = &exchanges[i]};
        ck_assert_success(ledger_rows_add_record(&rows, &record, &journal, cursor, err));
    }
    ck_assert_success(ledger_write(books, &rows, &journal, &cursor, &written, err));
}

static struct report read_report(enum report_by by, const char *zone, int64_t since_us,
                                 int64_t until_us)
{
    struct report report = {0};
    struct report_query query = {since_us, until_us, by, zone};
    ck_assert_success(report_read(books, &query, &report, err));
    return report;
}

START_TEST(groups_and_totals_are_exact)
{
    struct journal_settlement exchanges[] = {
        make_exchange("a", "x", NOON, 1),
        make_exchange("a", "y", NOON, INT64_C(2000000000001)),
        make_exchange("b", "x", NOON, INT64_C(3000000000000)),
    };
    exchanges[1].estimated = true;
    exchanges[2].unknown_model = true;
    write_exchanges(exchanges, 3);
    cleanup_with(report_done) struct report report =
        read_report(REPORT_BY_JOB, "UTC", NOON, NOON + 1);
    ck_assert_uint_eq(report.row_count, 2);
    ck_assert_str_eq(report.rows[0].key, "b"); // the dearest comes first
    ck_assert_int_eq(report.rows[0].unknown_models, 1);
    ck_assert_str_eq(report.rows[1].key, "a");
    ck_assert_int_eq(report.rows[1].exchanges, 2);
    ck_assert_int_eq(report.rows[1].cost_pico_usd, INT64_C(2000000000002));
    ck_assert_int_eq(report.rows[1].estimated, 1);
    ck_assert_int_eq(report.rows[1].estimated_pico_usd, INT64_C(2000000000001));
    ck_assert_int_eq(report.rows[1].tokens.cache_write_1h, 8);
    ck_assert_int_eq(report.total.exchanges, 3);
    ck_assert_int_eq(report.total.cost_pico_usd, INT64_C(5000000000002));
    ck_assert_int_eq(report.total.tokens.input, 3);
    ck_assert_int_eq(report.total.tokens.output, 6);
    ck_assert_int_eq(report.total.tokens.cache_write_5m, 9);
    ck_assert_int_eq(report.total.tokens.cache_read, 15);
}
END_TEST

START_TEST(each_grouping_has_its_key)
{
    static const struct {
        enum report_by by;
        const char *key;
    } cases[] = {
        {REPORT_BY_DAY, "2025-11-25"}, {REPORT_BY_JOB, "a"},           {REPORT_BY_MODEL, "x"},
        {REPORT_BY_RUN, "run-a"},      {REPORT_BY_CREDENTIAL, "main"},
    };
    struct journal_settlement exchange = make_exchange("a", "x", NOON, 1);
    write_exchanges(&exchange, 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cleanup_with(report_done) struct report report =
            read_report(cases[i].by, "UTC", NOON, NOON + 1);
        ck_assert_uint_eq(report.row_count, 1);
        ck_assert_str_eq(report.rows[0].key, cases[i].key);
        enum report_by parsed;
        ck_assert(report_by_parse(report_by_name(cases[i].by), &parsed));
        ck_assert_int_eq(parsed, cases[i].by);
    }
    enum report_by parsed;
    ck_assert(!report_by_parse("week", &parsed));
}
END_TEST

START_TEST(days_are_those_of_the_zone)
{
    struct journal_settlement exchanges[] = {
        make_exchange("a", "x", NOON + 10 * HOUR, 1), // 22:00Z is 23:00 in Berlin
        make_exchange("a", "x", NOON + 11 * HOUR, 2), // 23:00Z is midnight
    };
    write_exchanges(exchanges, 2);
    cleanup_with(report_done) struct report utc =
        read_report(REPORT_BY_DAY, "UTC", NOON, NOON + 24 * HOUR);
    ck_assert_uint_eq(utc.row_count, 1);
    cleanup_with(report_done) struct report berlin =
        read_report(REPORT_BY_DAY, "Europe/Berlin", NOON, NOON + 24 * HOUR);
    ck_assert_uint_eq(berlin.row_count, 2);
    ck_assert_str_eq(berlin.rows[0].key, "2025-11-25");
    ck_assert_int_eq(berlin.rows[0].cost_pico_usd, 1);
    ck_assert_str_eq(berlin.rows[1].key, "2025-11-26");
}
END_TEST

START_TEST(range_includes_its_start_and_not_its_end)
{
    struct journal_settlement exchanges[] = {
        make_exchange("a", "x", NOON - 1, 1),
        make_exchange("a", "x", NOON, 10),
        make_exchange("a", "x", NOON + HOUR - 1, 100),
        make_exchange("a", "x", NOON + HOUR, 1000),
    };
    write_exchanges(exchanges, 4);
    cleanup_with(report_done) struct report report =
        read_report(REPORT_BY_JOB, "UTC", NOON, NOON + HOUR);
    ck_assert_int_eq(report.total.cost_pico_usd, 110);
}
END_TEST

START_TEST(savings_are_reads_at_the_uncached_price)
{
    static const struct {
        enum usage_geo geo;
        enum usage_tier tier;
        const char *price_row;
        int64_t saved; // by 1000 reads: 4 - 0.2 dollars per million is 3,800,000 picodollars each
    } cases[] = {
        {USAGE_GEO_GLOBAL, USAGE_TIER_STANDARD, "opus", INT64_C(3800000000)},
        {USAGE_GEO_US, USAGE_TIER_STANDARD, "opus", INT64_C(4180000000)},
        {USAGE_GEO_GLOBAL, USAGE_TIER_BATCH, "opus", INT64_C(1900000000)},
        {USAGE_GEO_US, USAGE_TIER_BATCH, "opus", INT64_C(2090000000)},
        {USAGE_GEO_GLOBAL, USAGE_TIER_STANDARD, "no such row", 0},
    };
    struct journal_settlement exchanges[5];
    for (size_t i = 0; i < 5; i++) {
        char job[8];
        snprintf(job, sizeof(job), "%zu", i);
        exchanges[i] = make_exchange(job, "x", NOON, 1);
        exchanges[i].tokens = (struct token_counts){.cache_read = 1000};
        exchanges[i].geo = cases[i].geo;
        exchanges[i].tier = cases[i].tier;
        snprintf(exchanges[i].price_row, sizeof(exchanges[i].price_row), "%s", cases[i].price_row);
    }
    write_exchanges(exchanges, 5);
    cleanup_with(report_done) struct report report =
        read_report(REPORT_BY_RUN, "UTC", NOON, NOON + 1);
    ck_assert_uint_eq(report.row_count, 5);
    for (size_t i = 0; i < 5; i++)
        ck_assert_int_eq(report.rows[i].cache_saving_pico_usd, cases[i].saved);
}
END_TEST

START_TEST(empty_ledger_has_an_empty_report)
{
    cleanup_with(report_done) struct report report =
        read_report(REPORT_BY_JOB, "UTC", NOON, NOON + 1);
    ck_assert_uint_eq(report.row_count, 0);
    ck_assert_int_eq(report.total.exchanges, 0);
}
END_TEST

START_TEST(ledger_without_tables_says_so)
{
    struct report report;
    struct report_query query = {NOON, NOON + 1, REPORT_BY_JOB, "UTC"};
    struct error why = {0};
    ck_assert_success(ledger_execute(books, "DROP SCHEMA reeve CASCADE", err));
    ck_assert_int_eq(report_read(books, &query, &report, &why), -ENOENT);
}
END_TEST

// A report made by hand, without a ledger.
static struct report make_report(struct report_row *rows, size_t count)
{
    struct report report = {
        .query = {NOON, NOON + HOUR, REPORT_BY_JOB, "UTC"},
        .rows = rows,
        .row_count = count,
        .total = {.exchanges = 3,
                  .estimated = 1,
                  .tokens = {1234567, 99999, 0, 0, 123456789},
                  .cost_pico_usd = INT64_C(12345678900000),
                  .estimated_pico_usd = INT64_C(23572000000),
                  .cache_saving_pico_usd = INT64_C(4000000000000)},
    };
    return report;
}

static char *format_report(const struct report *report, enum report_format format)
{
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    ck_assert_success(report_write(report, format, stream, err));
    fclose(stream);
    return text;
}

START_TEST(table_is_as_people_read_it)
{
    struct report_row rows[] = {
        {.key = (char *)"outreach",
         .exchanges = 2,
         .tokens = {1234567, 99999, 0, 0, 123456789},
         .cost_pico_usd = INT64_C(12322106900000),
         .cache_saving_pico_usd = INT64_C(4000000000000)},
        {.key = (char *)"evil\x1b[2J",
         .exchanges = 1,
         .estimated = 1,
         .unknown_models = 1,
         .cost_pico_usd = INT64_C(23572000000)},
    };
    struct report report = make_report(rows, 2);
    cleanup_free char *text = format_report(&report, REPORT_TABLE);
    ck_assert_str_eq(text, "2025-11-25 12:00 to 2025-11-25 13:00 (UTC)\n"
                           "\n"
                           "JOB          EXCH INPUT OUTPUT   READ SAVED      COST\n"
                           "outreach        2  1.2M  99999 123.5M $4.00    $12.32\n"
                           "evil?[2J        1     0      0      0 $0.00 ~?$0.0236\n"
                           "total           3  1.2M  99999 123.5M $4.00   ~$12.35\n"
                           "\n"
                           "~ 1 of 3 exchanges estimated: $0.0236 of the cost\n");
}
END_TEST

START_TEST(table_fits_80_columns_whatever_comes)
{
    struct report_row rows[] = {{
        .key = (char *)"a-name-that-is-longer-than-any-name-ought-to-be-in-a-table-of-80-columns",
        .exchanges = INT64_MAX / 2,
        .estimated = 1,
        .unknown_models = 1,
        .tokens = {INT64_MAX / 2, INT64_MAX / 2, INT64_MAX / 2, INT64_MAX / 2, INT64_MAX / 2},
        .cost_pico_usd = INT64_MAX,
        .cache_saving_pico_usd = INT64_MAX / 8,
    }};
    struct report report = make_report(rows, 1);
    report.total = rows[0];
    cleanup_free char *text = format_report(&report, REPORT_TABLE);
    for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1)
        ck_assert_msg(strcspn(line, "\n") <= REPORT_TABLE_WIDTH, "%s", line);
}
END_TEST

START_TEST(csv_is_exact_and_quoted)
{
    struct report_row rows[] = {{
        .key = (char *)"a, \"b\"",
        .exchanges = 2,
        .estimated = 1,
        .tokens = {1, 2, 3, 4, 5},
        .cost_pico_usd = 1,
        .estimated_pico_usd = INT64_C(500000000000),
    }};
    struct report report = make_report(rows, 1);
    cleanup_free char *text = format_report(&report, REPORT_CSV);
    ck_assert_str_eq(strchr(text, '\n') + 1,
                     "\"a, \"\"b\"\"\",2,1,0,1,2,3,4,5,0.000000000001,0.50,0.00\r\n");
}
END_TEST

START_TEST(json_has_dollars_as_exact_strings)
{
    struct report_row rows[] = {{
        .key = (char *)"a \"b\"",
        .exchanges = 2,
        .tokens = {1, 2, 3, 4, INT64_C(9007199254740993)},
        .cost_pico_usd = INT64_C(1234567890123456789),
    }};
    struct report report = make_report(rows, 1);
    cleanup_free char *text = format_report(&report, REPORT_JSON);
    json_t *whole = json_loads(text, 0, NULL);
    ck_assert_ptr_nonnull(whole);
    ck_assert_str_eq(json_string_value(json_object_get(whole, "since")), "2025-11-25T12:00:00Z");
    json_t *row = json_array_get(json_object_get(whole, "rows"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(row, "job")), "a \"b\"");
    ck_assert_str_eq(json_string_value(json_object_get(row, "cost_usd")), "1234567.890123456789");
    ck_assert_int_eq(json_integer_value(json_object_get(row, "cache_read_tokens")),
                     INT64_C(9007199254740993));
    ck_assert_str_eq(
        json_string_value(json_object_get(json_object_get(whole, "total"), "cost_usd")),
        "12.3456789");
    json_decref(whole);
}
END_TEST

START_TEST(counts_are_shortened_and_rounded)
{
    static const struct {
        int64_t count;
        const char *text;
    } cases[] = {
        {0, " 0 "},           {99999, " 99999 "},      {100000, " 100.0K "},
        {100049, " 100.0K "}, {100050, " 100.1K "},    {999949, " 999.9K "},
        {999950, " 1.0M "},   {123456789, " 123.5M "}, {INT64_C(9223372036854775807), " 9.2E "},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct report_row row = {.key = (char *)"x", .tokens = {.input = cases[i].count}};
        struct report report = make_report(&row, 1);
        report.total = (struct report_row){0};
        cleanup_free char *text = format_report(&report, REPORT_TABLE);
        const char *line = strstr(text, "\nx ");
        ck_assert_ptr_nonnull(line);
        ck_assert_msg(strstr(line, cases[i].text) != NULL, "%ld: %s", (long)cases[i].count, line);
    }
}
END_TEST

START_TEST(times_are_read_in_the_zone)
{
    static const struct {
        const char *text;
        int64_t expected_us; // -1: refused
    } cases[] = {
        {"2025-11-25", NOON - 13 * HOUR}, // midnight in Berlin
        {"2025-11-25T13:00", NOON},
        {"2025-11-25 13:00", NOON},
        {"2025-11-25T13:00:30", NOON + 30000000},
        {"2025-11-25T12:00:00Z", NOON},
        {"2025-11-25T12:00Z", NOON},
        {"now", NOON},
        {"today", NOON - 13 * HOUR},
        {"yesterday", NOON - 37 * HOUR},
        {"36h", NOON - 36 * HOUR},
        {"7d", NOON - 7 * 24 * HOUR},
        {"2025-10-26", INT64_C(1761429600000000)}, // the day that clocks go back
        {"2025-02-30", -1},
        {"2025-13-01", -1},
        {"2025-11-25T25:00", -1},
        {"2025-11-25x", -1},
        {"tomorrow", -1},
        {"", -1},
        {"infinity", -1},
    };
    setenv("TZ", "Europe/Berlin", 1);
    tzset();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error why = {0};
        int64_t time_us = 42;
        int code = report_time_parse(cases[i].text, NOON, &time_us, &why);
        if (cases[i].expected_us < 0) {
            ck_assert_msg(code == -EINVAL, "%s", cases[i].text);
            ck_assert_ptr_nonnull(strstr(why.text, cases[i].text));
            ck_assert_int_eq(time_us, 42);
        } else {
            ck_assert_msg(code == 0, "%s", why.text);
            ck_assert_msg(time_us == cases[i].expected_us, "%s: %lld", cases[i].text,
                          (long long)time_us);
        }
    }
    char zone[64];
    ck_assert_str_eq(report_zone_find(zone, sizeof(zone)), "Europe/Berlin");
    setenv("TZ", ":America/New_York", 1);
    ck_assert_str_eq(report_zone_find(zone, sizeof(zone)), "America/New_York");
    setenv("TZ", ":/usr/share/zoneinfo/Asia/Tokyo", 1);
    ck_assert_str_eq(report_zone_find(zone, sizeof(zone)), "Asia/Tokyo");
    setenv("TZ", "/no/such/file", 1);
    ck_assert_str_eq(report_zone_find(zone, sizeof(zone)), "UTC");
}
END_TEST

int main(void)
{
    setenv("TZ", "UTC", 1);
    Suite *suite = suite_create("report");
    TCase *pure = tcase_create("pure");
    tcase_add_test(pure, table_is_as_people_read_it);
    tcase_add_test(pure, table_fits_80_columns_whatever_comes);
    tcase_add_test(pure, csv_is_exact_and_quoted);
    tcase_add_test(pure, json_has_dollars_as_exact_strings);
    tcase_add_test(pure, counts_are_shortened_and_rounded);
    tcase_add_test(pure, times_are_read_in_the_zone);
    suite_add_tcase(suite, pure);
    TCase *ledger = tcase_create("ledger");
    tcase_set_timeout(ledger, 60);
    tcase_add_unchecked_fixture(ledger, start_server, stop_server);
    tcase_add_checked_fixture(ledger, setup, teardown);
    tcase_add_test(ledger, groups_and_totals_are_exact);
    tcase_add_test(ledger, each_grouping_has_its_key);
    tcase_add_test(ledger, days_are_those_of_the_zone);
    tcase_add_test(ledger, range_includes_its_start_and_not_its_end);
    tcase_add_test(ledger, savings_are_reads_at_the_uncached_price);
    tcase_add_test(ledger, empty_ledger_has_an_empty_report);
    tcase_add_test(ledger, ledger_without_tables_says_so);
    suite_add_tcase(suite, ledger);
    return suite_run(suite);
}
