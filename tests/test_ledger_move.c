// Tests of ledger_move.c, ledger_export.c and ledger_status.c: books that are copied, written out,
// counted and checked.
#include "ledger_fixture.h"

#include "cleanup.h"
#include "ledger_export.h"
#include "ledger_move.h"
#include "ledger_status.h"
#include "ledger_write.h"
#include "suite_run.h"

#include <jansson.h>

#define EXCHANGES 2500 // more than two pages
#define RUNS 5

static struct ledger_fixture fixture;
static struct ledger *source;
static struct ledger *target;
static const struct ledger_journal journal = {"00000000-0000-4000-8000-000000000001", "box"};

static void start_server(void)
{
    cleanup_ledger struct ledger *ledger = NULL;
    ledger_fixture_init(&fixture);
    ck_assert_success(ledger_local_start(&fixture.local, err));
    ck_assert_success(ledger_open(&ledger, fixture.local.dsn, err));
    ck_assert_success(ledger_execute(ledger, "CREATE DATABASE other", err));
}

static void stop_server(void)
{
    ledger_fixture_done(&fixture);
}

static void add(struct ledger_rows *rows, struct journal_record record)
{
    ck_assert_success(
        ledger_rows_add_record(rows, &record, &journal, (struct journal_cursor){1, 5, 6}, err));
}

static void write_rows(struct ledger_rows *rows)
{
    struct ledger_written written;
    ck_assert_success(
        ledger_write(source, rows, &journal, &(struct journal_cursor){7, 8, 9}, &written, err));
    ledger_rows_clear(rows);
}

// Books that add up: every fifth exchange belongs to the same run.
static void write_books(void)
{
    cleanup_with(ledger_rows_done) struct ledger_rows rows = {0};
    struct journal_run_close closes[RUNS] = {0};
    struct price_row price = {.name = "opus", .model = "claude-opus", .until_us = INT64_MAX};
    price.rates = (struct price_rates){3, 5, 7, 11, 13};
    for (size_t i = 0; i < RUNS; i++) {
        struct journal_run_open open = {.job = "job", .command = "claude", .opened_at_us = 1};
        snprintf(open.run_id, sizeof(open.run_id), "run-%zu", i);
        snprintf(closes[i].run_id, sizeof(closes[i].run_id), "run-%zu", i);
        snprintf(closes[i].job, sizeof(closes[i].job), "job");
        add(&rows, (struct journal_record){.type = JOURNAL_RUN_OPEN, .run_open = &open});
    }
    for (uint32_t i = 0; i < EXCHANGES; i++) {
        struct journal_run_close *close = &closes[i % RUNS];
        static const char usage[] =
            "{\"input_tokens\": 1,\n \"iterations\": [{}], \"x\": \"\\n,\\\"\"}";
        struct journal_settlement exchange = {
            .job = "job",
            .price_row = "opus",
            .model = "claude-opus",
            .attempt = 1,
            .reserved_at_us = INT64_C(1764072000000000) + i,
            .tokens = {i, 1, 1, 1, 1},
            .cost_pico_usd = 3 * (int64_t)i + 5 + 7 + 11 + 13,
            .usage_json = usage,
            .usage_json_length = sizeof(usage) - 1,
        };
        memcpy(exchange.exchange_id, &i, sizeof(i));
        memcpy(exchange.run_id, close->run_id, sizeof(exchange.run_id));
        close->exchanges++;
        close->cost_pico_usd += exchange.cost_pico_usd;
        close->tokens.input += i;
        close->tokens.output++;
        close->tokens.cache_write_5m++;
        close->tokens.cache_write_1h++;
        close->tokens.cache_read++;
        add(&rows, (struct journal_record){.type = JOURNAL_SETTLEMENT, .settlement = &exchange});
    }
    for (size_t i = 0; i < RUNS; i++)
        add(&rows, (struct journal_record){.type = JOURNAL_RUN_CLOSE, .run_close = &closes[i]});
    struct journal_alert alert = {.kind = "oom", .text = "one, \"two\"\nthree"};
    add(&rows, (struct journal_record){.type = JOURNAL_ALERT, .alert = &alert});
    write_rows(&rows);
    ck_assert_success(ledger_rows_add_price(&rows, &price, err));
    ck_assert_success(ledger_write_rows(source, &rows, NULL, err));
}

