// Tests of ledger.c, ledger_schema.c, ledger_table.c, ledger_rows.c and ledger_write.c against a
// real Postgres, and through a real PgBouncer in transaction mode where it is installed.
#include "ledger_fixture.h"

#include "cleanup.h"
#include "ledger_write.h"
#include "money.h"
#include "suite_run.h"

#include <signal.h>
#include <sys/wait.h>

static struct ledger_fixture fixture;
static const struct ledger_journal journal = {"00000000-0000-4000-8000-000000000001", "box"};

// One server for all tests; each gets an empty ledger.
static void start_server(void)
{
    ledger_fixture_init(&fixture);
    ck_assert_success(ledger_local_start(&fixture.local, err));
}

static void stop_server(void)
{
    ledger_fixture_done(&fixture);
}

static struct ledger *open_ledger(void)
{
    struct ledger *ledger = NULL;
    ck_assert_success(ledger_open(&ledger, fixture.local.dsn, err));
    return ledger;
}

static void empty_ledger(void)
{
    cleanup_ledger struct ledger *ledger = open_ledger();
    ck_assert_success(ledger_execute(ledger, "DROP SCHEMA IF EXISTS reeve CASCADE", err));
    ck_assert_success(ledger_schema_migrate(ledger, NULL, err));
}

static struct journal_settlement make_settlement(uint32_t number, int64_t cost_pico_usd)
{
    struct journal_settlement record = {
        .run_id = "20261125-160044-k3f9qx",
        .job = "outreach",
        .credential = "main",
        .path = "/v1/messages",
        .model_asked = "claude-haiku-4-5",
        .model = "claude-haiku-4-5-20251001",
        .price_row = "claude-haiku-4-5",
        .reserved_at_us = INT64_C(1764086444123456),
        .settled_at_us = INT64_C(1764086445000001),
        .first_byte_us = 250000,
        .reserved_pico_usd = 5000000000,
        .cost_pico_usd = cost_pico_usd,
        .counted_tokens = 30,
        .tokens = {.input = 10, .output = 20, .cache_read = 1000},
        .attempt = 1,
        .http_status = 200,
        .streamed = true,
    };
    memcpy(record.exchange_id, &number, sizeof(number));
    return record;
}

static void add_settlement(struct ledger_rows *rows, const struct journal_settlement *settlement,
                           uint64_t offset)
{
    struct journal_record record = {.type = JOURNAL_SETTLEMENT, .settlement = settlement};
    ck_assert_success(ledger_rows_add_record(rows, &record, &journal,
                                             (struct journal_cursor){1, offset, 7}, err));
}

// A batch of `count` exchanges that cost 1, 2, … picodollars.
static void add_settlements(struct ledger_rows *rows, uint32_t count)
{
    for (uint32_t i = 1; i <= count; i++) {
        struct journal_settlement settlement = make_settlement(i, i);
        add_settlement(rows, &settlement, i * 100);
    }
}

static struct ledger_written write_rows(struct ledger *ledger, struct ledger_rows *rows,
                                        struct journal_cursor cursor)
{
    struct ledger_written written = {0};
    ck_assert_success(ledger_write(ledger, rows, &journal, &cursor, &written, err));
    return written;
}

START_TEST(migrations_are_applied_once)
{
    int applied = -1;
    int version = -1;
    cleanup_ledger struct ledger *ledger = open_ledger();
    ck_assert_success(ledger_execute(ledger, "DROP SCHEMA reeve CASCADE", err));
    ck_assert_success(ledger_schema_read(ledger, &version, err));
    ck_assert_int_eq(version, 0);
    ck_assert_success(ledger_schema_migrate(ledger, &applied, err));
    ck_assert_int_eq(applied, ledger_schema_newest());
    ck_assert_int_ge(applied, 1);
    ck_assert_success(ledger_schema_migrate(ledger, &applied, err));
    ck_assert_int_eq(applied, 0);
    ck_assert_success(ledger_schema_read(ledger, &version, err));
    ck_assert_int_eq(version, ledger_schema_newest());
}
END_TEST

