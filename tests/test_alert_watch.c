// Tests of alert_watch.c: requests that were billed twice, and caches that have stopped saving.
#include "alert_watch.h"
#include "suite_run.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOON_US INT64_C(1795608000000000)

static const struct price_rates rates = {
    .input = 3000000, .output = 15000000, .cache_read = 300000}; // a gain of 2.7 millionths
static struct alert_watch *watch;

static void setup(void)
{
    watch = alert_watch_new();
    ck_assert_ptr_nonnull(watch);
}

static void teardown(void)
{
    alert_watch_free(watch);
}

// ---- duplicates

struct request {
    const char *run, *body;
    int64_t at_ms, cost;
    int attempt;
};

// Pairs of requests, and how far apart they are if they are a duplicate, else -1.
static const struct {
    struct request first, second;
    int64_t apart_us;
} pairs[] = {
    {{"a", "x", 0, 5, 1}, {"a", "x", 13, 5, 1}, 13000},
    {{"a", "x", 13, 5, 1}, {"a", "x", 0, 5, 1}, 13000}, // the later one was answered first
    {{"a", "x", 0, 5, 1}, {"a", "x", 999, 5, 1}, 999000},
    {{"a", "x", 0, 5, 1}, {"a", "x", 1000, 5, 1}, -1},
    {{"a", "x", 0, 5, 1}, {"a", "y", 13, 5, 1}, -1},
    {{"a", "x", 0, 5, 1}, {"b", "x", 13, 5, 1}, -1},
    {{"a", "x", 0, 0, 1}, {"a", "x", 13, 5, 1}, -1}, // the first one was not billed
    {{"a", "x", 0, 5, 1}, {"a", "x", 13, 0, 1}, -1},
    {{"a", "x", 0, 5, 1}, {"a", "x", 13, 5, 2}, -1}, // a retry, as the client says
    {{"a", "x", 0, 5, 2}, {"a", "x", 13, 5, 1}, -1},
};

static bool settle(const struct request *request, int64_t *apart_us)
{
    struct journal_settlement settlement = {
        .reserved_at_us = NOON_US + request->at_ms * 1000,
        .cost_pico_usd = request->cost,
        .attempt = request->attempt,
    };
    snprintf(settlement.run_id, sizeof(settlement.run_id), "%s", request->run);
    struct body_hash body = body_hash_make(request->body, strlen(request->body));
    return alert_watch_settled(watch, &settlement, &body, NULL, apart_us);
}

START_TEST(duplicates)
{
    int64_t apart_us = -1;
    ck_assert(!settle(&pairs[_i].first, &apart_us));
    ck_assert_int_eq(settle(&pairs[_i].second, &apart_us), pairs[_i].apart_us >= 0);
    ck_assert_int_eq(apart_us, pairs[_i].apart_us);
}
END_TEST

START_TEST(only_the_last_bodies_are_remembered)
{
    int64_t apart_us;
    char body[16];
    for (int i = 0; i <= WATCH_BODIES_MAX; i++) {
        snprintf(body, sizeof(body), "%d", i);
        ck_assert(!settle(&(struct request){"a", body, i, 5, 1}, &apart_us));
    }
    ck_assert(!settle(&(struct request){"a", "0", 50, 5, 1}, &apart_us)); // it was the first
    ck_assert(settle(&(struct request){"a", "2", 50, 5, 1}, &apart_us));
}
END_TEST

START_TEST(more_runs_than_can_be_watched_do_no_harm)
{
    int64_t apart_us;
    char run[16];
    for (int i = 0; i <= WATCH_RUNS_MAX; i++) {
        snprintf(run, sizeof(run), "%d", i);
        ck_assert(!settle(&(struct request){run, "x", 0, 5, 1}, &apart_us));
    }
    ck_assert(!settle(&(struct request){run, "x", 0, 5, 1}, &apart_us)); // not watched
    ck_assert(settle(&(struct request){"0", "x", 0, 5, 1}, &apart_us));
}
END_TEST

// ---- the cache

