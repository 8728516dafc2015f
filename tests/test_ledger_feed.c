// Tests of ledger_feed.c and ledger_feed_link.c: a real feed, started as the daemon starts it, that
// is woken, killed, starved of its Postgres and stopped, while a journal is being written.
#include "ledger_fixture.h"

#include "cleanup.h"
#include "clock.h"
#include "journal.h"
#include "ledger_feed.h"
#include "subcommands.h"
#include "suite_run.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define WAIT_MAX_MS 60000 // a test that waits for so long has failed

static struct ledger_fixture fixture;

struct feed {
    char journal_directory[96];
    struct journal *journal;
    struct ledger_catch_up_options options;
    pid_t pid;
    struct ledger_feed_link link;
    struct ledger_feed_report report; // the last one
    uint32_t count;                   // of exchanges written to the journal
    int64_t cost_pico_usd;
    uint64_t position; // behind the last of them
    uint32_t random;
};

static struct feed feed;

static void start_feed(void)
{
    ck_assert_success(ledger_feed_start(&feed.options, &feed.pid, &feed.link, err));
}

static void end_feed(int number)
{
    if (number != 0)
        kill(feed.pid, number);
    close(feed.link.fd);
    close(feed.link.state_fd);
    ck_assert_int_eq(waitpid(feed.pid, NULL, 0), feed.pid);
}

static void begin(const char *dsn)
{
    struct journal_options options = {.directory = feed.journal_directory,
                                      .segment_bytes = JOURNAL_SEGMENT_BYTES_MIN};
    feed = (struct feed){.random = 1};
    snprintf(feed.journal_directory, sizeof(feed.journal_directory), "%s/journal-XXXXXX",
             fixture.directory);
    ck_assert_ptr_nonnull(mkdtemp(feed.journal_directory));
    ck_assert_success(journal_open(&feed.journal, &options, NULL, err));
    feed.options = (struct ledger_catch_up_options){
        .journal_directory = feed.journal_directory,
        .postgres_directory = fixture.postgres,
        .dsn = dsn,
    };
    start_feed();
}

static void setup(void)
{
    ledger_fixture_init(&fixture);
    begin(NULL);
}

static void teardown(void)
{
    journal_close(feed.journal);
    ledger_fixture_done(&fixture);
}

static uint32_t draw(uint32_t limit)
{
    feed.random = feed.random * 1664525 + 1013904223; // Numerical Recipes
    return (feed.random >> 8) % limit;
}

static void append_exchanges(uint32_t count)
{
    for (uint32_t i = 0; i < count;) {
        uint32_t number = feed.count + 1;
        struct error why = {0};
        struct journal_settlement settlement = {.run_id = "r", .job = "j", .attempt = 1};
        memcpy(settlement.exchange_id, &number, sizeof(number));
        settlement.cost_pico_usd = draw(1000000);
        int code = journal_append(
            feed.journal,
            &(struct journal_record){.type = JOURNAL_SETTLEMENT, .settlement = &settlement},
            &feed.position, &why);
        if (code == -ENOSPC) { // the next segment is still being made
            struct pollfd event = {.fd = journal_event_fd(feed.journal), .events = POLLIN};
            ck_assert_int_eq(poll(&event, 1, WAIT_MAX_MS), 1);
            journal_dispatch(feed.journal);
            continue;
        }
        ck_assert_msg(code == 0, "%s", why.text);
        feed.count++;
        feed.cost_pico_usd += settlement.cost_pico_usd;
        i++;
    }
    ledger_feed_wake(feed.link.fd);
}

// Waits for a report. False: the feed has ended.
static bool hear(void)
{
    struct error why = {0};
    struct pollfd readable = {.fd = feed.link.fd, .events = POLLIN};
    ck_assert_int_eq(poll(&readable, 1, WAIT_MAX_MS), 1);
    int code = ledger_feed_receive(feed.link.fd, &feed.report, &why);
    ck_assert_msg(code == 0 || code == -EPIPE, "%d, %s", code, why.text);
    return code == 0;
}

// Until the last exchange is in the ledger. A report may be older than it.
static void wait_until_level(void)
{
    const struct journal_cursor *acknowledged = &feed.report.acknowledged;
    do
        ck_assert(hear());
    while (feed.report.state != LEDGER_FEED_LEVEL ||
           (acknowledged->segment << 32 | acknowledged->offset) < feed.position);
    ck_assert_uint_eq(feed.report.lag_bytes, 0);
}

static void assert_books_are_right(void)
{
    char expected[64];
    cleanup_ledger struct ledger *ledger = NULL;
    ck_assert_success(ledger_open(&ledger, fixture.local.dsn, err));
    snprintf(expected, sizeof(expected), "%u %lld", feed.count, (long long)feed.cost_pico_usd);
    ck_assert_str_eq(ledger_value(ledger, "SELECT count(*) || ' ' || "
                                          "(coalesce(sum(cost_usd), 0) * 1000000000000)::bigint"
                                          " FROM reeve.exchange"),
                     expected);
}

START_TEST(brings_its_own_postgres_and_is_level)
{
    append_exchanges(1500);
    wait_until_level();
    ck_assert_uint_eq(feed.report.rows, 1500);
    ck_assert_str_eq(feed.report.last_error, "");
    ck_assert_uint_gt(feed.report.acknowledged.segment, 1);
    assert_books_are_right();
    append_exchanges(10); // and goes on when it is woken
    wait_until_level();
    ck_assert_uint_eq(feed.report.rows, 1510);
    assert_books_are_right();
    end_feed(0); // the daemon has gone
    ck_assert(!ledger_local_is_running(&fixture.local));
}
END_TEST

