// Tests of price.c: worked examples, vectors against an independent reckoning, and the upper bound.
#include "cleanup.h"
#include "money.h"
#include "price.h"
#include "suite_run.h"

#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define VECTORS 400
#define BOUND_TRIALS 200000
#define IN_NOVEMBER INT64_C(1795305600000000)  // 2026-11-22T00:00:00Z
#define READ_CHEAPER INT64_C(1791331200000000) // 2026-10-07, claude-sonnet-5-5's cache reads
#define MILLION 1000000

static struct price_table *table;

static void load_table(void)
{
    struct error err = {0};
    ck_assert_msg(price_table_load_builtin(&table, &err) == 0, "%s", err.text);
}

static void free_table(void)
{
    price_table_free(table);
    table = NULL;
}

static struct price_quote price_at(const struct usage *usage, int64_t time_us)
{
    struct price_quote quote;
    struct error err = {0};
    ck_assert_msg(price_usage(table, usage, time_us, &quote, &err) == 0, "%s", err.text);
    return quote;
}

static void assert_costs(const char *what, const struct usage *usage, const char *dollars)
{
    char text[MONEY_TEXT_MAX];
    int64_t cost = price_at(usage, IN_NOVEMBER).cost_pico_usd;
    ck_assert_msg(strcmp(money_format_exact(cost, 0, text), dollars) == 0, "%s: %s, not %s", what,
                  text, dollars);
}

#define ITERATIONS(...)                                                                            \
    .iterations = (struct usage_iteration[]){__VA_ARGS__},                                         \
    .iteration_count =                                                                             \
        sizeof((struct usage_iteration[]){__VA_ARGS__}) / sizeof(struct usage_iteration)

#define OPUS "claude-opus-5-5"
#define SONNET "claude-sonnet-5-5"
#define HAIKU "claude-haiku-5-5"
#define FABLE "claude-fable-5-2"

