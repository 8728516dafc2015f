// Tests of anomaly.c and robust.c: what stands out, and what does not.
#include "anomaly.h"
#include "money.h"
#include "robust.h"
#include "suite_run.h"

#include <check.h>
#include <stdlib.h>

#define DOLLAR PICO_USD_PER_USD

START_TEST(middles_and_spreads)
{
    static const struct {
        int64_t values[5];
        size_t count;
        int64_t median, spread;
    } cases[] = {
        {{7}, 1, 7, 0},
        {{9, 1}, 2, 5, 4},
        {{3, 1, 2}, 3, 2, 1},
        {{10, 1000000, 12, 11},
         4,
         11,
         0}, // 11.5 and 0.5, rounded down: one odd value moves nothing
        {{-5, -7, -6}, 3, -6, 1},
        {{INT64_MAX, INT64_MAX - 2}, 2, INT64_MAX - 1, 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t median = robust_median(cases[i].values, cases[i].count);
        ck_assert_int_eq(median, cases[i].median);
        int64_t spread = robust_spread(cases[i].values, cases[i].count, median);
        ck_assert_int_ge(spread, cases[i].spread);
        ck_assert_int_le(spread, cases[i].spread + 1);
    }
}
END_TEST

START_TEST(what_stands_out)
{
    static const struct {
        const char *what;
        enum anomaly_measure measure;
        int64_t value;
        int64_t before[4];
        size_t count;
        bool found;
    } cases[] = {
        {"as ever",
         ANOMALY_COST,
         10 * DOLLAR,
         {9 * DOLLAR, 10 * DOLLAR, 11 * DOLLAR, 10 * DOLLAR},
         4,
         false},
        {"three times",
         ANOMALY_COST,
         30 * DOLLAR,
         {9 * DOLLAR, 10 * DOLLAR, 11 * DOLLAR, 10 * DOLLAR},
         4,
         true},
        {"up by half is allowed",
         ANOMALY_COST,
         15 * DOLLAR,
         {10 * DOLLAR, 10 * DOLLAR, 10 * DOLLAR},
         3,
         false},
        {"a picodollar more is not",
         ANOMALY_COST,
         15 * DOLLAR + 1,
         {10 * DOLLAR, 10 * DOLLAR, 10 * DOLLAR},
         3,
         true},
        {"nothing where there was something",
         ANOMALY_COST,
         0,
         {9 * DOLLAR, 10 * DOLLAR, 11 * DOLLAR},
         3,
         true},
        {"something where there was nothing", ANOMALY_COST, 5 * DOLLAR, {0, 0, 0, 0}, 4, true},
        {"cents are nobody's worry", ANOMALY_COST, DOLLAR / 2, {0, 0, 0, 0}, 4, false},
        {"a job that jumps is allowed to",
         ANOMALY_COST,
         30 * DOLLAR,
         {2 * DOLLAR, 10 * DOLLAR, 18 * DOLLAR, 6 * DOLLAR},
         4,
         false},
        {"one odd week hides nothing",
         ANOMALY_COST,
         40 * DOLLAR,
         {10 * DOLLAR, 11 * DOLLAR, 90 * DOLLAR, 10 * DOLLAR},
         4,
         true},
        {"nor is it missed",
         ANOMALY_COST,
         10 * DOLLAR,
         {10 * DOLLAR, 11 * DOLLAR, 90 * DOLLAR, 10 * DOLLAR},
         4,
         false},
        {"two weeks say nothing", ANOMALY_COST, 30 * DOLLAR, {DOLLAR, DOLLAR}, 2, false},
        {"exchanges up", ANOMALY_EXCHANGES, 300, {100, 101, 99, 100}, 4, true},
        {"a few exchanges", ANOMALY_EXCHANGES, 20, {0, 0, 0}, 3, false},
        {"a colder cache", ANOMALY_CACHE, 400, {900, 910, 905}, 3, true},
        {"a warmer one is fine", ANOMALY_CACHE, 900, {400, 410, 405}, 3, false},
        {"failures", ANOMALY_FAILURES, 350, {10, 0, 20, 10}, 4, true},
        {"none are fine", ANOMALY_FAILURES, 0, {350, 350, 350}, 3, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct anomaly anomaly = {.usual = -1};
        bool found = anomaly_find(cases[i].measure, cases[i].value, cases[i].before, cases[i].count,
                                  &anomaly);
        ck_assert_msg(found == cases[i].found, "%s", cases[i].what);
        ck_assert_int_eq(anomaly.usual != -1, found);
        if (found)
            ck_assert_int_eq(anomaly.value, cases[i].value);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("anomaly");
    TCase *cases = tcase_create("anomaly");
    tcase_add_test(cases, middles_and_spreads);
    tcase_add_test(cases, what_stands_out);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