START_TEST(sigterm_flushes_and_ends)
{
    int status;
    wait_until_level();
    append_exchanges(300);
    kill(feed.pid, SIGTERM);
    ck_assert_int_eq(waitpid(feed.pid, &status, 0), feed.pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    while (hear())
        continue;
    close(feed.link.fd);
    close(feed.link.state_fd);
    ck_assert_success(ledger_local_start(&fixture.local, err));
    assert_books_are_right();
}
END_TEST

START_TEST(killed_at_any_moment_loses_and_doubles_nothing)
{
    for (int round = 0; round < 12; round++) {
        append_exchanges(draw(2000));
        int pause_ms = (int)draw(400);
        struct pollfd ended = {.fd = feed.link.fd, .events = 0};
        poll(&ended, 1, pause_ms);
        end_feed(SIGKILL);
        start_feed();
    }
    append_exchanges(1);
    wait_until_level();
    assert_books_are_right();
    end_feed(SIGTERM);
}
END_TEST

START_TEST(server_killed_under_it_is_started_again)
{
    for (int round = 0; round < 2; round++) {
        append_exchanges(500);
        wait_until_level();
        append_exchanges(500);
        // An immediate stop, in the middle of something or not.
        char path[160];
        long server = 0;
        snprintf(path, sizeof(path), "%s/data/postmaster.pid", fixture.postgres);
        cleanup_file FILE *file = fopen(path, "r");
        ck_assert_ptr_nonnull(file);
        ck_assert_int_eq(fscanf(file, "%ld", &server), 1);
        kill((pid_t)server, round % 2 == 0 ? SIGQUIT : SIGKILL);
    }
    append_exchanges(1);
    wait_until_level();
    assert_books_are_right();
    end_feed(SIGTERM);
}
END_TEST

START_TEST(ledger_that_is_away_is_reported_and_awaited)
{
    end_feed(SIGKILL);
    ck_assert_success(ledger_local_start(&fixture.local, err));
    journal_close(feed.journal);
    begin(fixture.local.dsn);
    append_exchanges(100);
    wait_until_level();
    ledger_local_stop(&fixture.local);
    append_exchanges(100);
    do
        ck_assert(hear());
    while (feed.report.state != LEDGER_FEED_RETRYING);
    ck_assert_str_ne(feed.report.last_error, "");
    ck_assert_uint_gt(feed.report.lag_bytes, 0);
    ck_assert_success(ledger_local_start(&fixture.local, err));
    wait_until_level();
    ck_assert_uint_eq(feed.report.rows, 200);
    assert_books_are_right();
    end_feed(SIGTERM);
}
END_TEST

START_TEST(wrong_packets_are_no_reports)
{
    int pair[2];
    struct error why = {0};
    struct ledger_feed_report report;
    struct ledger_feed_report sent = {.version = LEDGER_FEED_REPORT_VERSION + 1};
    end_feed(SIGKILL);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    ck_assert_int_eq(ledger_feed_receive(pair[0], &report, &why), -EAGAIN);
    send(pair[1], &sent, sizeof(sent), 0);
    ck_assert_int_eq(ledger_feed_receive(pair[0], &report, &why), -EPROTO);
    sent.version = LEDGER_FEED_REPORT_VERSION;
    sent.state = LEDGER_FEED_STATES;
    send(pair[1], &sent, sizeof(sent), 0);
    ck_assert_int_eq(ledger_feed_receive(pair[0], &report, &why), -EPROTO);
    send(pair[1], "short", 5, 0);
    ck_assert_int_eq(ledger_feed_receive(pair[0], &report, &why), -EPROTO);
    sent.state = LEDGER_FEED_LEVEL;
    memset(sent.last_error, 'x', sizeof(sent.last_error));
    send(pair[1], &sent, sizeof(sent), 0);
    ck_assert_int_eq(ledger_feed_receive(pair[0], &report, &why), 0);
    ck_assert_uint_eq(strlen(report.last_error), LEDGER_FEED_ERROR_MAX - 1);
    close(pair[1]);
    ck_assert_int_eq(ledger_feed_receive(pair[0], &report, &why), -EPIPE);
    ledger_feed_wake(pair[0]); // and waking nobody is harmless
    close(pair[0]);
}
END_TEST

START_TEST(password_is_in_no_argument)
{
    char path[64];
    char text[4096];
    end_feed(SIGKILL);
    journal_close(feed.journal);
    begin("host=/nonexistent user=u password=hunter2");
    snprintf(path, sizeof(path), "/proc/%d/cmdline", feed.pid);
    ck_assert(hear()); // so it runs as itself
    cleanup_file FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    size_t length = fread(text, 1, sizeof(text), file);
    ck_assert_ptr_nonnull(memmem(text, length, "--journal-dir", 13));
    ck_assert_ptr_null(memmem(text, length, "hunter2", 7));
    do
        ck_assert(hear());
    while (feed.report.state != LEDGER_FEED_RETRYING);
    ck_assert_ptr_null(strstr(feed.report.last_error, "hunter2"));
    end_feed(SIGTERM);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "ledger") == 0)
        return ledger_main(argc - 1, argv + 1); // ledger_feed_start() executes this program
    Suite *suite = suite_create("ledger_feed");
    TCase *cases = tcase_create("ledger_feed");
    tcase_set_timeout(cases, 120);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, brings_its_own_postgres_and_is_level);
    tcase_add_test(cases, sigterm_flushes_and_ends);
    tcase_add_test(cases, killed_at_any_moment_loses_and_doubles_nothing);
    tcase_add_test(cases, server_killed_under_it_is_started_again);
    tcase_add_test(cases, ledger_that_is_away_is_reported_and_awaited);
    tcase_add_test(cases, wrong_packets_are_no_reports);
    tcase_add_test(cases, password_is_in_no_argument);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
