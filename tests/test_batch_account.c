// Tests of batch_account.c: what results come to, once each, and what happens to what is
// unreadable.
#include "batch_account.h"

#include "ceiling_fixture.h"
#include "suite_run.h"

#define MESSAGE                                                                                    \
    "\"message\":{\"id\":\"msg_1\",\"model\":\"claude-opus-5-5\",\"stop_reason\":\"end_turn\","    \
    "\"usage\":{\"input_tokens\":100,\"output_tokens\":50,\"service_tier\":\"batch\"}}"
#define SUCCEEDED(id) "{\"custom_id\":\"" id "\",\"result\":{\"type\":\"succeeded\"," MESSAGE "}}"
#define RESULT(id, type) "{\"custom_id\":\"" id "\",\"result\":{\"type\":\"" type "\"}}"
#define MESSAGE_PICO_USD (DOLLAR / 1000000 * 700) // half of (100 x $4 + 50 x $20) a million

static struct ceiling_fixture fixture;
static struct batch_account account;

// A batch of five requests that holds three dollars.
static void set_up(void)
{
    fixture_init(&fixture);
    fixture.proxy.runs = run_table_new();
    TAILQ_INIT(&fixture.proxy.waiting);
    account = (struct batch_account){.batch = {.exchange_id = {1},
                                               .batch_id = "msgbatch_1",
                                               .run_id = "r1",
                                               .job = "j",
                                               .requests = 5,
                                               .cost_pico_usd = 3 * DOLLAR,
                                               .tokens = 9000,
                                               .output_tokens = 5000,
                                               .reserved_at_us = INT64_C(1795630000000000)}};
    struct journal_reservation record = {
        .exchange_id = {1}, .run_id = "r1", .job = "j", .cost_pico_usd = 3 * DOLLAR};
    account.reservation = journal_batch_reservation(&account.batch);
    fixture.admission.reservation = account.reservation;
    struct budget_ceiling refusal;
    ck_assert_int_eq(budget_reserve(fixture.budget, &account.reservation, &refusal), BUDGET_FITS);
    ck_assert_int_eq(journal_append(fixture.journal,
                                    &(struct journal_record){.type = JOURNAL_RESERVATION,
                                                             .reservation = &record},
                                    NULL, NULL),
                     0);
    ck_assert_int_eq(
        journal_append(fixture.journal,
                       &(struct journal_record){.type = JOURNAL_BATCH, .batch = &account.batch},
                       NULL, NULL),
        0);
}

static void tear_down(void)
{
    batch_account_done(&account);
    run_table_free(fixture.proxy.runs);
    fixture_done(&fixture);
}

static void take(const char *line)
{
    struct error err;
    ck_assert_int_eq(batch_account_take(&account, &fixture.proxy, slice_of(line), &err), 0);
}

static void expect_closed(bool gone, int64_t cost_pico_usd, int64_t requests)
{
    struct error err;
    ck_assert_int_eq(batch_account_close(&account, &fixture.proxy, gone, &err), 0);
    ck_assert_int_eq(fixture_settled(&fixture, BUDGET_COST), cost_pico_usd);
    ck_assert_int_eq(fixture_settled(&fixture, BUDGET_REQUESTS), requests);
    ck_assert_int_eq(fixture_held(&fixture, BUDGET_COST), 0);
    ck_assert_uint_eq(journal_live(fixture.journal)->batch_count, 0);
}

START_TEST(messages_are_billed_and_nothing_else)
{
    take(SUCCEEDED("a"));
    take(RESULT("b", "errored"));
    take(RESULT("c", "expired"));
    take(RESULT("d", "canceled"));
    take(SUCCEEDED("e"));
    take("");
    ck_assert_int_eq(fixture_settled(&fixture, BUDGET_COST), 0); // the end alone counts
    ck_assert_int_eq(fixture_held(&fixture, BUDGET_COST), 3 * DOLLAR);
    expect_closed(false, 2 * MESSAGE_PICO_USD, 3);
    ck_assert_int_eq(fixture_settled(&fixture, BUDGET_OUTPUT_TOKENS), 100);
}
END_TEST

