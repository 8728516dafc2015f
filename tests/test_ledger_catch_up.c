// Tests of ledger_catch_up.c: what a journal holds comes into the ledger once, whatever happens in
// between.
#include "ledger_fixture.h"

#include "cleanup.h"
#include "journal.h"
#include "ledger_catch_up.h"
#include "pgbouncer_fixture.h"
#include "suite_run.h"

#include <poll.h>

#define SEGMENT_BYTES JOURNAL_SEGMENT_BYTES_MIN

static struct ledger_fixture fixture;

struct books {
    char directory[96]; // of the journal
    struct journal *journal;
    struct ledger *ledger; // to look with
    struct ledger_catch_up catch_up;
    uint32_t count;        // of exchanges
    int64_t cost_pico_usd; // of all of them
};

static struct books books;

static void start_server(void)
{
    ledger_fixture_init(&fixture);
    ck_assert_success(ledger_local_start(&fixture.local, err));
}

static void stop_server(void)
{
    ledger_fixture_done(&fixture);
}

static void begin_catch_up(const char *dsn)
{
    struct ledger_catch_up_options options = {
        .journal_directory = books.directory,
        .postgres_directory = fixture.postgres,
        .dsn = dsn,
    };
    ck_assert_success(ledger_catch_up_init(&books.catch_up, &options, err));
}

static void setup(void)
{
    struct journal_options options = {.directory = books.directory, .segment_bytes = SEGMENT_BYTES};
    books = (struct books){0};
    snprintf(books.directory, sizeof(books.directory), "%s/journal-XXXXXX", fixture.directory);
    ck_assert_ptr_nonnull(mkdtemp(books.directory));
    ck_assert_success(ledger_open(&books.ledger, fixture.local.dsn, err));
    ck_assert_success(ledger_execute(books.ledger, "DROP SCHEMA IF EXISTS reeve CASCADE", err));
    ck_assert_success(journal_open(&books.journal, &options, NULL, err));
    begin_catch_up(fixture.local.dsn);
}

static void teardown(void)
{
    ledger_catch_up_done(&books.catch_up);
    ledger_close(books.ledger);
    journal_close(books.journal);
}

// Appends; waits for the next segment where there is none yet.
static void append(const struct journal_record *record)
{
    struct error why = {0};
    int code;
    while ((code = journal_append(books.journal, record, NULL, &why)) == -ENOSPC) {
        struct pollfd event = {.fd = journal_event_fd(books.journal), .events = POLLIN};
        ck_assert_int_eq(poll(&event, 1, 30000), 1);
        journal_dispatch(books.journal);
    }
    ck_assert_msg(code == 0, "%s", why.text);
}

static void append_exchanges(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t number = ++books.count;
        struct journal_reservation reservation = {
            .run_id = "r", .job = "j", .cost_pico_usd = 9999999};
        struct journal_settlement settlement = {
            .run_id = "r", .job = "j", .cost_pico_usd = number * INT64_C(1001), .attempt = 1};
        memcpy(reservation.exchange_id, &number, sizeof(number));
        memcpy(settlement.exchange_id, &number, sizeof(number));
        append(&(struct journal_record){.type = JOURNAL_RESERVATION, .reservation = &reservation});
        append(&(struct journal_record){.type = JOURNAL_SETTLEMENT, .settlement = &settlement});
        books.cost_pico_usd += settlement.cost_pico_usd;
    }
}

static void assert_books_are_right(void)
{
    char expected[64];
    snprintf(expected, sizeof(expected), "%u %lld", books.count, (long long)books.cost_pico_usd);
    ck_assert_str_eq(ledger_value(books.ledger,
                                  "SELECT count(*) || ' ' || "
                                  "(coalesce(sum(cost_usd), 0) * 1000000000000)::bigint"
                                  " FROM reeve.exchange"),
                     expected);
}