START_TEST(processes_that_migrate_at_once_apply_each_once)
{
    cleanup_ledger struct ledger *ledger = open_ledger();
    ck_assert_success(ledger_execute(ledger, "DROP SCHEMA reeve CASCADE", err));
    pid_t children[4];
    for (size_t i = 0; i < 4; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            struct error why = {0};
            struct ledger *own = NULL;
            int code = ledger_open(&own, fixture.local.dsn, &why);
            _exit(code != 0 || ledger_schema_migrate(own, NULL, &why) != 0);
        }
    }
    for (size_t i = 0; i < 4; i++) {
        int status;
        ck_assert_int_eq(waitpid(children[i], &status, 0), children[i]);
        ck_assert_int_eq(status, 0);
    }
    char newest[16];
    snprintf(newest, sizeof(newest), "%d", ledger_schema_newest());
    ck_assert_str_eq(ledger_value(ledger, "SELECT count(*) FROM reeve.schema_version"), newest);
}
END_TEST

START_TEST(newer_ledger_is_left_alone)
{
    struct error why = {0};
    cleanup_ledger struct ledger *ledger = open_ledger();
    ck_assert_success(ledger_execute(
        ledger, "INSERT INTO reeve.schema_version (version, name) VALUES (999, 'later')", err));
    ck_assert_int_eq(ledger_schema_migrate(ledger, NULL, &why), -EPROTO);
    ck_assert_ptr_nonnull(strstr(why.text, "version 999"));
}
END_TEST

START_TEST(row_has_every_field_exactly)
{
    cleanup_with(ledger_rows_done) struct ledger_rows rows = {0};
    cleanup_ledger struct ledger *ledger = open_ledger();
    struct journal_settlement settlement = make_settlement(7, INT64_C(1234567890123456789));
    static const char usage[] =
        "{\"input_tokens\": 10, \"note\": \"a \\\"quote\\\", \\\\ and {}\"}";
    settlement.usage_json = usage;
    settlement.usage_json_length = strlen(usage);
    settlement.http_status = 0;
    settlement.first_byte_us = -1;
    settlement.speed = USAGE_SPEED_FAST;
    settlement.tier = USAGE_TIER_BATCH;
    settlement.geo = USAGE_GEO_US;
    settlement.end = EXCHANGE_CUT;
    settlement.estimated = true;
    add_settlement(&rows, &settlement, 100);
    write_rows(ledger, &rows, (struct journal_cursor){1, 100, 7});
    ck_assert_str_eq(ledger_value(ledger, "SELECT cost_usd FROM reeve.exchange"),
                     "1234567.890123456789");
    ck_assert_str_eq(ledger_value(ledger, "SELECT usage FROM reeve.exchange"), usage);
    ck_assert_str_eq(ledger_value(ledger, "SELECT to_char(reserved_at AT TIME ZONE 'UTC',"
                                          " 'YYYY-MM-DD HH24:MI:SS.US') FROM reeve.exchange"),
                     "2025-11-25 16:00:44.123456");
    ck_assert_str_eq(ledger_value(ledger, "SELECT concat_ws(' ', run_id, job, host, credential,"
                                          " path, model_asked, model, price_row, ended, speed,"
                                          " tier, geo) FROM reeve.exchange"),
                     "20261125-160044-k3f9qx outreach box main /v1/messages claude-haiku-4-5 "
                     "claude-haiku-4-5-20251001 claude-haiku-4-5 cut fast batch us");
    ck_assert_str_eq(ledger_value(ledger, "SELECT session_id IS NULL AND request_id IS NULL"
                                          " AND http_status IS NULL AND first_byte_us IS NULL"
                                          " AND estimated AND streamed AND NOT unknown_model"
                                          " FROM reeve.exchange"),
                     "t");
    ck_assert_str_eq(ledger_value(ledger,
                                  "SELECT concat_ws(' ', input_tokens, output_tokens,"
                                  " cache_write_5m_tokens, cache_write_1h_tokens,"
                                  " cache_read_tokens, counted_tokens) FROM reeve.exchange"),
                     "10 20 0 0 1000 30");
}
END_TEST

