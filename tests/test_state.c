// Checks the desk for state: what supervisors and runs are told, what the ledger's feed is asked,
// and what becomes of keys whose run ends, dies, is adopted or outlives the ledger. The feed is the
// test.
#include "moved_clock.h"

#include "guard_daemon.h"
#include "suite_run.h"

#define QUESTIONS_MAX 64

static struct guard_daemon daemon_;
static struct error err;
static struct source_state_question asked[QUESTIONS_MAX]; // in the order in which they came
static size_t asked_count, taken_count;
static int feed_failure; // what asking gives, if it is not 0

static int on_ask(const struct source_state_question *question, void *context, struct error *why)
{
    (void)context;
    if (feed_failure != 0)
        return error_set(why, feed_failure, "the feed is away");
    ck_assert_uint_lt(asked_count, QUESTIONS_MAX);
    asked[asked_count++] = *question;
    return 0;
}

static bool on_run_id(const struct control_peer *peer, char id[static RUN_ID_MAX], void *context)
{
    (void)context;
    return state_desk_run_id(daemon_.state, peer, id);
}

static void on_opened(struct live_run *run, void *context)
{
    (void)context;
    state_desk_run_opened(daemon_.state, run);
}

static void on_closed(struct live_run *run, enum run_end end, int64_t memory_peak_bytes,
                      void *context)
{
    (void)end;
    (void)memory_peak_bytes;
    (void)context;
    state_desk_run_closed(daemon_.state, run);
}

static void make_desk(void)
{
    const struct state_desk_options options = {
        .base = daemon_.base,
        .config = &daemon_.config,
        .runs = daemon_.table,
        .registry = daemon_.registry,
        .ask = on_ask,
    };
    ck_assert_int_eq(state_desk_new(&daemon_.state, &options, &err), 0);
}

static void setup(void)
{
    guard_daemon_open(&daemon_,
                      "[Reeve]\nSlots=1\n[Job keyed]\nKey=%J-%%\nKillGrace=0\n[Job other]\n",
                      (struct run_registry_options){
                          .run_id = on_run_id, .opened = on_opened, .closed = on_closed});
    make_desk();
}

static void teardown(void)
{
    state_desk_free(daemon_.state);
    guard_daemon_close(&daemon_);
}

static void turn(void)
{
    for (int i = 0; i < 8; i++)
        event_base_loop(daemon_.base, EVLOOP_NONBLOCK);
}

static void wait_s(int seconds)
{
    clock_moved_s += seconds;
    turn();
}

static struct control_client *connect_client(void)
{
    struct control_client *client;
    ck_assert_int_eq(control_client_open(&client, daemon_.socket, &err), 0);
    return client;
}

static void send_message(struct control_client *client, const struct control_message *message)
{
    ck_assert_int_eq(control_client_send(client, message, &err), 0);
    turn();
}

static void send_ask(struct control_client *client, struct control_state_ask ask)
{
    struct control_message message = {.type = CONTROL_STATE_ASK, .state_ask = ask};
    if (message.state_ask.ttl_us == 0)
        message.state_ask.ttl_us = SOURCE_STATE_TTL_US;
    send_message(client, &message);
}

// The next message, which must be of this type.
static struct control_message expect(struct control_client *client, enum control_type type)
{
    struct control_message message;
    turn();
    ck_assert_int_eq(control_client_receive(client, 0, &message, &err), 0);
    ck_assert_int_eq(message.type, type);
    return message;
}

static struct control_state_told expect_told(struct control_client *client,
                                             enum source_state_outcome outcome)
{
    struct control_message message = expect(client, CONTROL_STATE_TOLD);
    struct control_state_told told = message.state_told;
    ck_assert_msg(told.outcome == outcome, "%d: %s", told.outcome, told.text);
    told.rows = NULL;
    control_message_done(&message);
    return told;
}

// The next question that was put to the feed.
static const struct source_state_question *expect_asked(enum source_state_action action)
{
    ck_assert_uint_lt(taken_count, asked_count);
    const struct source_state_question *question = &asked[taken_count++];
    ck_assert_int_eq(question->action, action);
    return question;
}

static void expect_none_asked(void)
{
    ck_assert_uint_eq(taken_count, asked_count);
}