static const struct {
    const char *what;
    struct usage usage;
    const char *dollars;
} examples[] = {
    // The documentation's and Claude Code's own figures.
    {"a million in and out",
     {.model = SONNET, .tokens = {.input = MILLION, .output = MILLION}},
     "12"},
    {"cache reads and both writes",
     {.model = OPUS,
      .tokens = {.output = 1,
                 .cache_read = MILLION,
                 .cache_write_5m = MILLION,
                 .cache_write_1h = MILLION}},
     "13.20002"},
    {"US geo, searches without multiplier",
     {.model = OPUS,
      .tokens = {.input = MILLION, .output = MILLION},
      .geo = USAGE_GEO_US,
      .web_search_requests = 100},
     "27.4"},
    {"fast",
     {.model = FABLE, .tokens = {.input = MILLION, .output = MILLION}, .speed = USAGE_SPEED_FAST},
     "96"},
    {"prompt of 100,000",
     {.model = HAIKU, .tokens = {.input = 1, .output = MILLION, .cache_read = 99999}},
     "0.50100009"},
    {"prompt of 100,001",
     {.model = HAIKU, .tokens = {.input = 1, .output = MILLION, .cache_read = 100000}},
     "2.5050005"},
    {"streamed message",
     {.model = OPUS,
      .tokens = {.input = 12, .output = 57, .cache_write_1h = 2048, .cache_read = 30000},
      .thinking_tokens = 20},
     "0.023572"},
    {"compaction is left out of the message's counts",
     {.model = OPUS,
      .tokens = {.input = 23000, .output = 1000},
      ITERATIONS({.type = USAGE_ITERATION_COMPACTION, .tokens = {.input = 180000, .output = 3500}},
                 {.type = USAGE_ITERATION_MESSAGE, .tokens = {.input = 23000, .output = 1000}})},
     "0.902"},
    {"an advisor at its own price",
     {.model = SONNET,
      .tokens = {.input = 900, .output = 400},
      ITERATIONS({.type = USAGE_ITERATION_MESSAGE,
                  .model = SONNET,
                  .tokens = {.input = 400, .output = 150}},
                 {.type = USAGE_ITERATION_ADVISOR_MESSAGE,
                  .model = FABLE,
                  .tokens = {.input = 5000, .output = 800}},
                 {.type = USAGE_ITERATION_MESSAGE,
                  .model = SONNET,
                  .tokens = {.input = 500, .output = 250}})},
     "0.0778"},
    {"fallback after output bills both attempts",
     {.model = FABLE,
      .tokens = {.input = 8040, .output = 600},
      ITERATIONS({.type = USAGE_ITERATION_MESSAGE,
                  .model = FABLE,
                  .tokens = {.input = 8000, .output = 40}},
                 {.type = USAGE_ITERATION_FALLBACK_MESSAGE,
                  .model = OPUS,
                  .tokens = {.input = 8040, .output = 600}})},
     "0.10976"},
    {"a declined attempt that is not billed",
     {.model = FABLE,
      .tokens = {.input = 8040, .output = 600},
      ITERATIONS({.type = USAGE_ITERATION_MESSAGE,
                  .model = FABLE,
                  .tokens = {.input = 8000},
                  .declined_unbilled = true},
                 {.type = USAGE_ITERATION_FALLBACK_MESSAGE,
                  .model = OPUS,
                  .tokens = {.input = 8040, .output = 600}})},
     "0.04416"},
    {"a refusal that is not billed",
     {.model = FABLE, .tokens = {.input = 8000}, .refused_unbilled = true},
     "0"},
    {"the last attempt refused, the one before billed",
     {.model = OPUS,
      .tokens = {.input = 8040},
      .refused_unbilled = true,
      ITERATIONS(
          {.type = USAGE_ITERATION_MESSAGE,
           .model = FABLE,
           .tokens = {.input = 8000, .output = 40}},
          {.type = USAGE_ITERATION_FALLBACK_MESSAGE, .model = OPUS, .tokens = {.input = 8040}})},
     "0.0656"},
    // Where others went wrong.
    {"each class at its own price, none twice",
     {.model = "claude-sonnet-4-6",
      .tokens =
          {.input = 1000, .cache_write_5m = 1000, .cache_write_1h = 1000, .cache_read = 1000}},
     "0.01305"},
    {"fast doubles the cache classes too",
     {.model = OPUS,
      .tokens = {.cache_write_5m = 1000, .cache_write_1h = 1000, .cache_read = 1000},
      .speed = USAGE_SPEED_FAST},
     "0.0264"},
    {"fast in the US", // both multipliers
     {.model = OPUS, .tokens = {.input = MILLION}, .speed = USAGE_SPEED_FAST, .geo = USAGE_GEO_US},
     "8.8"},
    {"a batch pays half of every class",
     {.model = HAIKU, .tokens = {.input = 120000, .output = 900}, .tier = USAGE_TIER_BATCH},
     "0.031125"},
    {"the finest price there is", // 0.01 × 1.1 × 0.5
     {.model = HAIKU, .tokens = {.cache_read = 1}, .geo = USAGE_GEO_US, .tier = USAGE_TIER_BATCH},
     "0.0000000055"},
    {"the priority tier as standard",
     {.model = OPUS, .tokens = {.input = MILLION}, .tier = USAGE_TIER_PRIORITY},
     "4"},
    {"two passes of 60,000 are no prompt of 120,000",
     {.model = HAIKU,
      .tokens = {.input = 120000, .output = 20},
      ITERATIONS({.tokens = {.input = 60000, .output = 10}},
                 {.tokens = {.input = 60000, .output = 10}})},
     "0.01201"},
    {"iterations that do not tell all give way to the message",
     {.model = HAIKU,
      .tokens = {.input = 120000, .output = 20},
      ITERATIONS({.tokens = {.input = 60000, .output = 20}})},
     "0.06005"},
    {"iterations without a split take the message's",
     {.model = OPUS,
      .tokens = {.cache_write_5m = 1000, .cache_write_1h = 4000},
      ITERATIONS({.tokens = {.cache_write_5m = 2000}}, {.tokens = {.cache_write_5m = 3000}})},
     "0.037"},
    {"a pass of unknown type at the message's price",
     {.model = OPUS,
      .tokens = {.input = 1000},
      ITERATIONS({.tokens = {.input = 1000}},
                 {.type = USAGE_ITERATION_UNKNOWN, .tokens = {.input = 1000}})},
     "0.008"},
    {"an advisor without fast rates runs at standard ones",
     {.model = OPUS,
      .tokens = {.input = 1000},
      .speed = USAGE_SPEED_FAST,
      ITERATIONS(
          {.type = USAGE_ITERATION_ADVISOR_MESSAGE, .model = SONNET, .tokens = {.input = 1000}})},
     "0.01"},
    {"nothing", {.model = OPUS}, "0"},
};

