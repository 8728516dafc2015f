// Tests of source_state_server.c and source_state_link.c: a feed, started as the daemon starts it,
// is asked about state while it follows a journal, without its Postgres, too late, and in a hurry.
#include "ledger_fixture.h"

#include "clock.h"
#include "journal.h"
#include "ledger_feed.h"
#include "source_state_link.h"
#include "subcommands.h"
#include "suite_run.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define WAIT_MAX_MS 60000 // a test that waits for so long has failed
#define PATIENCE_US INT64_C(60000000)

static struct ledger_fixture fixture;
static char journal_directory[96];
static struct journal *journal;
static struct ledger_feed_link feed;
static pid_t feed_pid;
static uint64_t last_id;

static void start_feed(const char *dsn)
{
    const struct ledger_catch_up_options options = {
        .journal_directory = journal_directory,
        .postgres_directory = fixture.postgres,
        .dsn = dsn,
    };
    ck_assert_success(ledger_feed_start(&options, &feed_pid, &feed, err));
}

static void end_feed(void)
{
    close(feed.fd);
    close(feed.state_fd);
    ck_assert_int_eq(waitpid(feed_pid, NULL, 0), feed_pid);
}

static void setup(void)
{
    struct journal_options options = {.directory = journal_directory,
                                      .segment_bytes = JOURNAL_SEGMENT_BYTES_MIN};
    ledger_fixture_init(&fixture);
    snprintf(journal_directory, sizeof(journal_directory), "%s/journal-XXXXXX", fixture.directory);
    ck_assert_ptr_nonnull(mkdtemp(journal_directory));
    ck_assert_success(journal_open(&journal, &options, NULL, err));
}

static void teardown(void)
{
    journal_close(journal);
    ledger_fixture_done(&fixture);
}

static uint64_t send_question(enum source_state_action action, const char *key, int64_t patience_us)
{
    struct source_state_question question = {
        .id = ++last_id,
        .action = action,
        .deadline_us = clock_monotonic_us() + patience_us,
        .ttl_us = SOURCE_STATE_TTL_US,
        .job = "j",
        .holder = "a",
    };
    snprintf(question.key, sizeof(question.key), "%s", key);
    ck_assert_success(source_state_send_question(feed.state_fd, &question, err));
    return last_id;
}

static struct source_state_answer receive_answer(void)
{
    static struct source_state_answer answer;
    struct pollfd readable = {.fd = feed.state_fd, .events = POLLIN};
    ck_assert_int_eq(poll(&readable, 1, WAIT_MAX_MS), 1);
    ck_assert_success(source_state_receive_answer(feed.state_fd, &answer, err));
    return answer;
}

static enum source_state_outcome ask(enum source_state_action action, const char *key)
{
    uint64_t id = send_question(action, key, PATIENCE_US);
    struct source_state_answer answer = receive_answer();
    ck_assert_uint_eq(answer.id, id);
    ck_assert_int_eq(answer.action, action);
    return answer.outcome;
}

static void append_exchanges(uint32_t count)
{
    for (uint32_t i = 0; i < count;) {
        struct error why = {0};
        struct journal_settlement settlement = {.run_id = "r", .job = "j", .attempt = 1};
        memcpy(settlement.exchange_id, &i, sizeof(i));
        int code = journal_append(
            journal,
            &(struct journal_record){.type = JOURNAL_SETTLEMENT, .settlement = &settlement}, NULL,
            &why);
        if (code == -ENOSPC) { // the next segment is still being made
            struct pollfd event = {.fd = journal_event_fd(journal), .events = POLLIN};
            ck_assert_int_eq(poll(&event, 1, WAIT_MAX_MS), 1);
            journal_dispatch(journal);
            continue;
        }
        ck_assert_msg(code == 0, "%s", why.text);
        i++;
    }
    ledger_feed_wake(feed.fd);
}

