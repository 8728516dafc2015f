// Tests of alert.c: what is told, to whom it is owed, and when it is tried again.
#include "alert.h"
#include "suite_run.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_US INT64_C(60000000)
#define NOON_US INT64_C(1795608000000000)

static struct alert_book *book;

static void setup(void)
{
    book = alert_book_new();
    ck_assert_ptr_nonnull(book);
}

static void teardown(void)
{
    alert_book_free(book);
}

static struct journal_alert make(const char *kind, const char *subject, int64_t period_start_us,
                                 const char *channels)
{
    struct journal_alert alert = {.period_start_us = period_start_us};
    snprintf(alert.kind, sizeof(alert.kind), "%s", kind);
    snprintf(alert.subject, sizeof(alert.subject), "%s", subject);
    snprintf(alert.channels, sizeof(alert.channels), "%s", channels);
    return alert;
}

// Keeps an alert that is raised at `now_us`. Returns its time.
static int64_t add(const char *kind, const char *subject, const char *channels, int64_t now_us)
{
    struct journal_alert alert = make(kind, subject, 0, channels);
    alert.raised_at_us = alert_book_time(book, now_us);
    alert_book_add(book, &alert);
    return alert.raised_at_us;
}

static void settle(int64_t raised_at_us, const char *channel, bool given_up)
{
    struct journal_alert_sent sent = {.raised_at_us = raised_at_us, .given_up = given_up};
    snprintf(sent.channel, sizeof(sent.channel), "%s", channel);
    alert_book_settle(book, &sent);
}

// Each asks after one that is told: kind "ceiling", subject "job a day cost", period NOON_US.
static const struct {
    const char *kind, *subject;
    int64_t period_start_us;
    enum alert_verdict verdict;
} questions[] = {
    {"ceiling", "job a day cost", NOON_US, ALERT_IS_TOLD},
    {"soft", "job a day cost", NOON_US, ALERT_IS_NEW},
    {"ceiling", "job b day cost", NOON_US, ALERT_IS_NEW},
    {"ceiling", "job a day tokens", NOON_US, ALERT_IS_NEW},
    {"ceiling", "job a day cost", NOON_US + 24 * 60 * MINUTE_US, ALERT_IS_NEW},
    {"ceiling", "job a day cos", NOON_US, ALERT_IS_NEW},
};

START_TEST(same_kind_subject_and_period_is_told_once)
{
    struct journal_alert told = make("ceiling", "job a day cost", NOON_US, "");
    told.raised_at_us = NOON_US;
    alert_book_add(book, &told);
    struct journal_alert asked =
        make(questions[_i].kind, questions[_i].subject, questions[_i].period_start_us, "");
    ck_assert_int_eq(alert_book_judge(book, &asked, NOON_US + 23 * 60 * MINUTE_US),
                     questions[_i].verdict);
}
END_TEST

START_TEST(too_many_of_a_kind_within_the_hour_are_not_told)
{
    char subject[32];
    for (int i = 0; i < ALERTS_PER_HOUR_MAX; i++) {
        snprintf(subject, sizeof(subject), "run %d", i);
        struct journal_alert asked = make("oom", subject, 0, "");
        ck_assert_int_eq(alert_book_judge(book, &asked, NOON_US + i),
                         i < ALERTS_PER_HOUR_MAX - 1 ? ALERT_IS_NEW : ALERT_IS_LAST_OF_HOUR);
        add("oom", subject, "", NOON_US + i);
    }
    struct journal_alert one_more = make("oom", "run x", 0, "");
    struct journal_alert other = make("timeout", "run x", 0, "");
    ck_assert_int_eq(alert_book_judge(book, &one_more, NOON_US + 59 * MINUTE_US),
                     ALERT_IS_ONE_TOO_MANY);
    ck_assert_int_eq(alert_book_judge(book, &other, NOON_US + 59 * MINUTE_US), ALERT_IS_NEW);
    // The first of them is an hour old.
    ck_assert_int_eq(alert_book_judge(book, &one_more, NOON_US + 60 * MINUTE_US),
                     ALERT_IS_LAST_OF_HOUR);
    ck_assert_int_eq(alert_book_judge(book, &one_more, NOON_US + 61 * MINUTE_US), ALERT_IS_NEW);
}
END_TEST

