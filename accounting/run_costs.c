// Run costs: see run_costs.h.
#include "run_costs.h"

#include "money.h"

// The cost that `percent` of the runs do not exceed.
static int64_t rank(const int64_t *costs, size_t count, size_t percent)
{
    size_t place = (count * percent + 99) / 100; // 1 is the cheapest
    return costs[count - (place == 0 ? 1 : place)];
}

// The step after `step` in 1, 2, 5, 10, …
static int64_t next_step(int64_t step)
{
    int64_t power = 1;
    while (step / power >= 10)
        power *= 10;
    return step / power == 2 ? power * 5 : step * 2;
}

static void fill_buckets(const int64_t *costs, size_t count, struct run_costs *sums)
{
    int64_t step = PICO_USD_PER_USD / 10000; // what a person is shown begins here
    for (; next_step(step) <= costs[count - 1]; step = next_step(step))
        continue;
    for (; sums->bucket_count < RUN_COSTS_BUCKETS_MAX; step = next_step(step)) {
        sums->buckets[sums->bucket_count++] = (struct run_costs_bucket){.from_pico_usd = step};
        if (next_step(step) > costs[0] || step > INT64_MAX / 10)
            break;
    }
    size_t bucket = sums->bucket_count - 1;
    for (size_t i = 0; i < count; i++) {
        while (bucket > 0 && costs[i] < sums->buckets[bucket].from_pico_usd)
            bucket--;
        sums->buckets[bucket].count++;
    }
}

void run_costs_sum_up(const int64_t *costs_pico_usd, size_t count, struct run_costs *sums)
{
    *sums = (struct run_costs){.count = count};
    if (count == 0)
        return;
    for (size_t i = 0; i < count; i++)
        sums->total_pico_usd += costs_pico_usd[i];
    sums->lowest = costs_pico_usd[count - 1];
    sums->median = rank(costs_pico_usd, count, 50);
    sums->p90 = rank(costs_pico_usd, count, 90);
    sums->p99 = rank(costs_pico_usd, count, 99);
    sums->highest = costs_pico_usd[0];
    fill_buckets(costs_pico_usd, count, sums);
}