// Whichever of the two threads comes first makes the private Postgres, for both.
START_TEST(answers_while_it_follows_the_journal)
{
    struct ledger_feed_report report = {0};
    struct error why;
    append_exchanges(5000);
    start_feed(NULL);
    ck_assert_int_eq(ask(SOURCE_STATE_CLAIM, "k"), SOURCE_STATE_OK);
    ck_assert_int_eq(ask(SOURCE_STATE_FINISH, "k"), SOURCE_STATE_OK);
    ck_assert_int_eq(ask(SOURCE_STATE_CLAIM, "k"), SOURCE_STATE_DONE);
    while (report.rows < 5000) {
        struct pollfd readable = {.fd = feed.fd, .events = POLLIN};
        ck_assert_int_eq(poll(&readable, 1, WAIT_MAX_MS), 1);
        ck_assert_int_eq(ledger_feed_receive(feed.fd, &report, &why), 0);
        ck_assert_int_eq(ask(SOURCE_STATE_GET, "k"), SOURCE_STATE_OK);
    }
    end_feed();
    ck_assert(!ledger_local_is_running(&fixture.local));
}
END_TEST

START_TEST(says_at_once_that_the_ledger_is_away_and_goes_on_after)
{
    ck_assert_success(ledger_local_start(&fixture.local, err));
    start_feed(fixture.local.dsn);
    ck_assert_int_eq(ask(SOURCE_STATE_CLAIM, "k"), SOURCE_STATE_OK);
    ledger_local_stop(&fixture.local);
    uint64_t id = send_question(SOURCE_STATE_CLAIM, "l", PATIENCE_US);
    struct source_state_answer answer = receive_answer();
    ck_assert_uint_eq(answer.id, id);
    ck_assert_int_eq(answer.outcome, SOURCE_STATE_UNREACHABLE);
    ck_assert_str_ne(answer.text, "");
    ck_assert_success(ledger_local_start(&fixture.local, err));
    ck_assert_int_eq(ask(SOURCE_STATE_GET, "l"), SOURCE_STATE_FREE); // nothing was claimed
    ck_assert_int_eq(ask(SOURCE_STATE_GET, "k"), SOURCE_STATE_OK);
    end_feed();
}
END_TEST

// A backend that was ended while it was idle, as poolers and Neon do.
START_TEST(connects_anew_for_the_same_question)
{
    struct ledger *ledger;
    ck_assert_success(ledger_local_start(&fixture.local, err));
    start_feed(fixture.local.dsn);
    ck_assert_success(ledger_open(&ledger, fixture.local.dsn, err));
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(ask(i == 0 ? SOURCE_STATE_CLAIM : SOURCE_STATE_GET, "k"), SOURCE_STATE_OK);
        ck_assert_success(ledger_execute(ledger,
                                         "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                                         " WHERE pid <> pg_backend_pid()"
                                         " AND backend_type = 'client backend'",
                                         err));
    }
    ledger_close(ledger);
    end_feed();
}
END_TEST

START_TEST(what_nobody_waits_for_is_not_asked)
{
    ck_assert_success(ledger_local_start(&fixture.local, err));
    start_feed(fixture.local.dsn);
    send_question(SOURCE_STATE_CLAIM, "late", 0);
    ck_assert_int_eq(ask(SOURCE_STATE_GET, "late"), SOURCE_STATE_FREE);
    end_feed();
}
END_TEST

