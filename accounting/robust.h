// Robust: middles and spreads that a few odd values do not move. Pure.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define ROBUST_VALUES_MAX 64 // of a sample; what comes after them is left out

// The middle value, or half-way between the two in the middle, rounded down. `count` is at least 1.
int64_t robust_median(const int64_t *values, size_t count);

// The median of the distances to `middle`: the median absolute deviation.
int64_t robust_spread(const int64_t *values, size_t count, int64_t middle);
