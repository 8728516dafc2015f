// What the API would bill: the fake's own prices and sums, independent of reeve's.
//
// Prices are in thousandths of a dollar per million tokens, which is exact for all of them and
// makes one unit a thousand picodollars a token.

#include "fake_price.h"

#include <string.h>

#define HAIKU_THRESHOLD_TOKENS 100000
#define WEB_SEARCH_PICO_USD INT64_C(10000000000)
#define DEAREST_MODEL "claude-mythos-preview"

struct rates {
    int64_t input, output, write_5m, write_1h, read;
};

struct model_price {
    const char *name;
    const char *dated_name; // the 4.5 generation and older have one
    struct rates rates;
    bool fast; // twice the price
    bool geo;  // 1.1 times the price in "us"
    bool retired;
};

// Platform price list as of 2026-11-22.
static const struct model_price models[] = {
    {"claude-fable-5-2", NULL, {8000, 40000, 10000, 16000, 200}, true, true, false},
    {"claude-mythos-5-2", NULL, {8000, 40000, 10000, 16000, 200}, true, true, false},
    {"claude-fable-5-1", NULL, {10000, 50000, 12500, 20000, 250}, false, true, false},
    {"claude-mythos-5-1", NULL, {10000, 50000, 12500, 20000, 250}, false, true, false},
    {"claude-fable-5", NULL, {10000, 50000, 12500, 20000, 1000}, false, true, false},
    {"claude-mythos-5", NULL, {10000, 50000, 12500, 20000, 1000}, false, true, false},
    {"claude-opus-5-5", NULL, {4000, 20000, 5000, 8000, 200}, true, true, false},
    {"claude-opus-5", NULL, {5000, 25000, 6250, 10000, 500}, true, true, false},
    {"claude-opus-4-8", NULL, {5000, 25000, 6250, 10000, 500}, true, true, false},
    {"claude-opus-4-7", NULL, {5000, 25000, 6250, 10000, 500}, false, true, false},
    {"claude-opus-4-6", NULL, {5000, 25000, 6250, 10000, 500}, false, true, false},
    {"claude-opus-4-5",
     "claude-opus-4-5-20251101",
     {5000, 25000, 6250, 10000, 500},
     false,
     false,
     false},
    {"claude-sonnet-5-5", NULL, {2000, 10000, 2500, 4000, 100}, false, true, false},
    {"claude-sonnet-5", NULL, {2000, 10000, 2500, 4000, 200}, false, true, false},
    {"claude-sonnet-4-6", NULL, {3000, 15000, 3750, 6000, 300}, false, true, false},
    {"claude-sonnet-4-5",
     "claude-sonnet-4-5-20250929",
     {3000, 15000, 3750, 6000, 300},
     false,
     false,
     false},
    {"claude-haiku-5-5", NULL, {100, 500, 125, 200, 10}, false, true, false},
    {"claude-haiku-4-5",
     "claude-haiku-4-5-20251001",
     {1000, 5000, 1250, 2000, 100},
     false,
     false,
     false},
    {"claude-opus-4-1",
     "claude-opus-4-1-20250805",
     {15000, 75000, 18750, 30000, 1500},
     false,
     false,
     true},
    {DEAREST_MODEL, NULL, {25000, 125000, 31250, 50000, 2500}, false, true, false},
};
#define MODEL_COUNT (sizeof(models) / sizeof(models[0]))

static const struct rates haiku_5_5_long = {500, 2500, 625, 1000, 50};

static const struct model_price *find_price(const char *name)
{
    for (size_t i = 0; name != NULL && i < MODEL_COUNT; i++)
        if (strcmp(models[i].name, name) == 0 ||
            (models[i].dated_name != NULL && strcmp(models[i].dated_name, name) == 0))
            return &models[i];
    return NULL;
}

const char *fake_price_find_model(const char *model)
{
    const struct model_price *price = find_price(model);
    return price != NULL && !price->retired ? price->name : NULL;
}

bool fake_price_has_fast(const char *model)
{
    const struct model_price *price = find_price(model);
    return price != NULL && price->fast;
}

bool fake_price_has_geo(const char *model)
{
    const struct model_price *price = find_price(model);
    return price != NULL && price->geo;
}

const char *fake_price_model_at(size_t index)
{
    for (size_t i = 0; i < MODEL_COUNT; i++)
        if (!models[i].retired && index-- == 0)
            return models[i].name;
    return NULL;
}

bool fake_price_refusal_is_billed(const char *category)
{
    return category != NULL &&
           (strcmp(category, "bio") == 0 || strcmp(category, "frontier_llm") == 0 ||
            strcmp(category, "reasoning_extraction") == 0);
}

// What holds for all parts of one message's bill.
struct terms {
    const char *model;
    bool fast, us, batch;
};

// The tokens of one usage or iteration object, without money.
static struct fake_bill count_tokens(const json_t *part)
{
    const json_t *split = json_object_get(part, "cache_creation");
    int64_t writes = json_integer_value(json_object_get(part, "cache_creation_input_tokens"));
    int64_t hour = json_integer_value(json_object_get(split, "ephemeral_1h_input_tokens"));
    hour = hour < 0 ? 0 : hour > writes ? writes : hour;
    return (struct fake_bill){
        .input = json_integer_value(json_object_get(part, "input_tokens")),
        .output = json_integer_value(json_object_get(part, "output_tokens")),
        .cache_write_5m = writes - hour,
        .cache_write_1h = hour,
        .cache_read = json_integer_value(json_object_get(part, "cache_read_input_tokens")),
    };
}

