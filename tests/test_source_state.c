// Tests of source_state.c against a real Postgres: who is granted a key, takes it over, renews it
// and finishes it; directly and through PgBouncer.
#include "pgbouncer_fixture.h"

#include "source_state.h"
#include "suite_run.h"

#define HOUR_US INT64_C(3600000000)

static struct ledger_fixture fixture;
static struct pgbouncer_fixture pgbouncer;
static struct ledger *ledger;
static struct source_state_answer answer;

// One Postgres for all tests, an empty table for each.
static void start_postgres(void)
{
    ledger_fixture_init(&fixture);
    ck_assert_success(ledger_local_start(&fixture.local, err));
}

static void stop_postgres(void)
{
    ledger_fixture_done(&fixture);
}

static void setup(void)
{
    ck_assert_success(ledger_open(&ledger, fixture.local.dsn, err));
    ck_assert_success(ledger_schema_migrate(ledger, NULL, err));
    ck_assert_success(ledger_execute(ledger, "TRUNCATE reeve.source_state", err));
}

static void teardown(void)
{
    ledger_close(ledger);
    pgbouncer_fixture_stop(&pgbouncer);
}

static struct source_state_question question(enum source_state_action action, const char *key,
                                             const char *holder)
{
    struct source_state_question made = {.id = 17, .action = action, .ttl_us = HOUR_US};
    snprintf(made.job, sizeof(made.job), "outreach");
    snprintf(made.key, sizeof(made.key), "%s", key);
    snprintf(made.holder, sizeof(made.holder), "%s", holder);
    return made;
}

static enum source_state_outcome ask(const struct source_state_question *asked)
{
    ck_assert_success(source_state_ask(ledger, "box", asked, &answer, err));
    ck_assert_uint_eq(answer.id, 17);
    ck_assert_int_eq(answer.action, asked->action);
    return answer.outcome;
}

static enum source_state_outcome ask_plain(enum source_state_action action, const char *key,
                                           const char *holder)
{
    struct source_state_question asked = question(action, key, holder);
    return ask(&asked);
}

// The claim's time is over at once.
static void claim_for_no_time(const char *key, const char *holder)
{
    struct source_state_question asked = question(SOURCE_STATE_CLAIM, key, holder);
    asked.ttl_us = 0;
    ck_assert_int_eq(ask(&asked), SOURCE_STATE_OK);
}

START_TEST(is_granted_once)
{
    ck_assert_int_eq(ask_plain(SOURCE_STATE_CLAIM, "k", "a"), SOURCE_STATE_OK);
    ck_assert_int_eq(answer.rows[0].fence, 1);
    int64_t lasts_us = answer.rows[0].expires_at_us - answer.rows[0].claimed_at_us;
    ck_assert(lasts_us >= HOUR_US && lasts_us < 2 * HOUR_US); // the clock is read for each
    ck_assert_int_eq(ask_plain(SOURCE_STATE_CLAIM, "k", "b"), SOURCE_STATE_HELD);
    ck_assert_str_eq(answer.rows[0].holder, "a");
    ck_assert_str_eq(answer.rows[0].host, "box");
    ck_assert(!answer.rows[0].is_expired);
    ck_assert_int_eq(ask_plain(SOURCE_STATE_CLAIM, "other", "b"), SOURCE_STATE_OK);
}
END_TEST

START_TEST(is_of_a_job)
{
    struct source_state_question asked = question(SOURCE_STATE_CLAIM, "k", "b");
    ck_assert_int_eq(ask_plain(SOURCE_STATE_CLAIM, "k", "a"), SOURCE_STATE_OK);
    snprintf(asked.job, sizeof(asked.job), "nightly");
    ck_assert_int_eq(ask(&asked), SOURCE_STATE_OK);
}
END_TEST

