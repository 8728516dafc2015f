// Checks what counts as open, what runs add up to, and the maximums.
#include "journal_live.h"
#include "suite_run.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct journal_live live;

static void apply(enum journal_record_type type, const void *fields)
{
    struct journal_record record = {type, {fields}};
    ck_assert_int_eq(journal_live_make_room(&live, &record, NULL), 0);
    journal_live_apply(&live, &record);
}

static struct journal_reservation reservation(uint32_t number)
{
    struct journal_reservation made = {.run_id = "run-1", .cost_pico_usd = number};
    memcpy(made.exchange_id, &number, sizeof(number));
    return made;
}

static struct journal_settlement settlement(uint32_t number)
{
    struct journal_settlement made = {
        .run_id = "run-1", .cost_pico_usd = 10, .tokens = {1, 2, 3, 4, 5}};
    memcpy(made.exchange_id, &number, sizeof(number));
    return made;
}

START_TEST(reservations_are_open_until_settled)
{
    for (uint32_t i = 0; i < 100; i++) {
        struct journal_reservation made = reservation(i);
        apply(JOURNAL_RESERVATION, &made);
        apply(JOURNAL_RESERVATION, &made); // a checkpoint repeats it
    }
    ck_assert_uint_eq(live.reservation_count, 100);
    for (uint32_t i = 0; i < 100; i += 2) {
        struct journal_settlement made = settlement(i);
        apply(JOURNAL_SETTLEMENT, &made);
    }
    ck_assert_uint_eq(live.reservation_count, 50);
    bool seen[100] = {false};
    for (size_t i = 0; i < live.reservation_count; i++)
        seen[live.reservations[i].cost_pico_usd] = true;
    for (size_t i = 0; i < 100; i++)
        ck_assert_int_eq(seen[i], i % 2 == 1);
    struct journal_settlement unknown = settlement(1000);
    apply(JOURNAL_SETTLEMENT, &unknown);
    ck_assert_uint_eq(live.reservation_count, 50);
    journal_live_done(&live);
}
END_TEST

START_TEST(batches_take_over_their_reservation_until_they_end)
{
    struct journal_reservation first = reservation(1), second = reservation(2);
    struct journal_batch batch = {.batch_id = "msgbatch_1", .requests = 7, .tokens = 3};
    memcpy(batch.exchange_id, first.exchange_id, EXCHANGE_ID_BYTES);
    apply(JOURNAL_RESERVATION, &first);
    apply(JOURNAL_RESERVATION, &second);
    apply(JOURNAL_BATCH, &batch);
    apply(JOURNAL_BATCH, &batch); // a checkpoint repeats it
    ck_assert_uint_eq(live.reservation_count, 1);
    ck_assert_int_eq(live.reservations[0].cost_pico_usd, 2);
    ck_assert_uint_eq(live.batch_count, 1);
    struct budget_reservation held = journal_batch_reservation(&live.batches[0]);
    ck_assert_int_eq(held.held.of[BUDGET_REQUESTS], 7);
    ck_assert_int_eq(held.held.of[BUDGET_TOKENS], 3);

    struct journal_settlement row = settlement(3);
    memcpy(row.batch_id, batch.batch_id, sizeof(row.batch_id));
    apply(JOURNAL_SETTLEMENT, &row); // a row of its results leaves it open
    struct journal_batch_end end = {.batch_id = "msgbatch_2"};
    apply(JOURNAL_BATCH_END, &end);
    ck_assert_uint_eq(live.batch_count, 1);
    memcpy(end.batch_id, batch.batch_id, sizeof(end.batch_id));
    apply(JOURNAL_BATCH_END, &end);
    ck_assert_uint_eq(live.batch_count, 0);
    ck_assert_uint_eq(live.reservation_count, 1);
    journal_live_done(&live);
}
END_TEST

