// Tests of bound.c: what a request can cost at most, by what its body says.
#include "bound.h"

#include "price.h"
#include "suite_run.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define NOW INT64_C(1795564800000000) // 2026-11-25T00:00:00Z
#define MILLION INT64_C(1000000)      // picodollars a token, for one dollar a million tokens

static struct price_table *prices;

static void set_up(void)
{
    ck_assert_int_eq(price_table_load_builtin(&prices, NULL), 0);
}

static void tear_down(void)
{
    price_table_free(prices);
}

static void scan_body(struct request_scan *scan, const char *body)
{
    struct error err = {0};
    ck_assert_msg(request_scan(scan, body, strlen(body), &err) == 0, "%s: %s", body, err.text);
}

static struct budget_amounts bound_body(const char *body, int64_t input, int64_t output)
{
    struct request_scan scan;
    char model[MODEL_NAME_MAX];
    struct budget_amounts amounts;
    struct error err = {0};
    scan_body(&scan, body);
    slice_copy(scan.model, model, sizeof(model));
    struct bound bound = {.scan = &scan, .model = model, .input_tokens = input};
    ck_assert_msg(bound_amounts(&bound, prices, TOKENS_UNCACHED, output, NOW, &amounts, &err) == 0,
                  "%s", err.text);
    return amounts;
}

#define GLOBAL "\"inference_geo\":\"global\",\"max_tokens\":1000,"
#define OPUS "{\"model\":\"claude-opus-5-5\"," GLOBAL
#define SEARCH "\"tools\":[{\"type\":\"web_search_20250305\",\"name\":\"w\",\"max_uses\":3}]}"

// 10,000 tokens of input a pass, 1,000 of output: rates in cents per million tokens.
static const struct {
    const char *body;
    int64_t passes, output, cents_in, cents_out, fee_cents;
} costs[] = {
    {OPUS "\"messages\":[]}", 1, 1000, 400, 2000, 0},
    {"{\"model\":\"claude-opus-5-5\",\"max_tokens\":1000}", 1, 1000, 440, 2200, 0}, // perhaps us
    {OPUS "\"x\":{\"cache_control\":{\"type\":\"ephemeral\"}}}", 1, 1000, 500, 2000, 0},
    {OPUS "\"x\":{\"cache_control\":{\"ttl\":\"1h\"}}}", 1, 1000, 800, 2000, 0},
    {OPUS "\"thread\":{\"type\":\"create\"}}", 1, 1000, 500, 2000, 0},
    {OPUS "\"speed\":\"fast\"}", 1, 1000, 800, 4000, 0},
    {OPUS "\"speed\":\"standard\"}", 1, 1000, 400, 2000, 0},
    {OPUS "\"speed\":\"ludicrous\"}", 1, 1000, 800, 4000, 0}, // whatever that may be
    {OPUS SEARCH, 1, 1000, 500, 2000, 3},                     // server tools write caches
    {OPUS "\"compaction\":{\"enabled\":true}}", 2, 2000, 400, 2000, 0},
    // The dearest of all models in every pass.
    {OPUS "\"fallbacks\":[{\"model\":\"claude-sonnet-5-5\"}]}", 2, 2000, 400, 2000, 0},
    {OPUS "\"fallbacks\":[{\"model\":\"claude-fable-5-2\"}]}", 2, 2000, 800, 4000, 0},
    {OPUS "\"fallbacks\":[{\"model\":\"claude-sonnet-5-5\",\"speed\":\"fast\"}]}", 2, 2000, 3000,
     15000, 0}, // it has no fast rates, so any model's
    // A fallback's own max_tokens stays whatever ours is clamped to.
    {OPUS "\"fallbacks\":[{\"model\":\"claude-sonnet-5-5\",\"max_tokens\":7000}]}", 2, 8000, 400,
     2000, 0},
    {OPUS "\"fallbacks\":[{\"model\":\"claude-sonnet-5-5\",\"max_tokens\":7}]}", 2, 2000, 400, 2000,
     0},
    {OPUS "\"fallbacks\":\"default\"}", 2, 2000, 2500, 12500, 0}, // any model
    {"{\"model\":\"claude-future-9\"," GLOBAL "\"x\":1}", 1, 1000, 2500, 12500, 0},
};

START_TEST(cost_is_bounded_by_what_the_body_asks_for)
{
    struct budget_amounts amounts = bound_body(costs[_i].body, 10000, 1000);
    int64_t expected =
        (10000 * costs[_i].passes * costs[_i].cents_in + costs[_i].output * costs[_i].cents_out) *
            (MILLION / 100) +
        costs[_i].fee_cents * (MILLION * MILLION / 100);
    ck_assert_msg(amounts.of[BUDGET_COST] == expected, "%s: %ld, not %ld", costs[_i].body,
                  (long)amounts.of[BUDGET_COST], (long)expected);
    ck_assert_int_eq(amounts.of[BUDGET_TOKENS], 10000 * costs[_i].passes + costs[_i].output);
    ck_assert_int_eq(amounts.of[BUDGET_OUTPUT_TOKENS], costs[_i].output);
    ck_assert_int_eq(amounts.of[BUDGET_REQUESTS], 1);
}
END_TEST