START_TEST(example_costs_what_is_documented)
{
    assert_costs(examples[_i].what, &examples[_i].usage, examples[_i].dollars);
}
END_TEST

START_TEST(names_lead_to_their_model)
{
    static const struct {
        const char *name, *row;
    } names[] = {
        {"claude-opus-5-5", "claude-opus-5-5@2026-09-22"},
        {"claude-opus-5-5[1m]", "claude-opus-5-5@2026-09-22"},
        {"opus", "claude-opus-5-5@2026-09-22"},
        {"best", "claude-opus-5-5@2026-09-22"},
        {"sonnet[1m]", "claude-sonnet-5-5@2026-10-07"},
        {"claude-haiku-4-5-20251001", "claude-haiku-4-5"},
        {"claude-sonnet-4-5-20250929[1m]", "claude-sonnet-4-5"},
        {"claude-3-5-sonnet-20240620", "claude-3-5-sonnet-20241022"},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct usage usage = {.tokens = {.input = 1}};
        snprintf(usage.model, sizeof(usage.model), "%s", names[i].name);
        struct price_quote quote = price_at(&usage, IN_NOVEMBER);
        ck_assert_str_eq(quote.price_row, names[i].row);
        ck_assert(!quote.unknown_model);
    }
}
END_TEST

START_TEST(quote_names_the_row_that_priced_the_answer)
{
    struct usage usage = {.model = HAIKU, .tokens = {.input = 100001}};
    ck_assert_str_eq(price_at(&usage, IN_NOVEMBER).price_row, "claude-haiku-5-5@2026-10-07/long");
    usage = (struct usage){.model = OPUS, .speed = USAGE_SPEED_FAST};
    ck_assert_str_eq(price_at(&usage, IN_NOVEMBER).price_row, "claude-opus-5-5@2026-09-22/fast");
    usage = (struct usage){
        .model = FABLE,
        ITERATIONS({.model = FABLE}, {.type = USAGE_ITERATION_FALLBACK_MESSAGE, .model = OPUS})};
    ck_assert_str_eq(price_at(&usage, IN_NOVEMBER).price_row, "claude-opus-5-5@2026-09-22");
}
END_TEST

START_TEST(unknown_model_has_the_dearest_rates)
{
    static const char *const names[] = {"claude-opus-6", "claude-opus-4-5-20260101", "", "[1m]"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct usage usage = {.tokens = {.input = MILLION, .output = MILLION}};
        snprintf(usage.model, sizeof(usage.model), "%s", names[i]);
        struct price_quote quote = price_at(&usage, IN_NOVEMBER);
        ck_assert(quote.unknown_model);
        ck_assert_str_eq(quote.price_row, "*");
        ck_assert_int_eq(quote.cost_pico_usd, 150 * PICO_USD_PER_USD); // Mythos Preview, 25 and 125
    }
}
END_TEST

START_TEST(unknown_advisor_marks_the_quote)
{
    struct usage usage = {.model = OPUS,
                          ITERATIONS({.type = USAGE_ITERATION_ADVISOR_MESSAGE,
                                      .model = "claude-sage-1",
                                      .tokens = {.input = MILLION}})};
    struct price_quote quote = price_at(&usage, IN_NOVEMBER);
    ck_assert(quote.unknown_model);
    ck_assert_str_eq(quote.price_row, "claude-opus-5-5@2026-09-22");
    ck_assert_int_eq(quote.cost_pico_usd, 25 * PICO_USD_PER_USD);
}
END_TEST

