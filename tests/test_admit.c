// Tests of admit.c: what a request is reserved for, clamped to, held back by and refused for.
#include "ceiling_fixture.h"

#include "admit_run.h"
#include "bound.h"
#include "suite_run.h"

#include <signal.h>
#include <sys/resource.h>

// Four dollars a million tokens of input, twenty of output.
#define OPUS(members) "{\"model\":\"claude-opus-5-5\",\"inference_geo\":\"global\"," members "}"
#define HELLO "\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]"
#define IMAGE "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\"}]}]"
#define SEARCH "\"tools\":[{\"type\":\"web_search_20250305\",\"name\":\"s\"}]"

static struct ceiling_fixture fixture;

static void set_up(void)
{
    fixture_init(&fixture);
    fixture.request.counted_tokens = ADMIT_NOT_COUNTED;
}

static void tear_down(void)
{
    fixture_done(&fixture);
}

static void assert_message(const char *part)
{
    ck_assert_msg(strstr(fixture.message, part) != NULL, "\"%s\" lacks \"%s\"", fixture.message,
                  part);
}

START_TEST(what_fits_is_reserved_and_in_the_journal)
{
    ck_assert_int_eq(fixture_admit(&fixture, OPUS("\"max_tokens\":128000," HELLO)), ADMIT_FITS);
    const struct admission *admission = &fixture.admission;
    int64_t input = bound_input_by_size(fixture.request.body_length);
    ck_assert_int_eq(admission->max_tokens, 128000); // there is no ceiling
    ck_assert_str_eq(admission->model, "claude-opus-5-5");
    ck_assert_int_eq(admission->reservation.held.of[BUDGET_COST],
                     input * (4 * DOLLAR / 1000000) + 128000 * (20 * DOLLAR / 1000000));
    ck_assert_int_eq(fixture_held(&fixture, BUDGET_OUTPUT_TOKENS), 128000);
    ck_assert_uint_gt(admission->journal_position, 0);
    const struct journal_live *live = journal_live(fixture.journal);
    ck_assert_uint_eq(live->reservation_count, 1);
    ck_assert_mem_eq(live->reservations[0].exchange_id, admission->exchange_id, EXCHANGE_ID_BYTES);
    ck_assert_int_eq(live->reservations[0].cost_pico_usd,
                     admission->reservation.held.of[BUDGET_COST]);
}
END_TEST

// Clamping: a ceiling on the output alone, so that the shares are plain to see. `waiting` others.
static const struct {
    const char *body;
    int64_t limit;
    int waiting;
    int64_t max_tokens; // -1: does not get in
} clamps[] = {
    {OPUS("\"max_tokens\":128000," HELLO), 1000000, 0, 128000},
    {OPUS("\"max_tokens\":128000," HELLO), 256000, 0, 128000},
    {OPUS("\"max_tokens\":128000," HELLO), 100000, 0, 50000}, // half: somebody may come
    {OPUS("\"max_tokens\":128000," HELLO), 100000, 9, 10000},
    {OPUS("\"max_tokens\":5000," HELLO), 100000, 9, 5000},
    {OPUS("\"max_tokens\":128000," HELLO), 100000, 999, 1024}, // of any use
    {OPUS("\"max_tokens\":128000," HELLO), 1024, 0, 1024},
    {OPUS("\"max_tokens\":128000," HELLO), 1023, 0, -1},
    {OPUS("\"max_tokens\":1000," HELLO), 1000, 0, 1000}, // it asks for less than ClampMin=
    // Thinking comes out of max_tokens.
    {OPUS("\"max_tokens\":128000,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":9000}"), 9000,
     0, -1},
    {OPUS("\"max_tokens\":128000,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":9000}"),
     10024, 0, 10024},
    {OPUS("\"max_tokens\":9500,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":9000}"), 9500,
     0, 9500},
    {OPUS("\"max_tokens\":7000,\"thinking\":{\"budget_tokens\":9223372036854775807}"), 100000, 0,
     7000},
    {OPUS("\"max_tokens\":128000,\"thinking\":{\"type\":\"adaptive\"}"), 1024, 0, 1024},
};