static void setup(void)
{
    char dsn[LEDGER_DSN_MAX + 16];
    snprintf(dsn, sizeof(dsn), "%s dbname=other", fixture.local.dsn);
    ck_assert_success(ledger_open(&source, fixture.local.dsn, err));
    ck_assert_success(ledger_open(&target, dsn, err));
    ck_assert_success(ledger_execute(source, "DROP SCHEMA IF EXISTS reeve CASCADE", err));
    ck_assert_success(ledger_execute(target, "DROP SCHEMA IF EXISTS reeve CASCADE", err));
    ck_assert_success(ledger_schema_migrate(source, NULL, err));
    write_books();
}

static void teardown(void)
{
    ledger_close(source);
    ledger_close(target);
}

// All rows of a table as one text, the time of recording apart.
static char *read_table(struct ledger *ledger, const char *table)
{
    cleanup_result PGresult *result = NULL;
    char query[256];
    snprintf(query, sizeof(query),
             "SELECT coalesce(string_agg(line, E'\\n' ORDER BY line), '') FROM ("
             "SELECT (to_jsonb(t) - '{recorded_at,quarantined_at,moved_at}'::text[])::text AS line"
             " FROM reeve.%s AS t) AS lines",
             table);
    ck_assert_success(ledger_query(ledger, query, 0, NULL, &result, err));
    return strdup(PQgetvalue(result, 0, 0));
}

// A key, with its state, number, end and result.
static void add_state(struct ledger *ledger, const char *key, const char *values)
{
    char statement[512];
    snprintf(
        statement, sizeof(statement),
        "INSERT INTO reeve.source_state (job, key, holder, host, whole_run, ttl_us, claimed_at,"
        " expires_at, state, fence, done_at, result)"
        " VALUES ('job', '%s', 'run-1', 'box', true, 1, now(), now(), %s)",
        key, values);
    ck_assert_success(ledger_execute(ledger, statement, err));
}

START_TEST(copy_is_the_same_and_repeating_adds_nothing)
{
    static const char *const tables[] = {"job",   "run",        "exchange",    "alert",
                                         "price", "quarantine", "feed_cursor", "source_state"};
    struct ledger_moved moved;
    add_state(source, "done, held", "'done', 1, now(), '{\"pages\": 3}'");
    ck_assert_success(ledger_execute(
        source,
        "INSERT INTO reeve.quarantine VALUES"
        " ('00000000-0000-4000-8000-000000000001', 1, 2, 'exchange', '{\"a\": 1}', 'why')",
        err));
    ck_assert_success(ledger_move(source, target, &moved, err));
    ck_assert_int_eq(moved.exchanges, EXCHANGES);
    ck_assert_int_eq(moved.cost_pico_usd, 3 * (EXCHANGES * (EXCHANGES - 1) / 2) + 36 * EXCHANGES);
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        cleanup_free char *ours = read_table(source, tables[i]);
        cleanup_free char *theirs = read_table(target, tables[i]);
        ck_assert_msg(*ours != '\0', "%s", tables[i]);
        ck_assert_msg(strcmp(ours, theirs) == 0, "%s:\n%.300s\n%.300s", tables[i], ours, theirs);
    }
    ck_assert_success(ledger_move(source, target, &moved, err));
    ck_assert_int_eq(moved.exchanges, EXCHANGES);
    ck_assert_str_eq(ledger_value(target, "SELECT count(*) FROM reeve.exchange"), "2500");
}
END_TEST

