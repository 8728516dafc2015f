// Tests of settle.c: what every end of an exchange costs, and what the ceilings count of it.
#include "settle.h"

#include "ceiling_fixture.h"
#include "journal_follow.h"
#include "suite_run.h"

#define BODY                                                                                       \
    "{\"model\":\"claude-opus-5-5\",\"inference_geo\":\"global\",\"max_tokens\":2000,"             \
    "\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"
#define USAGE_COST (INT64_C(100) * 4000000 + INT64_C(50) * 20000000) // of usage() below

static struct ceiling_fixture fixture;
static struct budget_ceiling above;
static union journal_record_fields last; // settlement in the journal

static void set_up(void)
{
    fixture_init(&fixture);
    ck_assert_int_eq(fixture_admit(&fixture, BODY), ADMIT_FITS);
}

static void tear_down(void)
{
    fixture_done(&fixture);
}

static struct meter_result usage(enum meter_quality quality)
{
    struct meter_result metered = {
        .quality = quality, .message_id = "msg_1", .stop_reason = "end_turn"};
    if (quality == METER_EXACT || quality == METER_ESTIMATED) {
        metered.usage = (struct usage){.model = "claude-opus-5-5"};
        metered.usage.tokens = (struct token_counts){.input = 100, .output = 50};
    }
    return metered;
}

static bool settle_with(enum exchange_end end, const struct meter_result *metered)
{
    return settle(&fixture.proxy, &fixture.run, &fixture.admission,
                  &(struct settle_facts){
                      .end = end,
                      .credential = "main",
                      .path = "/v1/messages",
                      .session_id = "s",
                      .request_id = "req_1",
                      .first_byte_us = 7,
                      .attempt = 2,
                      .http_status = 200,
                      .streamed = true,
                  },
                  metered, &above);
}

static const struct journal_settlement *read_settlement(void)
{
    struct journal_follower *follower;
    struct journal_follow follow;
    struct error err = {0};
    int count = 0;
    ck_assert_int_eq(journal_follow_open(&follower, fixture.directory, NULL, &err), 0);
    while (journal_follow_next(follower, &follow, &err) == JOURNAL_FOLLOW_RECORD)
        if (follow.record.type == JOURNAL_SETTLEMENT) {
            last.settlement = *follow.record.settlement;
            count++;
        }
    journal_follow_close(follower);
    ck_assert_int_eq(count, 1);
    return &last.settlement;
}

// `cost` and `counted`: as metered, as reserved, or nothing.
enum charge { NOTHING, METERED, RESERVED };

static const struct {
    enum exchange_end end;
    enum meter_quality quality;
    bool has_meter;
    enum charge cost, counted;
    bool estimated;
    int64_t requests;
} ends[] = {
    {EXCHANGE_COMPLETE, METER_EXACT, true, METERED, METERED, false, 1},
    {EXCHANGE_COMPLETE, METER_UNREADABLE, true, RESERVED, RESERVED, true, 1},
    {EXCHANGE_COMPLETE, METER_ESTIMATED, true, METERED, RESERVED, true, 1},
    {EXCHANGE_COMPLETE, METER_EXACT, false, RESERVED, RESERVED, true, 1},
    {EXCHANGE_UPSTREAM_ERROR, METER_NOTHING, false, NOTHING, NOTHING, false, 1},
    {EXCHANGE_UPSTREAM_ERROR, METER_NOTHING, true, NOTHING, NOTHING, false, 1},
    {EXCHANGE_NOT_SENT, METER_NOTHING, false, NOTHING, NOTHING, false, 0},
    {EXCHANGE_STREAM_ERROR, METER_ESTIMATED, true, METERED, RESERVED, true, 1},
    {EXCHANGE_STREAM_ERROR, METER_NOTHING, true, RESERVED, RESERVED, true, 1},
    {EXCHANGE_CUT, METER_ESTIMATED, true, METERED, RESERVED, true, 1},
    {EXCHANGE_CUT, METER_NOTHING, false, RESERVED, RESERVED, true, 1},
    {EXCHANGE_CLIENT_GONE, METER_EXACT, true, METERED, METERED, false, 1},
    {EXCHANGE_CLIENT_GONE, METER_ESTIMATED, true, METERED, RESERVED, true, 1},
    {EXCHANGE_CANCELLED, METER_NOTHING, false, RESERVED, RESERVED, true, 1},
};

