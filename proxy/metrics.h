// Metrics: what the proxy has counted since its start, for /metrics. Pure.
//
// Counting allocates nothing and takes well below a microsecond. Labels come from outside, so their
// number is bounded: what does not fit any more counts as "other".
#pragma once

#include "journal_record.h"
#include "run.h"
#include "usage.h"

#include <stddef.h>
#include <stdint.h>

#define METRICS_SERIES_MAX 128 // pairs of job and model, with those of "other"
#define METRICS_SLOTS 256      // of the hash table over them: a power of two
#define METRICS_OTHER "other"
#define METRICS_BUCKETS 18  // of a histogram, +Inf apart
#define METRICS_STATUSES 12 // of the upstream's errors that are told apart, "other" apart
#define METRICS_REFUSALS 13 // reasons, "other" apart
#define METRICS_ENDS 16     // of exchanges: enum exchange_end is below this

struct metrics_series {
    char job[JOB_NAME_MAX];
    char model[MODEL_NAME_MAX]; // a known one that has been billed, or "other"
    int64_t exchanges;
    int64_t estimated; // of them, those whose usage is not known exactly
    struct token_counts tokens;
    int64_t cost_pico_usd;
};

struct metrics_histogram {
    int64_t counts[METRICS_BUCKETS + 1]; // not cumulative; the last one is +Inf
    int64_t sum_us;
};

struct metrics {
    struct metrics_series series[METRICS_SERIES_MAX]; // the first one is (other, other)
    size_t series_count;
    uint8_t slots[METRICS_SLOTS]; // index into series; 0: free
    int64_t ends[METRICS_ENDS];   // of exchanges, by enum exchange_end
    int64_t runs_ended[RUN_LOST + 1];
    int64_t upstream_errors[METRICS_STATUSES + 1]; // the last one is "other"
    int64_t refusals[METRICS_REFUSALS + 1];        // the last one is "other"
    struct metrics_histogram added;                // latency
    struct metrics_histogram first_byte;
};

struct metrics *metrics_new(void); // NULL when out of memory
void metrics_free(struct metrics *metrics);

// ---- counting; with NULL nothing happens

// An exchange has settled, or a row of a batch.
void metrics_settled(struct metrics *metrics, const struct journal_settlement *settlement);

// reeve itself has answered a request with this error.
void metrics_refused(struct metrics *metrics, int http_status);

// From the last byte of a request to its way upstream: what reeve has added.
void metrics_added(struct metrics *metrics, int64_t latency_us);

void metrics_run_ended(struct metrics *metrics, enum run_end end);

// ---- reading

// The upper bounds of all histograms but +Inf, ascending.
extern const int64_t metrics_bounds_us[METRICS_BUCKETS];

// What stands for the place in upstream_errors, or in refusals: "429", "ceiling", … "other".
const char *metrics_status_name(size_t place);
const char *metrics_refusal_name(size_t place);