START_TEST(fast_without_fast_rates_has_the_dearest)
{
    // Never offered; and removed on 2026-11-30. The dearest fast mode was that of Opus 4.6 and 4.7.
    static const int64_t december = IN_NOVEMBER + INT64_C(10) * 86400 * 1000000;
    struct usage usage = {.model = SONNET, .speed = USAGE_SPEED_FAST, .tokens.output = MILLION};
    struct price_quote quote = price_at(&usage, IN_NOVEMBER);
    ck_assert(quote.unknown_model);
    ck_assert_int_eq(quote.cost_pico_usd, 150 * PICO_USD_PER_USD);
    snprintf(usage.model, sizeof(usage.model), "claude-opus-4-8");
    ck_assert_int_eq(price_at(&usage, IN_NOVEMBER).cost_pico_usd, 50 * PICO_USD_PER_USD);
    quote = price_at(&usage, december);
    ck_assert(quote.unknown_model);
    ck_assert_int_eq(quote.cost_pico_usd, 150 * PICO_USD_PER_USD);
}
END_TEST

START_TEST(price_is_that_of_its_time)
{
    struct usage usage = {.model = SONNET, .tokens = {.cache_read = MILLION}};
    ck_assert_int_eq(price_at(&usage, READ_CHEAPER - 1).cost_pico_usd, PICO_USD_PER_USD / 5);
    ck_assert_int_eq(price_at(&usage, READ_CHEAPER).cost_pico_usd, PICO_USD_PER_USD / 10);
    ck_assert_int_eq(price_at(&usage, 0).cost_pico_usd,
                     PICO_USD_PER_USD / 5); // before the first row
}
END_TEST

START_TEST(refusals_are_free_by_category_and_date)
{
    char text[64], small[sizeof("cyber none ")];
    ck_assert_str_eq(price_free_refusals(table, IN_NOVEMBER, text, sizeof(text)),
                     "cyber general_harms none ");
    // The rule is in force since 2026-09-24, that is for 59 days.
    static const int64_t before = IN_NOVEMBER - INT64_C(60) * 86400 * 1000000;
    ck_assert_str_eq(price_free_refusals(table, before, text, sizeof(text)), "");
    ck_assert_str_eq(price_free_refusals(table, IN_NOVEMBER, small, sizeof(small)), "cyber none ");
}
END_TEST

START_TEST(fees_are_those_of_the_table)
{
    static const char text[] =
        "name,aliases,kind,above_tokens,from,until,input,output,cache_write_5m,cache_write_1h,"
        "cache_read,request,us_geo,batch,retired,confidence,source\n"
        "m,,standard,,,,4,20,5,8,0.2,,1.1,0.5,,,\n"
        "web_search,,request,,,,,,,,,0.01,,,,,\n"
        "web_fetch,,request,,,,,,,,,0.002,,,,,\n";
    price_table_free(table);
    ck_assert_int_eq(price_table_parse(&table, "fees", text, strlen(text), NULL), 0);
    struct usage usage = {.model = "m",
                          .web_search_requests = 3,
                          .web_fetch_requests = 2,
                          .geo = USAGE_GEO_US,
                          .tier = USAGE_TIER_BATCH};
    struct price_bound bound = {.web_search_requests = 3, .web_fetch_requests = 2};
    int64_t limit;
    assert_costs("fees", &usage, "0.034");
    ck_assert_int_eq(price_upper_bound(table, &bound, IN_NOVEMBER, &limit, NULL), 0);
    ck_assert_int_eq(limit, 34 * (PICO_USD_PER_USD / 1000));
}
END_TEST

