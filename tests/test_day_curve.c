// Tests of day_curve.c: totals by step, over midnight, and after a start.
#include "day_curve.h"
#include "suite_run.h"

#include <check.h>
#include <stdlib.h>

// In Berlin, 2026-11-25 begins at 2026-11-24T23:00:00Z.
#define DAY INT64_C(1795561200)
#define HOUR 3600

static struct time_zone *zone;
static struct day_curve curve;

static void set_up(void)
{
    struct error err;
    ck_assert_msg(time_zone_load(&zone, "Europe/Berlin", &err) == 0, "%s", err.text);
    day_curve_begin(&curve, zone, DAY + 9 * HOUR);
}

static void tear_down(void)
{
    time_zone_free(zone);
}

START_TEST(a_new_curve_is_of_today_and_empty)
{
    ck_assert_int_eq(curve.day_start_s, DAY);
    ck_assert_int_eq(curve.day_end_s, DAY + 24 * HOUR);
    ck_assert_int_eq(curve.last_step, -1);
}
END_TEST

START_TEST(totals_stand_at_the_end_of_their_steps)
{
    day_curve_note(&curve, DAY + HOUR, 0);
    day_curve_note(&curve, DAY + HOUR + 1, 5);
    day_curve_note(&curve, DAY + HOUR + DAY_CURVE_STEP_S - 1, 7);
    day_curve_note(&curve, DAY + HOUR + 3 * DAY_CURVE_STEP_S, 10);
    ck_assert_int_eq(curve.known_from_s, DAY + HOUR);
    ck_assert_int_eq(curve.known_pico_usd, 0);
    ck_assert_int_eq(curve.first_step, 12);
    ck_assert_int_eq(curve.last_step, 15);
    ck_assert_int_eq(curve.totals[12], 7);
    ck_assert_int_eq(curve.totals[13], 7); // nothing was spent in between
    ck_assert_int_eq(curve.totals[14], 7);
    ck_assert_int_eq(curve.totals[15], 10);
    ck_assert_int_eq(curve.total_pico_usd, 10);
}
END_TEST

START_TEST(a_clock_that_is_set_back_takes_nothing_away)
{
    day_curve_note(&curve, DAY + 2 * HOUR, 5);
    day_curve_note(&curve, DAY + HOUR, 6);
    ck_assert_int_eq(curve.first_step, 24);
    ck_assert_int_eq(curve.last_step, 24);
    ck_assert_int_eq(curve.totals[24], 6);
}
END_TEST

START_TEST(midnight_begins_anew)
{
    day_curve_note(&curve, DAY + 24 * HOUR - 1, 5);
    ck_assert_int_eq(curve.last_step, 287);
    day_curve_note(&curve, DAY + 24 * HOUR, 1);
    ck_assert_int_eq(curve.day_start_s, DAY + 24 * HOUR);
    ck_assert_int_eq(curve.last_step, 0);
    ck_assert_int_eq(curve.totals[0], 1);
}
END_TEST

START_TEST(a_day_of_25_hours_has_its_steps)
{
    day_curve_begin(&curve, zone, 1792879200); // 2026-10-25T00:00+02:00
    ck_assert_int_eq(curve.day_end_s - curve.day_start_s, 25 * HOUR);
    day_curve_note(&curve, curve.day_end_s - 1, 3);
    ck_assert_int_eq(curve.last_step, DAY_CURVE_STEPS - 1);
}
END_TEST

// ---- replay

static void replay_account(int64_t period_start_s, int64_t settled_pico_usd)
{
    struct journal_account account = {.scope = BUDGET_BOX_DAY,
                                      .period_start_us = period_start_s * 1000000,
                                      .settled = {{[BUDGET_COST] = settled_pico_usd}}};
    struct journal_checkpoint_end end = {.written_at_us = (DAY + HOUR) * 1000000};
    day_curve_replay(&curve,
                     &(struct journal_record){.type = JOURNAL_ACCOUNT, .account = &account});
    day_curve_replay(
        &curve, &(struct journal_record){.type = JOURNAL_CHECKPOINT_END, .checkpoint_end = &end});
}

static void replay_settled(int64_t reserved_at_s, int64_t settled_at_s, int64_t counted_pico_usd,
                           const char *batch_id)
{
    struct journal_settlement settlement = {.reserved_at_us = reserved_at_s * 1000000,
                                            .settled_at_us = settled_at_s * 1000000,
                                            .counted_pico_usd = counted_pico_usd};
    memcpy(settlement.batch_id, batch_id, strlen(batch_id));
    day_curve_replay(
        &curve, &(struct journal_record){.type = JOURNAL_SETTLEMENT, .settlement = &settlement});
}

START_TEST(a_start_knows_the_sum_of_before_and_what_came_then)
{
    replay_account(DAY, 100);
    replay_settled(DAY + HOUR, DAY + 2 * HOUR, 10, "");
    replay_settled(DAY + 2 * HOUR, DAY + 3 * HOUR, 1, "");
    ck_assert_int_eq(curve.known_from_s, DAY + HOUR);
    ck_assert_int_eq(curve.known_pico_usd, 100);
    ck_assert_int_eq(curve.totals[24], 110);
    ck_assert_int_eq(curve.totals[36], 111);
}
END_TEST

START_TEST(what_counts_in_another_day_is_left_out)
{
    replay_account(DAY - 24 * HOUR, 100);
    replay_settled(DAY - 1, DAY + 2 * HOUR, 10, "");
    ck_assert_int_eq(curve.total_pico_usd, 0);
    replay_settled(DAY, DAY + 2 * HOUR, 10, "");
    ck_assert_int_eq(curve.total_pico_usd, 10);
}
END_TEST

START_TEST(a_batch_counts_once_with_its_end)
{
    struct journal_batch_end end = {.reserved_at_us = DAY * 1000000,
                                    .settled_at_us = (DAY + HOUR) * 1000000,
                                    .counted_pico_usd = 30};
    replay_settled(DAY, DAY + HOUR, 10, "msgbatch_1");
    day_curve_replay(&curve,
                     &(struct journal_record){.type = JOURNAL_BATCH_END, .batch_end = &end});
    ck_assert_int_eq(curve.total_pico_usd, 30);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("day_curve");
    TCase *cases = tcase_create("day_curve");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, a_new_curve_is_of_today_and_empty);
    tcase_add_test(cases, totals_stand_at_the_end_of_their_steps);
    tcase_add_test(cases, a_clock_that_is_set_back_takes_nothing_away);
    tcase_add_test(cases, midnight_begins_anew);
    tcase_add_test(cases, a_day_of_25_hours_has_its_steps);
    tcase_add_test(cases, a_start_knows_the_sum_of_before_and_what_came_then);
    tcase_add_test(cases, what_counts_in_another_day_is_left_out);
    tcase_add_test(cases, a_batch_counts_once_with_its_end);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