START_TEST(everything_comes_once_and_then_nothing)
{
    append_exchanges(2500); // several batches and segments
    ck_assert_uint_gt(ledger_catch_up_lag(&books.catch_up), 0);
    ck_assert_success(ledger_catch_up(&books.catch_up, err));
    assert_books_are_right();
    ck_assert_uint_eq(books.catch_up.written, 2500);
    ck_assert_uint_eq(books.catch_up.quarantined, 0);
    ck_assert_uint_gt(books.catch_up.acknowledged.segment, 1);
    ck_assert_uint_eq(ledger_catch_up_lag(&books.catch_up), 0);
    ck_assert_success(ledger_catch_up(&books.catch_up, err));
    ck_assert_uint_eq(books.catch_up.written, 2500);
    ck_assert_str_ne(ledger_value(books.ledger, "SELECT count(*) FROM reeve.price"), "0");
}
END_TEST

START_TEST(successor_goes_on_where_the_first_one_stopped)
{
    append_exchanges(100);
    ck_assert_success(ledger_catch_up(&books.catch_up, err));
    ledger_catch_up_done(&books.catch_up);
    append_exchanges(50);
    begin_catch_up(fixture.local.dsn);
    ck_assert_success(ledger_catch_up(&books.catch_up, err));
    ck_assert_uint_eq(books.catch_up.written, 50);
    assert_books_are_right();
}
END_TEST

START_TEST(rests_and_goes_on)
{
    append_exchanges(10);
    ck_assert_success(ledger_catch_up(&books.catch_up, err));
    ledger_catch_up_rest(&books.catch_up);
    ck_assert_ptr_null(books.catch_up.ledger);
    ck_assert_success(ledger_catch_up(&books.catch_up, err));
    ck_assert_ptr_null(books.catch_up.ledger); // nothing to write, no connection
    append_exchanges(10);
    ck_assert_success(ledger_catch_up(&books.catch_up, err));
    assert_books_are_right();
}
END_TEST

START_TEST(ledger_from_a_backup_gets_what_it_lacks)
{
    append_exchanges(10);
    ck_assert_success(ledger_catch_up(&books.catch_up, err));
    ck_assert_success(ledger_execute(
        books.ledger, "CREATE TABLE backup AS SELECT * FROM reeve.feed_cursor", err));
    append_exchanges(10);
    ck_assert_success(ledger_catch_up(&books.catch_up, err));
    ledger_catch_up_rest(&books.catch_up);
    ck_assert_success(ledger_execute(books.ledger,
                                     "DELETE FROM reeve.exchange WHERE cost_usd > 0.000000010010;"
                                     "DELETE FROM reeve.feed_cursor;"
                                     "INSERT INTO reeve.feed_cursor SELECT * FROM backup;"
                                     "DROP TABLE backup",
                                     err));
    append_exchanges(10);
    struct error why = {0};
    ck_assert_int_eq(ledger_catch_up(&books.catch_up, &why), -ESTALE);
    ck_assert_success(ledger_catch_up(&books.catch_up, err));
    assert_books_are_right();
}
END_TEST

START_TEST(ended_connection_costs_one_attempt)
{
    struct error why = {0};
    append_exchanges(10);
    ck_assert_success(ledger_catch_up(&books.catch_up, err));
    ck_assert_success(
        ledger_query(books.ledger,
                     "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                     " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
                     0, NULL, NULL, err));
    append_exchanges(10);
    ck_assert_int_eq(ledger_catch_up(&books.catch_up, &why), -ENOTCONN);
    ck_assert_uint_gt(ledger_catch_up_lag(&books.catch_up), 0);
    ck_assert_success(ledger_catch_up(&books.catch_up, err));
    assert_books_are_right();
}
END_TEST

START_TEST(missing_ledger_leaves_everything_as_lag)
{
    struct error why = {0};
    ledger_catch_up_done(&books.catch_up);
    begin_catch_up("host=/nonexistent user=nobody");
    append_exchanges(10);
    uint64_t lag = ledger_catch_up_lag(&books.catch_up);
    ck_assert_int_eq(ledger_catch_up(&books.catch_up, &why), -ENOTCONN);
    ck_assert_uint_eq(ledger_catch_up_lag(&books.catch_up), lag);
    ck_assert_uint_gt(lag, 0);
}
END_TEST