START_TEST(runs_add_up_their_settlements)
{
    struct journal_run_open first = {.run_id = "run-1", .job = "j"};
    struct journal_run_open second = {.run_id = "run-2"};
    apply(JOURNAL_RUN_OPEN, &first);
    apply(JOURNAL_RUN_OPEN, &second);
    struct journal_settlement made = settlement(1);
    apply(JOURNAL_SETTLEMENT, &made); // counts, reserved or not
    apply(JOURNAL_SETTLEMENT, &made);
    const struct journal_live_run *run = journal_live_find_run(&live, "run-1");
    ck_assert_ptr_nonnull(run);
    ck_assert_str_eq(run->open.job, "j");
    ck_assert_str_eq(run->totals.run_id, "run-1");
    ck_assert_int_eq(run->totals.exchanges, 2);
    ck_assert_int_eq(run->totals.cost_pico_usd, 20);
    ck_assert_int_eq(run->totals.tokens.input, 2);
    ck_assert_int_eq(run->totals.tokens.output, 4);
    ck_assert_int_eq(run->totals.tokens.cache_write_5m, 6);
    ck_assert_int_eq(run->totals.tokens.cache_write_1h, 8);
    ck_assert_int_eq(run->totals.tokens.cache_read, 10);
    ck_assert_int_eq(journal_live_find_run(&live, "run-2")->totals.exchanges, 0);

    apply(JOURNAL_RUN_OPEN, &first); // a repeat keeps the totals
    ck_assert_int_eq(journal_live_find_run(&live, "run-1")->totals.exchanges, 2);
    struct journal_run_totals totals = {.run_id = "run-1", .exchanges = 7};
    apply(JOURNAL_RUN_TOTALS, &totals);
    ck_assert_int_eq(journal_live_find_run(&live, "run-1")->totals.exchanges, 7);

    struct journal_run_placed placed = {.run_id = "run-1", .directory = "/sys/fs/cgroup/run-1"};
    apply(JOURNAL_RUN_PLACED, &placed);
    run = journal_live_find_run(&live, "run-1");
    ck_assert(run->open.is_placed);
    ck_assert_str_eq(run->open.directory, "/sys/fs/cgroup/run-1");

    struct journal_run_close end = {.run_id = "run-1"};
    apply(JOURNAL_RUN_CLOSE, &end);
    apply(JOURNAL_RUN_CLOSE, &end);
    ck_assert_ptr_null(journal_live_find_run(&live, "run-1"));
    ck_assert_uint_eq(live.run_count, 1);
    journal_live_done(&live);
}
END_TEST

START_TEST(totals_do_not_overflow)
{
    struct journal_run_open run = {.run_id = "run-1"};
    struct journal_settlement made = settlement(1);
    made.cost_pico_usd = INT64_MAX;
    apply(JOURNAL_RUN_OPEN, &run);
    apply(JOURNAL_SETTLEMENT, &made);
    apply(JOURNAL_SETTLEMENT, &made);
    ck_assert_int_eq(journal_live_find_run(&live, "run-1")->totals.cost_pico_usd, INT64_MAX);
    journal_live_done(&live);
}
END_TEST

START_TEST(maximums_are_kept)
{
    struct error err = {0};
    for (uint32_t i = 0; i < JOURNAL_LIVE_RESERVATIONS_MAX; i++) {
        struct journal_reservation made = reservation(i);
        apply(JOURNAL_RESERVATION, &made);
    }
    struct journal_reservation more = reservation(JOURNAL_LIVE_RESERVATIONS_MAX);
    struct journal_record record = {JOURNAL_RESERVATION, {&more}};
    ck_assert_int_eq(journal_live_make_room(&live, &record, &err), -ENOSPC);
    ck_assert_ptr_nonnull(strstr(err.text, "4096 open reservations"));
    struct journal_settlement made = settlement(0);
    apply(JOURNAL_SETTLEMENT, &made);
    ck_assert_int_eq(journal_live_make_room(&live, &record, &err), 0);

    for (uint32_t i = 0; i < JOURNAL_LIVE_RUNS_MAX; i++) {
        struct journal_run_open run = {0};
        run.run_id[0] = (char)(1 + i % 200);
        run.run_id[1] = (char)(1 + i / 200);
        apply(JOURNAL_RUN_OPEN, &run);
    }
    ck_assert_uint_eq(live.run_count, JOURNAL_LIVE_RUNS_MAX);
    struct journal_run_open one_more = {.run_id = "one more"};
    record = (struct journal_record){JOURNAL_RUN_OPEN, {&one_more}};
    ck_assert_int_eq(journal_live_make_room(&live, &record, &err), -ENOSPC);

    for (int i = 0; i < JOURNAL_LIVE_BATCHES_MAX; i++) {
        struct journal_batch batch = {0};
        snprintf(batch.batch_id, sizeof(batch.batch_id), "msgbatch_%d", i);
        apply(JOURNAL_BATCH, &batch);
    }
    struct journal_batch another = {.batch_id = "another"};
    record = (struct journal_record){JOURNAL_BATCH, {&another}};
    ck_assert_int_eq(journal_live_make_room(&live, &record, &err), -ENOSPC);
    journal_live_done(&live);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("journal_live");
    TCase *cases = tcase_create("journal_live");
    tcase_add_test(cases, reservations_are_open_until_settled);
    tcase_add_test(cases, batches_take_over_their_reservation_until_they_end);
    tcase_add_test(cases, runs_add_up_their_settlements);
    tcase_add_test(cases, totals_do_not_overflow);
    tcase_add_test(cases, maximums_are_kept);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