static int64_t charge_of(enum charge charge)
{
    int64_t reserved = fixture.admission.reservation.held.of[BUDGET_COST];
    return charge == METERED ? USAGE_COST : charge == RESERVED ? reserved : 0;
}

START_TEST(every_end_costs_what_it_should)
{
    struct meter_result metered = usage(ends[_i].quality);
    ck_assert(!settle_with(ends[_i].end, ends[_i].has_meter ? &metered : NULL));
    const struct journal_settlement *record = read_settlement();
    ck_assert_int_eq(record->end, ends[_i].end);
    ck_assert_int_eq(record->cost_pico_usd, charge_of(ends[_i].cost));
    ck_assert_int_eq(record->counted_pico_usd, charge_of(ends[_i].counted));
    ck_assert(record->estimated == ends[_i].estimated);
    ck_assert_int_eq(fixture_settled(&fixture, BUDGET_COST), charge_of(ends[_i].counted));
    ck_assert_int_eq(fixture_settled(&fixture, BUDGET_REQUESTS), ends[_i].requests);
    for (int kind = 0; kind < BUDGET_KINDS; kind++)
        ck_assert_int_eq(fixture_held(&fixture, (enum budget_kind)kind), 0);
    ck_assert_int_eq(fixture.run.cost_pico_usd, charge_of(ends[_i].cost));
    ck_assert_int_eq(fixture.run.exchanges, 1);
    ck_assert_uint_eq(journal_live(fixture.journal)->reservation_count, 0);
}
END_TEST

START_TEST(books_are_the_same_after_a_restart)
{
    struct meter_result metered = usage(ends[_i].quality);
    int64_t before[BUDGET_KINDS];
    settle_with(ends[_i].end, ends[_i].has_meter ? &metered : NULL);
    for (int kind = 0; kind < BUDGET_KINDS; kind++)
        before[kind] = fixture_settled(&fixture, (enum budget_kind)kind);
    fixture_close_books(&fixture);
    fixture_open_books(&fixture);
    for (int kind = 0; kind < BUDGET_KINDS; kind++)
        ck_assert_int_eq(fixture_settled(&fixture, (enum budget_kind)kind), before[kind]);
}
END_TEST

START_TEST(orphan_is_charged_in_full_after_a_restart)
{
    struct budget_amounts held = fixture.admission.reservation.held;
    fixture_close_books(&fixture);
    fixture_open_books(&fixture);
    for (int kind = 0; kind < BUDGET_KINDS; kind++)
        ck_assert_int_eq(fixture_settled(&fixture, (enum budget_kind)kind), held.of[kind]);
    const struct journal_settlement *record = read_settlement();
    ck_assert_int_eq(record->end, EXCHANGE_ORPHANED);
    ck_assert(record->estimated);
    ck_assert_int_eq(record->cost_pico_usd, held.of[BUDGET_COST]);
}
END_TEST

static struct journal_settlement forwarded;

static int note_forwarded(const struct journal_record *record, void *context, struct error *err)
{
    (void)context;
    (void)err;
    ck_assert_int_eq(record->type, JOURNAL_SETTLEMENT);
    forwarded = *record->settlement;
    return 0;
}

