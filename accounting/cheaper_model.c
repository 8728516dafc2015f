// Cheaper model: see cheaper_model.h.
#include "cheaper_model.h"

#include "money.h"
#include "price.h"

#include <stdio.h>
#include <string.h>

static bool is_in_force(const struct price_row *row, int64_t time_us)
{
    return row->kind == PRICE_STANDARD && *row->retired == '\0' && row->from_us <= time_us &&
           time_us < row->until_us && strcmp(row->model, PRICE_MODEL_ANY) != 0;
}

static bool is_cheaper(const struct price_rates *a, const struct price_rates *b)
{
    return a->input < b->input && a->output < b->output && a->cache_write_5m <= b->cache_write_5m &&
           a->cache_write_1h <= b->cache_write_1h && a->cache_read <= b->cache_read;
}

const struct price_row *cheaper_model_find(const struct price_table *prices, const char *model,
                                           int64_t time_us)
{
    const struct price_row *found = NULL;
    const struct price_row *row;
    const struct price_row *own = price_table_find(prices, model, PRICE_STANDARD, time_us);
    for (size_t i = 0; own != NULL && (row = price_table_at(prices, i)) != NULL; i++)
        if (is_in_force(row, time_us) && is_cheaper(&row->rates, &own->rates) &&
            (found == NULL || row->rates.input > found->rates.input ||
             (row->rates.input == found->rates.input && row->from_us > found->from_us)))
            found = row;
    return found;
}

static struct cheaper_model *find_or_add(struct cheaper_models *models, const char *name,
                                         int64_t time_us)
{
    for (size_t i = 0; i < models->count; i++)
        if (strcmp(models->models[i].model, name) == 0)
            return &models->models[i];
    if (models->count == CHEAPER_MODELS_MAX)
        return NULL;
    struct cheaper_model *model = &models->models[models->count++];
    const struct price_row *row = cheaper_model_find(models->prices, name, time_us);
    *model = (struct cheaper_model){0};
    snprintf(model->model, sizeof(model->model), "%s", name);
    if (row != NULL)
        snprintf(model->cheaper, sizeof(model->cheaper), "%s", row->model);
    return model;
}

int cheaper_models_add(struct cheaper_models *models, const struct usage *usage, int64_t time_us,
                       int64_t cost_pico_usd, struct error *err)
{
    struct price_quote quote = {0};
    struct usage other = *usage;
    struct cheaper_model *model = find_or_add(models, usage->model, time_us);
    if (model == NULL)
        return 0;
    if (*model->cheaper != '\0') {
        memcpy(other.model, model->cheaper, sizeof(other.model));
        other.speed = USAGE_SPEED_STANDARD;
        int code = price_usage(models->prices, &other, time_us, &quote, err);
        if (code != 0)
            return code;
    }
    if (!money_add(model->cost_pico_usd, cost_pico_usd, &model->cost_pico_usd) ||
        !money_add(model->cheaper_pico_usd, quote.cost_pico_usd, &model->cheaper_pico_usd))
        return error_set(err, -ERANGE, "the cost of %.60s is above all sums", usage->model);
    model->exchanges++;
    return 0;
}