START_TEST(run_is_filled_from_both_ends)
{
    cleanup_with(ledger_rows_done) struct ledger_rows rows = {0};
    cleanup_ledger struct ledger *ledger = open_ledger();
    struct journal_run_open open = {.run_id = "r1", .job = "j", .command = "claude", .host = "box"};
    open.opened_at_us = INT64_C(1764086444000000);
    open.limits = (struct run_limits){
        .cost_max_pico_usd = PICO_USD_PER_USD / 2,
        .tokens_max = 200000,
        .output_tokens_max = LIMIT_NONE,
        .requests_max = LIMIT_NONE,
        .memory_max_bytes = 1 << 30,
        .memory_high_bytes = LIMIT_NONE,
        .memory_swap_max_bytes = 0,
        .tasks_max = LIMIT_NONE,
        .cpu_quota_percent = LIMIT_NONE,
        .runtime_max_us = LIMIT_NONE,
    };
    struct journal_run_close close = {
        .run_id = "r1", .job = "j", .end = RUN_CEILING, .exit_code = 100, .exchanges = 3};
    close.closed_at_us = open.opened_at_us + 1000000;
    close.cost_pico_usd = 42;
    close.memory_peak_bytes = -1;
    close.io_read_bytes = 4096;
    close.memory_stall_us = -1;
    struct journal_record records[] = {
        {.type = JOURNAL_RUN_OPEN, .run_open = &open},
        {.type = JOURNAL_RUN_OPEN, .run_open = &open}, // as a checkpoint repeats it
        {.type = JOURNAL_RUN_CLOSE, .run_close = &close},
    };
    for (size_t i = 0; i < 3; i++)
        ck_assert_success(ledger_rows_add_record(&rows, &records[i], &journal,
                                                 (struct journal_cursor){1, i, 0}, err));
    write_rows(ledger, &rows, (struct journal_cursor){1, 3, 0});
    write_rows(ledger, &rows, (struct journal_cursor){1, 3, 0});
    ck_assert_str_eq(
        ledger_value(
            ledger,
            "SELECT concat_ws(' ', run_id, job, command, host, cost_max_usd,"
            " tokens_max, memory_swap_max_bytes, ended, exit_code, exchanges,"
            " cost_usd) FROM reeve.run WHERE tasks_max IS NULL"
            " AND memory_peak_bytes IS NULL AND io_read_bytes = 4096 AND memory_stall_us IS NULL"
            " AND closed_at > opened_at"),
        "r1 j claude box 0.500000000000 200000 0 ceiling 100 3 0.000000000042");
    ck_assert_str_eq(ledger_value(ledger, "SELECT count(*) FROM reeve.job"), "1");
}
END_TEST

START_TEST(end_before_beginning_is_one_run_too)
{
    cleanup_with(ledger_rows_done) struct ledger_rows rows = {0};
    cleanup_ledger struct ledger *ledger = open_ledger();
    struct journal_run_open open = {.run_id = "r1", .job = "j", .command = "claude"};
    struct journal_run_close close = {.run_id = "r1", .job = "j", .end = RUN_EXITED};
    struct journal_record first = {.type = JOURNAL_RUN_CLOSE, .run_close = &close};
    struct journal_record second = {.type = JOURNAL_RUN_OPEN, .run_open = &open};
    ck_assert_success(
        ledger_rows_add_record(&rows, &first, &journal, (struct journal_cursor){0}, err));
    write_rows(ledger, &rows, (struct journal_cursor){1, 3, 0});
    ledger_rows_clear(&rows);
    ck_assert_success(
        ledger_rows_add_record(&rows, &second, &journal, (struct journal_cursor){0}, err));
    write_rows(ledger, &rows, (struct journal_cursor){1, 4, 0});
    ck_assert_str_eq(ledger_value(ledger, "SELECT ended || ' ' || command FROM reeve.run"),
                     "exited claude");
}
END_TEST

