// Tests of budget.c: what the ceilings say, the periods, and that nothing ever goes above them.
#include "budget.h"
#include "suite_run.h"

#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND INT64_C(1000000)
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)
#define NOON INT64_C(1764072000000000) // 2025-11-25T12:00:00Z

static struct budget *make_budget(const char *zone)
{
    struct budget *budget = NULL;
    struct error err = {0};
    ck_assert_msg(budget_new(&budget, zone, &err) == 0, "%s", err.text);
    return budget;
}

static void limit(struct budget *budget, enum budget_scope scope, const char *name,
                  enum budget_kind kind, int64_t value)
{
    ck_assert_int_eq(budget_set_ceiling(budget, scope, name, kind, value, NULL), 0);
}

static struct budget_reservation ask(const char *run, const char *job, int64_t time_us,
                                     int64_t cost)
{
    struct budget_reservation reservation = {
        .reserved_at_us = time_us,
        .held = {{[BUDGET_COST] = cost, [BUDGET_TOKENS] = cost / 10, [BUDGET_REQUESTS] = 1}}};
    snprintf(reservation.run_id, sizeof(reservation.run_id), "%s", run);
    snprintf(reservation.job, sizeof(reservation.job), "%s", job);
    return reservation;
}

static struct budget_amounts used(int64_t cost)
{
    return (struct budget_amounts){
        {[BUDGET_COST] = cost, [BUDGET_TOKENS] = cost / 10, [BUDGET_REQUESTS] = 1}};
}

static void settle(struct budget *budget, const struct budget_reservation *reservation,
                   int64_t cost)
{
    struct budget_amounts amounts = used(cost);
    budget_settle(budget, reservation, &amounts);
}

static void assert_cost(const struct budget *budget, enum budget_scope scope, const char *name,
                        int64_t time_us, int64_t settled, int64_t held)
{
    int64_t is_settled, is_held, is_limit;
    budget_read(budget, scope, name, time_us, BUDGET_COST, &is_settled, &is_held, &is_limit);
    ck_assert_int_eq(is_settled, settled);
    ck_assert_int_eq(is_held, held);
}

START_TEST(outcomes_come_in_order)
{
    struct budget *budget = make_budget("UTC");
    struct budget_ceiling refusal;
    struct budget_reservation first = ask("r1", "j", NOON, 60);
    limit(budget, BUDGET_RUN, "r1", BUDGET_COST, 100);
    ck_assert_int_eq(budget_reserve(budget, &first, &refusal), BUDGET_FITS);
    struct budget_reservation second = ask("r1", "j", NOON, 41);
    ck_assert_int_eq(budget_reserve(budget, &second, &refusal), BUDGET_WAITS);
    ck_assert_int_eq(refusal.scope, BUDGET_RUN);
    ck_assert_int_eq(refusal.kind, BUDGET_COST);
    ck_assert_int_eq(refusal.limit, 100);
    ck_assert_int_eq(refusal.settled, 0);
    ck_assert_int_eq(refusal.held, 60);
    ck_assert_int_eq(refusal.asked, 41);
    ck_assert_int_eq(refusal.resets_at_us, -1);
    settle(budget, &first, 59);
    ck_assert_int_eq(budget_reserve(budget, &second, &refusal), BUDGET_FITS); // to the last
    budget_release(budget, &second);
    struct budget_reservation third = ask("r1", "j", NOON, 42);
    ck_assert_int_eq(budget_reserve(budget, &third, &refusal), BUDGET_REFUSED);
    ck_assert_int_eq(refusal.settled, 59);
    ck_assert_int_eq(refusal.held, 0);
    assert_cost(budget, BUDGET_RUN, "r1", NOON, 59, 0);
    budget_free(budget);
}
END_TEST