START_TEST(counts_beyond_measure_are_errors)
{
    const struct usage bad[] = {
        {.model = OPUS, .tokens = {.input = -1}},
        {.model = OPUS, .tokens = {.cache_read = INT64_MAX}},
        {.model = OPUS, .web_search_requests = -1},
        {.model = OPUS, .tokens = {.output = INT64_C(900000000000)}}, // 18 million dollars
        {.model = OPUS, ITERATIONS({.type = USAGE_ITERATION_COMPACTION, .tokens = {.output = -5}})},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct price_quote quote = {.cost_pico_usd = 7};
        struct error err = {0};
        ck_assert_int_eq(price_usage(table, &bad[i], IN_NOVEMBER, &quote, &err), -ERANGE);
        ck_assert_int_eq(quote.cost_pico_usd, 7);
        ck_assert_str_ne(err.text, "");
    }
}
END_TEST

// Fields of a line of price_vectors.py.
static const char *next_field(char **line)
{
    const char *field = strsep(line, " \n");
    ck_assert_ptr_nonnull(field);
    return field;
}

static int64_t next_number(char **line)
{
    return strtoll(next_field(line), NULL, 10);
}

static void next_model(char **line, char model[MODEL_NAME_MAX])
{
    const char *field = next_field(line);
    snprintf(model, MODEL_NAME_MAX, "%s", strcmp(field, "-") == 0 ? "" : field);
}

static struct token_counts next_tokens(char **line)
{
    struct token_counts tokens;
    tokens.input = next_number(line);
    tokens.output = next_number(line);
    tokens.cache_write_5m = next_number(line);
    tokens.cache_write_1h = next_number(line);
    tokens.cache_read = next_number(line);
    return tokens;
}

static enum usage_iteration_type next_type(char **line)
{
    static const char *const names[] = {"message", "fallback_message", "compaction",
                                        "advisor_message", "unknown"};
    const char *field = next_field(line);
    size_t i = 0;
    while (strcmp(field, names[i]) != 0)
        ck_assert_uint_lt(++i, sizeof(names) / sizeof(names[0]));
    return (enum usage_iteration_type)i;
}

static void check_vector(char *line)
{
    cleanup_free char *copy = strdup(line);
    struct usage usage = {0};
    struct usage_iteration iterations[USAGE_ITERATIONS_MAX] = {0};
    int64_t time_us = next_number(&line);
    next_model(&line, usage.model);
    usage.speed = strcmp(next_field(&line), "fast") == 0 ? USAGE_SPEED_FAST : USAGE_SPEED_STANDARD;
    const char *tier = next_field(&line);
    usage.tier = strcmp(tier, "batch") == 0      ? USAGE_TIER_BATCH
                 : strcmp(tier, "priority") == 0 ? USAGE_TIER_PRIORITY
                                                 : USAGE_TIER_STANDARD;
    usage.geo = strcmp(next_field(&line), "us") == 0 ? USAGE_GEO_US : USAGE_GEO_GLOBAL;
    usage.refused_unbilled = next_number(&line) == 1;
    usage.web_search_requests = next_number(&line);
    usage.web_fetch_requests = next_number(&line);
    usage.tokens = next_tokens(&line);
    usage.iteration_count = (size_t)next_number(&line);
    usage.iterations = iterations;
    for (size_t i = 0; i < usage.iteration_count; i++) {
        iterations[i].type = next_type(&line);
        next_model(&line, iterations[i].model);
        iterations[i].declined_unbilled = next_number(&line) == 1;
        iterations[i].tokens = next_tokens(&line);
    }
    int64_t cost_pico_usd = next_number(&line);
    bool unknown = next_number(&line) == 1;
    struct price_quote quote = price_at(&usage, time_us);
    ck_assert_msg(quote.cost_pico_usd == cost_pico_usd && quote.unknown_model == unknown,
                  "%" PRId64 ", %d for %s", quote.cost_pico_usd, quote.unknown_model, copy);
}

START_TEST(vectors_agree_with_exact_fractions)
{
    char command[128];
    snprintf(command, sizeof(command), "python3 tests/price_vectors.py sql/prices.csv %d 20261125",
             VECTORS);
    FILE *vectors = popen(command, "r");
    ck_assert_ptr_nonnull(vectors);
    cleanup_free char *line = NULL;
    size_t size = 0;
    int count = 0;
    while (getline(&line, &size, vectors) > 0) {
        check_vector(line);
        count++;
    }
    ck_assert_int_eq(pclose(vectors), 0);
    ck_assert_int_eq(count, VECTORS);
}
END_TEST