// An exchange of `prompt` tokens, of which `read` came from the cache.
static void exchange(const char *run, int64_t prompt, int64_t read, const struct price_rates *each)
{
    struct journal_settlement settlement = {.cost_pico_usd = 1, .attempt = 1};
    int64_t apart_us;
    snprintf(settlement.run_id, sizeof(settlement.run_id), "%s", run);
    settlement.tokens = (struct token_counts){.input = (prompt - read) / 2,
                                              .output = 100,
                                              .cache_write_5m = prompt - read - (prompt - read) / 2,
                                              .cache_read = read};
    struct body_hash body = {(uint64_t)random(), 1};
    alert_watch_settled(watch, &settlement, &body, each, &apart_us);
}

// A run of the job with one exchange. Returns whether its cache fell.
static bool run_once(const char *job, int64_t prompt, int64_t read, struct cache_fall *fall)
{
    static int runs;
    struct journal_run_cache cache;
    struct live_run run = {0};
    bool fell = false;
    snprintf(run.id, sizeof(run.id), "%d", ++runs);
    snprintf(run.job, sizeof(run.job), "%s", job);
    exchange(run.id, prompt, read, &rates);
    ck_assert(alert_watch_closed(watch, &run, NOON_US + runs, &cache, &fell, fall));
    ck_assert_str_eq(cache.job, job);
    ck_assert_int_eq(cache.closed_at_us, NOON_US + runs);
    ck_assert_int_eq(cache.savable_pico_usd, prompt * 2700000);
    ck_assert_int_eq(cache.saved_pico_usd, read * 2700000);
    return fell;
}

// How many runs a job had, of a million tokens with so many from the cache; and what the next one
// reads. A million tokens of savings are $2.70.
static const struct {
    int runs;
    int64_t read, now_prompt, now_read;
    bool falls;
    struct cache_fall fall;
} caches[] = {
    {10, 900000, 1000000, 100000, true, {2160000000000, 10, 90, 10}},
    {10, 900000, 1000000, 450000, true, {1215000000000, 45, 90, 10}}, // the half is a fall
    {10, 900000, 1000000, 450001, false, {0}},
    {10, 900000, 1000000, 0, true, {2430000000000, 0, 90, 10}},
    {3, 900000, 1000000, 0, true, {2430000000000, 0, 90, 3}},
    {2, 900000, 1000000, 0, false, {0}}, // no habit yet
    {30, 900000, 1000000, 0, true, {2430000000000, 0, 90, 10}},
    {10, 0, 1000000, 0, false, {0}},                       // never had a cache
    {10, 900000, 4116, 0, true, {10001880000, 0, 90, 10}}, // a cent
    {10, 900000, 4115, 0, false, {0}},                     // a little less
};

START_TEST(caches_fall)
{
    struct cache_fall fall = {0};
    for (int i = 0; i < caches[_i].runs; i++)
        ck_assert(!run_once("a", 1000000, caches[_i].read, &fall));
    ck_assert(!run_once("b", 1000000, 0, &fall)); // another job
    ck_assert_int_eq(run_once("a", caches[_i].now_prompt, caches[_i].now_read, &fall),
                     caches[_i].falls);
    ck_assert_int_eq(fall.lost_pico_usd, caches[_i].fall.lost_pico_usd);
    ck_assert_int_eq(fall.percent, caches[_i].fall.percent);
    ck_assert_int_eq(fall.percent_before, caches[_i].fall.percent_before);
    ck_assert_int_eq(fall.runs_before, caches[_i].fall.runs_before);
}
END_TEST

// A cheap model that is not cached must not hide a dear one that is, nor the other way round.
START_TEST(savings_are_weighed_in_dollars)
{
    static const struct price_rates cheap = {.input = 30000, .cache_read = 3000};
    struct journal_run_cache cache;
    struct cache_fall fall;
    bool fell;
    struct live_run run = {.id = "both", .job = "a"};
    exchange("both", 1000, 900, &rates);
    exchange("both", 1000, 0, &cheap);
    exchange("both", 1000, 500, NULL); // no price
    ck_assert(alert_watch_closed(watch, &run, NOON_US, &cache, &fell, &fall));
    ck_assert_int_eq(cache.savable_pico_usd, INT64_C(2700000000) + 27000000);
    ck_assert_int_eq(cache.saved_pico_usd, INT64_C(2430000000));
}
END_TEST

START_TEST(runs_without_prompts_are_none)
{
    struct journal_run_cache cache;
    struct cache_fall fall;
    bool fell;
    struct live_run run = {.id = "r", .job = "a"};
    ck_assert(!alert_watch_closed(watch, &run, NOON_US, &cache, &fell, &fall));
    exchange("r", 1000, 500, NULL);
    ck_assert(!alert_watch_closed(watch, &run, NOON_US, &cache, &fell, &fall));
}
END_TEST