START_TEST(answer_is_clamped_to_a_fair_share)
{
    fixture_limit(&fixture, BUDGET_RUN, BUDGET_OUTPUT_TOKENS, clamps[_i].limit);
    fixture.request.waiting = clamps[_i].waiting;
    enum admit_outcome outcome = fixture_admit(&fixture, clamps[_i].body);
    if (clamps[_i].max_tokens < 0) {
        ck_assert_int_eq(outcome, ADMIT_REFUSED);
        ck_assert_int_eq(fixture_held(&fixture, BUDGET_OUTPUT_TOKENS), 0);
        return;
    }
    ck_assert_int_eq(outcome, ADMIT_FITS);
    ck_assert_int_eq(fixture.admission.max_tokens, clamps[_i].max_tokens);
    ck_assert_int_eq(fixture_held(&fixture, BUDGET_OUTPUT_TOKENS), clamps[_i].max_tokens);
}
END_TEST

START_TEST(denying_job_is_not_clamped)
{
    fixture.run.policy.clamps = false;
    fixture_limit(&fixture, BUDGET_RUN, BUDGET_OUTPUT_TOKENS, 5000);
    ck_assert_int_eq(fixture_admit(&fixture, OPUS("\"max_tokens\":5001," HELLO)), ADMIT_REFUSED);
    ck_assert_int_eq(fixture_admit(&fixture, OPUS("\"max_tokens\":5000," HELLO)), ADMIT_FITS);
}
END_TEST

START_TEST(count_is_asked_for_when_the_size_does_not_fit)
{
    fixture_limit(&fixture, BUDGET_JOB_DAY, BUDGET_COST, 3 * CENT); // 4,000 more tokens by size
    const char *body = OPUS("\"max_tokens\":1024," HELLO);
    ck_assert_int_eq(fixture_admit(&fixture, body), ADMIT_COUNT);
    ck_assert_int_eq(fixture_held(&fixture, BUDGET_COST), 0);
    ck_assert_int_eq(fixture_admit_counted(&fixture, body, 20), ADMIT_FITS);
    ck_assert_int_eq(fixture_admit_counted(&fixture, body, 20), ADMIT_WAITS);
    ck_assert_int_eq(fixture_admit_counted(&fixture, body, 3000), ADMIT_REFUSED);
    assert_message("$0.00 of $0.0300 spent by this job today (resets 2");
    assert_message("Run r1, job j.");
}
END_TEST

START_TEST(size_bounds_what_is_counted_too_high)
{
    fixture_limit(&fixture, BUDGET_JOB_DAY, BUDGET_COST, DOLLAR);
    const char *body = OPUS("\"max_tokens\":1024," HELLO);
    ck_assert_int_eq(fixture_admit_counted(&fixture, body, 100000), ADMIT_FITS);
    ck_assert_int_lt(fixture_held(&fixture, BUDGET_TOKENS), 6000);
    // But not what is not in the body.
    ck_assert_int_eq(fixture_admit_counted(&fixture, OPUS("\"max_tokens\":9," IMAGE), 100000),
                     ADMIT_FITS);
    ck_assert_int_gt(fixture_held(&fixture, BUDGET_TOKENS), 100000);
}
END_TEST

static const char *const unbounded_inputs[] = {
    OPUS("\"max_tokens\":9," IMAGE),
    OPUS("\"max_tokens\":9,\"messages\":[{\"content\":[{\"type\":\"document\"}]}]"),
    OPUS("\"max_tokens\":9,\"messages\":[{\"content\":[{\"file_id\":\"file_1\"}]}]"),
    OPUS("\"max_tokens\":9,\"thread\":{\"type\":\"continue\",\"previous_message_id\":\"m\"}"),
};

