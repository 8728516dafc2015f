// Tests of metrics.c: what is counted where, and that names from outside cannot fill the table.
#include "metrics.h"
#include "suite_run.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static struct metrics *metrics;

static void set_up(void)
{
    metrics = metrics_new();
    ck_assert_ptr_nonnull(metrics);
}

static void tear_down(void)
{
    metrics_free(metrics);
}

static struct journal_settlement settled(const char *job, const char *model)
{
    struct journal_settlement settlement = {.tokens = {1, 2, 3, 4, 5},
                                            .cost_pico_usd = 100,
                                            .http_status = 200,
                                            .first_byte_us = 300,
                                            .price_row = "a-row"};
    snprintf(settlement.job, sizeof(settlement.job), "%s", job);
    snprintf(settlement.model, sizeof(settlement.model), "%s", model);
    return settlement;
}

static const struct metrics_series *series(const char *job, const char *model)
{
    for (size_t i = 0; i < metrics->series_count; i++)
        if (strcmp(metrics->series[i].job, job) == 0 &&
            strcmp(metrics->series[i].model, model) == 0)
            return &metrics->series[i];
    return NULL;
}

static int64_t exchanges(const char *job, const char *model)
{
    return series(job, model) != NULL ? series(job, model)->exchanges : 0;
}

START_TEST(exchanges_add_up_by_job_and_model)
{
    struct journal_settlement a = settled("outreach", "haiku"), b = settled("outreach", "opus");
    b.estimated = true;
    metrics_settled(metrics, &a);
    metrics_settled(metrics, &a);
    metrics_settled(metrics, &b);
    ck_assert_int_eq(exchanges("outreach", "haiku"), 2);
    ck_assert_int_eq(series("outreach", "haiku")->cost_pico_usd, 200);
    ck_assert_int_eq(series("outreach", "haiku")->tokens.cache_read, 10);
    ck_assert_int_eq(series("outreach", "haiku")->estimated, 0);
    ck_assert_int_eq(series("outreach", "opus")->estimated, 1);
    ck_assert_int_eq(metrics->ends[EXCHANGE_COMPLETE], 3);
    ck_assert_int_eq(exchanges(METRICS_OTHER, METRICS_OTHER), 0);
}
END_TEST

START_TEST(a_pair_is_not_taken_for_another_of_the_same_letters)
{
    struct journal_settlement a = settled("ab", "c"), b = settled("a", "bc");
    metrics_settled(metrics, &a);
    metrics_settled(metrics, &b);
    ck_assert_int_eq(exchanges("ab", "c"), 1);
    ck_assert_int_eq(exchanges("a", "bc"), 1);
}
END_TEST

START_TEST(only_a_model_with_a_price_makes_a_series)
{
    struct journal_settlement unknown = settled("outreach", "made-up"),
                              failed = settled("outreach", "made-up-too"),
                              known = settled("outreach", "haiku");
    unknown.unknown_model = true;
    failed.price_row[0] = '\0'; // was never priced
    metrics_settled(metrics, &unknown);
    metrics_settled(metrics, &failed);
    ck_assert_int_eq(exchanges("outreach", METRICS_OTHER), 2);
    ck_assert_ptr_null(series("outreach", "made-up"));
    // One that has a series is counted there, even when it fails.
    metrics_settled(metrics, &known);
    known.price_row[0] = '\0';
    metrics_settled(metrics, &known);
    ck_assert_int_eq(exchanges("outreach", "haiku"), 2);
}
END_TEST

START_TEST(what_does_not_fit_is_other)
{
    char job[JOB_NAME_MAX];
    int64_t total = 0;
    for (int i = 0; i < 3 * METRICS_SERIES_MAX; i++) {
        snprintf(job, sizeof(job), "job-%d", i);
        struct journal_settlement settlement = settled(job, "haiku");
        metrics_settled(metrics, &settlement);
    }
    ck_assert_uint_eq(metrics->series_count, METRICS_SERIES_MAX);
    ck_assert_int_eq(exchanges("job-0", "haiku"), 1);
    ck_assert_int_eq(exchanges(METRICS_OTHER, METRICS_OTHER), 2 * METRICS_SERIES_MAX + 1);
    for (size_t i = 0; i < metrics->series_count; i++)
        total += metrics->series[i].exchanges;
    ck_assert_int_eq(total, 3 * METRICS_SERIES_MAX);
}
END_TEST

