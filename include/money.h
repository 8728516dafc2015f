// Money: int64 picodollars (1e-12 USD), exact and checked; never floating point.
//
// The finest price there is (0.01 USD per million tokens, times 1.1, times 0.5) is 5,500
// picodollars a token; int64 holds 9.2 million dollars. Every operation that can overflow says so.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define PICO_USD_PER_USD INT64_C(1000000000000)
#define MONEY_DECIMALS 12
#define MONEY_TEXT_MAX 32 // "-$9223372.036854775807" and its NUL

// *sum = a + b. Returns false, and leaves *sum alone, on overflow.
static inline bool money_add(int64_t a, int64_t b, int64_t *sum)
{
    int64_t result;
    if (__builtin_add_overflow(a, b, &result))
        return false;
    *sum = result;
    return true;
}

// *product = a * b. Returns false, and leaves *product alone, on overflow.
static inline bool money_multiply(int64_t a, int64_t b, int64_t *product)
{
    int64_t result;
    if (__builtin_mul_overflow(a, b, &result))
        return false;
    *product = result;
    return true;
}

// Reads "$0.50", "0.5" or "12" (at most 12 decimals, no sign, no exponent, no spaces), exactly.
// Returns false, and leaves the output alone, for anything else.
static inline bool money_parse(const char *text, int64_t *cost_pico_usd)
{
    int64_t value = 0;
    int decimals = -1; // -1 before the point
    int digits = 0;
    if (*text == '$')
        text++;
    for (; *text != '\0'; text++) {
        if (*text == '.' && decimals < 0) {
            decimals = 0;
            continue;
        }
        if (*text < '0' || *text > '9' || decimals == MONEY_DECIMALS)
            return false;
        if (!money_multiply(value, 10, &value) || !money_add(value, *text - '0', &value))
            return false;
        digits++;
        if (decimals >= 0)
            decimals++;
    }
    if (digits == 0 || decimals == 0)
        return false;
    for (int i = decimals < 0 ? 0 : decimals; i < MONEY_DECIMALS; i++)
        if (!money_multiply(value, 10, &value))
            return false;
    *cost_pico_usd = value;
    return true;
}

// Writes the exact decimal, without trailing zeros but with at least `decimals_min` decimals and no
// dollar sign: "0.50", "0.023572". Returns `text`.
static inline const char *money_format_exact(int64_t cost_pico_usd, int decimals_min,
                                             char text[static MONEY_TEXT_MAX])
{
    uint64_t absolute = cost_pico_usd < 0 ? 0 - (uint64_t)cost_pico_usd : (uint64_t)cost_pico_usd;
    int length = snprintf(text, MONEY_TEXT_MAX, "%s%llu.%012llu", cost_pico_usd < 0 ? "-" : "",
                          (unsigned long long)(absolute / (uint64_t)PICO_USD_PER_USD),
                          (unsigned long long)(absolute % (uint64_t)PICO_USD_PER_USD));
    int removable = MONEY_DECIMALS - decimals_min;
    while (removable-- > 0 && text[length - 1] == '0')
        text[--length] = '\0';
    if (text[length - 1] == '.')
        text[length - 1] = '\0';
    return text;
}

// Writes what a person reads, rounded half up to the cents that matter: "$12.34", below a dollar
// four decimals: "$0.0236". Returns `text`.
static inline const char *money_format_short(int64_t cost_pico_usd,
                                             char text[static MONEY_TEXT_MAX])
{
    uint64_t absolute = cost_pico_usd < 0 ? 0 - (uint64_t)cost_pico_usd : (uint64_t)cost_pico_usd;
    const char *sign = cost_pico_usd < 0 ? "-" : "";
    uint64_t dollar = (uint64_t)PICO_USD_PER_USD;
    if (absolute >= dollar || absolute == 0) {
        uint64_t cents = (absolute + dollar / 200) / (dollar / 100);
        snprintf(text, MONEY_TEXT_MAX, "%s$%llu.%02llu", sign, (unsigned long long)(cents / 100),
                 (unsigned long long)(cents % 100));
    } else {
        uint64_t parts = (absolute + dollar / 20000) / (dollar / 10000);
        snprintf(text, MONEY_TEXT_MAX, "%s$%llu.%04llu", sign, (unsigned long long)(parts / 10000),
                 (unsigned long long)(parts % 10000));
    }
    return text;
}