START_TEST(refusal_goes_before_waiting)
{
    struct budget *budget = make_budget("UTC");
    struct budget_ceiling refusal;
    struct budget_reservation first = ask("r1", "j", NOON, 60);
    ck_assert_int_eq(budget_reserve(budget, &first, &refusal), BUDGET_FITS);
    limit(budget, BUDGET_RUN, "r1", BUDGET_COST, 100);     // would wait
    limit(budget, BUDGET_BOX_MONTH, "", BUDGET_TOKENS, 4); // can never be
    ck_assert_int_eq(budget_reserve(budget, &first, &refusal), BUDGET_REFUSED);
    ck_assert_int_eq(refusal.scope, BUDGET_BOX_MONTH);
    ck_assert_int_eq(refusal.kind, BUDGET_TOKENS);
    ck_assert_int_eq(refusal.resets_at_us, INT64_C(1764547200000000)); // 2025-12-01
    budget_free(budget);
}
END_TEST

START_TEST(all_ceilings_hold_or_none)
{
    static const enum budget_scope scopes[] = {BUDGET_RUN, BUDGET_JOB_DAY, BUDGET_JOB_MONTH,
                                               BUDGET_BOX_DAY, BUDGET_BOX_MONTH};
    static const char *const names[] = {"r1", "j", "j", "", ""};
    for (size_t tight = 0; tight < BUDGET_SCOPES; tight++)
        for (enum budget_kind kind = 0; kind < BUDGET_KINDS; kind++) {
            struct budget *budget = make_budget("UTC");
            struct budget_ceiling refusal;
            struct budget_reservation asked = ask("r1", "j", NOON, 100);
            asked.held.of[BUDGET_OUTPUT_TOKENS] = 5;
            limit(budget, scopes[tight], names[tight], kind, asked.held.of[kind] - 1);
            ck_assert_int_eq(budget_reserve(budget, &asked, &refusal), BUDGET_REFUSED);
            ck_assert_int_eq(refusal.scope, scopes[tight]);
            ck_assert_int_eq(refusal.kind, kind);
            for (size_t i = 0; i < BUDGET_SCOPES; i++)
                assert_cost(budget, scopes[i], names[i], NOON, 0, 0);
            limit(budget, scopes[tight], names[tight], kind, asked.held.of[kind]);
            ck_assert_int_eq(budget_reserve(budget, &asked, &refusal), BUDGET_FITS);
            for (size_t i = 0; i < BUDGET_SCOPES; i++)
                assert_cost(budget, scopes[i], names[i], NOON, 0, 100);
            budget_free(budget);
        }
}
END_TEST

START_TEST(others_are_not_covered)
{
    struct budget *budget = make_budget("UTC");
    struct budget_ceiling refusal;
    struct budget_reservation asked = ask("r1", "j", NOON, 100), other = ask("r2", "k", NOON, 100);
    limit(budget, BUDGET_RUN, "r1", BUDGET_COST, 0);
    limit(budget, BUDGET_JOB_DAY, "j", BUDGET_COST, 0);
    ck_assert_int_eq(budget_reserve(budget, &asked, &refusal), BUDGET_REFUSED);
    ck_assert_int_eq(budget_reserve(budget, &other, &refusal), BUDGET_FITS);
    limit(budget, BUDGET_RUN, "r1", BUDGET_COST, LIMIT_NONE);
    limit(budget, BUDGET_JOB_DAY, "j", BUDGET_COST, LIMIT_NONE);
    ck_assert_int_eq(budget_reserve(budget, &asked, &refusal), BUDGET_FITS);
    budget_free(budget);
}
END_TEST

START_TEST(overrun_is_booked_and_ends_it)
{
    struct budget *budget = make_budget("UTC");
    struct budget_ceiling refusal;
    struct budget_reservation asked = ask("r1", "j", NOON, 50), nothing = ask("r1", "j", NOON, 0);
    limit(budget, BUDGET_RUN, "r1", BUDGET_COST, 100);
    ck_assert_int_eq(budget_reserve(budget, &asked, &refusal), BUDGET_FITS);
    settle(budget, &asked, 130);
    assert_cost(budget, BUDGET_RUN, "r1", NOON, 130, 0);
    ck_assert_int_eq(budget_reserve(budget, &nothing, &refusal), BUDGET_REFUSED);
    int64_t room_settled, room_now;
    budget_room(budget, "r1", "j", NOON, BUDGET_COST, &room_settled, &room_now);
    ck_assert_int_eq(room_settled, 0);
    ck_assert_int_eq(room_now, 0);
    budget_free(budget);
}
END_TEST

