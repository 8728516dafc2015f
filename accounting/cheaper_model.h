// Cheaper model: what the same tokens would have cost on the next cheaper model. Pure.
//
// Arithmetic, not advice: another model would have used other tokens. The next cheaper model of one
// is the dearest that costs less for input and for output and no more for any other kind of token,
// that is in force at the time, and is not retired.
#pragma once

#include "error.h"
#include "price_table.h"
#include "usage.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHEAPER_MODELS_MAX 32 // models that answered; those after them are left out

struct cheaper_model {
    char model[MODEL_NAME_MAX];   // that answered
    char cheaper[MODEL_NAME_MAX]; // "": there is none
    int64_t exchanges;
    int64_t cost_pico_usd;
    int64_t cheaper_pico_usd; // the same tokens
};

struct cheaper_models {
    const struct price_table *prices;
    struct cheaper_model models[CHEAPER_MODELS_MAX];
    size_t count;
};

// The row of the next cheaper model, NULL: there is none, or `model` is not known.
const struct price_row *cheaper_model_find(const struct price_table *prices, const char *model,
                                           int64_t time_us);

// Adds an exchange: its usage, at the time of its reservation, and what it cost.
// -ERANGE: the sums leave int64.
int cheaper_models_add(struct cheaper_models *models, const struct usage *usage, int64_t time_us,
                       int64_t cost_pico_usd, struct error *err);
