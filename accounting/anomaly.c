// Anomaly: see anomaly.h.
#include "anomaly.h"

#include "money.h"
#include "robust.h"

#include <assert.h>

#define SPREADS 6

enum direction { EITHER_WAY, UP, DOWN };

static const struct {
    const char *name;
    int64_t floor;         // in the measure's unit
    int64_t floor_percent; // of what is usual
    enum direction direction;
} measures[] = {
    [ANOMALY_COST] = {"cost", PICO_USD_PER_USD / 2, 50, EITHER_WAY},
    [ANOMALY_EXCHANGES] = {"exchanges", 20, 50, EITHER_WAY},
    [ANOMALY_CACHE] = {"cache", 150, 0, DOWN},
    [ANOMALY_FAILURES] = {"failures", 100, 0, UP},
};

const char *anomaly_measure_name(enum anomaly_measure measure)
{
    assert(measure < ANOMALY_MEASURES);
    return measures[measure].name;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

bool anomaly_find(enum anomaly_measure measure, int64_t value, const int64_t *before, size_t count,
                  struct anomaly *anomaly)
{
    assert(measure < ANOMALY_MEASURES);
    if (count < ANOMALY_WEEKS_MIN)
        return false;
    int64_t usual = robust_median(before, count);
    int64_t spread = robust_spread(before, count, usual);
    int64_t allowed = larger(SPREADS * spread, measures[measure].floor);
    allowed = larger(allowed, usual / 100 * measures[measure].floor_percent);
    if ((measures[measure].direction == UP && value < usual) ||
        (measures[measure].direction == DOWN && value > usual) ||
        (value > usual ? value - usual : usual - value) <= allowed)
        return false;
    *anomaly = (struct anomaly){measure, value, usual, spread};
    return true;
}