START_TEST(a_successor_books_what_was_in_flight_just_the_same)
{
    struct ceiling_fixture before = fixture;
    struct meter_result metered = usage(ends[_i].quality);
    const struct restore_in_flight in_flight = {.reservation = fixture.admission.reservation};
    fixture.restored.in_flight = &in_flight;
    fixture.restored.in_flight_count = 1;
    memcpy((void *)(uintptr_t)in_flight.exchange_id, fixture.admission.exchange_id,
           EXCHANGE_ID_BYTES);
    journal_hand_over(before.journal, note_forwarded, NULL);
    fixture_open_books(&fixture); // the successor's
    ck_assert_int_gt(fixture_held(&fixture, BUDGET_COST), 0);

    struct ceiling_fixture successor = fixture;
    fixture = before;
    fixture.proxy.journal = before.journal;
    ck_assert(!settle_with(ends[_i].end, ends[_i].has_meter ? &metered : NULL));
    ck_assert_int_eq(fixture_settled(&fixture, BUDGET_COST), 0); // that is not for us to book
    ck_assert_int_eq(fixture.run.exchanges, 0);
    fixture = successor;
    settle_book(&fixture.proxy, &fixture.run, &in_flight.reservation, &forwarded, NULL, &above);
    ck_assert_int_eq(fixture_held(&fixture, BUDGET_COST), 0);
    ck_assert_int_eq(fixture_settled(&fixture, BUDGET_COST), charge_of(ends[_i].counted));
    ck_assert_int_eq(fixture_settled(&fixture, BUDGET_REQUESTS), ends[_i].requests);
    ck_assert_int_eq(fixture.run.exchanges, 1);
    ck_assert_int_eq(read_settlement()->cost_pico_usd, charge_of(ends[_i].cost));
    fixture_close_books(&before);
}
END_TEST

START_TEST(row_tells_both_names_of_a_model_that_was_stepped_down)
{
    struct meter_result metered = usage(METER_EXACT);
    snprintf(fixture.admission.model, sizeof(fixture.admission.model), "claude-haiku-5-5");
    snprintf(metered.usage.model, sizeof(metered.usage.model), "claude-haiku-5-5");
    settle_with(EXCHANGE_COMPLETE, &metered);
    const struct journal_settlement *record = read_settlement();
    ck_assert_str_eq(record->model_asked, "claude-opus-5-5");
    ck_assert_str_eq(record->model, "claude-haiku-5-5");
    ck_assert_int_eq(record->cost_pico_usd, 100 * 100000 + 50 * 500000);
    ck_assert_str_eq(record->credential, "main");
    ck_assert_str_eq(record->message_id, "msg_1");
    ck_assert_int_eq(record->attempt, 2);
}
END_TEST

START_TEST(token_ceiling_counts_what_it_is_told_to)
{
    static const int64_t counted[] = {[TOKENS_UNCACHED] = 100 + 50 + 30,
                                      [TOKENS_ALL] = 100 + 50 + 30 + 900,
                                      [TOKENS_OUTPUT] = 50};
    struct meter_result metered = usage(METER_EXACT);
    fixture.proxy.tokens_count = (enum tokens_count)_i;
    metered.usage.tokens.cache_read = 900;
    metered.usage.tokens.cache_write_5m = 20;
    metered.usage.tokens.cache_write_1h = 10;
    settle_with(EXCHANGE_COMPLETE, &metered);
    ck_assert_int_eq(fixture_settled(&fixture, BUDGET_TOKENS), counted[_i]);
    ck_assert_int_eq(read_settlement()->counted_tokens, counted[_i]);
    ck_assert_int_eq(fixture_settled(&fixture, BUDGET_OUTPUT_TOKENS), 50);
}
END_TEST

// The upstream has added a million tokens by itself: four dollars.
static const struct {
    int64_t limit_cents;
    bool overrun;
} overruns[] = {{0, false}, {1000, false}, {401, false}, {400, true}, {50, true}};