START_TEST(errors_of_the_upstream_count_by_status)
{
    static const int statuses[] = {429, 529, 529, 418, 0, 200};
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        struct journal_settlement settlement = settled("a", "b");
        settlement.http_status = statuses[i];
        settlement.end = EXCHANGE_UPSTREAM_ERROR;
        metrics_settled(metrics, &settlement);
    }
    for (size_t i = 0; i <= METRICS_STATUSES; i++) {
        const char *name = metrics_status_name(i);
        int64_t expected = strcmp(name, "529") == 0   ? 2
                           : strcmp(name, "429") == 0 ? 1
                                                      : strcmp(name, METRICS_OTHER) == 0;
        ck_assert_msg(metrics->upstream_errors[i] == expected, "status %s", name);
    }
}
END_TEST

START_TEST(refusals_count_by_reason)
{
    metrics_refused(metrics, 402);
    metrics_refused(metrics, 401);
    metrics_refused(metrics, 402);
    metrics_refused(metrics, 418);
    for (size_t i = 0; i <= METRICS_REFUSALS; i++) {
        const char *name = metrics_refusal_name(i);
        int64_t expected = strcmp(name, "ceiling") == 0   ? 2
                           : strcmp(name, "run_key") == 0 ? 1
                                                          : strcmp(name, METRICS_OTHER) == 0;
        ck_assert_msg(metrics->refusals[i] == expected, "reason %s", name);
    }
}
END_TEST

START_TEST(times_fall_into_the_bucket_that_has_them_as_bound)
{
    metrics_added(metrics, 0);
    metrics_added(metrics, metrics_bounds_us[0]);
    metrics_added(metrics, metrics_bounds_us[0] + 1);
    metrics_added(metrics, metrics_bounds_us[METRICS_BUCKETS - 1]);
    metrics_added(metrics, metrics_bounds_us[METRICS_BUCKETS - 1] + 1);
    ck_assert_int_eq(metrics->added.counts[0], 2);
    ck_assert_int_eq(metrics->added.counts[1], 1);
    ck_assert_int_eq(metrics->added.counts[METRICS_BUCKETS - 1], 1);
    ck_assert_int_eq(metrics->added.counts[METRICS_BUCKETS], 1);
    ck_assert_int_eq(metrics->added.sum_us,
                     2 * metrics_bounds_us[0] + 1 + 2 * metrics_bounds_us[METRICS_BUCKETS - 1] + 1);
}
END_TEST

START_TEST(what_had_no_answer_has_no_first_byte)
{
    struct journal_settlement none = settled("a", "b"), batch = settled("a", "b");
    none.first_byte_us = -1;
    snprintf(batch.batch_id, sizeof(batch.batch_id), "msgbatch_1");
    metrics_settled(metrics, &none);
    metrics_settled(metrics, &batch);
    ck_assert_int_eq(metrics->first_byte.sum_us, 0);
    struct journal_settlement answered = settled("a", "b");
    metrics_settled(metrics, &answered);
    ck_assert_int_eq(metrics->first_byte.counts[2], 1); // 300 us
}
END_TEST

START_TEST(without_metrics_nothing_is_counted)
{
    struct journal_settlement settlement = settled("a", "b");
    metrics_settled(NULL, &settlement);
    metrics_refused(NULL, 402);
    metrics_added(NULL, 1);
    metrics_run_ended(NULL, RUN_EXITED);
    metrics_run_ended(metrics, RUN_CEILING);
    ck_assert_int_eq(metrics->runs_ended[RUN_CEILING], 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("metrics");
    TCase *cases = tcase_create("metrics");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, exchanges_add_up_by_job_and_model);
    tcase_add_test(cases, a_pair_is_not_taken_for_another_of_the_same_letters);
    tcase_add_test(cases, only_a_model_with_a_price_makes_a_series);
    tcase_add_test(cases, what_does_not_fit_is_other);
    tcase_add_test(cases, errors_of_the_upstream_count_by_status);
    tcase_add_test(cases, refusals_count_by_reason);
    tcase_add_test(cases, times_fall_into_the_bucket_that_has_them_as_bound);
    tcase_add_test(cases, what_had_no_answer_has_no_first_byte);
    tcase_add_test(cases, without_metrics_nothing_is_counted);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
