// Tests of breaker.c: when the upstream is asked again, by one and by a herd.
#include "breaker.h"
#include "suite_run.h"

#include <check.h>
#include <stdlib.h>

#define SECOND INT64_C(1000000)

static struct breaker breaker;

static void set_up(void)
{
    breaker = (struct breaker){0};
}

static void fail_times(int times, int64_t now_us)
{
    for (int i = 0; i < times; i++)
        breaker_failed(&breaker, now_us);
}

// A breaker that has just been opened at time 0.
static void open_it(void)
{
    fail_times(BREAKER_FAILURES_MAX, 0);
    ck_assert_int_eq(breaker.state, BREAKER_OPEN);
}

START_TEST(delays_double_up_to_a_maximum_and_are_jittered)
{
    static const struct {
        int retry;
        int64_t delay_us;
    } rows[] = {{1, 500000}, {2, 1000000}, {3, 2000000}, {5, 8000000}, {6, 8000000}, {99, 8000000}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t first = breaker_delay_us(rows[i].retry, 0);
        ck_assert_int_eq(first, rows[i].delay_us * 3 / 4);
        for (uint32_t random = 1; random < 5000; random += 7) {
            int64_t delay_us = breaker_delay_us(rows[i].retry, random);
            ck_assert_int_ge(delay_us, rows[i].delay_us * 3 / 4);
            ck_assert_int_le(delay_us, rows[i].delay_us * 5 / 4);
        }
        ck_assert_int_ne(breaker_delay_us(rows[i].retry, 512), first);
    }
}
END_TEST

START_TEST(closed_lets_every_retry_through)
{
    fail_times(BREAKER_FAILURES_MAX - 1, 0);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(breaker_ask_us(&breaker, 0, 0), 0);
}
END_TEST

START_TEST(an_answer_between_failures_keeps_it_closed)
{
    for (int i = 0; i < 10; i++) {
        fail_times(BREAKER_FAILURES_MAX - 1, 0);
        breaker_succeeded(&breaker);
    }
    ck_assert_int_eq(breaker.state, BREAKER_CLOSED);
}
END_TEST

START_TEST(open_lets_nobody_through_before_its_time)
{
    open_it();
    for (uint32_t i = 0; i < 100; i++) {
        int64_t wait_us = breaker_ask_us(&breaker, SECOND / 4, i * 37);
        ck_assert_int_gt(wait_us, SECOND * 3 / 4); // not before it may have changed
        ck_assert_int_lt(wait_us, SECOND * 3 / 4 + 2 * BREAKER_ASK_AGAIN_US);
    }
}
END_TEST

START_TEST(of_a_herd_one_probes)
{
    int gone = 0;
    open_it();
    for (int i = 0; i < 100; i++)
        gone += breaker_ask_us(&breaker, SECOND, 0) == 0;
    ck_assert_int_eq(gone, 1);
    ck_assert_int_eq(breaker.state, BREAKER_PROBING);
    breaker_succeeded(&breaker);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(breaker_ask_us(&breaker, SECOND, 0), 0);
}
END_TEST

START_TEST(a_probe_that_fails_opens_it_twice_as_long)
{
    int64_t now_us = 0, open_us = SECOND;
    open_it();
    for (int i = 0; i < 10; i++) {
        now_us += open_us;
        ck_assert_int_gt(breaker_ask_us(&breaker, now_us - 1, 0), 0);
        ck_assert_int_eq(breaker_ask_us(&breaker, now_us, 0), 0);
        breaker_failed(&breaker, now_us);
        ck_assert_int_eq(breaker.state, BREAKER_OPEN);
        open_us = open_us * 2 > BREAKER_OPEN_MAX_US ? BREAKER_OPEN_MAX_US : open_us * 2;
    }
}
END_TEST

START_TEST(first_attempts_that_fail_do_not_keep_it_open_for_longer)
{
    open_it();
    fail_times(50, SECOND / 2);
    ck_assert_int_eq(breaker_ask_us(&breaker, SECOND, 0), 0);
}
END_TEST

START_TEST(a_first_attempt_that_is_answered_closes_it)
{
    open_it();
    breaker_succeeded(&breaker);
    ck_assert_int_eq(breaker_ask_us(&breaker, 0, 0), 0);
    fail_times(BREAKER_FAILURES_MAX - 1, 0);
    ck_assert_int_eq(breaker.state, BREAKER_CLOSED); // the count began anew,
    breaker_failed(&breaker, 0);
    ck_assert_int_eq(breaker_ask_us(&breaker, SECOND, 0), 0); // and so did the time
}
END_TEST

START_TEST(a_probe_that_never_reports_is_followed_by_another)
{
    open_it();
    ck_assert_int_eq(breaker_ask_us(&breaker, SECOND, 0), 0);
    ck_assert_int_gt(breaker_ask_us(&breaker, SECOND + BREAKER_PROBE_MAX_US - 1, 0), 0);
    ck_assert_int_eq(breaker_ask_us(&breaker, SECOND + BREAKER_PROBE_MAX_US, 0), 0);
    ck_assert_int_gt(breaker_ask_us(&breaker, SECOND + BREAKER_PROBE_MAX_US, 0), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("breaker");
    TCase *cases = tcase_create("breaker");
    tcase_add_checked_fixture(cases, set_up, NULL);
    tcase_add_test(cases, delays_double_up_to_a_maximum_and_are_jittered);
    tcase_add_test(cases, closed_lets_every_retry_through);
    tcase_add_test(cases, an_answer_between_failures_keeps_it_closed);
    tcase_add_test(cases, open_lets_nobody_through_before_its_time);
    tcase_add_test(cases, of_a_herd_one_probes);
    tcase_add_test(cases, a_probe_that_fails_opens_it_twice_as_long);
    tcase_add_test(cases, first_attempts_that_fail_do_not_keep_it_open_for_longer);
    tcase_add_test(cases, a_first_attempt_that_is_answered_closes_it);
    tcase_add_test(cases, a_probe_that_never_reports_is_followed_by_another);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