// The feed answers; `with_row` has a row of the holder's.
static void answer(const struct source_state_question *question, enum source_state_outcome outcome,
                   bool with_row)
{
    struct source_state_answer given = {
        .id = question->id, .action = question->action, .outcome = outcome};
    struct source_state_row *row = &given.rows[0];
    if (with_row) {
        given.row_count = 1;
        *row = (struct source_state_row){.state = SOURCE_STATE_IS_HELD, .fence = 7};
        row->whole_run = question->whole_run;
        memcpy(row->job, question->job, sizeof(row->job));
        memcpy(row->key, question->key, sizeof(row->key));
        memcpy(row->holder, question->holder, sizeof(row->holder));
    }
    state_desk_answered(daemon_.state, &given);
}

static void answer_renewal(const struct source_state_question *question, const char *holder,
                           bool whole_run)
{
    struct source_state_answer given = {.id = question->id, .action = SOURCE_STATE_RENEW};
    given.row_count = holder != NULL ? 1 : 0;
    given.rows[0].whole_run = whole_run;
    if (holder != NULL)
        snprintf(given.rows[0].holder, sizeof(given.rows[0].holder), "%s", holder);
    state_desk_answered(daemon_.state, &given);
}

// A supervisor that claims the key of the job, and the question that comes of it.
static const struct source_state_question *claim_own(struct control_client *client)
{
    send_ask(client, (struct control_state_ask){
                         .action = SOURCE_STATE_CLAIM, .job = "keyed", .whole_run = true});
    const struct source_state_question *question = expect_asked(SOURCE_STATE_CLAIM);
    ck_assert(question->whole_run);
    ck_assert_str_eq(question->job, "keyed");
    ck_assert_str_eq(question->key, "keyed-%");
    ck_assert_int_eq(question->ttl_us, SOURCE_STATE_TTL_US);
    return question;
}

static struct live_run *open_run(struct control_client *client, const char *job,
                                 char id[static RUN_ID_MAX])
{
    struct control_message message = {.type = CONTROL_RUN_OPEN, .run_open = {.pid = getpid()}};
    const struct run_limits none = {LIMIT_NONE, LIMIT_NONE, LIMIT_NONE, LIMIT_NONE, LIMIT_NONE,
                                    LIMIT_NONE, LIMIT_NONE, LIMIT_NONE, LIMIT_NONE, LIMIT_NONE};
    message.run_open.limits = none;
    snprintf(message.run_open.job, sizeof(message.run_open.job), "%s", job);
    send_message(client, &message);
    message = expect(client, CONTROL_GRANTED);
    memcpy(id, message.granted.run_id, RUN_ID_MAX);
    message = (struct control_message){.type = CONTROL_RUN_STARTED, .run_started.pid = 2};
    send_message(client, &message);
    return run_table_find_id(daemon_.table, id);
}

// A run with its own key, which it holds. Returns its supervisor.
static struct control_client *open_keyed_run(char id[static RUN_ID_MAX])
{
    struct control_client *client = connect_client();
    const struct source_state_question *question = claim_own(client);
    answer(question, SOURCE_STATE_OK, true);
    expect_told(client, SOURCE_STATE_OK);
    open_run(client, "keyed", id);
    ck_assert_str_eq(id, question->holder); // it was claimed under the run's id
    return client;
}

static void finish_own(struct control_client *client)
{
    send_ask(client, (struct control_state_ask){.action = SOURCE_STATE_FINISH,
                                                .job = "keyed",
                                                .key = "keyed-%",
                                                .whole_run = true});
}

static void end_run(struct control_client *client)
{
    struct control_message message = {.type = CONTROL_RUN_ENDED, .run_ended.end = RUN_EXITED};
    send_message(client, &message);
    message = expect(client, CONTROL_SETTLED);
}

// All that the holder holds, its own key included or not.
static void expect_end(const char *holder, bool whole_run)
{
    const struct source_state_question *question = expect_asked(SOURCE_STATE_END);
    ck_assert_str_eq(question->holder, holder);
    ck_assert_int_eq(question->whole_run, whole_run);
}

START_TEST(a_run_with_a_key)
{
    char id[RUN_ID_MAX];
    struct control_client *client = open_keyed_run(id);
    finish_own(client);
    const struct source_state_question *question = expect_asked(SOURCE_STATE_FINISH);
    ck_assert(question->whole_run);
    ck_assert_str_eq(question->key, "keyed-%");
    ck_assert_str_eq(question->holder, id);
    answer(question, SOURCE_STATE_OK, true);
    expect_told(client, SOURCE_STATE_OK);
    end_run(client);
    expect_end(id, true); // of what it may have claimed besides
    wait_s(300);
    expect_none_asked();
    control_client_close(client);
}
END_TEST