START_TEST(long_prompts_have_their_rates)
{
    const char *body = "{\"model\":\"claude-haiku-5-5\"," GLOBAL "\"x\":1}";
    ck_assert_int_eq(bound_body(body, 100000, 0).of[BUDGET_COST], 100000 * MILLION / 10);
    ck_assert_int_eq(bound_body(body, 100001, 0).of[BUDGET_COST], 100001 * MILLION / 2);
}
END_TEST

START_TEST(cost_grows_evenly_with_the_output)
{
    for (size_t i = 0; i < sizeof(costs) / sizeof(costs[0]); i++)
        for (int64_t input = 0; input < 300000; input += 99999) {
            struct budget_amounts none = bound_body(costs[i].body, input, 0);
            struct budget_amounts one = bound_body(costs[i].body, input, 1);
            struct budget_amounts many = bound_body(costs[i].body, input, 12345);
            for (int kind = 0; kind < BUDGET_KINDS; kind++)
                ck_assert_int_eq(many.of[kind] - none.of[kind],
                                 12345 * (one.of[kind] - none.of[kind]));
        }
}
END_TEST

START_TEST(tokens_are_those_that_the_ceiling_counts)
{
    struct request_scan scan;
    struct budget_amounts amounts;
    scan_body(&scan, OPUS "\"x\":1}");
    struct bound bound = {.scan = &scan, .model = "claude-opus-5-5", .input_tokens = 500};
    ck_assert_int_eq(bound_amounts(&bound, prices, TOKENS_OUTPUT, 70, NOW, &amounts, NULL), 0);
    ck_assert_int_eq(amounts.of[BUDGET_TOKENS], 70);
    ck_assert_int_eq(bound_amounts(&bound, prices, TOKENS_ALL, 70, NOW, &amounts, NULL), 0);
    ck_assert_int_eq(amounts.of[BUDGET_TOKENS], 570);
    ck_assert_int_eq(bound_growth(&bound, prices, TOKENS_ALL, NOW, &amounts, NULL), 0);
    ck_assert_int_eq(amounts.of[BUDGET_TOKENS], MILLION); // a context window
    ck_assert_int_eq(amounts.of[BUDGET_COST], 4 * MILLION * MILLION);
    ck_assert_int_eq(amounts.of[BUDGET_OUTPUT_TOKENS], 0);
    ck_assert_int_eq(amounts.of[BUDGET_REQUESTS], 0);
}
END_TEST

START_TEST(what_int64_cannot_hold_is_refused)
{
    struct request_scan scan;
    struct budget_amounts amounts = {{7, 7, 7, 7}};
    struct error err = {0};
    scan_body(&scan, OPUS "\"fallbacks\":[{\"model\":\"a\"}]}");
    struct bound bound = {.scan = &scan, .model = "claude-opus-5-5", .input_tokens = 500};
    ck_assert_int_eq(bound_amounts(&bound, prices, TOKENS_ALL, INT64_MAX, NOW, &amounts, &err),
                     -ERANGE);
    ck_assert_int_eq(bound_amounts(&bound, prices, TOKENS_ALL, INT64_MAX / 4, NOW, &amounts, &err),
                     -ERANGE);
    ck_assert_int_eq(amounts.of[BUDGET_COST], 7);
}
END_TEST

START_TEST(input_is_bounded_by_size_or_by_count)
{
    ck_assert_int_gt(bound_input_by_size(0), 735);     // the longest tool prompt that is documented
    ck_assert_int_ge(bound_input_by_size(1000), 1735); // and a token for each byte
    ck_assert_int_gt(bound_input_by_count(0, false), 0);
    ck_assert_int_lt(bound_input_by_count(100000, false), 105000);
    ck_assert_int_ge(bound_input_by_count(100000, true), 135000); // another tokenizer
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bound");
    TCase *cases = tcase_create("bound");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_loop_test(cases, cost_is_bounded_by_what_the_body_asks_for, 0,
                        sizeof(costs) / sizeof(costs[0]));
    tcase_add_test(cases, long_prompts_have_their_rates);
    tcase_add_test(cases, cost_grows_evenly_with_the_output);
    tcase_add_test(cases, tokens_are_those_that_the_ceiling_counts);
    tcase_add_test(cases, what_int64_cannot_hold_is_refused);
    tcase_add_test(cases, input_is_bounded_by_size_or_by_count);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
