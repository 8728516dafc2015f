// Price: see price.h.
//
// A usage is priced in parts: the message as a whole or each pass that the upstream made for it
// (`iterations`), and then the passes that the message's own counts leave out.
#include "price.h"

#include "money.h"

#include <stdio.h>
#include <string.h>

// No message comes near it, and the counts of all its iterations add up without overflow.
#define COUNT_MAX INT64_C(1000000000000000)

// A pricing under way.
struct pricing {
    const struct price_table *table;
    const struct usage *usage;
    int64_t time_us;
    int64_t cost_pico_usd;
    struct token_counts tokens;
    const struct price_row *answering; // of the model that answered; NULL until it is known
    bool unknown_model;
};

static bool is_count(int64_t count)
{
    return count >= 0 && count <= COUNT_MAX;
}

static bool are_counts(const struct token_counts *tokens)
{
    return is_count(tokens->input) && is_count(tokens->output) &&
           is_count(tokens->cache_write_5m) && is_count(tokens->cache_write_1h) &&
           is_count(tokens->cache_read);
}

static bool has_sane_counts(const struct usage *usage)
{
    if (!are_counts(&usage->tokens) || usage->iteration_count > USAGE_ITERATIONS_MAX ||
        !is_count(usage->web_search_requests) || !is_count(usage->web_fetch_requests))
        return false;
    for (size_t i = 0; i < usage->iteration_count; i++)
        if (!are_counts(&usage->iterations[i].tokens))
            return false;
    return true;
}

static int64_t cache_writes(const struct token_counts *tokens)
{
    return tokens->cache_write_5m + tokens->cache_write_1h;
}

static int64_t prompt_tokens(const struct token_counts *tokens)
{
    return tokens->input + cache_writes(tokens) + tokens->cache_read;
}

// *total += count * price. Returns false on overflow.
static bool add_priced(int64_t *total, int64_t count, int64_t price)
{
    int64_t product;
    return money_multiply(count, price, &product) && money_add(*total, product, total);
}

static bool add_tokens(int64_t *total, const struct token_counts *tokens,
                       const struct price_rates *rates)
{
    return add_priced(total, tokens->input, rates->input) &&
           add_priced(total, tokens->output, rates->output) &&
           add_priced(total, tokens->cache_write_5m, rates->cache_write_5m) &&
           add_priced(total, tokens->cache_write_1h, rates->cache_write_1h) &&
           add_priced(total, tokens->cache_read, rates->cache_read);
}

// *total += the fees for server tools, which no multiplier applies to.
static bool add_fees(int64_t *total, const struct price_table *table, int64_t time_us,
                     int64_t searches, int64_t fetches)
{
    const struct price_row *search = price_table_find(table, "web_search", PRICE_REQUEST, time_us);
    const struct price_row *fetch = price_table_find(table, "web_fetch", PRICE_REQUEST, time_us);
    return add_priced(total, searches, search->request_pico_usd) &&
           add_priced(total, fetches, fetch->request_pico_usd);
}

// The table has made sure that nothing is left over for what a row offers; for the rest the
// picodollar is rounded up.
static int64_t multiply_rate(int64_t rate, int32_t millionths)
{
    int64_t product = rate * millionths; // at most 10^12 times 10^7
    return product / PRICE_MULTIPLIER_ONE + (product % PRICE_MULTIPLIER_ONE != 0);
}

// The rates of `row` under geo and batch. A model that is not offered in the US geo and answers
// from there all the same has the dearest multiplier; one that has no batch price has no discount.
static struct price_rates multiply_rates(const struct price_table *table,
                                         const struct price_row *row, bool us, bool batch)
{
    struct price_rates rates = row->rates;
    int64_t *const each[] = {&rates.input, &rates.output, &rates.cache_write_5m,
                             &rates.cache_write_1h, &rates.cache_read};
    int32_t us_geo = row->us_geo_millionths;
    if (us_geo == 0)
        us_geo = price_table_dearest(table, USAGE_SPEED_FAST)->us_geo_millionths;
    for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
        if (us)
            *each[i] = multiply_rate(*each[i], us_geo);
        if (batch && row->batch_millionths != 0)
            *each[i] = multiply_rate(*each[i], row->batch_millionths);
    }
    return rates;
}