START_TEST(amounts_beyond_measure_do_not_wrap)
{
    struct budget *budget = make_budget("UTC");
    struct budget_ceiling refusal;
    struct budget_reservation vast = ask("r1", "j", NOON, INT64_MAX),
                              small = ask("r1", "j", NOON, 1);
    ck_assert_int_eq(budget_reserve(budget, &vast, &refusal), BUDGET_FITS);
    ck_assert_int_eq(budget_reserve(budget, &small, &refusal), BUDGET_WAITS);
    ck_assert_int_eq(budget_restore_reservation(budget, &small, NULL), -ERANGE);
    settle(budget, &vast, INT64_MAX);
    ck_assert_int_eq(budget_reserve(budget, &small, &refusal), BUDGET_REFUSED);
    ck_assert_int_eq(budget_restore_reservation(budget, &small, NULL), 0);
    settle(budget, &small, INT64_MAX);
    assert_cost(budget, BUDGET_BOX_DAY, "", NOON, INT64_MAX, 0);
    budget_free(budget);
}
END_TEST

// Reservations at a time and in its zone, and whether they are in the period of the one before.
static const struct {
    const char *zone;
    int64_t before_us, after_us;
    bool same_day, same_month;
} moments[] = {
    {"UTC", NOON + 12 * HOUR - 1, NOON + 12 * HOUR, false, true},
    {"UTC", NOON - 12 * HOUR, NOON + 12 * HOUR - 1, true, true},
    {"Europe/Berlin", NOON + 11 * HOUR - 1, NOON + 11 * HOUR, false, true},
    {"UTC", NOON + 5 * DAY + 12 * HOUR - 1, NOON + 5 * DAY + 12 * HOUR, false,
     false}, // 30 November
    {"America/New_York", NOON + 5 * DAY + 17 * HOUR - 1, NOON + 5 * DAY + 17 * HOUR, false, false},
    {"UTC", INT64_C(1709251199999999), INT64_C(1709251200000000), false, false}, // 29 February 2024
    // 2026-10-25 in Berlin: 25 hours.
    {"Europe/Berlin", INT64_C(1792879200000000), INT64_C(1792969199999999), true, true},
    {"Europe/Berlin", INT64_C(1792969199999999), INT64_C(1792969200000000), false, true},
};

START_TEST(reservation_counts_in_its_period)
{
    struct budget *budget = make_budget(moments[_i].zone);
    struct budget_ceiling refusal;
    struct budget_reservation before = ask("r1", "j", moments[_i].before_us, 7);
    struct budget_reservation after = ask("r1", "j", moments[_i].after_us, 5);
    ck_assert_int_eq(budget_reserve(budget, &before, &refusal), BUDGET_FITS);
    ck_assert_int_eq(budget_reserve(budget, &after, &refusal), BUDGET_FITS);
    bool same_day = moments[_i].same_day, same_month = moments[_i].same_month;
    assert_cost(budget, BUDGET_BOX_DAY, "", before.reserved_at_us, 0, same_day ? 12 : 7);
    assert_cost(budget, BUDGET_BOX_DAY, "", after.reserved_at_us, 0, same_day ? 12 : 5);
    assert_cost(budget, BUDGET_JOB_MONTH, "j", before.reserved_at_us, 0, same_month ? 12 : 7);
    settle(budget, &before, 7); // after the period has ended
    assert_cost(budget, BUDGET_JOB_DAY, "j", before.reserved_at_us, 7, same_day ? 5 : 0);
    assert_cost(budget, BUDGET_JOB_DAY, "j", after.reserved_at_us, same_day ? 7 : 0, 5);
    assert_cost(budget, BUDGET_RUN, "r1", after.reserved_at_us, 7, 5);
    budget_free(budget);
}
END_TEST