START_TEST(input_that_is_not_in_the_body_is_counted)
{
    const char *body = unbounded_inputs[_i];
    ck_assert_int_eq(fixture_admit(&fixture, body),
                     ADMIT_FITS); // without a ceiling it is no matter
    ck_assert_int_eq(fixture.admission.reservation.growth.of[BUDGET_COST], 0);
    fixture_limit(&fixture, BUDGET_BOX_MONTH, BUDGET_COST, DOLLAR);
    ck_assert_int_eq(fixture_admit(&fixture, body), ADMIT_COUNT);
    ck_assert_int_eq(fixture_admit_counted(&fixture, body, 50), ADMIT_FITS);
    ck_assert_int_eq(fixture.admission.reservation.growth.of[BUDGET_COST], 0);
    // Nobody can say how long it is.
    ck_assert_int_eq(fixture_admit_counted(&fixture, body, ADMIT_NOT_COUNTABLE), ADMIT_FITS);
    ck_assert_int_gt(fixture.admission.reservation.growth.of[BUDGET_COST], DOLLAR);
    ck_assert_int_eq(fixture_admit_counted(&fixture, body, ADMIT_NOT_COUNTABLE), ADMIT_WAITS);
    fixture.run.policy.allows_unbounded = false;
    ck_assert_int_eq(fixture_admit_counted(&fixture, body, ADMIT_NOT_COUNTABLE), ADMIT_DENIED);
    assert_message("not all in the body");
}
END_TEST

START_TEST(output_ceiling_does_not_need_a_count)
{
    fixture.proxy.tokens_count = TOKENS_OUTPUT;
    fixture_limit(&fixture, BUDGET_JOB_DAY, BUDGET_TOKENS, 2000);
    ck_assert_int_eq(fixture_admit(&fixture, OPUS("\"max_tokens\":1500," IMAGE)), ADMIT_FITS);
    ck_assert_int_eq(fixture_admit(&fixture, OPUS("\"max_tokens\":1500," IMAGE)), ADMIT_WAITS);
    ck_assert_int_eq(fixture_held(&fixture, BUDGET_TOKENS), 1024); // its share, but of use
}
END_TEST

START_TEST(server_tools_have_no_bound)
{
    const char *body = OPUS("\"max_tokens\":9," SEARCH);
    fixture_limit(&fixture, BUDGET_RUN, BUDGET_TOKENS, 100000);
    ck_assert_int_eq(fixture_admit(&fixture, body), ADMIT_FITS);
    ck_assert_int_gt(fixture.admission.reservation.growth.of[BUDGET_TOKENS], 100000);
    ck_assert_int_eq(fixture_admit_counted(&fixture, body, 10), ADMIT_WAITS); // one at a time
    ck_assert_int_eq(fixture_admit(&fixture, OPUS("\"max_tokens\":9," HELLO)), ADMIT_FITS);
    fixture.run.policy.allows_unbounded = false;
    ck_assert_int_eq(fixture_admit(&fixture, body), ADMIT_DENIED);
    assert_message("server tools");
}
END_TEST

START_TEST(prompt_that_was_not_counted_is_no_ceiling)
{
    fixture_limit(&fixture, BUDGET_JOB_DAY, BUDGET_COST, 3 * CENT);
    const char *body = OPUS("\"max_tokens\":1024," HELLO);
    ck_assert_int_eq(fixture_admit_counted(&fixture, body, ADMIT_NOT_COUNTABLE), ADMIT_UNCOUNTED);
    assert_message("did not count");
}
END_TEST

START_TEST(who_is_behind_is_counted_and_waits)
{
    const char *body = OPUS("\"max_tokens\":1024," HELLO);
    fixture_limit(&fixture, BUDGET_JOB_DAY, BUDGET_COST, 100 * DOLLAR);
    fixture.request.is_behind = true;
    ck_assert_int_eq(fixture_admit(&fixture, body), ADMIT_COUNT);
    ck_assert_int_eq(fixture_admit_counted(&fixture, body, 20), ADMIT_WAITS);
    ck_assert_int_eq(fixture_held(&fixture, BUDGET_COST), 0);
}
END_TEST

