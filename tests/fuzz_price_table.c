// Fuzz: a price file of any bytes is read or refused; what is read has prices at all times.
#include "price.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t times_us[] = {INT64_MIN, 0, 1791331200000000, INT64_MAX};
    struct price_table *table = NULL;
    struct error err = {0};
    int result = price_table_parse(&table, "fuzz", (const char *)data, size, &err);
    require((result == 0) == (table != NULL) && (result == 0) == (err.code == 0));
    if (result < 0)
        return 0;
    const struct price_row *row;
    for (size_t i = 0; (row = price_table_at(table, i)) != NULL; i++)
        for (size_t t = 0; t < sizeof(times_us) / sizeof(times_us[0]); t++) {
            const char *model = row->model;
            struct usage usage = {.tokens = {1, 2, 3, 4, 5}, .geo = USAGE_GEO_US};
            struct price_bound bound = {.models = &model,
                                        .model_count = 1,
                                        .input_tokens = 13,
                                        .output_tokens = 2,
                                        .cache_write_1h = true,
                                        .may_be_us = true};
            struct price_quote quote;
            int64_t limit;
            snprintf(usage.model, sizeof(usage.model), "%s", model);
            require(price_usage(table, &usage, times_us[t], &quote, NULL) == 0);
            require(price_upper_bound(table, &bound, times_us[t], &limit, NULL) == 0);
            require(quote.cost_pico_usd >= 0 && quote.cost_pico_usd <= limit);
        }
    price_table_free(table);
    return 0;
}
