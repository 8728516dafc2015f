// Anomaly: whether a day of a job is unlike the same weekday of the weeks before. Pure.
//
// Usual is the median of those weeks, and how much it moves their median absolute deviation. A day
// stands out if it is further away than six of these (four standard deviations, if days were
// normally distributed) and than a floor: four values say little about how much a job moves, and
// what costs cents is nobody's worry.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ANOMALY_WEEKS 4     // that are looked at
#define ANOMALY_WEEKS_MIN 3 // of them that have to be known

enum anomaly_measure {
    ANOMALY_COST,      // picodollars; floors: half of what is usual, and $0.50
    ANOMALY_EXCHANGES, // floors: half of what is usual, and 20
    ANOMALY_CACHE,     // thousandths of prompt tokens read from the cache; floor: 150 down
    ANOMALY_FAILURES,  // thousandths of exchanges that failed or are estimated; floor: 100 up
    ANOMALY_MEASURES,
};

// The word that the reports use: "cost", "exchanges", "cache", "failures".
const char *anomaly_measure_name(enum anomaly_measure measure);

struct anomaly {
    enum anomaly_measure measure;
    int64_t value;
    int64_t usual;
    int64_t spread; // median absolute deviation
};

// Compares `value` with those of the weeks before that are known, in any order. True: it stands
// out, and `anomaly` is filled.
bool anomaly_find(enum anomaly_measure measure, int64_t value, const int64_t *before, size_t count,
                  struct anomaly *anomaly);