// A small generator, so that a failure can be repeated: xorshift64*.
static uint64_t draw(uint64_t *state, uint64_t below)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717) % below;
}

// Takes a random share of what is left.
static int64_t take_share(uint64_t *state, int64_t *left)
{
    int64_t share = draw(state, 4) == 0 ? *left : (int64_t)draw(state, (uint64_t)*left + 1);
    *left -= share;
    return share;
}

static struct token_counts draw_tokens(uint64_t *state, const struct price_bound *bound,
                                       int64_t *input, int64_t *output)
{
    struct token_counts tokens = {.output = take_share(state, output)};
    if (draw(state, 2) == 0)
        tokens.input = take_share(state, input);
    if (bound->may_cache || bound->cache_write_1h)
        tokens.cache_write_5m = take_share(state, input);
    if (bound->cache_write_1h)
        tokens.cache_write_1h = take_share(state, input);
    tokens.cache_read = take_share(state, input);
    return tokens;
}

static const char *draw_model(uint64_t *state)
{
    static const char *const models[] = {OPUS,
                                         SONNET,
                                         HAIKU,
                                         FABLE,
                                         "claude-opus-4-7",
                                         "claude-sonnet-4-5",
                                         "claude-opus-4-8",
                                         HAIKU,
                                         "claude-opus-4-6",
                                         HAIKU,
                                         "claude-3-haiku-20240307",
                                         "claude-unheard-of-9"};
    return models[draw(state, sizeof(models) / sizeof(models[0]))];
}

// A usage within the bound: the counts of all parts together, and only what the bound allows.
static void draw_usage(uint64_t *state, const struct price_bound *bound, struct usage *usage)
{
    int64_t input = bound->input_tokens, output = bound->output_tokens;
    usage->speed = bound->may_be_fast && draw(state, 2) ? USAGE_SPEED_FAST : USAGE_SPEED_STANDARD;
    usage->geo = bound->may_be_us && draw(state, 2) ? USAGE_GEO_US : USAGE_GEO_GLOBAL;
    usage->tier = bound->batch || draw(state, 8) == 0 ? USAGE_TIER_BATCH : USAGE_TIER_STANDARD;
    usage->web_search_requests = (int64_t)draw(state, (uint64_t)bound->web_search_requests + 1);
    snprintf(usage->model, sizeof(usage->model), "%s",
             bound->models[draw(state, bound->model_count)]);
    usage->iteration_count = draw(state, 4);
    for (size_t i = 0; i < usage->iteration_count; i++) {
        struct usage_iteration *each = &usage->iterations[i];
        *each = (struct usage_iteration){.type = (enum usage_iteration_type)draw(state, 5)};
        snprintf(each->model, sizeof(each->model), "%s",
                 bound->models[draw(state, bound->model_count)]);
        each->tokens = draw_tokens(state, bound, &input, &output);
    }
    usage->tokens = draw_tokens(state, bound, &input, &output);
}