// The row for a part of `prompt` tokens run by `model`. Fast rates that are not known are the
// dearest ones, except for an advisor: the speed is the message's, and its advisor need not have
// it.
static const struct price_row *choose_row(const struct pricing *pricing, const char *model,
                                          int64_t prompt, bool is_advisor)
{
    const struct price_table *table = pricing->table;
    enum usage_speed speed = pricing->usage->speed;
    const struct price_row *standard =
        price_table_find(table, model, PRICE_STANDARD, pricing->time_us);
    if (standard == NULL)
        return price_table_dearest(table, speed);
    const struct price_row *other = price_table_find(table, model, PRICE_LONG, pricing->time_us);
    if (other != NULL && prompt > other->above_tokens)
        return other;
    if (speed != USAGE_SPEED_FAST)
        return standard;
    other = price_table_find(table, model, PRICE_FAST, pricing->time_us);
    if (other != NULL)
        return other;
    return is_advisor ? standard : price_table_dearest(table, speed);
}

static bool price_part(struct pricing *pricing, const struct price_row *row,
                       const struct token_counts *tokens)
{
    const struct usage *usage = pricing->usage;
    struct price_rates rates = multiply_rates(pricing->table, row, usage->geo == USAGE_GEO_US,
                                              usage->tier == USAGE_TIER_BATCH);
    if (strcmp(row->model, PRICE_MODEL_ANY) == 0)
        pricing->unknown_model = true;
    tokens_add(&pricing->tokens, tokens);
    return add_tokens(&pricing->cost_pico_usd, tokens, &rates);
}

// The type of the passes that the message's own counts consist of: those before a fallback were
// superseded.
static enum usage_iteration_type find_serving_type(const struct usage *usage)
{
    for (size_t i = 0; i < usage->iteration_count; i++)
        if (usage->iterations[i].type == USAGE_ITERATION_FALLBACK_MESSAGE)
            return USAGE_ITERATION_FALLBACK_MESSAGE;
    return USAGE_ITERATION_MESSAGE;
}

static struct token_counts sum_iterations(const struct usage *usage, enum usage_iteration_type type)
{
    struct token_counts sum = {0};
    for (size_t i = 0; i < usage->iteration_count; i++) {
        const struct token_counts *tokens = &usage->iterations[i].tokens;
        if (usage->iterations[i].type != type)
            continue;
        tokens_add(&sum, tokens);
    }
    return sum;
}

// Whether the iterations tell the message's own counts in full. Cache writes are one class here:
// the split by time to live can be missing on either side.
static bool covers_message(const struct token_counts *sum, const struct token_counts *message)
{
    return sum->input >= message->input && sum->output >= message->output &&
           sum->cache_read >= message->cache_read && cache_writes(sum) >= cache_writes(message);
}

// Prices the passes that served the message or tried to. One-hour cache writes that the message has
// and its passes do not were counted as five-minute ones for want of a split; they are put right.
static bool price_serving_iterations(struct pricing *pricing, enum usage_iteration_type serving,
                                     int64_t unsplit_1h)
{
    const struct usage *usage = pricing->usage;
    for (size_t i = usage->iteration_count; i-- > 0;) {
        const struct usage_iteration *each = &usage->iterations[i];
        if (each->type != USAGE_ITERATION_MESSAGE && each->type != USAGE_ITERATION_FALLBACK_MESSAGE)
            continue;
        struct token_counts tokens = each->tokens;
        if (each->type == serving && unsplit_1h > 0) {
            int64_t moved = unsplit_1h < tokens.cache_write_5m ? unsplit_1h : tokens.cache_write_5m;
            tokens.cache_write_5m -= moved;
            tokens.cache_write_1h += moved;
            unsplit_1h -= moved;
        }
        const struct price_row *row =
            choose_row(pricing, each->model[0] != '\0' ? each->model : usage->model,
                       prompt_tokens(&tokens), false);
        // The last pass is the one that answered; a refused message is that of its last attempt.
        bool is_answer = pricing->answering == NULL;
        if (is_answer)
            pricing->answering = row;
        bool is_refused =
            usage->refused_unbilled && (is_answer || serving == USAGE_ITERATION_MESSAGE);
        if (!each->declined_unbilled && !is_refused && !price_part(pricing, row, &tokens))
            return false;
    }
    return true;
}

// Prices the passes that the message's own counts leave out.
static bool price_extra_iterations(struct pricing *pricing)
{
    const struct usage *usage = pricing->usage;
    for (size_t i = 0; i < usage->iteration_count; i++) {
        const struct usage_iteration *each = &usage->iterations[i];
        bool is_advisor = each->type == USAGE_ITERATION_ADVISOR_MESSAGE;
        if (each->type == USAGE_ITERATION_MESSAGE || each->type == USAGE_ITERATION_FALLBACK_MESSAGE)
            continue;
        const struct price_row *row = choose_row(pricing, is_advisor ? each->model : usage->model,
                                                 prompt_tokens(&each->tokens), is_advisor);
        if (!price_part(pricing, row, &each->tokens))
            return false;
    }
    return true;
}