static void add_bill(struct fake_bill *sum, const struct fake_bill *part)
{
    sum->input += part->input;
    sum->output += part->output;
    sum->cache_write_5m += part->cache_write_5m;
    sum->cache_write_1h += part->cache_write_1h;
    sum->cache_read += part->cache_read;
    sum->pico_usd += part->pico_usd;
}

// Adds one usage or iteration object, priced as `model`.
static void bill_part(const struct terms *terms, const char *model, const json_t *part,
                      struct fake_bill *bill)
{
    struct fake_bill own = count_tokens(part);
    const struct model_price *price = find_price(model);
    if (price == NULL)
        price = find_price(DEAREST_MODEL);
    struct rates rates = price->rates;
    int64_t prompt = own.input + own.cache_write_5m + own.cache_write_1h + own.cache_read;
    bool is_long = strcmp(price->name, "claude-haiku-5-5") == 0 && prompt > HAIKU_THRESHOLD_TOKENS;
    if (is_long)
        rates = haiku_5_5_long;
    int64_t units = own.input * rates.input + own.output * rates.output +
                    own.cache_write_5m * rates.write_5m + own.cache_write_1h * rates.write_1h +
                    own.cache_read * rates.read;
    if (terms->fast && price->fast)
        units *= 2;
    int64_t pico_usd_per_unit = terms->us && price->geo ? 1100 : 1000;
    if (terms->batch)
        pico_usd_per_unit /= 2;
    own.pico_usd = units * pico_usd_per_unit;
    add_bill(bill, &own);
}

static bool part_is(const json_t *part, const char *type)
{
    const char *value = json_string_value(json_object_get(part, "type"));
    return value != NULL && strcmp(value, type) == 0;
}

static const char *part_model(const struct terms *terms, const json_t *part)
{
    const char *model = json_string_value(json_object_get(part, "model"));
    return model != NULL ? model : terms->model;
}

// The `index`th declined attempt is free if it gave no output and the fallback block that followed
// it names a category that is not billed.
static bool attempt_is_free(const json_t *attempt, size_t index, const json_t *content)
{
    if (json_integer_value(json_object_get(attempt, "output_tokens")) != 0)
        return false;
    size_t i;
    const json_t *block;
    json_array_foreach(content, i, block)
    {
        if (!part_is(block, "fallback") || index-- > 0)
            continue;
        const json_t *trigger = json_object_get(block, "trigger");
        return !fake_price_refusal_is_billed(
            json_string_value(json_object_get(trigger, "category")));
    }
    return false;
}

static void bill_fallback_attempts(const struct terms *terms, const json_t *iterations,
                                   const json_t *content, struct fake_bill *bill)
{
    size_t i;
    size_t declined = 0;
    const json_t *part;
    json_array_foreach(iterations, i, part)
    {
        if (part_is(part, "message") && attempt_is_free(part, declined++, content))
            continue;
        if (part_is(part, "message") || part_is(part, "fallback_message"))
            bill_part(terms, part_model(terms, part), part, bill);
    }
}

// Whether the executor's iterations account for all of the top level, in every class.
static bool iterations_cover(const struct fake_bill *sum, const struct fake_bill *top)
{
    return sum->input >= top->input && sum->output >= top->output &&
           sum->cache_write_5m + sum->cache_write_1h >= top->cache_write_5m + top->cache_write_1h &&
           sum->cache_read >= top->cache_read;
}

void fake_price_usage(const char *model, const json_t *usage, const json_t *content,
                      struct fake_bill *bill)
{
    const char *speed = json_string_value(json_object_get(usage, "speed"));
    const char *geo = json_string_value(json_object_get(usage, "inference_geo"));
    const char *tier = json_string_value(json_object_get(usage, "service_tier"));
    const json_t *tools = json_object_get(usage, "server_tool_use");
    const json_t *iterations = json_object_get(usage, "iterations");
    const struct terms terms = {
        .model = model,
        .fast = speed != NULL && strcmp(speed, "fast") == 0,
        .us = geo != NULL && strcmp(geo, "us") == 0,
        .batch = tier != NULL && strcmp(tier, "batch") == 0,
    };
    struct fake_bill top = count_tokens(usage);
    struct fake_bill executor = {0};
    struct fake_bill extra = {0};
    bool has_fallback = false;
    size_t i;
    const json_t *part;
    json_array_foreach(iterations, i, part)
    {
        has_fallback = has_fallback || part_is(part, "fallback_message");
        if (part_is(part, "message"))
            bill_part(&terms, part_model(&terms, part), part, &executor);
        else if (!part_is(part, "fallback_message"))
            bill_part(&terms, part_model(&terms, part), part, &extra);
    }
    *bill = extra;
    if (has_fallback)
        bill_fallback_attempts(&terms, iterations, content, bill);
    else if (executor.pico_usd > 0 && iterations_cover(&executor, &top))
        add_bill(bill, &executor);
    else
        bill_part(&terms, model, usage, bill);
    bill->web_searches = json_integer_value(json_object_get(tools, "web_search_requests"));
    bill->pico_usd += bill->web_searches * WEB_SEARCH_PICO_USD;
}
