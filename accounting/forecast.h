// Forecast: what a month will come to, from the days before. Pure.
//
// A day to come is taken to be as the same weekday of the four weeks before it: their median, and
// at least and at most their lowest and highest. With no such weekday known it is as any day known.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FORECAST_WEEKS 4
#define FORECAST_DAYS_MAX 64

// Days that are over, oldest first. Their amounts are of any unit.
struct forecast_days {
    int64_t amounts[FORECAST_DAYS_MAX];
    size_t count;
};

struct forecast_question {
    int64_t so_far;      // of the month, what is spent of the open day included
    bool day_is_open;    // the day after the last of the days has begun,
    int64_t open_so_far; // and has come to this
    size_t days_left;    // of the month, the open day included
    int64_t limit;       // INT64_MAX: there is none
};

#define FORECAST_NEVER SIZE_MAX

struct forecast {
    int64_t expected, lowest, highest; // by the end of the month
    size_t reached_after; // the limit is expected to be reached on that of the days left: 0 is the
                          // first; FORECAST_NEVER
};

void forecast_month(const struct forecast_days *days, const struct forecast_question *question,
                    struct forecast *forecast);