// As after a lost answer.
START_TEST(may_be_claimed_again_by_its_holder)
{
    ck_assert_int_eq(ask_plain(SOURCE_STATE_CLAIM, "k", "a"), SOURCE_STATE_OK);
    ck_assert_int_eq(ask_plain(SOURCE_STATE_CLAIM, "k", "a"), SOURCE_STATE_OK);
    ck_assert_int_eq(answer.rows[0].fence, 2);
}
END_TEST

START_TEST(done_is_for_ever)
{
    struct source_state_question finish = question(SOURCE_STATE_FINISH, "k", "a");
    snprintf(finish.text, sizeof(finish.text), "{\"pages\": [1, 1e400]}");
    claim_for_no_time("k", "a"); // late, but nobody has taken it over
    ck_assert_int_eq(ask(&finish), SOURCE_STATE_OK);
    ck_assert_str_eq(answer.result, finish.text);
    ck_assert_int_ge(answer.rows[0].done_at_us, answer.rows[0].claimed_at_us);
    ck_assert_int_eq(ask_plain(SOURCE_STATE_CLAIM, "k", "b"), SOURCE_STATE_DONE);
    ck_assert_str_eq(answer.result, finish.text);
    ck_assert_int_eq(ask_plain(SOURCE_STATE_CLAIM, "k", "a"), SOURCE_STATE_DONE);
    ck_assert_int_eq(ask_plain(SOURCE_STATE_RELEASE, "k", "a"), SOURCE_STATE_DONE);
    ck_assert_int_eq(ask_plain(SOURCE_STATE_END, "", "a"), SOURCE_STATE_OK);
    ck_assert_int_eq(ask_plain(SOURCE_STATE_GET, "k", "b"), SOURCE_STATE_OK);
    ck_assert_int_eq(answer.rows[0].state, SOURCE_STATE_IS_DONE);
    ck_assert_str_eq(answer.result, finish.text);
    // Said again, as after a lost answer; by another one it is not its.
    ck_assert_int_eq(ask(&finish), SOURCE_STATE_OK);
    ck_assert_int_eq(ask_plain(SOURCE_STATE_FINISH, "k", "b"), SOURCE_STATE_DONE);
}
END_TEST

START_TEST(what_is_over_is_taken_over)
{
    claim_for_no_time("k", "a");
    ck_assert_int_eq(ask_plain(SOURCE_STATE_GET, "k", ""), SOURCE_STATE_OK);
    ck_assert(answer.rows[0].is_expired);
    ck_assert_int_eq(ask_plain(SOURCE_STATE_CLAIM, "k", "b"), SOURCE_STATE_OK);
    ck_assert_int_eq(answer.rows[0].fence, 2);
    // The older number cannot finish, release or renew.
    ck_assert_int_eq(ask_plain(SOURCE_STATE_FINISH, "k", "a"), SOURCE_STATE_HELD);
    ck_assert_str_eq(answer.rows[0].holder, "b");
    ck_assert_int_eq(ask_plain(SOURCE_STATE_RELEASE, "k", "a"), SOURCE_STATE_HELD);
    ck_assert_int_eq(ask_plain(SOURCE_STATE_CLAIM, "k", "a"), SOURCE_STATE_HELD);
    struct source_state_question renew = question(SOURCE_STATE_RENEW, "", "");
    snprintf(renew.text, sizeof(renew.text), "{a}");
    ck_assert_int_eq(ask(&renew), SOURCE_STATE_OK);
    ck_assert_uint_eq(answer.row_count, 0);
    ck_assert_int_eq(ask_plain(SOURCE_STATE_FINISH, "k", "b"), SOURCE_STATE_OK);
}
END_TEST