START_TEST(no_usage_within_the_bound_costs_more)
{
    static const int64_t times_us[] = {0, READ_CHEAPER - 1, READ_CHEAPER, IN_NOVEMBER};
    uint64_t state = 88172645463325252;
    int close_ones = 0;
    for (int i = 0; i < BOUND_TRIALS; i++) {
        const char *models[3] = {draw_model(&state), draw_model(&state), draw_model(&state)};
        struct price_bound bound = {
            .models = models,
            .model_count = 1 + draw(&state, 3),
            .input_tokens = (int64_t)draw(&state, draw(&state, 2) ? 200 : 400000),
            .output_tokens = (int64_t)draw(&state, 128001),
            .web_search_requests = (int64_t)draw(&state, 3),
            .may_cache = draw(&state, 2),
            .cache_write_1h = draw(&state, 3) == 0,
            .may_be_us = draw(&state, 2),
            .may_be_fast = draw(&state, 3) == 0,
            .batch = draw(&state, 3) == 0,
        };
        struct usage_iteration iterations[4];
        struct usage usage = {.iterations = iterations};
        draw_usage(&state, &bound, &usage);
        int64_t time_us = times_us[draw(&state, sizeof(times_us) / sizeof(times_us[0]))];
        int64_t limit;
        ck_assert_int_eq(price_upper_bound(table, &bound, time_us, &limit, NULL), 0);
        int64_t cost = price_at(&usage, time_us).cost_pico_usd;
        if (cost > limit) // ck_assert is slow
            ck_abort_msg("trial %d: %" PRId64 " above the bound %" PRId64, i, cost, limit);
        close_ones += cost > limit / 10 * 9;
    }
    ck_assert_int_gt(close_ones, BOUND_TRIALS / 100); // the bound is no wall far away
}
END_TEST

START_TEST(bound_is_tight_for_a_plain_request)
{
    const char *model = OPUS;
    struct price_bound bound = {
        .models = &model, .model_count = 1, .input_tokens = 1000, .output_tokens = 128000};
    int64_t limit;
    ck_assert_int_eq(price_upper_bound(table, &bound, IN_NOVEMBER, &limit, NULL), 0);
    ck_assert_int_eq(limit, 2564 * (PICO_USD_PER_USD / 1000));
    bound.may_cache = true; // 5 in place of 4
    ck_assert_int_eq(price_upper_bound(table, &bound, IN_NOVEMBER, &limit, NULL), 0);
    ck_assert_int_eq(limit, 2565 * (PICO_USD_PER_USD / 1000));
    bound.cache_write_1h = true; // 8
    ck_assert_int_eq(price_upper_bound(table, &bound, IN_NOVEMBER, &limit, NULL), 0);
    ck_assert_int_eq(limit, 2568 * (PICO_USD_PER_USD / 1000));
    bound.model_count = 0; // any model: 50 and 125
    ck_assert_int_eq(price_upper_bound(table, &bound, IN_NOVEMBER, &limit, NULL), 0);
    ck_assert_int_eq(limit, 16050 * (PICO_USD_PER_USD / 1000));
}
END_TEST

START_TEST(bound_beyond_measure_is_an_error)
{
    struct price_bound bound = {.input_tokens = -1};
    int64_t limit = 7;
    ck_assert_int_eq(price_upper_bound(table, &bound, IN_NOVEMBER, &limit, NULL), -ERANGE);
    bound.input_tokens = INT64_C(1000000000000000);
    ck_assert_int_eq(price_upper_bound(table, &bound, IN_NOVEMBER, &limit, NULL), -ERANGE);
    ck_assert_int_eq(limit, 7);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("price");
    TCase *cases = tcase_create("price");
    tcase_add_checked_fixture(cases, load_table, free_table);
    tcase_set_timeout(cases, 120);
    tcase_add_loop_test(cases, example_costs_what_is_documented, 0,
                        sizeof(examples) / sizeof(examples[0]));
    tcase_add_test(cases, names_lead_to_their_model);
    tcase_add_test(cases, quote_names_the_row_that_priced_the_answer);
    tcase_add_test(cases, unknown_model_has_the_dearest_rates);
    tcase_add_test(cases, unknown_advisor_marks_the_quote);
    tcase_add_test(cases, fast_without_fast_rates_has_the_dearest);
    tcase_add_test(cases, price_is_that_of_its_time);
    tcase_add_test(cases, refusals_are_free_by_category_and_date);
    tcase_add_test(cases, fees_are_those_of_the_table);
    tcase_add_test(cases, counts_beyond_measure_are_errors);
    tcase_add_test(cases, vectors_agree_with_exact_fractions);
    tcase_add_test(cases, no_usage_within_the_bound_costs_more);
    tcase_add_test(cases, bound_is_tight_for_a_plain_request);
    tcase_add_test(cases, bound_beyond_measure_is_an_error);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