START_TEST(queue_has_an_end)
{
    for (int i = 0; i < ALERTS_OWED_MAX; i++)
        add("oom", "", i == 0 ? "ops/exec" : "ops/url", NOON_US + i);
    struct journal_alert asked = make("soft", "x", 0, "");
    ck_assert_int_eq(alert_book_judge(book, &asked, NOON_US), ALERT_IS_ONE_TOO_MANY);
    settle(NOON_US, "ops/exec", false);
    ck_assert_int_eq(alert_book_judge(book, &asked, NOON_US), ALERT_IS_NEW);
}
END_TEST

START_TEST(no_two_share_a_time)
{
    ck_assert_int_eq(add("oom", "a", "", NOON_US), NOON_US);
    ck_assert_int_eq(add("oom", "b", "", NOON_US), NOON_US + 1);
    ck_assert_int_eq(add("oom", "c", "", NOON_US - MINUTE_US), NOON_US + 2); // the clock was set
    ck_assert_int_eq(add("oom", "d", "", NOON_US + 3), NOON_US + 3);
}
END_TEST

START_TEST(channels_are_served_oldest_first)
{
    int64_t first = add("oom", "a", "ops/url ops/exec", NOON_US);
    int64_t second = add("oom", "b", "ops/url", NOON_US + 1);
    ck_assert_uint_eq(alert_book_owed(book, "ops/url"), 2);
    ck_assert_uint_eq(alert_book_owed(book, "ops/exec"), 1);
    ck_assert_uint_eq(alert_book_owed(book, "ops/ur"), 0);
    ck_assert_ptr_null(alert_book_next(book, "ops"));
    ck_assert_int_eq(alert_book_next(book, "ops/url")->raised_at_us, first);
    settle(first, "ops/url", false);
    ck_assert_int_eq(alert_book_next(book, "ops/url")->raised_at_us, second);
    ck_assert_int_eq(alert_book_next(book, "ops/exec")->raised_at_us, first);
    ck_assert_str_eq(alert_book_at(book, 0)->channels, "ops/exec");
    settle(first, "ops/exec", true);
    settle(first, "ops/exec", true); // twice is once
    settle(first + 77, "ops/url", false);
    ck_assert_ptr_null(alert_book_next(book, "ops/exec"));
    ck_assert_str_eq(alert_book_at(book, 0)->channels, "");
    ck_assert_int_eq(alert_book_at(book, 0)->sent, 1);
    ck_assert_int_eq(alert_book_at(book, 0)->given_up, 1);
    ck_assert_uint_eq(alert_book_owed(book, "ops/url"), 1);
}
END_TEST

START_TEST(what_is_owed_is_kept_longest)
{
    int64_t owed = add("oom", "owed", "ops/url", NOON_US);
    for (int i = 1; i <= 2 * ALERTS_KEPT_MAX; i++)
        add("oom", "", "", NOON_US + i);
    size_t count = 0;
    while (alert_book_at(book, count) != NULL)
        count++;
    ck_assert_uint_eq(count, ALERTS_KEPT_MAX);
    ck_assert_int_eq(alert_book_at(book, 0)->raised_at_us, owed);
    ck_assert_int_eq(alert_book_at(book, 1)->raised_at_us, NOON_US + ALERTS_KEPT_MAX + 2);
    ck_assert_int_eq(alert_book_at(book, count - 1)->raised_at_us, NOON_US + 2 * ALERTS_KEPT_MAX);
}
END_TEST

// Nothing but owed ones can come from a journal that was written with a greater maximum.
START_TEST(a_full_book_stays_as_it_is)
{
    for (int i = 0; i < ALERTS_KEPT_MAX; i++)
        add("oom", "", "ops/url", NOON_US + i);
    add("oom", "one more", "ops/url", NOON_US + ALERTS_KEPT_MAX);
    ck_assert_uint_eq(alert_book_owed(book, "ops/url"), ALERTS_KEPT_MAX);
    ck_assert_ptr_null(alert_book_at(book, ALERTS_KEPT_MAX));
}
END_TEST

