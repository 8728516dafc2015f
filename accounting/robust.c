// Robust: see robust.h.
#include "robust.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int compare_values(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left;
    int64_t b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

int64_t robust_median(const int64_t *values, size_t count)
{
    int64_t sorted[ROBUST_VALUES_MAX];
    count = count < ROBUST_VALUES_MAX ? count : ROBUST_VALUES_MAX;
    assert(count > 0);
    memcpy(sorted, values, count * sizeof(*values));
    qsort(sorted, count, sizeof(*sorted), compare_values);
    int64_t upper = sorted[count / 2];
    int64_t lower = sorted[(count - 1) / 2];
    return lower + (upper - lower) / 2;
}

int64_t robust_spread(const int64_t *values, size_t count, int64_t middle)
{
    int64_t distances[ROBUST_VALUES_MAX];
    count = count < ROBUST_VALUES_MAX ? count : ROBUST_VALUES_MAX;
    for (size_t i = 0; i < count; i++)
        distances[i] = values[i] > middle ? values[i] - middle : middle - values[i];
    return robust_median(distances, count);
}