static void count_account(const struct budget_account *account, void *context)
{
    int *count = context;
    (void)account;
    (*count)++;
}

static int count_accounts(const struct budget *budget)
{
    int count = 0;
    budget_each(budget, count_account, &count);
    return count;
}

START_TEST(accounts_of_the_past_are_dropped_unless_held)
{
    struct budget *budget = make_budget("UTC");
    struct budget_ceiling refusal;
    struct budget_reservation open = ask("r1", "j", NOON, 7);
    ck_assert_int_eq(budget_reserve(budget, &open, &refusal), BUDGET_FITS);
    for (int day = 0; day < 100; day++) {
        struct budget_reservation each = ask("r1", "k", NOON + day * DAY, 1);
        ck_assert_int_eq(budget_reserve(budget, &each, &refusal), BUDGET_FITS);
        settle(budget, &each, 1);
    }
    // r1; j's day and month and the box's, held; k and the box today and yesterday, and this month.
    ck_assert_int_eq(count_accounts(budget), 1 + 4 + 4 + 2);
    settle(budget, &open, 7);
    struct budget_reservation late = ask("r1", "k", NOON + 101 * DAY, 1);
    ck_assert_int_eq(budget_reserve(budget, &late, &refusal), BUDGET_FITS);
    assert_cost(budget, BUDGET_JOB_DAY, "j", NOON, 0, 0);
    ck_assert_int_eq(count_accounts(budget), 1 + 2 + 2); // r1; k and the box, this day and month
    budget_free(budget);
}
END_TEST

START_TEST(too_many_accounts_wait_for_room)
{
    struct budget *budget = make_budget("UTC");
    struct budget_ceiling refusal;
    struct budget_reservation each = ask("", "j", NOON, 1);
    enum budget_outcome outcome = BUDGET_FITS;
    int runs = 0;
    while (outcome == BUDGET_FITS && runs <= BUDGET_ACCOUNTS_MAX) {
        snprintf(each.run_id, sizeof(each.run_id), "r%d", runs);
        outcome = budget_reserve(budget, &each, &refusal);
        runs += outcome == BUDGET_FITS;
    }
    ck_assert_int_eq(outcome, BUDGET_WAITS);
    ck_assert_int_eq(refusal.limit, LIMIT_NONE);
    ck_assert_int_eq(refusal.scope, BUDGET_RUN);
    ck_assert_int_eq(runs, BUDGET_ACCOUNTS_MAX - 4);
    snprintf(each.run_id, sizeof(each.run_id), "r0");
    budget_release(budget, &each);
    budget_forget_run(budget, "r0");
    snprintf(each.run_id, sizeof(each.run_id), "new");
    ck_assert_int_eq(budget_reserve(budget, &each, &refusal), BUDGET_FITS);
    budget_free(budget);
}
END_TEST

START_TEST(run_is_forgotten_with_its_last_reservation)
{
    struct budget *budget = make_budget("UTC");
    struct budget_ceiling refusal;
    struct budget_reservation asked = ask("r1", "j", NOON, 7);
    int64_t settled, held, limit_now;
    limit(budget, BUDGET_RUN, "r1", BUDGET_COST, 100);
    ck_assert_int_eq(budget_reserve(budget, &asked, &refusal), BUDGET_FITS);
    budget_forget_run(budget, "r1");
    assert_cost(budget, BUDGET_RUN, "r1", NOON, 0, 7);
    settle(budget, &asked, 7);
    budget_read(budget, BUDGET_RUN, "r1", NOON, BUDGET_COST, &settled, &held, &limit_now);
    ck_assert_int_eq(settled, 0);
    ck_assert_int_eq(limit_now, LIMIT_NONE);
    assert_cost(budget, BUDGET_JOB_DAY, "j", NOON, 7, 0); // the others keep it
    budget_forget_run(budget, "r1");
    budget_free(budget);
}
END_TEST