START_TEST(a_job_without_a_key)
{
    struct control_client *client = connect_client();
    send_ask(client, (struct control_state_ask){
                         .action = SOURCE_STATE_CLAIM, .job = "other", .whole_run = true});
    expect_told(client, SOURCE_STATE_FREE);
    send_ask(client,
             (struct control_state_ask){
                 .action = SOURCE_STATE_CLAIM, .job = "other", .key = "%Q", .whole_run = true});
    ck_assert_ptr_nonnull(strstr(expect_told(client, SOURCE_STATE_INVALID).text, "%Q"));
    expect_none_asked();
    control_client_close(client);
}
END_TEST

START_TEST(what_is_done_leaves_nothing_behind)
{
    struct control_client *client = connect_client();
    answer(claim_own(client), SOURCE_STATE_DONE, true);
    expect_told(client, SOURCE_STATE_DONE);
    control_client_close(client);
    wait_s(300);
    expect_none_asked();
}
END_TEST

START_TEST(a_supervisor_that_goes_while_it_waits)
{
    struct control_client *client = connect_client();
    const struct source_state_question *question = claim_own(client);
    control_client_close(client);
    turn();
    expect_end(question->holder, true); // comes behind the claim, whatever becomes of that
    answer(question, SOURCE_STATE_OK, true);
    wait_s(300);
    const struct source_state_question *late = &asked[taken_count];
    ck_assert(taken_count == asked_count || late->action == SOURCE_STATE_RELEASE);
}
END_TEST

START_TEST(a_feed_that_is_away)
{
    struct control_client *client = connect_client();
    feed_failure = -EAGAIN;
    send_ask(client, (struct control_state_ask){
                         .action = SOURCE_STATE_CLAIM, .job = "keyed", .whole_run = true});
    ck_assert_str_eq(expect_told(client, SOURCE_STATE_UNREACHABLE).text, "the feed is away");
    feed_failure = 0;
    answer(claim_own(client), SOURCE_STATE_OK, true); // the next attempt, on the same connection
    expect_told(client, SOURCE_STATE_OK);
    control_client_close(client);
}
END_TEST

START_TEST(an_answer_that_comes_too_late)
{
    struct control_client *client = connect_client();
    const struct source_state_question *question = claim_own(client);
    wait_s(STATE_ANSWER_MAX_US / 1000000 + 2);
    expect_told(client, SOURCE_STATE_UNREACHABLE);
    expect_end(question->holder, true);
    answer(question, SOURCE_STATE_OK, true);
    const struct source_state_question *release = expect_asked(SOURCE_STATE_RELEASE);
    ck_assert_int_eq(release->fence, 7); // and no later grant
    ck_assert_str_eq(release->holder, question->holder);
    ck_assert(release->whole_run);
    expect_none_asked();
    control_client_close(client);
}
END_TEST

START_TEST(is_renewed_while_the_run_lives)
{
    char id[RUN_ID_MAX], list[RUN_ID_MAX + 2];
    struct control_client *client = open_keyed_run(id);
    snprintf(list, sizeof(list), "{%s}", id);
    for (int i = 0; i < 3; i++) {
        wait_s(SOURCE_STATE_TTL_US / 3000000 + 2);
        const struct source_state_question *question = expect_asked(SOURCE_STATE_RENEW);
        ck_assert_str_eq(question->text, list);
        if (i == 1) { // does not come through: once more, soon
            answer(question, SOURCE_STATE_UNREACHABLE, false);
            wait_s(4);
            question = expect_asked(SOURCE_STATE_RENEW);
        }
        answer_renewal(question, id, true);
    }
    expect_none_asked();
    control_client_close(client);
}
END_TEST

START_TEST(a_run_that_has_lost_its_key_is_ended)
{
    char id[RUN_ID_MAX];
    struct control_client *client = open_keyed_run(id);
    wait_s(SOURCE_STATE_TTL_US / 3000000 + 2);
    answer_renewal(expect_asked(SOURCE_STATE_RENEW), NULL, false);
    struct control_message message = expect(client, CONTROL_RUN_KILL);
    ck_assert_ptr_nonnull(strstr(message.run_kill.text, "keyed-%"));
    finish_own(client);
    expect_told(client, SOURCE_STATE_INVALID);
    expect_none_asked();
    control_client_close(client);
}
END_TEST