START_TEST(overrun_is_one_that_goes_above_a_ceiling)
{
    struct meter_result metered = usage(METER_EXACT);
    metered.usage.tokens.input = 1000000;
    if (overruns[_i].limit_cents > 0)
        fixture_limit(&fixture, BUDGET_JOB_MONTH, BUDGET_COST, overruns[_i].limit_cents * CENT);
    ck_assert(settle_with(EXCHANGE_COMPLETE, &metered) == overruns[_i].overrun);
    if (overruns[_i].overrun) {
        ck_assert_int_eq(above.scope, BUDGET_JOB_MONTH);
        ck_assert_int_gt(above.settled, above.limit);
    }
    const struct journal_settlement *record = read_settlement();
    ck_assert_int_eq(record->cost_pico_usd, 4 * DOLLAR + 50 * 20000000); // recorded whole
    ck_assert_int_lt(record->reserved_pico_usd, record->cost_pico_usd);
}
END_TEST

START_TEST(ceiling_that_is_used_up_within_its_reservation_is_no_overrun)
{
    fixture_limit(&fixture, BUDGET_RUN, BUDGET_REQUESTS, 1);
    struct meter_result metered = usage(METER_EXACT);
    ck_assert(!settle_with(EXCHANGE_COMPLETE, &metered));
}
END_TEST

START_TEST(soft_limit_is_told_once)
{
    struct meter_result metered = usage(METER_EXACT);
    fixture_limit(&fixture, BUDGET_JOB_DAY, BUDGET_OUTPUT_TOKENS, 125);
    settle_with(EXCHANGE_COMPLETE, &metered); // 50 of 125
    ck_assert_uint_eq(fixture.soft_limit_count, 0);
    fixture_limit(&fixture, BUDGET_RUN, BUDGET_REQUESTS, 3);
    fixture.run.policy.clamp_min_tokens = 0;
    ck_assert_int_eq(fixture_admit_counted(&fixture, BODY, 10), ADMIT_FITS);
    settle_with(EXCHANGE_COMPLETE, &metered); // 100 of 125; 2 of 3
    ck_assert_uint_eq(fixture.soft_limit_count, 1);
    ck_assert_int_eq(fixture.soft_limits[0].scope, BUDGET_JOB_DAY);
    ck_assert_int_eq(fixture.soft_limits[0].kind, BUDGET_OUTPUT_TOKENS);
    ck_assert_int_eq(fixture.soft_limits[0].settled, 100);
    ck_assert_int_eq(fixture.soft_limits[0].limit, 125);
    ck_assert_int_eq(fixture_admit_counted(&fixture, BODY, 10), ADMIT_FITS);
    settle_with(EXCHANGE_NOT_SENT, NULL); // nothing new
    ck_assert_uint_eq(fixture.soft_limit_count, 1);
    ck_assert_int_eq(fixture_admit_counted(&fixture, BODY, 10), ADMIT_FITS);
    settle_with(EXCHANGE_UPSTREAM_ERROR, NULL); // 3 of 3
    ck_assert_uint_eq(fixture.soft_limit_count, 2);
    ck_assert_int_eq(fixture.soft_limits[1].kind, BUDGET_REQUESTS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settle");
    TCase *cases = tcase_create("settle");
    tcase_set_timeout(cases, 60);
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_loop_test(cases, every_end_costs_what_it_should, 0, sizeof(ends) / sizeof(ends[0]));
    tcase_add_loop_test(cases, books_are_the_same_after_a_restart, 0,
                        sizeof(ends) / sizeof(ends[0]));
    tcase_add_test(cases, orphan_is_charged_in_full_after_a_restart);
    tcase_add_loop_test(cases, a_successor_books_what_was_in_flight_just_the_same, 0,
                        sizeof(ends) / sizeof(ends[0]));
    tcase_add_test(cases, row_tells_both_names_of_a_model_that_was_stepped_down);
    tcase_add_loop_test(cases, token_ceiling_counts_what_it_is_told_to, 0, TOKENS_OUTPUT + 1);
    tcase_add_loop_test(cases, overrun_is_one_that_goes_above_a_ceiling, 0,
                        sizeof(overruns) / sizeof(overruns[0]));
    tcase_add_test(cases, ceiling_that_is_used_up_within_its_reservation_is_no_overrun);
    tcase_add_test(cases, soft_limit_is_told_once);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