START_TEST(batch_twice_is_batch_once)
{
    cleanup_with(ledger_rows_done) struct ledger_rows rows = {0};
    cleanup_ledger struct ledger *ledger = open_ledger();
    struct journal_alert alert = {.kind = "oom", .run_id = "r", .job = "j", .text = "it's \"big\""};
    struct journal_record record = {.type = JOURNAL_ALERT, .alert = &alert};
    add_settlements(&rows, 1000);
    ck_assert_success(ledger_rows_add_record(&rows, &record, &journal,
                                             (struct journal_cursor){1, 100100, 7}, err));
    struct ledger_written first = write_rows(ledger, &rows, (struct journal_cursor){1, 100100, 7});
    struct ledger_written again = write_rows(ledger, &rows, (struct journal_cursor){1, 100100, 7});
    ck_assert_uint_eq(first.rows, 1001);
    ck_assert_uint_eq(again.rows, 0);
    ck_assert_str_eq(ledger_value(ledger, "SELECT count(*) FROM reeve.exchange"), "1000");
    ck_assert_str_eq(ledger_value(ledger, "SELECT sum(cost_usd) FROM reeve.exchange"),
                     "0.000000500500");
    ck_assert_str_eq(ledger_value(ledger, "SELECT string_agg(message, '|') FROM reeve.alert"),
                     "it's \"big\"");
    struct journal_cursor cursor;
    ck_assert_success(ledger_read_cursor(ledger, journal.id, &cursor, err));
    ck_assert_uint_eq(cursor.segment, 1);
    ck_assert_uint_eq(cursor.offset, 100100);
    ck_assert_uint_eq(cursor.check, 7);
}
END_TEST

START_TEST(unknown_journal_begins_at_zero)
{
    cleanup_ledger struct ledger *ledger = open_ledger();
    struct journal_cursor cursor = {9, 9, 9};
    ck_assert_success(ledger_read_cursor(ledger, journal.id, &cursor, err));
    ck_assert_uint_eq(cursor.segment, 0);
    ck_assert_uint_eq(cursor.offset, 0);
}
END_TEST

START_TEST(refused_rows_are_quarantined_and_hold_nothing_up)
{
    cleanup_with(ledger_rows_done) struct ledger_rows rows = {0};
    cleanup_ledger struct ledger *ledger = open_ledger();
    for (uint32_t i = 1; i <= 300; i++) {
        struct journal_settlement settlement = make_settlement(i, i);
        if (i == 1 || i == 150 || i == 151 || i == 300)
            settlement.tokens.input = -1; // breaks a constraint
        if (i == 77) {
            settlement.usage_json = "{no json";
            settlement.usage_json_length = 8;
        }
        add_settlement(&rows, &settlement, i * 100);
    }
    struct ledger_written written = write_rows(ledger, &rows, (struct journal_cursor){1, 1, 0});
    ck_assert_uint_eq(written.quarantined, 5);
    write_rows(ledger, &rows, (struct journal_cursor){1, 1, 0}); // and again
    ck_assert_str_eq(ledger_value(ledger, "SELECT count(*) FROM reeve.exchange"), "295");
    ck_assert_str_eq(ledger_value(ledger, "SELECT string_agg(byte_offset::text, ' '"
                                          " ORDER BY byte_offset) FROM reeve.quarantine"),
                     "100 7700 15000 15100 30000");
    ck_assert_str_eq(ledger_value(ledger, "SELECT record::json->>'cost_usd' FROM reeve.quarantine"
                                          " WHERE byte_offset = 15100 AND record_type = 'exchange'"
                                          " AND reason LIKE '%input_tokens%'"),
                     "0.000000000151");
    ck_assert_str_eq(ledger_value(ledger, "SELECT byte_offset FROM reeve.feed_cursor"), "1");
}
END_TEST