START_TEST(held_money_never_ends_a_run)
{
    fixture_limit(&fixture, BUDGET_JOB_DAY, BUDGET_REQUESTS, 2);
    const char *body = OPUS("\"max_tokens\":9," HELLO);
    ck_assert_int_eq(fixture_admit(&fixture, body), ADMIT_FITS);
    struct budget_reservation first = fixture.admission.reservation;
    ck_assert_int_eq(fixture_admit(&fixture, body), ADMIT_FITS);
    ck_assert_int_eq(fixture_admit(&fixture, body), ADMIT_WAITS);
    ck_assert_int_eq(fixture.admission.ceiling.scope, BUDGET_JOB_DAY);
    budget_settle(fixture.budget, &first, &first.held);
    ck_assert_int_eq(fixture_admit(&fixture, body), ADMIT_WAITS);
    budget_settle(fixture.budget, &fixture.admission.reservation, &first.held);
}
END_TEST

static const struct {
    const char *body;
    const char *refused; // NULL: allowed
} models[] = {
    {"{\"model\":\"claude-opus-5-5\",\"max_tokens\":9}", NULL},
    {"{\"model\":\"claude-haiku-4-5\",\"max_tokens\":9}", NULL},
    {"{\"model\":\"claude-opus-5-5[1m]\",\"max_tokens\":9}", NULL},
    {"{\"model\":\"claude-opus-5\",\"max_tokens\":9}", "claude-opus-5 "},
    {"{\"model\":\"claude-opus-5-5 \",\"max_tokens\":9}", "claude-opus-5-5  "},
    {"{\"model\":\"\",\"max_tokens\":9}", "model "},
    {"{\"model\":\"claude-opus-5-5\",\"max_tokens\":9,\"fallbacks\":[{\"model\":\"gpt\"}]}", "gpt"},
};

START_TEST(model_is_one_that_the_job_allows)
{
    fixture.run.policy.models = "claude-opus-5-5 claude-haiku-4-5";
    enum admit_outcome outcome = fixture_admit(&fixture, models[_i].body);
    ck_assert_int_eq(outcome, models[_i].refused == NULL ? ADMIT_FITS : ADMIT_DENIED);
    if (models[_i].refused == NULL)
        return;
    assert_message(models[_i].refused);
    assert_message("allowed: claude-opus-5-5 claude-haiku-4-5");
}
END_TEST

START_TEST(soft_limit_steps_down_to_a_cheaper_model)
{
    const char *body = OPUS("\"max_tokens\":1024," HELLO);
    fixture.run.policy.step_down = "claude-fable-5-2 claude-sonnet-5-5 claude-haiku-5-5";
    fixture_limit(&fixture, BUDGET_JOB_MONTH, BUDGET_REQUESTS, 5);
    ck_assert_int_eq(fixture_admit(&fixture, body), ADMIT_FITS);
    ck_assert_str_eq(fixture.admission.model, "claude-opus-5-5");
    budget_settle(fixture.budget, &fixture.admission.reservation,
                  &(struct budget_amounts){{[BUDGET_REQUESTS] = 4}}); // 80 %
    ck_assert_int_eq(fixture_admit(&fixture, body), ADMIT_FITS);
    ck_assert_str_eq(fixture.admission.model, "claude-sonnet-5-5"); // fable is dearer
    ck_assert_str_eq(fixture.admission.model_asked, "claude-opus-5-5");
    budget_release(fixture.budget, &fixture.admission.reservation);
    // Nothing on the list is cheaper than the cheapest.
    ck_assert_int_eq(
        fixture_admit(&fixture, "{\"model\":\"claude-haiku-5-5\",\"max_tokens\":1024}"),
        ADMIT_FITS);
    ck_assert_str_eq(fixture.admission.model, "claude-haiku-5-5");
}
END_TEST

START_TEST(body_that_cannot_be_bounded_is_bad)
{
    ck_assert_int_eq(fixture_admit(&fixture, "{\"max_tokens\":9}"), ADMIT_BAD);
    assert_message("model: Field required");
    ck_assert_int_eq(fixture_admit(&fixture, "{\"model\":\"claude-opus-5-5\"}"), ADMIT_BAD);
    assert_message("max_tokens: Field required");
    ck_assert_int_eq(fixture_admit(&fixture, OPUS("\"max_tokens\":9223372036854775807")),
                     ADMIT_BAD);
    ck_assert_int_eq(fixture_held(&fixture, BUDGET_COST), 0);
}
END_TEST