START_TEST(results_count_once_however_often_they_are_read)
{
    for (int read = 0; read < 3; read++) {
        take(SUCCEEDED("a"));
        take(SUCCEEDED("b"));
        take(RESULT("c", "errored"));
    }
    ck_assert_int_eq(account.succeeded, 2);
    expect_closed(false, 2 * MESSAGE_PICO_USD, 3);
}
END_TEST

START_TEST(more_results_than_requests_are_passed_over)
{
    static const char *const lines[] = {SUCCEEDED("a"), SUCCEEDED("b"), SUCCEEDED("c"),
                                        SUCCEEDED("d"), SUCCEEDED("e"), SUCCEEDED("f")};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        take(lines[i]);
    expect_closed(false, 5 * MESSAGE_PICO_USD, 5);
}
END_TEST

START_TEST(what_is_gone_is_charged_in_full)
{
    expect_closed(true, 3 * DOLLAR, 5);
}
END_TEST

static const char *const unreadable[] = {
    "no JSON",
    "{\"custom_id\":\"b\"}",
    "{\"custom_id\":\"b\",\"result\":{\"type\":\"succeeded\",\"message\":{\"model\":\"m\"}}}",
    SUCCEEDED("123456789012345678901234567890123456789012345678901234567890abcde"),
};

START_TEST(what_is_unreadable_costs_what_is_left)
{
    take(SUCCEEDED("a"));
    take(unreadable[_i]);
    ck_assert_int_eq(account.unreadable, 1);
    expect_closed(false, 3 * DOLLAR, 5);
}
END_TEST

START_TEST(too_long_line_is_unreadable)
{
    struct error err;
    ck_assert_int_eq(batch_account_take(&account, &fixture.proxy, (struct slice){NULL, 0}, &err),
                     0);
    ck_assert_int_eq(account.unreadable, 1);
}
END_TEST

START_TEST(live_run_gets_the_rows_in_its_totals)
{
    char key[RUN_KEY_MAX];
    struct live_run *run;
    struct run_limits limits = {0};
    ck_assert_int_eq(run_table_add(fixture.proxy.runs, "r1", "j", &limits, key, &run, NULL), 0);
    take(SUCCEEDED("a"));
    take(SUCCEEDED("a"));
    ck_assert_int_eq(run->exchanges, 1);
    ck_assert_int_eq(run->cost_pico_usd, MESSAGE_PICO_USD);
    ck_assert_int_eq(run->tokens.output, 50);
    run->policy.soft_percent = 80;
    expect_closed(false, MESSAGE_PICO_USD, 1);
}
END_TEST

START_TEST(keys_are_of_both_ids_and_stable)
{
    uint8_t first[EXCHANGE_ID_BYTES], again[EXCHANGE_ID_BYTES], other[EXCHANGE_ID_BYTES];
    batch_exchange_id("msgbatch_1", "a", first);
    batch_exchange_id("msgbatch_1", "a", again);
    ck_assert_mem_eq(first, again, EXCHANGE_ID_BYTES);
    ck_assert_int_eq(first[6] >> 4, 8);
    ck_assert_int_eq(first[8] >> 6, 2);
    batch_exchange_id("msgbatch_1", "b", other);
    ck_assert_mem_ne(first, other, EXCHANGE_ID_BYTES);
    batch_exchange_id("msgbatch_2", "a", other);
    ck_assert_mem_ne(first, other, EXCHANGE_ID_BYTES);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("batch_account");
    TCase *cases = tcase_create("batch_account");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, messages_are_billed_and_nothing_else);
    tcase_add_test(cases, results_count_once_however_often_they_are_read);
    tcase_add_test(cases, more_results_than_requests_are_passed_over);
    tcase_add_test(cases, what_is_gone_is_charged_in_full);
    tcase_add_loop_test(cases, what_is_unreadable_costs_what_is_left, 0,
                        (int)(sizeof(unreadable) / sizeof(unreadable[0])));
    tcase_add_test(cases, too_long_line_is_unreadable);
    tcase_add_test(cases, live_run_gets_the_rows_in_its_totals);
    tcase_add_test(cases, keys_are_of_both_ids_and_stable);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