START_TEST(a_queue_that_is_full_is_an_error_and_all_in_it_are_answered)
{
    struct error why = {0};
    struct source_state_question question = {.id = 1,
                                             .action = SOURCE_STATE_CLAIM,
                                             .deadline_us = clock_monotonic_us() + PATIENCE_US,
                                             .ttl_us = SOURCE_STATE_TTL_US,
                                             .job = "j",
                                             .key = "k"};
    uint64_t sent = 0;
    ck_assert_success(ledger_local_start(&fixture.local, err));
    start_feed(fixture.local.dsn);
    kill(feed_pid, SIGSTOP);
    int code = 0;
    for (; code == 0 && sent < 100000; question.id++) {
        snprintf(question.holder, sizeof(question.holder), "%llu", (unsigned long long)question.id);
        code = source_state_send_question(feed.state_fd, &question, &why);
        sent += code == 0;
    }
    ck_assert_int_eq(code, -EAGAIN);
    ck_assert_uint_gt(sent, 64);
    kill(feed_pid, SIGCONT);
    for (uint64_t i = 1, granted = 0; i <= sent; i++) {
        struct source_state_answer answer = receive_answer();
        ck_assert_uint_eq(answer.id, i);
        granted += answer.outcome == SOURCE_STATE_OK;
        ck_assert_uint_eq(granted, 1);
    }
    end_feed();
}
END_TEST

START_TEST(other_packets_are_refused)
{
    int pair[2];
    struct error why = {0};
    struct source_state_question question = {.action = SOURCE_STATE_ACTIONS};
    struct source_state_answer answer = {.outcome = SOURCE_STATE_OUTCOMES};
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    ck_assert_int_eq(source_state_receive_question(pair[1], &question, &why), -EAGAIN);
    ck_assert_int_eq(source_state_receive_answer(pair[1], &answer, &why), -EAGAIN);
    send(pair[0], "short", 5, 0);
    ck_assert_int_eq(source_state_receive_question(pair[1], &question, &why), -EPROTO);
    send(pair[0], "short", 5, 0);
    ck_assert_int_eq(source_state_receive_answer(pair[1], &answer, &why), -EPROTO);
    source_state_send_question(pair[0], &question, &why); // no action
    ck_assert_int_eq(source_state_receive_question(pair[1], &question, &why), -EPROTO);
    question.action = SOURCE_STATE_GET;
    memset(question.key, 'k', sizeof(question.key)); // not terminated
    source_state_send_question(pair[0], &question, &why);
    ck_assert_int_eq(source_state_receive_question(pair[1], &question, &why), -EPROTO);
    source_state_send_answer(pair[0], &answer, &why); // no outcome
    ck_assert_int_eq(source_state_receive_answer(pair[1], &answer, &why), -EPROTO);
    answer.outcome = SOURCE_STATE_OK;
    answer.row_count = 2;
    send(pair[0], &answer, offsetof(struct source_state_answer, rows[1]), 0); // a row too few
    ck_assert_int_eq(source_state_receive_answer(pair[1], &answer, &why), -EPROTO);
    answer.row_count = SOURCE_STATE_ROWS_MAX + 1;
    send(pair[0], &answer, sizeof(answer), 0);
    ck_assert_int_eq(source_state_receive_answer(pair[1], &answer, &why), -EPROTO);
    answer.row_count = 1;
    answer.rows[0].state = SOURCE_STATES;
    source_state_send_answer(pair[0], &answer, &why);
    ck_assert_int_eq(source_state_receive_answer(pair[1], &answer, &why), -EPROTO);
    close(pair[0]);
    ck_assert_int_eq(source_state_receive_question(pair[1], &question, &why), -EPIPE);
    ck_assert_int_eq(source_state_receive_answer(pair[1], &answer, &why), -EPIPE);
    close(pair[1]);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "ledger") == 0)
        return ledger_main(argc - 1, argv + 1); // ledger_feed_start() executes this program
    Suite *suite = suite_create("source_state_server");
    TCase *cases = tcase_create("source_state_server");
    tcase_set_timeout(cases, 120);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, answers_while_it_follows_the_journal);
    tcase_add_test(cases, says_at_once_that_the_ledger_is_away_and_goes_on_after);
    tcase_add_test(cases, connects_anew_for_the_same_question);
    tcase_add_test(cases, what_nobody_waits_for_is_not_asked);
    tcase_add_test(cases, a_queue_that_is_full_is_an_error_and_all_in_it_are_answered);
    tcase_add_test(cases, other_packets_are_refused);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