START_TEST(room_is_that_of_the_tightest_ceiling)
{
    struct budget *budget = make_budget("UTC");
    struct budget_ceiling refusal;
    struct budget_reservation asked = ask("r1", "j", NOON, 30);
    int64_t room_settled, room_now;
    budget_room(budget, "r1", "j", NOON, BUDGET_COST, &room_settled, &room_now);
    ck_assert_int_eq(room_settled, LIMIT_NONE);
    ck_assert_int_eq(room_now, LIMIT_NONE);
    limit(budget, BUDGET_RUN, "r1", BUDGET_COST, 100);
    limit(budget, BUDGET_BOX_DAY, "", BUDGET_COST, 120);
    ck_assert_int_eq(budget_reserve(budget, &asked, &refusal), BUDGET_FITS);
    budget_room(budget, "r1", "j", NOON, BUDGET_COST, &room_settled, &room_now);
    ck_assert_int_eq(room_settled, 100);
    ck_assert_int_eq(room_now, 70);
    budget_room(budget, "r2", "j", NOON, BUDGET_COST, &room_settled, &room_now);
    ck_assert_int_eq(room_settled, 120);
    ck_assert_int_eq(room_now, 90);
    budget_free(budget);
}
END_TEST

// One asks for far too much, seven for little: nobody takes all, and all get in.
START_TEST(fair_share_leaves_room_for_the_others)
{
    struct budget *budget = make_budget("UTC");
    struct budget_ceiling refusal;
    struct budget_reservation big = ask("big", "j", NOON, 0), small[7];
    ck_assert_int_eq(budget_fair_share(budget, "big", "j", NOON, BUDGET_COST, 0), LIMIT_NONE);
    limit(budget, BUDGET_JOB_DAY, "j", BUDGET_COST, 1000);
    ck_assert_int_eq(budget_fair_share(budget, "big", "j", NOON, BUDGET_COST, 0), 500);
    big.held.of[BUDGET_COST] = 500;
    ck_assert_int_eq(budget_reserve(budget, &big, &refusal), BUDGET_FITS);
    for (int i = 0; i < 7; i++) {
        small[i] = ask("small", "j", NOON, 20);
        ck_assert_int_eq(budget_reserve(budget, &small[i], &refusal), BUDGET_FITS);
    }
    // Seven are in flight besides, so it is an eighth of what is not spent; those who wait count.
    settle(budget, &big, 200);
    ck_assert_int_eq(budget_fair_share(budget, "big", "j", NOON, BUDGET_COST, 0), 800 / 8);
    ck_assert_int_eq(budget_fair_share(budget, "big", "j", NOON, BUDGET_COST, 8), 800 / 16);
    for (int i = 0; i < 7; i++)
        settle(budget, &small[i], 20);
    ck_assert_int_eq(budget_fair_share(budget, "big", "j", NOON, BUDGET_COST, 0), 660 / 2);
    big.held.of[BUDGET_COST] = 600;
    ck_assert_int_eq(budget_reserve(budget, &big, &refusal), BUDGET_FITS);
    ck_assert_int_eq(budget_fair_share(budget, "big", "j", NOON, BUDGET_COST, 0), 60); // all left
    budget_free(budget);
}
END_TEST

static struct budget_reservation ask_growing(int64_t cost, int64_t growth)
{
    struct budget_reservation reservation = ask("r1", "j", NOON, cost);
    reservation.growth.of[BUDGET_COST] = growth;
    return reservation;
}