START_TEST(no_journal_yet_is_no_error)
{
    ledger_catch_up_done(&books.catch_up);
    struct ledger_catch_up_options options = {.journal_directory = "/tmp/reeve-no-such-journal",
                                              .dsn = fixture.local.dsn};
    ck_assert_success(ledger_catch_up_init(&books.catch_up, &options, err));
    ck_assert_success(ledger_catch_up(&books.catch_up, err));
    ck_assert_str_eq(ledger_value(books.ledger, "SELECT count(*) FROM reeve.feed_cursor"), "0");
}
END_TEST

START_TEST(deleted_segments_leave_a_trace)
{
    append_exchanges(10);
    ck_assert_success(ledger_catch_up(&books.catch_up, err));
    ledger_catch_up_done(&books.catch_up);
    append_exchanges(1000);
    for (int i = 1; i <= 3; i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/%08d.journal", books.directory, i);
        ck_assert_int_eq(unlink(path), 0);
    }
    begin_catch_up(fixture.local.dsn);
    ck_assert_success(ledger_catch_up(&books.catch_up, err));
    ck_assert_uint_eq(books.catch_up.quarantined, 1);
    ck_assert_str_eq(ledger_value(books.ledger,
                                  "SELECT record_type || ' ' || (record::json->>'segments')"
                                  " FROM reeve.quarantine"),
                     "gap 3");
}
END_TEST

START_TEST(torn_record_is_passed_and_the_next_segment_read)
{
    char path[128];
    append_exchanges(200);
    snprintf(path, sizeof(path), "%s/00000001.journal", books.directory);
    FILE *file = fopen(path, "r+");
    ck_assert_ptr_nonnull(file);
    fseek(file, 12000, SEEK_SET); // in a record, wherever these are
    fputc(0x55, file);
    fclose(file);
    ck_assert_success(ledger_catch_up(&books.catch_up, err));
    ck_assert_uint_eq(books.catch_up.quarantined, 0);
    ck_assert_int_lt(atol(ledger_value(books.ledger, "SELECT count(*) FROM reeve.exchange")), 200);
    ck_assert_int_gt(atol(ledger_value(books.ledger, "SELECT count(*) FROM reeve.exchange")), 100);
}
END_TEST

START_TEST(pgbouncer_in_transaction_mode_will_do)
{
    struct pgbouncer_fixture pgbouncer = {0};
    struct error why = {0};
    if (!pgbouncer_fixture_is_possible())
        return;
    pgbouncer_fixture_start(&pgbouncer, &fixture);
    ledger_catch_up_done(&books.catch_up);
    begin_catch_up(pgbouncer.dsn);
    append_exchanges(1500);
    ck_assert_success(ledger_catch_up(&books.catch_up, err));
    assert_books_are_right();
    pgbouncer_fixture_stop(&pgbouncer); // and starts again while the feed thinks it is connected
    pgbouncer_fixture_start(&pgbouncer, &fixture);
    append_exchanges(100);
    ck_assert_int_eq(ledger_catch_up(&books.catch_up, &why), -ENOTCONN);
    ck_assert_success(ledger_catch_up(&books.catch_up, err));
    assert_books_are_right();
    pgbouncer_fixture_stop(&pgbouncer);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ledger_catch_up");
    TCase *cases = tcase_create("ledger_catch_up");
    tcase_set_timeout(cases, 60);
    tcase_add_unchecked_fixture(cases, start_server, stop_server);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, everything_comes_once_and_then_nothing);
    tcase_add_test(cases, successor_goes_on_where_the_first_one_stopped);
    tcase_add_test(cases, rests_and_goes_on);
    tcase_add_test(cases, ledger_from_a_backup_gets_what_it_lacks);
    tcase_add_test(cases, ended_connection_costs_one_attempt);
    tcase_add_test(cases, missing_ledger_leaves_everything_as_lag);
    tcase_add_test(cases, no_journal_yet_is_no_error);
    tcase_add_test(cases, deleted_segments_leave_a_trace);
    tcase_add_test(cases, torn_record_is_passed_and_the_next_segment_read);
    tcase_add_test(cases, pgbouncer_in_transaction_mode_will_do);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
