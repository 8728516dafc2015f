// Tests of cheaper_model.c: which model is the next cheaper one, and the same tokens at its price.
#include "cheaper_model.h"
#include "suite_run.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define NOVEMBER_25 INT64_C(1795608000000000) // 2026-11-25T12:00:00Z

static struct price_table *prices;

static void setup(void)
{
    struct error err;
    ck_assert_int_eq(price_table_load_builtin(&prices, &err), 0);
}

static void teardown(void)
{
    price_table_free(prices);
}

START_TEST(the_next_cheaper_model)
{
    static const struct {
        const char *model, *cheaper;
    } cases[] = {
        // Opus 5 is cheaper for input, but its cache reads are dearer.
        {"claude-fable-5-2", "claude-opus-5-5"},
        {"claude-opus-5-5", "claude-sonnet-5-5"},
        {"claude-sonnet-5-5", "claude-haiku-4-5"},
        {"claude-haiku-4-5", "claude-haiku-5-5"},
        {"claude-haiku-4-5-20251001", "claude-haiku-5-5"}, // an alias
        {"claude-haiku-5-5", NULL},
        {"no such model", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct price_row *row = cheaper_model_find(prices, cases[i].model, NOVEMBER_25);
        ck_assert_msg((row == NULL) == (cases[i].cheaper == NULL), "%s", cases[i].model);
        if (row != NULL)
            ck_assert_str_eq(row->model, cases[i].cheaper);
    }
}
END_TEST

// A thousand of each kind at 2, 10, 2.5, 4 and 0.1 dollars a million.
#define SONNET_COST INT64_C(18600000000)

START_TEST(the_same_tokens_are_priced)
{
    struct cheaper_models models = {.prices = prices};
    struct error err;
    struct usage usage = {.model = "claude-opus-5-5",
                          .tokens = {1000, 1000, 1000, 1000, 1000},
                          .speed = USAGE_SPEED_FAST};
    ck_assert_int_eq(cheaper_models_add(&models, &usage, NOVEMBER_25, 7, &err), 0);
    ck_assert_int_eq(cheaper_models_add(&models, &usage, NOVEMBER_25, 5, &err), 0);
    usage.tier = USAGE_TIER_BATCH;
    ck_assert_int_eq(cheaper_models_add(&models, &usage, NOVEMBER_25, 1, &err), 0);
    ck_assert_uint_eq(models.count, 1);
    ck_assert_int_eq(models.models[0].exchanges, 3);
    ck_assert_int_eq(models.models[0].cost_pico_usd, 13);
    ck_assert_int_eq(models.models[0].cheaper_pico_usd, 2 * SONNET_COST + SONNET_COST / 2);
}
END_TEST

START_TEST(long_prompts_have_their_own_price)
{
    struct cheaper_models models = {.prices = prices};
    struct error err;
    struct usage usage = {.model = "claude-haiku-4-5", .tokens = {.input = 100000}};
    ck_assert_int_eq(cheaper_models_add(&models, &usage, NOVEMBER_25, 1, &err), 0);
    ck_assert_int_eq(models.models[0].cheaper_pico_usd, INT64_C(10000000000));
    usage.tokens.input++; // above 100,000 five times as much
    ck_assert_int_eq(cheaper_models_add(&models, &usage, NOVEMBER_25, 1, &err), 0);
    ck_assert_int_eq(models.models[0].cheaper_pico_usd, INT64_C(60000500000));
}
END_TEST

START_TEST(models_without_one_and_too_many)
{
    struct cheaper_models models = {.prices = prices};
    struct error err;
    struct usage usage = {.tokens = {.input = 1}};
    for (int i = 0; i < CHEAPER_MODELS_MAX + 3; i++) {
        snprintf(usage.model, sizeof(usage.model), "unknown-%d", i);
        ck_assert_int_eq(cheaper_models_add(&models, &usage, NOVEMBER_25, 1, &err), 0);
    }
    ck_assert_uint_eq(models.count, CHEAPER_MODELS_MAX);
    ck_assert_str_eq(models.models[0].cheaper, "");
    ck_assert_int_eq(models.models[0].cheaper_pico_usd, 0);
    ck_assert_int_eq(models.models[0].cost_pico_usd, 1);
    snprintf(usage.model, sizeof(usage.model), "unknown-0");
    ck_assert_int_eq(cheaper_models_add(&models, &usage, NOVEMBER_25, INT64_MAX, &err), -ERANGE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cheaper_model");
    TCase *cases = tcase_create("cheaper_model");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, the_next_cheaper_model);
    tcase_add_test(cases, the_same_tokens_are_priced);
    tcase_add_test(cases, long_prompts_have_their_own_price);
    tcase_add_test(cases, models_without_one_and_too_many);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