// Of those that may cost more than anybody can say, one may be in flight anyhow, and more of them
// only while there is room for all that they may grow to: so no more than one goes above.
START_TEST(one_that_grows_is_alone_where_room_is_short)
{
    struct budget *budget = make_budget("UTC");
    struct budget_ceiling refusal;
    struct budget_reservation first = ask_growing(10, 500), second = ask_growing(10, 500);
    struct budget_reservation plain = ask("r1", "j", NOON, 10);
    limit(budget, BUDGET_JOB_DAY, "j", BUDGET_COST, 100);
    ck_assert_int_eq(budget_reserve(budget, &first, &refusal), BUDGET_FITS);
    ck_assert_int_eq(budget_reserve(budget, &second, &refusal), BUDGET_WAITS);
    ck_assert_int_eq(refusal.scope, BUDGET_JOB_DAY);
    ck_assert_int_eq(budget_reserve(budget, &plain, &refusal), BUDGET_FITS); // it is bounded
    settle(budget, &first, 10);
    ck_assert_int_eq(budget_reserve(budget, &second, &refusal), BUDGET_FITS);
    settle(budget, &second, 600); // and has grown
    ck_assert_int_eq(budget_reserve(budget, &second, &refusal), BUDGET_REFUSED);
    budget_release(budget, &plain);
    budget_free(budget);
}
END_TEST

START_TEST(those_that_grow_go_together_where_there_is_room)
{
    struct budget *budget = make_budget("UTC");
    struct budget_ceiling refusal;
    struct budget_reservation growing = ask_growing(10, 300), plain = ask("r1", "j", NOON, 360);
    limit(budget, BUDGET_RUN, "r1", BUDGET_COST, 1000);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(budget_reserve(budget, &growing, &refusal), BUDGET_FITS); // 930 of 1000
    ck_assert_int_eq(budget_reserve(budget, &growing, &refusal), BUDGET_WAITS);
    ck_assert_int_eq(budget_reserve(budget, &plain, &refusal), BUDGET_WAITS); // theirs is kept
    settle(budget, &growing, 10);
    ck_assert_int_eq(budget_reserve(budget, &plain, &refusal), BUDGET_FITS); // 990
    settle(budget, &growing, 10);
    settle(budget, &growing, 10);
    budget_release(budget, &plain);
    growing.growth.of[BUDGET_COST] = INT64_MAX; // adds up to nothing that int64 can hold
    ck_assert_int_eq(budget_reserve(budget, &growing, &refusal), BUDGET_FITS);
    ck_assert_int_eq(budget_reserve(budget, &growing, &refusal), BUDGET_WAITS);
    budget_free(budget);
}
END_TEST

static size_t take_soft(struct budget *budget, int64_t time_us,
                        struct budget_ceiling reached[static BUDGET_CEILINGS_MAX])
{
    size_t count = budget_take_soft_limits(budget, "r1", "j", time_us, 80, reached);
    ck_assert_int_eq(budget_soft_limit_is_reached(budget, "r1", "j", time_us, 80) || count == 0,
                     true);
    return count;
}

static void spend(struct budget *budget, int64_t time_us, int64_t cost)
{
    struct budget_ceiling refusal;
    struct budget_reservation reservation = ask("r1", "j", time_us, cost);
    ck_assert_int_eq(budget_reserve(budget, &reservation, &refusal), BUDGET_FITS);
    ck_assert_int_eq(budget_soft_limit_is_reached(budget, "r2", "k", time_us, 80), false);
    settle(budget, &reservation, cost);
}

