// Tests of waiting.c: who is whose turn, and what those are told who waited in vain.
#include "waiting.h"

#include "clock.h"
#include "exchange_state.h"
#include "suite_run.h"

#include <check.h>
#include <event2/event.h>
#include <stdlib.h>

static struct proxy proxy;
static struct live_run outreach_1 = {.id = "o1", .job = "outreach"};
static struct live_run outreach_2 = {.id = "o2", .job = "outreach"};
static struct live_run triage = {.id = "t", .job = "triage"};
static struct exchange exchanges[6];
static struct exchange *asked_again[6];
static size_t asked_again_count;

static void on_soon(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    asked_again[asked_again_count++] = context;
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    (void)context;
}

static void set_up(void)
{
    proxy = (struct proxy){.base = event_base_new(), .wait_max_s = 60};
    TAILQ_INIT(&proxy.waiting);
    asked_again_count = 0;
    for (size_t i = 0; i < sizeof(exchanges) / sizeof(exchanges[0]); i++) {
        exchanges[i] =
            (struct exchange){.proxy = &proxy, .run = &outreach_1, .waits_for = BUDGET_SCOPES};
        event_assign(&exchanges[i].soon, proxy.base, -1, 0, on_soon, &exchanges[i]);
        event_assign(&exchanges[i].timer, proxy.base, -1, 0, on_timer, &exchanges[i]);
    }
}

static void tear_down(void)
{
    event_base_free(proxy.base);
}

static struct exchange *exchange_of(int number, struct live_run *run)
{
    exchanges[number].run = run;
    return &exchanges[number];
}

// Of the first exchange in the queue, which waits for a ceiling of `scope`.
static const struct {
    enum budget_scope scope;
    bool stands_before_its_run, stands_before_its_job, stands_before_all;
} scopes[] = {
    {BUDGET_RUN, true, false, false},      {BUDGET_JOB_DAY, true, true, false},
    {BUDGET_JOB_MONTH, true, true, false}, {BUDGET_BOX_DAY, true, true, true},
    {BUDGET_BOX_MONTH, true, true, true},
};

START_TEST(those_whom_the_ceiling_covers_are_behind)
{
    enum budget_scope scope = scopes[_i].scope;
    waiting_join(exchange_of(0, &outreach_1), scope);
    ck_assert_int_eq(exchanges[0].state, EXCHANGE_WAITING);
    ck_assert(event_pending(&exchanges[0].timer, EV_TIMEOUT, NULL) != 0);
    ck_assert_int_eq(waiting_find_ahead(&exchanges[0]), BUDGET_SCOPES);
    ck_assert_int_eq(waiting_find_ahead(exchange_of(1, &outreach_1)),
                     scopes[_i].stands_before_its_run ? scope : BUDGET_SCOPES);
    ck_assert_int_eq(waiting_find_ahead(exchange_of(2, &outreach_2)),
                     scopes[_i].stands_before_its_job ? scope : BUDGET_SCOPES);
    ck_assert_int_eq(waiting_find_ahead(exchange_of(3, &triage)),
                     scopes[_i].stands_before_all ? scope : BUDGET_SCOPES);
    ck_assert_int_eq(waiting_count(&exchanges[0]), 0); // not itself
    ck_assert_int_eq(waiting_count(&exchanges[2]), scopes[_i].stands_before_its_job);
}
END_TEST

START_TEST(queue_is_first_come_first_served)
{
    struct exchange *large = exchange_of(0, &outreach_1), *small = exchange_of(1, &outreach_1);
    struct exchange *other = exchange_of(2, &triage);
    waiting_join(large, BUDGET_RUN);
    waiting_join(other, BUDGET_JOB_DAY);
    waiting_join(small, BUDGET_RUN);
    waiting_join(large, BUDGET_RUN); // asked again in vain: it stays in its place
    ck_assert_int_eq(waiting_find_ahead(large), BUDGET_SCOPES);
    ck_assert_int_eq(waiting_find_ahead(small), BUDGET_RUN);
    ck_assert_int_eq(waiting_find_ahead(other), BUDGET_SCOPES);
    ck_assert_int_eq(waiting_count(large), 1);
    waiting_retry(&proxy);
    event_base_loop(proxy.base, EVLOOP_NONBLOCK);
    ck_assert_uint_eq(asked_again_count, 3);
    ck_assert_ptr_eq(asked_again[0], large);
    ck_assert_ptr_eq(asked_again[2], small);
    // It was asked in vain, and its time to wait goes on.
    ck_assert(event_pending(&large->timer, EV_TIMEOUT, NULL) != 0);
    waiting_leave(large);
    ck_assert_int_eq(waiting_find_ahead(small), BUDGET_SCOPES);
    event_base_loop(proxy.base, EVLOOP_NONBLOCK);
    ck_assert_uint_eq(asked_again_count, 5); // those behind it may pass now
    waiting_leave(large);                    // once is enough
    ck_assert_uint_eq(asked_again_count, 5);
}
END_TEST

static const struct {
    int64_t wait_max_s, resets_in_s; // -1: never
    int least_s, most_s;
} refusals[] = {
    {60, -1, 60, 60}, {3600, -1, 60, 60}, {20, -1, 20, 20},
    {0, -1, 1, 1},    {60, 10, 9, 11},    {5, 4000, 5, 5},
};

START_TEST(refusal_tells_when_to_come_back)
{
    char message[WAITING_MESSAGE_MAX];
    struct exchange *exchange = exchange_of(0, &outreach_1);
    int64_t resets_in_s = refusals[_i].resets_in_s;
    proxy.wait_max_s = refusals[_i].wait_max_s;
    exchange->admission.ceiling = (struct budget_ceiling){
        .scope = BUDGET_JOB_DAY,
        .kind = BUDGET_TOKENS,
        .limit = 1000,
        .settled = 400,
        .resets_at_us = resets_in_s < 0 ? -1 : clock_now_us() + resets_in_s * 1000000,
    };
    struct reply reply = waiting_refusal(exchange, message);
    ck_assert_int_eq(reply.status, 429);
    ck_assert(!reply.never_retry);
    ck_assert_int_ge(reply.retry_after_s, refusals[_i].least_s);
    ck_assert_int_le(reply.retry_after_s, refusals[_i].most_s);
    ck_assert_ptr_nonnull(strstr(message, "400 of 1000 tokens spent by this job today"));
}
END_TEST

START_TEST(refusal_without_a_ceiling_of_its_own)
{
    char message[WAITING_MESSAGE_MAX]; // it never had its turn
    struct reply reply = waiting_refusal(exchange_of(0, &outreach_1), message);
    ck_assert_int_eq(reply.retry_after_s, 60);
    ck_assert_ptr_null(strstr(message, "$"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("waiting");
    TCase *cases = tcase_create("waiting");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_loop_test(cases, those_whom_the_ceiling_covers_are_behind, 0,
                        sizeof(scopes) / sizeof(scopes[0]));
    tcase_add_test(cases, queue_is_first_come_first_served);
    tcase_add_loop_test(cases, refusal_tells_when_to_come_back, 0,
                        sizeof(refusals) / sizeof(refusals[0]));
    tcase_add_test(cases, refusal_without_a_ceiling_of_its_own);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
