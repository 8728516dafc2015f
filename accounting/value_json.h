// Value JSON: how money and times are written wherever reeve prints JSON.
#pragma once

#include "clock.h"
#include "money.h"

#include <jansson.h>

// "0.000214", exact, with two decimals at least; the caller's. NULL: out of memory.
static inline json_t *money_json(int64_t pico_usd)
{
    char text[MONEY_TEXT_MAX];
    return json_string(money_format_exact(pico_usd, 2, text));
}

// ISO 8601 in UTC; null below 0, where there is no such time. The caller's. NULL: out of memory.
static inline json_t *time_json(int64_t time_us)
{
    char text[CLOCK_TEXT_MAX];
    return time_us < 0 ? json_null() : json_string(clock_format_utc(time_us, text));
}