START_TEST(text_that_is_not_utf8_is_mended)
{
    static const struct {
        const char *bytes, *hex; // as Postgres keeps them
    } cases[] = {
        {"plain", "706c61696e"},
        {"h\xc3\xa9", "68c3a9"},                          // é
        {"\xf0\x9f\x98\x80", "f09f9880"},                 // U+1F600
        {"cut \xc3", "63757420efbfbd"},                   // in the middle of a character
        {"\xc0\xaf", "efbfbdefbfbd"},                     // overlong
        {"\xed\xa0\x80", "efbfbdefbfbdefbfbd"},           // surrogate
        {"\xf4\x90\x80\x80", "efbfbdefbfbdefbfbdefbfbd"}, // beyond U+10FFFF
        {"\xff\"\\,{}", "efbfbd225c2c7b7d"},              // and what arrays treat specially
    };
    cleanup_with(ledger_rows_done) struct ledger_rows rows = {0};
    cleanup_ledger struct ledger *ledger = open_ledger();
    for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct journal_settlement settlement = make_settlement(i, 1);
        settlement.attempt = (int)i;
        snprintf(settlement.session_id, sizeof(settlement.session_id), "%s", cases[i].bytes);
        add_settlement(&rows, &settlement, i);
    }
    write_rows(ledger, &rows, (struct journal_cursor){1, 1, 0});
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char query[160];
        snprintf(query, sizeof(query),
                 "SELECT encode(convert_to(session_id, 'UTF8'), 'hex') FROM reeve.exchange"
                 " WHERE attempt = %zu",
                 i);
        ck_assert_str_eq(ledger_value(ledger, query), cases[i].hex);
    }
}
END_TEST

START_TEST(lost_connection_is_told_apart_and_leaves_nothing_half)
{
    cleanup_with(ledger_rows_done) struct ledger_rows rows = {0};
    cleanup_ledger struct ledger *ledger = open_ledger();
    cleanup_ledger struct ledger *other = open_ledger();
    struct error why = {0};
    struct ledger_written written;
    struct journal_cursor cursor = {1, 100, 0};
    add_settlements(&rows, 100);
    // The batch waits for this lock in the middle of its transaction, and is cut there.
    ck_assert_success(
        ledger_execute(other, "BEGIN; LOCK TABLE reeve.feed_cursor IN ACCESS EXCLUSIVE MODE", err));
    pid_t killer = fork();
    if (killer == 0) {
        struct ledger *third = NULL;
        cleanup_result PGresult *result = NULL;
        if (ledger_open(&third, fixture.local.dsn, &why) != 0)
            _exit(1);
        do {
            PQclear(take_pointer(&result));
            if (ledger_query(third,
                             "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                             " WHERE wait_event_type = 'Lock'",
                             0, NULL, &result, &why) != 0)
                _exit(2);
        } while (PQntuples(result) == 0);
        _exit(0);
    }
    ck_assert_int_eq(ledger_write(ledger, &rows, &journal, &cursor, &written, &why), -ENOTCONN);
    waitpid(killer, NULL, 0);
    ck_assert_success(ledger_execute(other, "COMMIT", err));
    ck_assert_str_eq(ledger_value(other, "SELECT count(*) FROM reeve.exchange"), "0");
    ck_assert_str_eq(ledger_value(other, "SELECT count(*) FROM reeve.feed_cursor"), "0");
    write_rows(other, &rows, cursor);
    ck_assert_str_eq(ledger_value(other, "SELECT count(*) FROM reeve.exchange"), "100");
}
END_TEST