START_TEST(older_claim_of_the_same_holder_cannot_finish)
{
    struct source_state_question asked = question(SOURCE_STATE_FINISH, "k", "a");
    asked.fence = 1;
    ck_assert_int_eq(ask_plain(SOURCE_STATE_CLAIM, "k", "a"), SOURCE_STATE_OK);
    ck_assert_int_eq(ask_plain(SOURCE_STATE_CLAIM, "k", "a"), SOURCE_STATE_OK);
    ck_assert_int_eq(ask(&asked), SOURCE_STATE_HELD);
    asked.action = SOURCE_STATE_RELEASE; // a claim that was given up, and asked for once more
    ck_assert_int_eq(ask(&asked), SOURCE_STATE_HELD);
    asked.action = SOURCE_STATE_FINISH;
    asked.fence = 2;
    ck_assert_int_eq(ask(&asked), SOURCE_STATE_OK);
    asked.fence = 1;
    ck_assert_int_eq(ask(&asked), SOURCE_STATE_DONE);
}
END_TEST

START_TEST(is_renewed)
{
    struct source_state_question renew = question(SOURCE_STATE_RENEW, "", "");
    struct source_state_question whole = question(SOURCE_STATE_CLAIM, "w", "b");
    whole.whole_run = true;
    whole.ttl_us = 0;
    claim_for_no_time("k", "a");
    claim_for_no_time("l", "a");
    ck_assert_int_eq(ask(&whole), SOURCE_STATE_OK);
    ck_assert_success(
        ledger_execute(ledger, "UPDATE reeve.source_state SET ttl_us = 60000000", err));
    snprintf(renew.text, sizeof(renew.text), "{a,b,nobody}");
    ck_assert_int_eq(ask(&renew), SOURCE_STATE_OK);
    ck_assert_uint_eq(answer.row_count, 2);
    for (size_t i = 0; i < 2; i++)
        ck_assert_int_eq(answer.rows[i].whole_run, strcmp(answer.rows[i].holder, "b") == 0);
    ck_assert_int_eq(ask_plain(SOURCE_STATE_CLAIM, "l", "c"), SOURCE_STATE_HELD);
    ck_assert_int_eq(ask_plain(SOURCE_STATE_CLAIM, "w", "c"), SOURCE_STATE_HELD);
}
END_TEST

START_TEST(is_released_and_nothing_is_forgotten)
{
    struct source_state_question forced = question(SOURCE_STATE_RELEASE, "k", "operator-0");
    ck_assert_int_eq(ask_plain(SOURCE_STATE_RELEASE, "k", "a"), SOURCE_STATE_FREE);
    ck_assert_int_eq(ask_plain(SOURCE_STATE_FINISH, "k", "a"), SOURCE_STATE_FREE);
    ck_assert_int_eq(ask_plain(SOURCE_STATE_GET, "k", "a"), SOURCE_STATE_FREE);
    ck_assert_int_eq(ask_plain(SOURCE_STATE_CLAIM, "k", "a"), SOURCE_STATE_OK);
    ck_assert_int_eq(ask_plain(SOURCE_STATE_RELEASE, "k", "a"), SOURCE_STATE_OK);
    ck_assert_int_eq(ask_plain(SOURCE_STATE_FINISH, "k", "a"), SOURCE_STATE_FREE);
    ck_assert_int_eq(ask_plain(SOURCE_STATE_CLAIM, "k", "b"), SOURCE_STATE_OK);
    ck_assert_int_eq(answer.rows[0].fence, 2);
    ck_assert_int_eq(ask(&forced), SOURCE_STATE_HELD);
    forced.force = true;
    ck_assert_int_eq(ask(&forced), SOURCE_STATE_OK);
    ck_assert_int_eq(ask_plain(SOURCE_STATE_FINISH, "k", "b"), SOURCE_STATE_FREE);
}
END_TEST