START_TEST(absurd_counts_are_left_out)
{
    struct journal_run_cache cache;
    struct cache_fall fall;
    bool fell;
    struct live_run run = {.id = "r", .job = "a"};
    exchange("r", INT64_MAX, 0, &rates);
    exchange("r", INT64_MAX / 2, INT64_MAX / 4, &rates);
    ck_assert(!alert_watch_closed(watch, &run, NOON_US, &cache, &fell, &fall));
}
END_TEST

struct copies {
    struct journal_run_cache of[WATCH_JOBS_MAX * WATCH_HISTORY_MAX];
    size_t count;
};

static void copy(const struct journal_run_cache *cache, void *context)
{
    struct copies *copies = context;
    copies->of[copies->count++] = *cache;
}

START_TEST(what_is_remembered_is_enough_for_a_start)
{
    static struct copies copies, again;
    struct cache_fall fall;
    for (int i = 0; i < 13; i++)
        run_once(i == 5 ? "b" : "a", 1000000, 900000 - i, &fall);
    alert_watch_each(watch, copy, &copies);
    ck_assert_uint_eq(copies.count, 11);
    alert_watch_free(watch);
    watch = alert_watch_new();
    for (size_t i = 0; i < copies.count; i++)
        alert_watch_remember(watch, &copies.of[i]);
    alert_watch_each(watch, copy, &again);
    ck_assert_uint_eq(again.count, copies.count);
    ck_assert_mem_eq(again.of, copies.of, copies.count * sizeof(copies.of[0]));
    ck_assert(run_once("a", 1000000, 0, &fall));
    ck_assert_int_eq(fall.runs_before, 10);
}
END_TEST

START_TEST(the_job_that_ran_longest_ago_makes_room)
{
    static struct copies copies;
    struct journal_run_cache cache = {.savable_pico_usd = 2, .saved_pico_usd = 1};
    for (int i = 0; i < WATCH_JOBS_MAX; i++) {
        snprintf(cache.job, sizeof(cache.job), "job%d", i);
        cache.closed_at_us = i == 7 ? NOON_US : NOON_US + 1 + i;
        alert_watch_remember(watch, &cache);
    }
    snprintf(cache.job, sizeof(cache.job), "new");
    alert_watch_remember(watch, &cache);
    alert_watch_each(watch, copy, &copies);
    ck_assert_uint_eq(copies.count, WATCH_JOBS_MAX);
    for (size_t i = 0; i < copies.count; i++)
        ck_assert_str_ne(copies.of[i].job, "job7");
    ck_assert_str_eq(copies.of[7].job, "new");
}
END_TEST

START_TEST(bad_memories_are_forgotten)
{
    static struct copies copies;
    const struct journal_run_cache bad[] = {
        {.job = "a", .savable_pico_usd = -1, .saved_pico_usd = -2},
        {.job = "a", .savable_pico_usd = 1, .saved_pico_usd = 2},
        {.job = "a", .savable_pico_usd = 1, .saved_pico_usd = -1},
        {.job = "a", .savable_pico_usd = INT64_MAX, .saved_pico_usd = 1},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        alert_watch_remember(watch, &bad[i]);
    alert_watch_each(watch, copy, &copies);
    ck_assert_uint_eq(copies.count, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("alert_watch");
    TCase *cases = tcase_create("alert_watch");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_loop_test(cases, duplicates, 0, sizeof(pairs) / sizeof(pairs[0]));
    tcase_add_test(cases, only_the_last_bodies_are_remembered);
    tcase_add_test(cases, more_runs_than_can_be_watched_do_no_harm);
    tcase_add_loop_test(cases, caches_fall, 0, sizeof(caches) / sizeof(caches[0]));
    tcase_add_test(cases, savings_are_weighed_in_dollars);
    tcase_add_test(cases, runs_without_prompts_are_none);
    tcase_add_test(cases, absurd_counts_are_left_out);
    tcase_add_test(cases, what_is_remembered_is_enough_for_a_start);
    tcase_add_test(cases, the_job_that_ran_longest_ago_makes_room);
    tcase_add_test(cases, bad_memories_are_forgotten);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