START_TEST(prices_are_replaced_by_the_ones_loaded_last)
{
    cleanup_with(ledger_rows_done) struct ledger_rows rows = {0};
    cleanup_ledger struct ledger *ledger = open_ledger();
    struct price_row price = {
        .name = "claude-x@2026-10-07/long",
        .model = "claude-x",
        .kind = PRICE_LONG,
        .above_tokens = 100000,
        .from_us = INT64_C(1791331200000000),
        .until_us = INT64_MAX,
        .rates = {500000, 2500000, 625000, 1000000, 50000},
        .us_geo_millionths = 1100000,
    };
    ck_assert_success(ledger_rows_add_price(&rows, &price, err));
    price.from_us = INT64_MIN;
    price.rates.input = 500001;
    snprintf(price.name, sizeof(price.name), "claude-x");
    ck_assert_success(ledger_rows_add_price(&rows, &price, err));
    ck_assert_success(ledger_write_rows(ledger, &rows, NULL, err));
    ck_assert_success(ledger_write_rows(ledger, &rows, NULL, err));
    ck_assert_str_eq(ledger_value(ledger,
                                  "SELECT string_agg(concat_ws(' ', price_row, kind, above_tokens,"
                                  " effective_from AT TIME ZONE 'UTC', input_usd_per_mtok,"
                                  " us_geo_multiplier, batch_multiplier), '; ' ORDER BY price_row)"
                                  " FROM reeve.price WHERE effective_until IS NULL"),
                     "claude-x long 100000 0.500001 1.100000; "
                     "claude-x@2026-10-07/long long 100000 2026-10-07 00:00:00 0.500000 1.100000");
}
END_TEST

START_TEST(unreadable_dsn_is_not_repeated)
{
    static const char *const dsns[] = {"", "host=x password hunter2",
                                       "postgresql://a:hunter2@[::", "postgresql://h/d?hunter2"};
    for (size_t i = 0; i < sizeof(dsns) / sizeof(dsns[0]); i++) {
        struct ledger *ledger = NULL;
        struct error why = {0};
        ck_assert_int_eq(ledger_open(&ledger, dsns[i], &why), -EINVAL);
        ck_assert_ptr_null(strstr(why.text, "hunter2"));
        ck_assert_ptr_null(ledger);
    }
}
END_TEST

START_TEST(missing_server_is_an_error_not_a_wait)
{
    struct ledger *ledger = NULL;
    struct error why = {0};
    ck_assert_int_eq(ledger_open(&ledger, "host=/nonexistent dbname=x user=y", &why), -ENOTCONN);
    ck_assert_ptr_nonnull(strstr(why.text, "/nonexistent"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ledger_write");
    TCase *cases = tcase_create("ledger_write");
    tcase_set_timeout(cases, 60);
    tcase_add_unchecked_fixture(cases, start_server, stop_server);
    tcase_add_checked_fixture(cases, empty_ledger, NULL);
    tcase_add_test(cases, migrations_are_applied_once);
    tcase_add_test(cases, processes_that_migrate_at_once_apply_each_once);
    tcase_add_test(cases, newer_ledger_is_left_alone);
    tcase_add_test(cases, row_has_every_field_exactly);
    tcase_add_test(cases, run_is_filled_from_both_ends);
    tcase_add_test(cases, end_before_beginning_is_one_run_too);
    tcase_add_test(cases, batch_twice_is_batch_once);
    tcase_add_test(cases, unknown_journal_begins_at_zero);
    tcase_add_test(cases, refused_rows_are_quarantined_and_hold_nothing_up);
    tcase_add_test(cases, text_that_is_not_utf8_is_mended);
    tcase_add_test(cases, lost_connection_is_told_apart_and_leaves_nothing_half);
    tcase_add_test(cases, prices_are_replaced_by_the_ones_loaded_last);
    tcase_add_test(cases, unreadable_dsn_is_not_repeated);
    tcase_add_test(cases, missing_server_is_an_error_not_a_wait);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