START_TEST(own_key_of_a_run_is_its_supervisors)
{
    struct source_state_question whole = question(SOURCE_STATE_CLAIM, "k", "a");
    struct source_state_question end = question(SOURCE_STATE_END, "", "a");
    whole.whole_run = true;
    ck_assert_int_eq(ask(&whole), SOURCE_STATE_OK);
    ck_assert_int_eq(ask_plain(SOURCE_STATE_FINISH, "k", "a"), SOURCE_STATE_HELD);
    ck_assert_int_eq(ask_plain(SOURCE_STATE_RELEASE, "k", "a"), SOURCE_STATE_HELD);
    ck_assert_int_eq(ask_plain(SOURCE_STATE_CLAIM, "k", "a"), SOURCE_STATE_OK); // from the inside
    ck_assert(answer.rows[0].whole_run);
    ck_assert_int_eq(ask_plain(SOURCE_STATE_CLAIM, "item", "a"), SOURCE_STATE_OK);
    ck_assert_int_eq(ask(&end), SOURCE_STATE_OK); // of all but the own key
    ck_assert_int_eq(ask_plain(SOURCE_STATE_CLAIM, "item", "b"), SOURCE_STATE_OK);
    ck_assert_int_eq(ask_plain(SOURCE_STATE_CLAIM, "k", "b"), SOURCE_STATE_HELD);
    whole.action = SOURCE_STATE_FINISH;
    ck_assert_int_eq(ask(&whole), SOURCE_STATE_OK);
    end.whole_run = true;
    ck_assert_int_eq(ask(&end), SOURCE_STATE_OK);
    ck_assert_int_eq(ask_plain(SOURCE_STATE_CLAIM, "k", "b"), SOURCE_STATE_DONE);
}
END_TEST

START_TEST(end_frees_an_own_key_too)
{
    struct source_state_question whole = question(SOURCE_STATE_CLAIM, "k", "a");
    whole.whole_run = true;
    ck_assert_int_eq(ask(&whole), SOURCE_STATE_OK);
    whole.action = SOURCE_STATE_END;
    ck_assert_int_eq(ask(&whole), SOURCE_STATE_OK);
    ck_assert_int_eq(ask_plain(SOURCE_STATE_CLAIM, "k", "b"), SOURCE_STATE_OK);
    ck_assert(!answer.rows[0].whole_run);
}
END_TEST

START_TEST(is_listed_page_by_page)
{
    char key[SOURCE_STATE_KEY_MAX] = "";
    size_t count = 0;
    for (int i = 0; i < SOURCE_STATE_ROWS_MAX * 2 + 5; i++) {
        snprintf(key, sizeof(key), "%c%d", i % 2 == 0 ? 'a' : 'B', 100 + i);
        claim_for_no_time(key, "a");
    }
    key[0] = '\0';
    do {
        ck_assert_int_eq(ask_plain(SOURCE_STATE_LIST, key, ""), SOURCE_STATE_OK);
        for (size_t i = 0; i < answer.row_count; i++, count++) {
            ck_assert_str_lt(key, answer.rows[i].key);
            memcpy(key, answer.rows[i].key, sizeof(key));
        }
    } while (answer.row_count == SOURCE_STATE_ROWS_MAX);
    ck_assert_uint_eq(count, SOURCE_STATE_ROWS_MAX * 2 + 5);
}
END_TEST

START_TEST(values_that_the_ledger_refuses_are_an_answer)
{
    struct source_state_question finish = question(SOURCE_STATE_FINISH, "k", "a");
    snprintf(finish.text, sizeof(finish.text), "{no json");
    ck_assert_int_eq(ask_plain(SOURCE_STATE_CLAIM, "k", "a"), SOURCE_STATE_OK);
    ck_assert_int_eq(ask(&finish), SOURCE_STATE_INVALID);
    ck_assert_ptr_nonnull(strstr(answer.text, "json"));
    ck_assert_int_eq(ask_plain(SOURCE_STATE_CLAIM, "\xff", "a"), SOURCE_STATE_INVALID);
    ck_assert_int_eq(ask_plain(SOURCE_STATE_FINISH, "k", "a"), SOURCE_STATE_OK);
}
END_TEST