START_TEST(replay_follows_the_journal)
{
    struct journal_alert alert = make("oom", "a", 0, "ops/url ops/exec");
    struct journal_alert_sent sent = {.raised_at_us = NOON_US, .channel = "ops/url"};
    struct journal_run_close close = {.run_id = "x"};
    alert.raised_at_us = NOON_US;
    alert_book_replay(book, &(struct journal_record){JOURNAL_ALERT, {&alert}});
    alert_book_replay(book, &(struct journal_record){JOURNAL_RUN_CLOSE, {&close}});
    alert_book_replay(book, &(struct journal_record){JOURNAL_ALERT_SENT, {&sent}});
    alert_book_replay(book, &(struct journal_record){JOURNAL_ALERT, {&alert}}); // it is known
    ck_assert_ptr_null(alert_book_next(book, "ops/url"));
    ck_assert_int_eq(alert_book_next(book, "ops/exec")->raised_at_us, NOON_US);
    ck_assert_ptr_null(alert_book_at(book, 1));
}
END_TEST

START_TEST(lists_are_of_whole_words)
{
    char word[4];
    ck_assert(alert_list_has("ceiling soft", "soft"));
    ck_assert(alert_list_has("  ceiling\tsoft ", "ceiling"));
    ck_assert(!alert_list_has("ceiling soft", "sof"));
    ck_assert(!alert_list_has("ceiling soft", "ling"));
    ck_assert(!alert_list_has("", "soft"));
    const char *rest = alert_list_next(" ab  cdefg", word, sizeof(word));
    ck_assert_str_eq(word, "ab");
    rest = alert_list_next(rest, word, sizeof(word));
    ck_assert_str_eq(word, "cde");
    ck_assert_ptr_null(alert_list_next(rest, word, sizeof(word)));
}
END_TEST

// Failures in a row, and the rest before the next attempt: at the least, at the most.
static const struct {
    int failures;
    int64_t least_us, most_us;
} rests[] = {
    {1, 500000, 1500000},          {2, 1000000, 3000000},
    {5, 8000000, 24000000},        {10, 256000000, 768000000},
    {11, 450000000, 1350000000},   {12, 450000000, 1350000000},
    {1000, 450000000, 1350000000}, {INT32_MAX, 450000000, 1350000000},
};

START_TEST(rests_grow_and_differ)
{
    int64_t least_us = alert_retry_us(rests[_i].failures, 0);
    int64_t most_us = alert_retry_us(rests[_i].failures, UINT32_MAX);
    ck_assert_int_eq(least_us, rests[_i].least_us);
    ck_assert_int_le(most_us, rests[_i].most_us);
    ck_assert_int_gt(most_us, rests[_i].most_us - rests[_i].most_us / 1000);
    int64_t middle_us = alert_retry_us(rests[_i].failures, UINT32_C(1) << 31);
    ck_assert_int_eq(middle_us, 2 * least_us);
}
END_TEST

START_TEST(what_is_old_is_stale)
{
    struct journal_alert alert = {.raised_at_us = NOON_US};
    ck_assert(!alert_is_stale(&alert, NOON_US + ALERT_AGE_MAX_US));
    ck_assert(alert_is_stale(&alert, NOON_US + ALERT_AGE_MAX_US + 1));
    ck_assert(!alert_is_stale(&alert, NOON_US - MINUTE_US));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("alert");
    TCase *cases = tcase_create("alert");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_loop_test(cases, same_kind_subject_and_period_is_told_once, 0,
                        sizeof(questions) / sizeof(questions[0]));
    tcase_add_test(cases, too_many_of_a_kind_within_the_hour_are_not_told);
    tcase_add_test(cases, queue_has_an_end);
    tcase_add_test(cases, no_two_share_a_time);
    tcase_add_test(cases, channels_are_served_oldest_first);
    tcase_add_test(cases, what_is_owed_is_kept_longest);
    tcase_add_test(cases, a_full_book_stays_as_it_is);
    tcase_add_test(cases, replay_follows_the_journal);
    tcase_add_test(cases, lists_are_of_whole_words);
    tcase_add_loop_test(cases, rests_grow_and_differ, 0, sizeof(rests) / sizeof(rests[0]));
    tcase_add_test(cases, what_is_old_is_stale);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
