// Checks what is in the budget after a start: what was spent, what orphans took, what batches hold.
#include "clock.h"
#include "restore.h"
#include "suite_run.h"

#include <check.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DOLLAR INT64_C(1000000000000)

static char directory[64];
static struct budget *budget;
static struct journal *journal;
static struct restore_targets targets;
static struct restore_summary summary;
static int64_t now_us;
static char remembered[UPSTREAM_ID_MAX]; // by the witness

static void witness_replay(const struct journal_record *record, void *context)
{
    (void)context;
    if (record->type == JOURNAL_OWNED)
        memcpy(remembered, record->owned->id, sizeof(remembered));
}

static void witness_checkpoint(struct journal_checkpoint *checkpoint, void *context)
{
    struct journal_owned owned = {.job = "j"};
    (void)context;
    memcpy(owned.id, remembered, sizeof(owned.id));
    if (owned.id[0] != '\0')
        journal_checkpoint_record(checkpoint,
                                  &(struct journal_record){.type = JOURNAL_OWNED, .owned = &owned});
}

static struct restore_in_flight in_flight; // at a predecessor
static size_t in_flight_count;

static void open_books(void)
{
    struct error err = {0};
    memset(remembered, 0, sizeof(remembered));
    targets = (struct restore_targets){.in_flight = &in_flight, .in_flight_count = in_flight_count};
    ck_assert_int_eq(budget_new(&budget, "UTC", NULL), 0);
    targets.budget = budget;
    restore_add_witness(&targets, &(struct restore_witness){.replay = witness_replay,
                                                            .checkpoint = witness_checkpoint});
    ck_assert_msg(restore(directory, &targets, &journal, &summary, &err) == 0, "%s", err.text);
}

// As a daemon does that is killed and started again: the journal is all that is left.
static void reopen_books(void)
{
    journal_close(journal);
    budget_free(budget);
    open_books();
}