START_TEST(place_that_the_target_has_passed_stays)
{
    struct ledger_moved moved;
    ck_assert_success(ledger_move(source, target, &moved, err));
    ck_assert_success(ledger_execute(target, "UPDATE reeve.feed_cursor SET byte_offset = 99", err));
    ck_assert_success(ledger_move(source, target, &moved, err));
    ck_assert_str_eq(ledger_value(target, "SELECT byte_offset FROM reeve.feed_cursor"), "99");
}
END_TEST

START_TEST(what_is_done_in_either_is_done)
{
    struct ledger_moved moved;
    ck_assert_success(ledger_schema_migrate(target, NULL, err));
    add_state(source, "a", "'done', 1, now(), NULL");
    add_state(target, "a", "'held', 2, NULL, NULL");
    add_state(source, "b", "'held', 3, NULL, NULL");
    add_state(target, "b", "'done', 2, now(), NULL");
    add_state(source, "c", "'free', 3, NULL, NULL");
    add_state(target, "c", "'held', 2, NULL, NULL");
    add_state(source, "d", "'free', 2, NULL, NULL");
    add_state(target, "d", "'held', 3, NULL, NULL");
    ck_assert_success(ledger_move(source, target, &moved, err));
    ck_assert_str_eq(ledger_value(target, "SELECT string_agg(key || ' ' || state || ' ' || fence,"
                                          " ', ' ORDER BY key) FROM reeve.source_state"),
                     "a done 1, b done 2, c free 3, d held 3");
}
END_TEST

START_TEST(exchange_with_another_cost_is_found)
{
    struct ledger_moved moved;
    struct error why = {0};
    ck_assert_success(ledger_move(source, target, &moved, err));
    ck_assert_success(
        ledger_execute(target,
                       "UPDATE reeve.exchange SET cost_usd = cost_usd + 0.000000000001"
                       " WHERE input_tokens = 1234",
                       err));
    ck_assert_int_eq(ledger_move(source, target, &moved, &why), -EBADMSG);
}
END_TEST

START_TEST(right_books_pass_all_checks)
{
    struct ledger_verdict verdict;
    for (enum ledger_check check = 0; check < LEDGER_CHECKS; check++) {
        ck_assert_success(ledger_verify(source, check, &verdict, err));
        ck_assert_msg(verdict.failed == 0, "%s: %s", ledger_check_name(check), verdict.findings[0]);
    }
    ck_assert_success(ledger_verify(source, LEDGER_CHECK_RUNS, &verdict, err));
    ck_assert_int_eq(verdict.checked, RUNS);
    ck_assert_success(ledger_verify(source, LEDGER_CHECK_PRICES, &verdict, err));
    ck_assert_int_eq(verdict.checked, EXCHANGES);
}
END_TEST