START_TEST(soft_limit_is_taken_once_in_a_period)
{
    struct budget *budget = make_budget("Europe/Berlin");
    struct budget_ceiling reached[BUDGET_CEILINGS_MAX];
    limit(budget, BUDGET_RUN, "r1", BUDGET_COST, 1000);
    limit(budget, BUDGET_JOB_DAY, "j", BUDGET_COST, 100);
    spend(budget, NOON, 79);
    ck_assert_uint_eq(take_soft(budget, NOON, reached), 0);
    spend(budget, NOON, 1); // 80 %, to the point
    ck_assert_uint_eq(take_soft(budget, NOON, reached), 1);
    ck_assert_int_eq(reached[0].scope, BUDGET_JOB_DAY);
    ck_assert_int_eq(reached[0].kind, BUDGET_COST);
    ck_assert_int_eq(reached[0].settled, 80);
    ck_assert_int_eq(reached[0].limit, 100);
    ck_assert_int_eq(reached[0].period_start_us, NOON - 13 * HOUR);
    ck_assert_int_eq(reached[0].resets_at_us, NOON + 11 * HOUR);
    spend(budget, NOON, 20);
    ck_assert_uint_eq(take_soft(budget, NOON, reached), 0); // said already
    spend(budget, NOON + DAY, 100);
    ck_assert_uint_eq(take_soft(budget, NOON + DAY, reached), 1); // of the next day
    limit(budget, BUDGET_RUN, "r1", BUDGET_COST, 200);
    limit(budget, BUDGET_RUN, "r1", BUDGET_TOKENS, 20);
    ck_assert_uint_eq(take_soft(budget, NOON + DAY, reached), 2);
    ck_assert_int_eq(reached[0].resets_at_us, -1);
    ck_assert_uint_eq(budget_take_soft_limits(budget, "r2", "j", NOON + 2 * DAY, 80, reached), 0);
    ck_assert(!budget_soft_limit_is_reached(budget, "r1", "j", NOON, LIMIT_NONE));
    budget_free(budget);
}
END_TEST

START_TEST(account_is_restored_into_its_day_in_another_zone)
{
    static const char *const zones[] = {"UTC", "America/New_York", "Asia/Tokyo"};
    for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
        struct budget *budget = make_budget(zones[i]);
        struct budget_amounts settled = used(40);
        int64_t midnight = NOON - 12 * HOUR; // as a budget in UTC has shown it
        ck_assert_int_eq(
            budget_restore_account(budget, BUDGET_JOB_DAY, "j", midnight, &settled, NULL), 0);
        ck_assert_int_eq(budget_restore_account(budget, BUDGET_RUN, "r1", 0, &settled, NULL), 0);
        assert_cost(budget, BUDGET_JOB_DAY, "j", NOON, 40, 0);
        assert_cost(budget, BUDGET_RUN, "r1", NOON, 40, 0);
        settled.of[BUDGET_TOKENS] = -1;
        ck_assert_int_eq(budget_restore_account(budget, BUDGET_RUN, "r1", 0, &settled, NULL),
                         -ERANGE);
        budget_free(budget);
    }
}
END_TEST

START_TEST(bad_time_zone_is_refused)
{
    struct budget *budget = NULL;
    struct error err = {0};
    ck_assert_int_lt(budget_new(&budget, "Mars/Olympus", &err), 0);
    ck_assert_ptr_null(budget);
    ck_assert_ptr_nonnull(strstr(err.text, "Mars/Olympus"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("budget");
    TCase *cases = tcase_create("budget");
    tcase_add_test(cases, outcomes_come_in_order);
    tcase_add_test(cases, refusal_goes_before_waiting);
    tcase_add_test(cases, all_ceilings_hold_or_none);
    tcase_add_test(cases, others_are_not_covered);
    tcase_add_test(cases, overrun_is_booked_and_ends_it);
    tcase_add_test(cases, amounts_beyond_measure_do_not_wrap);
    tcase_add_loop_test(cases, reservation_counts_in_its_period, 0,
                        sizeof(moments) / sizeof(moments[0]));
    tcase_add_test(cases, accounts_of_the_past_are_dropped_unless_held);
    tcase_add_test(cases, too_many_accounts_wait_for_room);
    tcase_add_test(cases, run_is_forgotten_with_its_last_reservation);
    tcase_add_test(cases, room_is_that_of_the_tightest_ceiling);
    tcase_add_test(cases, fair_share_leaves_room_for_the_others);
    tcase_add_test(cases, one_that_grows_is_alone_where_room_is_short);
    tcase_add_test(cases, those_that_grow_go_together_where_there_is_room);
    tcase_add_test(cases, soft_limit_is_taken_once_in_a_period);
    tcase_add_test(cases, account_is_restored_into_its_day_in_another_zone);
    tcase_add_test(cases, bad_time_zone_is_refused);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
