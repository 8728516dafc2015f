// Run costs: how the costs of a day's runs are spread. Pure.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define RUN_COSTS_BUCKETS_MAX 24

// Runs that cost `from` or more, up to the next bucket's `from`.
struct run_costs_bucket {
    int64_t from_pico_usd;
    int64_t count;
};

struct run_costs {
    size_t count;
    int64_t total_pico_usd;
    // The nearest rank: so many per cent of the runs cost that or less.
    int64_t lowest, median, p90, p99, highest;
    // In steps of 1, 2, 5 from the cheapest run's to the dearest one's; the first one takes
    // whatever is below it.
    struct run_costs_bucket buckets[RUN_COSTS_BUCKETS_MAX];
    size_t bucket_count;
};

// `costs_pico_usd` in falling order.
void run_costs_sum_up(const int64_t *costs_pico_usd, size_t count, struct run_costs *sums);