START_TEST(a_run_that_dies_frees_its_key)
{
    char id[RUN_ID_MAX];
    struct control_client *client = open_keyed_run(id);
    control_client_close(client);
    turn();
    expect_none_asked(); // its supervisor may connect again
    wait_s(RUN_ADOPTION_GRACE_US / 1000000 + 1);
    turn();
    expect_end(id, true);
}
END_TEST

START_TEST(a_done_that_is_owed)
{
    char id[RUN_ID_MAX];
    struct control_client *client = open_keyed_run(id);
    finish_own(client);
    answer(expect_asked(SOURCE_STATE_FINISH), SOURCE_STATE_UNREACHABLE, false);
    expect_told(client, SOURCE_STATE_UNREACHABLE);
    end_run(client);
    expect_end(id, false); // but for its own key
    for (int i = 0; i < 4; i++) {
        wait_s(32);
        for (; asked[taken_count].action == SOURCE_STATE_RENEW; taken_count++)
            answer_renewal(&asked[taken_count], id, true); // it is kept
        const struct source_state_question *question = expect_asked(SOURCE_STATE_FINISH);
        ck_assert_str_eq(question->key, "keyed-%");
        ck_assert_str_eq(question->holder, id);
        answer(question, i < 3 ? SOURCE_STATE_UNREACHABLE : SOURCE_STATE_OK, i == 3);
        while (taken_count < asked_count && asked[taken_count].action == SOURCE_STATE_RENEW)
            answer_renewal(&asked[taken_count++], id, true);
    }
    wait_s(300);
    expect_none_asked();
    control_client_close(client);
}
END_TEST

START_TEST(a_run_claims_and_finishes_keys)
{
    char id[RUN_ID_MAX];
    struct control_client *supervisor = connect_client();
    struct control_client *client = connect_client();
    open_run(supervisor, "other", id);
    send_ask(client, (struct control_state_ask){
                         .action = SOURCE_STATE_CLAIM, .key = "page", .ttl_us = 30000000});
    const struct source_state_question *question = expect_asked(SOURCE_STATE_CLAIM);
    ck_assert_str_eq(question->job, "other");
    ck_assert_str_eq(question->holder, id);
    ck_assert(!question->whole_run);
    answer(question, SOURCE_STATE_OK, true);
    expect_told(client, SOURCE_STATE_OK);
    wait_s(12);
    answer_renewal(expect_asked(SOURCE_STATE_RENEW), id, false);
    send_ask(client,
             (struct control_state_ask){
                 .action = SOURCE_STATE_FINISH, .key = "page", .fence = 7, .result = "[1]"});
    question = expect_asked(SOURCE_STATE_FINISH);
    ck_assert_int_eq(question->fence, 7);
    ck_assert_str_eq(question->text, "[1]");
    answer(question, SOURCE_STATE_OK, true);
    expect_told(client, SOURCE_STATE_OK);
    wait_s(12);
    answer_renewal(expect_asked(SOURCE_STATE_RENEW), NULL, false); // nothing is left to renew
    wait_s(300);
    expect_none_asked();
    end_run(supervisor);
    expect_end(id, true);
    control_client_close(client);
    control_client_close(supervisor);
}
END_TEST

// This process is the supervisor of a run of `other`, so all that it asks is asked from within it.
START_TEST(a_run_may_not)
{
    static const struct control_state_ask asks[] = {
        {.action = SOURCE_STATE_CLAIM, .job = "keyed", .key = "k"},
        {.action = SOURCE_STATE_LIST, .job = "keyed"},
        {.action = SOURCE_STATE_CLAIM, .key = "k", .run_key = "reeve-run-of-nobody"},
        {.action = SOURCE_STATE_RELEASE, .key = "k", .force = true},
        {.action = SOURCE_STATE_CLAIM, .job = "keyed", .whole_run = true}, // of a run within
        {.action = SOURCE_STATE_RELEASE, .job = "other", .key = "k", .whole_run = true},
        {.action = SOURCE_STATE_FINISH, .job = "other", .key = "k", .whole_run = true},
        {.action = SOURCE_STATE_CLAIM},
        {.action = SOURCE_STATE_CLAIM, .key = "a\nb"},
        {.action = SOURCE_STATE_CLAIM, .key = "k", .ttl_us = SOURCE_STATE_TTL_MIN_US - 1},
        {.action = SOURCE_STATE_CLAIM, .key = "k", .ttl_us = SOURCE_STATE_TTL_MAX_US + 1},
        {.action = SOURCE_STATE_FINISH, .key = "k", .fence = -1},
    };
    char id[RUN_ID_MAX];
    struct control_client *supervisor = connect_client();
    struct control_client *client = connect_client();
    open_run(supervisor, "other", id);
    for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
        send_ask(client, asks[i]);
        expect_told(client, SOURCE_STATE_INVALID);
        expect_none_asked();
    }
    control_client_close(client);
    control_client_close(supervisor);
}
END_TEST

