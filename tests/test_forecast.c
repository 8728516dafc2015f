// Tests of forecast.c and run_costs.c: months to come, and how runs are spread.
#include "forecast.h"
#include "money.h"
#include "run_costs.h"
#include "suite_run.h"

#include <check.h>
#include <stdlib.h>

// Four weeks of 10 a day and 1 on the seventh, in which the third day once was 100.
static struct forecast_days four_weeks(void)
{
    struct forecast_days days = {.count = 28};
    for (size_t i = 0; i < days.count; i++)
        days.amounts[i] = i % 7 == 6 ? 1 : 10;
    days.amounts[9] = 100;
    return days;
}

START_TEST(days_to_come_are_as_their_weekdays)
{
    struct forecast_days days = four_weeks();
    struct forecast forecast;
    // The next seven days are a whole week: six of 10 and one of 1.
    forecast_month(&days,
                   &(struct forecast_question){.so_far = 1000, .days_left = 7, .limit = INT64_MAX},
                   &forecast);
    ck_assert_int_eq(forecast.expected, 1061);
    ck_assert_int_eq(forecast.lowest, 1061);
    ck_assert_int_eq(forecast.highest, 1151); // the third of them may be 100
    ck_assert_uint_eq(forecast.reached_after, FORECAST_NEVER);
}
END_TEST

START_TEST(an_open_day_brings_only_its_rest)
{
    struct forecast_days days = four_weeks();
    struct forecast forecast;
    struct forecast_question question = {
        .so_far = 1004, .day_is_open = true, .open_so_far = 4, .days_left = 2, .limit = INT64_MAX};
    forecast_month(&days, &question, &forecast);
    ck_assert_int_eq(forecast.expected, 1020); // 6 of today, 10 of tomorrow
    question.open_so_far = 40;                 // more than usual already: nothing more is expected
    forecast_month(&days, &question, &forecast);
    ck_assert_int_eq(forecast.expected, 1014);
}
END_TEST

START_TEST(a_limit_is_reached_on_a_day)
{
    struct forecast_days days = four_weeks();
    struct forecast forecast;
    struct forecast_question question = {.so_far = 1000, .days_left = 7, .limit = 1020};
    forecast_month(&days, &question, &forecast);
    ck_assert_uint_eq(forecast.reached_after, 1);
    question.limit = 1061;
    forecast_month(&days, &question, &forecast);
    ck_assert_uint_eq(forecast.reached_after, 6);
    question.limit = 1062;
    forecast_month(&days, &question, &forecast);
    ck_assert_uint_eq(forecast.reached_after, FORECAST_NEVER);
}
END_TEST

START_TEST(young_books_and_none)
{
    struct forecast forecast;
    struct forecast_days two = {.amounts = {10, 20}, .count = 2};
    struct forecast_question question = {.so_far = 30, .days_left = 3, .limit = INT64_MAX};
    forecast_month(&two, &question, &forecast);
    ck_assert_int_eq(forecast.expected, 75); // any day known: 15
    forecast_month(&(struct forecast_days){.count = 0}, &question, &forecast);
    ck_assert_int_eq(forecast.expected, 30);
    // Sums end at the largest number.
    two.amounts[0] = two.amounts[1] = INT64_MAX - 1;
    forecast_month(&two, &question, &forecast);
    ck_assert_int_eq(forecast.expected, INT64_MAX);
    // 14 days ahead of a week: the only such weekday there is.
    struct forecast_days week = {.amounts = {1, 2, 3, 4, 5, 6, 7}, .count = 7};
    question = (struct forecast_question){.days_left = 14, .limit = INT64_MAX};
    forecast_month(&week, &question, &forecast);
    ck_assert_int_eq(forecast.expected, 56);
}
END_TEST

START_TEST(runs_are_ranked_and_put_into_steps)
{
    int64_t costs[100];
    struct run_costs sums;
    for (int64_t i = 0; i < 100; i++)
        costs[i] = (100 - i) * (PICO_USD_PER_USD / 100); // $1.00 down to $0.01
    run_costs_sum_up(costs, 100, &sums);
    ck_assert_int_eq(sums.total_pico_usd, INT64_C(5050) * (PICO_USD_PER_USD / 100));
    ck_assert_int_eq(sums.lowest, PICO_USD_PER_USD / 100);
    ck_assert_int_eq(sums.median, PICO_USD_PER_USD / 2);
    ck_assert_int_eq(sums.p90, PICO_USD_PER_USD / 10 * 9);
    ck_assert_int_eq(sums.highest, PICO_USD_PER_USD);
    static const int64_t steps[][2] = {{1, 1},   {2, 3},   {5, 5},  {10, 10},
                                       {20, 30}, {50, 50}, {100, 1}};
    ck_assert_uint_eq(sums.bucket_count, 7);
    for (size_t i = 0; i < 7; i++) {
        ck_assert_int_eq(sums.buckets[i].from_pico_usd, steps[i][0] * (PICO_USD_PER_USD / 100));
        ck_assert_int_eq(sums.buckets[i].count, steps[i][1]);
    }
}
END_TEST

START_TEST(odd_runs_are_in_some_step)
{
    static const int64_t cases[][3] = {{0, 0, 0},
                                       {1, 0, 0},
                                       {INT64_MAX / 4, 1, 0},
                                       {PICO_USD_PER_USD, PICO_USD_PER_USD, PICO_USD_PER_USD}};
    struct run_costs sums;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t counted = 0;
        run_costs_sum_up(cases[i], 3, &sums);
        for (size_t k = 0; k < sums.bucket_count; k++)
            counted += sums.buckets[k].count;
        ck_assert_int_eq(counted, 3);
    }
    run_costs_sum_up(NULL, 0, &sums);
    ck_assert_uint_eq(sums.bucket_count, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("forecast");
    TCase *cases = tcase_create("forecast");
    tcase_add_test(cases, days_to_come_are_as_their_weekdays);
    tcase_add_test(cases, an_open_day_brings_only_its_rest);
    tcase_add_test(cases, a_limit_is_reached_on_a_day);
    tcase_add_test(cases, young_books_and_none);
    tcase_add_test(cases, runs_are_ranked_and_put_into_steps);
    tcase_add_test(cases, odd_runs_are_in_some_step);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