START_TEST(keys_are_text)
{
    static const struct {
        const char *key;
        bool is_valid;
    } cases[] = {
        {"k", true},
        {"https://example.com/a?b=c d", true},
        {"M\xc3\xbcller", true},
        {"'; DROP SCHEMA reeve; --", true},
        {"", false},
        {"a\nb", false},
        {"a\x7f", false},
        {"\xc3", false},
        {"\xed\xa0\x80", false},
    };
    char longest[SOURCE_STATE_KEY_MAX + 1] = "";
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ck_assert_int_eq(source_state_key_is_valid(cases[i].key), cases[i].is_valid);
        if (!cases[i].is_valid)
            continue;
        ck_assert_int_eq(ask_plain(SOURCE_STATE_CLAIM, cases[i].key, "a"), SOURCE_STATE_OK);
        ck_assert_str_eq(answer.rows[0].key, cases[i].key);
    }
    memset(longest, 'x', SOURCE_STATE_KEY_MAX);
    ck_assert(!source_state_key_is_valid(longest));
    longest[SOURCE_STATE_KEY_MAX - 1] = '\0';
    ck_assert(source_state_key_is_valid(longest));
    ck_assert_int_eq(ask_plain(SOURCE_STATE_CLAIM, longest, "a"), SOURCE_STATE_OK);
}
END_TEST

START_TEST(works_through_a_pooler)
{
    if (!pgbouncer_fixture_is_possible())
        return;
    pgbouncer_fixture_start(&pgbouncer, &fixture);
    ledger_close(ledger);
    ck_assert_success(ledger_open(&ledger, pgbouncer.dsn, err));
    claim_for_no_time("k", "a");
    ck_assert_int_eq(ask_plain(SOURCE_STATE_CLAIM, "k", "b"), SOURCE_STATE_OK);
    ck_assert_int_eq(ask_plain(SOURCE_STATE_CLAIM, "k", "a"), SOURCE_STATE_HELD);
    ck_assert_int_eq(ask_plain(SOURCE_STATE_FINISH, "k", "b"), SOURCE_STATE_OK);
    ck_assert_int_eq(ask_plain(SOURCE_STATE_LIST, "", ""), SOURCE_STATE_OK);
    ck_assert_uint_eq(answer.row_count, 1);
}
END_TEST

START_TEST(server_that_goes_is_an_error)
{
    struct error why = {0};
    struct source_state_question asked = question(SOURCE_STATE_CLAIM, "k", "a");
    ledger_query(ledger, "SELECT pg_terminate_backend(pg_backend_pid())", 0, NULL, NULL, &why);
    answer.outcome = SOURCE_STATE_OUTCOMES;
    ck_assert_int_eq(source_state_ask(ledger, "box", &asked, &answer, &why), -ENOTCONN);
    ck_assert_int_eq(answer.outcome, SOURCE_STATE_OUTCOMES);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("source_state");
    TCase *cases = tcase_create("source_state");
    tcase_set_timeout(cases, 120);
    tcase_add_unchecked_fixture(cases, start_postgres, stop_postgres);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, is_granted_once);
    tcase_add_test(cases, is_of_a_job);
    tcase_add_test(cases, may_be_claimed_again_by_its_holder);
    tcase_add_test(cases, done_is_for_ever);
    tcase_add_test(cases, what_is_over_is_taken_over);
    tcase_add_test(cases, older_claim_of_the_same_holder_cannot_finish);
    tcase_add_test(cases, is_renewed);
    tcase_add_test(cases, is_released_and_nothing_is_forgotten);
    tcase_add_test(cases, own_key_of_a_run_is_its_supervisors);
    tcase_add_test(cases, end_frees_an_own_key_too);
    tcase_add_test(cases, is_listed_page_by_page);
    tcase_add_test(cases, values_that_the_ledger_refuses_are_an_answer);
    tcase_add_test(cases, keys_are_text);
    tcase_add_test(cases, works_through_a_pooler);
    tcase_add_test(cases, server_that_goes_is_an_error);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