// A journal that takes nothing holds nothing: here a new segment may not be made.
START_TEST(what_the_journal_does_not_take_is_not_reserved)
{
    const char *body = OPUS("\"max_tokens\":9," HELLO);
    struct rlimit limit;
    enum admit_outcome outcome = ADMIT_FITS;
    int64_t held = 0;
    getrlimit(RLIMIT_FSIZE, &limit);
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){4096, limit.rlim_max});
    for (int i = 0; i < 200000 && outcome == ADMIT_FITS; i++) {
        held = fixture_held(&fixture, BUDGET_COST);
        outcome = fixture_admit(&fixture, body);
    }
    setrlimit(RLIMIT_FSIZE, &limit);
    ck_assert_int_eq(outcome, ADMIT_FAILED);
    assert_message("journal");
    ck_assert_int_eq(fixture_held(&fixture, BUDGET_COST), held);
}
END_TEST

START_TEST(run_that_could_have_nothing_is_not_started)
{
    struct budget_ceiling exhausted;
    struct run_policy *policy = &fixture.run.policy;
    ck_assert(admit_run(&fixture.proxy, "j", policy, &exhausted));
    fixture_limit(&fixture, BUDGET_JOB_DAY, BUDGET_COST, CENT);
    ck_assert(admit_run(&fixture.proxy, "j", policy, &exhausted)); // enough for a haiku
    policy->models = "claude-fable-5-2 claude-opus-5-5";           // 1,024 tokens are two cents
    ck_assert(!admit_run(&fixture.proxy, "j", policy, &exhausted));
    ck_assert_int_eq(exhausted.scope, BUDGET_JOB_DAY);
    ck_assert_int_eq(exhausted.limit, CENT);
    ck_assert(admit_run(&fixture.proxy, "k", policy, &exhausted));
    fixture_limit(&fixture, BUDGET_BOX_DAY, BUDGET_TOKENS, 1023);
    ck_assert(!admit_run(&fixture.proxy, "k", policy, &exhausted));
    ck_assert_int_eq(exhausted.scope, BUDGET_BOX_DAY);
    ck_assert_int_eq(exhausted.kind, BUDGET_TOKENS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("admit");
    TCase *cases = tcase_create("admit");
    tcase_set_timeout(cases, 60);
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, what_fits_is_reserved_and_in_the_journal);
    tcase_add_loop_test(cases, answer_is_clamped_to_a_fair_share, 0,
                        sizeof(clamps) / sizeof(clamps[0]));
    tcase_add_test(cases, denying_job_is_not_clamped);
    tcase_add_test(cases, count_is_asked_for_when_the_size_does_not_fit);
    tcase_add_test(cases, size_bounds_what_is_counted_too_high);
    tcase_add_loop_test(cases, input_that_is_not_in_the_body_is_counted, 0,
                        sizeof(unbounded_inputs) / sizeof(unbounded_inputs[0]));
    tcase_add_test(cases, output_ceiling_does_not_need_a_count);
    tcase_add_test(cases, server_tools_have_no_bound);
    tcase_add_test(cases, prompt_that_was_not_counted_is_no_ceiling);
    tcase_add_test(cases, who_is_behind_is_counted_and_waits);
    tcase_add_test(cases, held_money_never_ends_a_run);
    tcase_add_loop_test(cases, model_is_one_that_the_job_allows, 0,
                        sizeof(models) / sizeof(models[0]));
    tcase_add_test(cases, soft_limit_steps_down_to_a_cheaper_model);
    tcase_add_test(cases, body_that_cannot_be_bounded_is_bad);
    tcase_add_test(cases, what_the_journal_does_not_take_is_not_reserved);
    tcase_add_test(cases, run_that_could_have_nothing_is_not_started);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