static void set_up(void)
{
    snprintf(directory, sizeof(directory), "/tmp/reeve-restore-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    now_us = clock_now_us();
    open_books();
}

static void tear_down(void)
{
    journal_close(journal);
    budget_free(budget);
    DIR *listing = opendir(directory);
    ck_assert_ptr_nonnull(listing);
    for (const struct dirent *entry; (entry = readdir(listing)) != NULL;)
        unlinkat(dirfd(listing), entry->d_name, 0);
    closedir(listing);
    ck_assert_int_eq(rmdir(directory), 0);
}

static void append(enum journal_record_type type, const void *fields)
{
    struct error err = {0};
    ck_assert_msg(journal_append(journal, &(struct journal_record){type, {fields}}, NULL, &err) ==
                      0,
                  "%s", err.text);
}

static void append_reservation(uint8_t number)
{
    struct journal_reservation reservation = {.exchange_id = {number},
                                              .run_id = "r1",
                                              .job = "j",
                                              .reserved_at_us = now_us,
                                              .cost_pico_usd = 3 * DOLLAR,
                                              .tokens = 300,
                                              .output_tokens = 200};
    append(JOURNAL_RESERVATION, &reservation);
}

static void append_batch(uint8_t number)
{
    struct journal_batch batch = {.exchange_id = {number},
                                  .batch_id = "msgbatch_1",
                                  .run_id = "r1",
                                  .job = "j",
                                  .credential = "main",
                                  .reserved_at_us = now_us,
                                  .requests = 5,
                                  .cost_pico_usd = 3 * DOLLAR,
                                  .tokens = 300,
                                  .output_tokens = 200};
    append(JOURNAL_BATCH, &batch);
}

static void append_row(const char *batch_id, uint8_t number)
{
    struct journal_settlement row = {.exchange_id = {number},
                                     .run_id = "r1",
                                     .job = "j",
                                     .reserved_at_us = now_us,
                                     .settled_at_us = now_us,
                                     .cost_pico_usd = DOLLAR,
                                     .counted_pico_usd = DOLLAR,
                                     .counted_tokens = 30};
    snprintf(row.batch_id, sizeof(row.batch_id), "%s", batch_id);
    append(JOURNAL_SETTLEMENT, &row);
}

static void append_batch_end(void)
{
    struct journal_batch_end end = {.batch_id = "msgbatch_1",
                                    .run_id = "r1",
                                    .job = "j",
                                    .reserved_at_us = now_us,
                                    .settled_at_us = now_us,
                                    .counted_requests = 4,
                                    .counted_pico_usd = 2 * DOLLAR,
                                    .counted_tokens = 60,
                                    .counted_output_tokens = 20};
    append(JOURNAL_BATCH_END, &end);
}

static void expect(enum budget_kind kind, int64_t settled, int64_t held)
{
    int64_t found_settled, found_held, limit;
    budget_read(budget, BUDGET_JOB_DAY, "j", now_us, kind, &found_settled, &found_held, &limit);
    ck_assert_int_eq(found_settled, settled);
    ck_assert_int_eq(found_held, held);
}

START_TEST(orphan_is_charged_and_batch_is_held)
{
    append_reservation(1);
    append_reservation(2);
    append_batch(2);
    for (int start = 0; start < 3; start++) { // the second and third from checkpoints as well
        reopen_books();
        ck_assert_uint_eq(summary.orphans, start == 0 ? 1 : 0);
        ck_assert_uint_eq(summary.batches, 1);
        expect(BUDGET_COST, 3 * DOLLAR, 3 * DOLLAR);
        expect(BUDGET_TOKENS, 300, 300);
        expect(BUDGET_OUTPUT_TOKENS, 200, 200);
        expect(BUDGET_REQUESTS, 1, 5);
        ck_assert_str_eq(journal_live(journal)->batches[0].credential, "main");
    }
}
END_TEST

START_TEST(what_a_predecessor_has_in_flight_is_held)
{
    append_reservation(1);
    append_reservation(2);
    in_flight = (struct restore_in_flight){.exchange_id = {2},
                                           .reservation = {.run_id = "r1",
                                                           .job = "j",
                                                           .reserved_at_us = now_us,
                                                           .held = {{3 * DOLLAR, 300, 200, 1}},
                                                           .growth = {{5 * DOLLAR, 0, 0, 0}}}};
    in_flight_count = 1;
    reopen_books();
    ck_assert_uint_eq(summary.orphans, 1);
    ck_assert_uint_eq(summary.in_flight, 1);
    expect(BUDGET_COST, 3 * DOLLAR, 3 * DOLLAR);
    expect(BUDGET_TOKENS, 300, 300);
    expect(BUDGET_REQUESTS, 1, 1);
    const struct journal_reservation *open =
        journal_live_find_reservation(journal_live(journal), in_flight.exchange_id);
    ck_assert_ptr_nonnull(open);
    struct journal_settlement orphan = restore_orphan(open);
    ck_assert_int_eq(orphan.end, EXCHANGE_ORPHANED);
    ck_assert_int_eq(orphan.counted_pico_usd, 3 * DOLLAR);
    ck_assert(orphan.estimated);

    in_flight_count = 0; // the next start without it: it is an orphan like any other
    reopen_books();
    ck_assert_uint_eq(summary.orphans, 1);
    expect(BUDGET_COST, 6 * DOLLAR, 0);
    expect(BUDGET_REQUESTS, 2, 0);
}
END_TEST

START_TEST(rows_of_a_batch_count_once_however_often_they_are_written)
{
    append_reservation(1);
    append_batch(1);
    append_row("msgbatch_1", 10);
    reopen_books();
    expect(BUDGET_COST, 0, 3 * DOLLAR);
    append_row("msgbatch_1", 10);
    append_row("msgbatch_1", 11);
    append_batch_end();
    for (int start = 0; start < 2; start++) {
        reopen_books();
        ck_assert_uint_eq(summary.batches, 0);
        ck_assert_uint_eq(summary.orphans, 0);
        expect(BUDGET_COST, 2 * DOLLAR, 0);
        expect(BUDGET_TOKENS, 60, 0);
        expect(BUDGET_REQUESTS, 4, 0);
    }
}
END_TEST

START_TEST(settlements_of_no_batch_count_by_themselves)
{
    append_reservation(1);
    append_row("", 1);
    reopen_books();
    ck_assert_uint_eq(summary.orphans, 0);
    expect(BUDGET_COST, DOLLAR, 0);
}
END_TEST

START_TEST(live_runs_stay_with_what_they_have_spent)
{
    struct journal_run_open open = {.run_id = "r1", .job = "j", .supervisor_pid = 17};
    int64_t settled, held, limit;
    append(JOURNAL_RUN_OPEN, &open);
    append_reservation(1);
    append_batch(1);
    append_reservation(2); // in flight when the daemon dies
    for (int start = 0; start < 3; start++) {
        reopen_books();
        ck_assert_uint_eq(summary.runs, 1);
        const struct journal_live_run *run = journal_live_find_run(journal_live(journal), "r1");
        ck_assert_int_eq(run->open.supervisor_pid, 17);
        ck_assert_int_eq(run->totals.exchanges, 1);
        ck_assert_int_eq(run->totals.cost_pico_usd, 3 * DOLLAR);
        budget_read(budget, BUDGET_RUN, "r1", now_us, BUDGET_COST, &settled, &held, &limit);
        ck_assert_int_eq(settled, 3 * DOLLAR);
        ck_assert_int_eq(held, 3 * DOLLAR);
    }
    struct journal_run_close close = {.run_id = "r1", .job = "j"};
    append(JOURNAL_RUN_CLOSE, &close);
    reopen_books();
    ck_assert_uint_eq(summary.runs, 0);
    expect(BUDGET_COST, 3 * DOLLAR, 3 * DOLLAR); // of its job
}
END_TEST

START_TEST(witnesses_are_told)
{
    struct journal_owned owned = {.id = "file_1", .job = "j"};
    append(JOURNAL_OWNED, &owned);
    reopen_books();
    ck_assert_str_eq(remembered, "file_1");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("restore");
    TCase *cases = tcase_create("restore");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, orphan_is_charged_and_batch_is_held);
    tcase_add_test(cases, what_a_predecessor_has_in_flight_is_held);
    tcase_add_test(cases, rows_of_a_batch_count_once_however_often_they_are_written);
    tcase_add_test(cases, settlements_of_no_batch_count_by_themselves);
    tcase_add_test(cases, live_runs_stay_with_what_they_have_spent);
    tcase_add_test(cases, witnesses_are_told);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