START_TEST(an_operator_names_the_job)
{
    struct control_client *client = connect_client();
    char holder[32];
    snprintf(holder, sizeof(holder), "operator-%u", getuid());
    send_ask(client, (struct control_state_ask){.action = SOURCE_STATE_CLAIM, .key = "k"});
    expect_told(client, SOURCE_STATE_INVALID);
    send_ask(client,
             (struct control_state_ask){.action = SOURCE_STATE_CLAIM, .job = "../x", .key = "k"});
    expect_told(client, SOURCE_STATE_INVALID);
    expect_none_asked();
    send_ask(client,
             (struct control_state_ask){
                 .action = SOURCE_STATE_RELEASE, .job = "other", .key = "k", .force = true});
    const struct source_state_question *question = expect_asked(SOURCE_STATE_RELEASE);
    ck_assert(question->force);
    ck_assert_str_eq(question->holder, holder);
    answer(question, SOURCE_STATE_OK, true);
    expect_told(client, SOURCE_STATE_OK);
    wait_s(300);
    expect_none_asked(); // nobody renews what an operator has
    control_client_close(client);
}
END_TEST

START_TEST(a_key_taken_by_force_is_noticed_at_once)
{
    char id[RUN_ID_MAX];
    struct control_client *supervisor = open_keyed_run(id);
    struct source_state_question question = {.id = 1, .action = SOURCE_STATE_RELEASE};
    struct control_client *client = connect_client();
    send_ask(client, (struct control_state_ask){.action = SOURCE_STATE_RELEASE, .key = "keyed-%"});
    question = *expect_asked(SOURCE_STATE_RELEASE);
    memcpy(question.holder, id, sizeof(id));
    answer(&question, SOURCE_STATE_OK, true);
    wait_s(2);
    answer_renewal(expect_asked(SOURCE_STATE_RENEW), NULL, false);
    expect(supervisor, CONTROL_RUN_KILL);
    control_client_close(client);
    control_client_close(supervisor);
}
END_TEST

START_TEST(a_run_of_the_daemon_before_is_asked_for)
{
    char id[RUN_ID_MAX];
    struct control_client *client = connect_client();
    struct live_run *run = open_run(client, "keyed", id);
    wait_s(300);
    expect_none_asked(); // it has no key, and is this daemon's own
    ck_assert_str_eq(run->job, "keyed");
    state_desk_free(daemon_.state);
    make_desk();
    wait_s(2);
    answer_renewal(expect_asked(SOURCE_STATE_RENEW), id, true);
    finish_own(client);
    answer(expect_asked(SOURCE_STATE_FINISH), SOURCE_STATE_OK, true);
    expect_told(client, SOURCE_STATE_OK);
    control_client_close(client);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("state");
    TCase *tests = tcase_create("state");
    signal(SIGPIPE, SIG_IGN);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_run_with_a_key);
    tcase_add_test(tests, a_job_without_a_key);
    tcase_add_test(tests, what_is_done_leaves_nothing_behind);
    tcase_add_test(tests, a_supervisor_that_goes_while_it_waits);
    tcase_add_test(tests, a_feed_that_is_away);
    tcase_add_test(tests, an_answer_that_comes_too_late);
    tcase_add_test(tests, is_renewed_while_the_run_lives);
    tcase_add_test(tests, a_run_that_has_lost_its_key_is_ended);
    tcase_add_test(tests, a_run_that_dies_frees_its_key);
    tcase_add_test(tests, a_done_that_is_owed);
    tcase_add_test(tests, a_run_claims_and_finishes_keys);
    tcase_add_test(tests, a_run_may_not);
    tcase_add_test(tests, an_operator_names_the_job);
    tcase_add_test(tests, a_key_taken_by_force_is_noticed_at_once);
    tcase_add_test(tests, a_run_of_the_daemon_before_is_asked_for);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