START_TEST(each_fault_is_found_by_its_check)
{
    static const struct {
        const char *fault;
        enum ledger_check check;
        const char *finding;
        int64_t failed;
    } cases[] = {
        {"DELETE FROM reeve.exchange WHERE input_tokens = 0", LEDGER_CHECK_RUNS,
         "the ledger has 499", 1},
        {"UPDATE reeve.exchange SET output_tokens = 2 WHERE input_tokens = 1", LEDGER_CHECK_RUNS,
         "run run-1: 500 exchanges", 1},
        {"UPDATE reeve.exchange SET cost_usd = cost_usd + 0.000000000001 WHERE input_tokens < 30",
         LEDGER_CHECK_PRICES, "0.000000000037 was booked, opus gives 0.000000000036", 30},
        {"UPDATE reeve.price SET price_row = 'other'", LEDGER_CHECK_PRICE_ROWS,
         "price row opus is not in the ledger, 2500 exchanges", 1},
        {"INSERT INTO reeve.quarantine VALUES ('00000000-0000-4000-8000-000000000001', 1, 2,"
         " 'exchange', '{}', 'because')",
         LEDGER_CHECK_QUARANTINE, "exchange at segment 1, offset 2: because", 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ledger_verdict verdict;
        ck_assert_success(ledger_execute(source, "BEGIN", err));
        ck_assert_success(ledger_execute(source, cases[i].fault, err));
        ck_assert_success(ledger_verify(source, cases[i].check, &verdict, err));
        ck_assert_int_eq(verdict.failed, cases[i].failed);
        ck_assert_msg(strstr(verdict.findings[0], cases[i].finding) != NULL, "%s",
                      verdict.findings[0]);
        ck_assert_uint_le(verdict.finding_count, LEDGER_FINDINGS_MAX);
        ledger_roll_back(source);
    }
}
END_TEST

START_TEST(status_counts)
{
    struct ledger_status status;
    ck_assert_success(ledger_status_read(source, &status, err));
    ck_assert_int_eq(status.version, ledger_schema_newest());
    ck_assert_int_eq(status.exchanges, EXCHANGES);
    ck_assert_int_eq(status.runs, RUNS);
    ck_assert_int_eq(status.live_runs, 0);
    ck_assert_int_eq(status.alerts, 1);
    ck_assert_uint_eq(status.journal_count, 1);
    ck_assert_str_eq(status.journals[0].id, journal.id);
    ck_assert_uint_eq(status.journals[0].cursor.segment, 7);
    ck_assert_uint_eq(status.journals[0].cursor.offset, 8);
    ck_assert_uint_eq(status.journals[0].cursor.check, 9);
    ck_assert_success(ledger_status_read(target, &status, err)); // no tables
    ck_assert_int_eq(status.version, 0);
}
END_TEST

static char *export_table(const char *table, enum ledger_export_format format)
{
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    ck_assert_success(ledger_export(source, table, format, stream, err));
    fclose(stream);
    return text;
}

START_TEST(export_as_json_is_one_object_a_line)
{
    cleanup_free char *text = export_table("exchange", LEDGER_EXPORT_JSON);
    size_t count = 0;
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) != NULL && *line != '\0'; count++) {
        json_t *row = json_loads(line, 0, NULL);
        ck_assert_msg(row != NULL, "%s", line);
        ck_assert(json_is_string(json_object_get(row, "cost_usd")));
        ck_assert(json_is_object(json_object_get(row, "usage")));
        json_decref(row);
    }
    ck_assert_uint_eq(count, EXCHANGES);
    cleanup_free char *again = export_table("exchange", LEDGER_EXPORT_JSON);
    ck_assert_ptr_nonnull(strstr(again, "\"reserved_at\":\"2025-11-25T12:00:00.000001Z\""));
}
END_TEST

START_TEST(export_as_csv_has_a_head_and_quotes)
{
    cleanup_free char *text = export_table("alert", LEDGER_EXPORT_CSV);
    ck_assert_str_eq(text, "raised_at,kind,run_id,job,message\r\n"
                           "1970-01-01T00:00:00.000000Z,oom,,,\"one, \"\"two\"\"\nthree\"\r\n");
}
END_TEST

START_TEST(only_the_ledgers_own_tables_are_exported)
{
    struct error why = {0};
    static const char *const names[] = {"schema_version; DROP SCHEMA reeve", "pg_class", ""};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        ck_assert_int_eq(ledger_export(source, names[i], LEDGER_EXPORT_CSV, stdout, &why), -EINVAL);
        ck_assert_ptr_nonnull(strstr(why.text, "exchange run job alert"));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ledger_move");
    TCase *cases = tcase_create("ledger_move");
    tcase_set_timeout(cases, 60);
    tcase_add_unchecked_fixture(cases, start_server, stop_server);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, copy_is_the_same_and_repeating_adds_nothing);
    tcase_add_test(cases, place_that_the_target_has_passed_stays);
    tcase_add_test(cases, what_is_done_in_either_is_done);
    tcase_add_test(cases, exchange_with_another_cost_is_found);
    tcase_add_test(cases, right_books_pass_all_checks);
    tcase_add_test(cases, each_fault_is_found_by_its_check);
    tcase_add_test(cases, status_counts);
    tcase_add_test(cases, export_as_json_is_one_object_a_line);
    tcase_add_test(cases, export_as_csv_has_a_head_and_quotes);
    tcase_add_test(cases, only_the_ledgers_own_tables_are_exported);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