// Prices the message itself: by its iterations where they tell all of it, else by its own counts.
static bool price_message(struct pricing *pricing)
{
    const struct usage *usage = pricing->usage;
    enum usage_iteration_type serving = find_serving_type(usage);
    struct token_counts sum = sum_iterations(usage, serving);
    bool has_message = serving == USAGE_ITERATION_FALLBACK_MESSAGE ||
                       (usage->iteration_count > 0 && covers_message(&sum, &usage->tokens));
    if (has_message && !price_serving_iterations(pricing, serving,
                                                 usage->tokens.cache_write_1h - sum.cache_write_1h))
        return false;
    if (pricing->answering != NULL)
        return true;
    pricing->answering = choose_row(pricing, usage->model, prompt_tokens(&usage->tokens), false);
    return usage->refused_unbilled || price_part(pricing, pricing->answering, &usage->tokens);
}

int price_usage(const struct price_table *table, const struct usage *usage, int64_t time_us,
                struct price_quote *quote, struct error *err)
{
    struct pricing pricing = {.table = table, .usage = usage, .time_us = time_us};
    if (!has_sane_counts(usage))
        return error_set(err, -ERANGE, "pricing %s: a count is negative or beyond all measure",
                         usage->model);
    if (!price_message(&pricing) || !price_extra_iterations(&pricing) ||
        !add_fees(&pricing.cost_pico_usd, table, time_us, usage->web_search_requests,
                  usage->web_fetch_requests))
        return error_set(err, -ERANGE, "pricing %s: the cost is beyond all measure", usage->model);
    quote->cost_pico_usd = pricing.cost_pico_usd;
    quote->tokens = pricing.tokens;
    quote->unknown_model = pricing.unknown_model;
    memcpy(quote->price_row, pricing.answering->name, sizeof(quote->price_row));
    return 0;
}

const char *price_free_refusals(const struct price_table *table, int64_t time_us, char *text,
                                size_t size)
{
    const struct price_row *row;
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; (row = price_table_at(table, i)) != NULL; i++)
        if (row->kind == PRICE_REFUSAL && row->from_us <= time_us && time_us < row->until_us &&
            used + strlen(row->model) + 2 <= size)
            used += (size_t)snprintf(text + used, size - used, "%s ", row->model);
    return text;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

// Raises what a token of the prompt and of the output can cost at most to what they cost by `row`.
static void raise_bound(const struct price_table *table, const struct price_bound *bound,
                        const struct price_row *row, int64_t *input, int64_t *output)
{
    struct price_rates rates = multiply_rates(table, row, bound->may_be_us, bound->batch);
    *output = larger(*output, rates.output);
    *input = larger(*input, larger(rates.input, rates.cache_read));
    if (bound->may_cache || bound->cache_write_1h)
        *input = larger(*input, rates.cache_write_5m); // also what has no time to live in the usage
    if (bound->cache_write_1h)
        *input = larger(*input, rates.cache_write_1h);
}

int price_upper_bound(const struct price_table *table, const struct price_bound *bound,
                      int64_t time_us, int64_t *cost_pico_usd, struct error *err)
{
    int64_t cost = 0, input = 0, output = 0;
    if (!is_count(bound->input_tokens) || !is_count(bound->output_tokens) ||
        !is_count(bound->web_search_requests) || !is_count(bound->web_fetch_requests))
        return error_set(err, -ERANGE, "a bound is negative or beyond all measure");
    enum usage_speed speed = bound->may_be_fast ? USAGE_SPEED_FAST : USAGE_SPEED_STANDARD;
    const struct price_row *dearest = price_table_dearest(table, speed);
    if (bound->model_count == 0)
        raise_bound(table, bound, dearest, &input, &output);
    for (size_t i = 0; i < bound->model_count; i++) {
        const char *model = bound->models[i];
        const struct price_row *standard = price_table_find(table, model, PRICE_STANDARD, time_us);
        const struct price_row *long_row = price_table_find(table, model, PRICE_LONG, time_us);
        const struct price_row *fast = price_table_find(table, model, PRICE_FAST, time_us);
        raise_bound(table, bound, standard != NULL ? standard : dearest, &input, &output);
        if (long_row != NULL && bound->input_tokens > long_row->above_tokens)
            raise_bound(table, bound, long_row, &input, &output);
        if (bound->may_be_fast)
            raise_bound(table, bound, fast != NULL ? fast : dearest, &input, &output);
    }
    if (!add_priced(&cost, bound->input_tokens, input) ||
        !add_priced(&cost, bound->output_tokens, output) ||
        !add_fees(&cost, table, time_us, bound->web_search_requests, bound->web_fetch_requests))
        return error_set(err, -ERANGE, "the bound of the cost is beyond all measure");
    *cost_pico_usd = cost;
    return 0;
}
