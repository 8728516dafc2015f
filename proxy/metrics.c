// Metrics: what the proxy has counted since its start, for /metrics.

#include "metrics.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(METRICS_SERIES_MAX <= UINT8_MAX + 1, "a slot holds an index");
_Static_assert(METRICS_SLOTS >= 2 * METRICS_SERIES_MAX, "a search soon meets a free slot");

// From 100 us, about what reeve adds, to what a long wait for reserved money or a slow model takes.
const int64_t metrics_bounds_us[METRICS_BUCKETS] = {
    100,    250,    500,    1000,    2500,    5000,    10000,    25000,    50000,
    100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000, 60000000};

// Claude API, errors: the statuses that are documented.
static const struct {
    int status;
    const char *name;
} statuses[METRICS_STATUSES] = {
    {400, "400"}, {401, "401"}, {402, "402"}, {403, "403"}, {404, "404"}, {409, "409"},
    {413, "413"}, {429, "429"}, {500, "500"}, {503, "503"}, {504, "504"}, {529, "529"},
};

static const struct {
    int status;
    const char *reason;
} refusals[METRICS_REFUSALS] = {
    {400, "malformed"},   // a head or body that cannot be read in one way, or bounded
    {401, "run_key"},     // no known run key
    {402, "ceiling"},     // or its run is being ended
    {403, "denied"},      // a model or feature that the job does not allow
    {404, "not_found"},   // a path or object that a run may not reach
    {408, "slow"},        // the request has stopped arriving
    {409, "conflict"},    // a batch whose cost is not in the books yet
    {413, "too_large"},   //
    {429, "wait"},        // reserved money has not come free in time
    {431, "head"},        // too large a head
    {502, "upstream"},    // not reached
    {503, "unavailable"}, // no usable credential, or the disk is full
    {529, "overload"},    // too much at once
};

struct metrics *metrics_new(void)
{
    struct metrics *metrics = calloc(1, sizeof(*metrics));
    if (metrics == NULL)
        return NULL;
    metrics->series_count = 1;
    snprintf(metrics->series[0].job, sizeof(metrics->series[0].job), METRICS_OTHER);
    snprintf(metrics->series[0].model, sizeof(metrics->series[0].model), METRICS_OTHER);
    return metrics;
}

void metrics_free(struct metrics *metrics)
{
    free(metrics);
}

// FNV-1a, 32 bits.
static uint32_t hash_text(uint32_t hash, const char *text)
{
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619U;
    return hash;
}

// The series of a job and a model. One that is not there is made where `makes`; NULL otherwise, and
// where there is no room.
static struct metrics_series *series_find(struct metrics *metrics, const char *job,
                                          const char *model, bool makes)
{
    uint32_t place = hash_text(hash_text(2166136261U, job) + 1, model) % METRICS_SLOTS;
    for (; metrics->slots[place] != 0; place = (place + 1) % METRICS_SLOTS) {
        struct metrics_series *series = &metrics->series[metrics->slots[place]];
        if (strcmp(series->job, job) == 0 && strcmp(series->model, model) == 0)
            return series;
    }
    if (!makes || metrics->series_count == METRICS_SERIES_MAX)
        return NULL;
    struct metrics_series *series = &metrics->series[metrics->series_count];
    metrics->slots[place] = (uint8_t)metrics->series_count++;
    snprintf(series->job, sizeof(series->job), "%s", job);
    snprintf(series->model, sizeof(series->model), "%s", model);
    return series;
}

// Agents name models as they please; only one that has been billed by a price of its own makes a
// series, so that nobody can fill the table with names.
static struct metrics_series *series_of(struct metrics *metrics,
                                        const struct journal_settlement *settlement)
{
    bool is_known = settlement->price_row[0] != '\0' && !settlement->unknown_model;
    struct metrics_series *series =
        series_find(metrics, settlement->job, settlement->model, is_known);
    if (series == NULL)
        series = series_find(metrics, settlement->job, METRICS_OTHER, true);
    return series != NULL ? series : &metrics->series[0];
}

static void histogram_add(struct metrics_histogram *histogram, int64_t time_us)
{
    size_t place = 0;
    while (place < METRICS_BUCKETS && time_us > metrics_bounds_us[place])
        place++;
    histogram->counts[place]++;
    histogram->sum_us += time_us;
}

void metrics_settled(struct metrics *metrics, const struct journal_settlement *settlement)
{
    int status = settlement->http_status;
    if (metrics == NULL)
        return;
    struct metrics_series *series = series_of(metrics, settlement);
    series->exchanges++;
    series->estimated += settlement->estimated;
    series->cost_pico_usd += settlement->cost_pico_usd;
    tokens_add(&series->tokens, &settlement->tokens);
    if ((unsigned)settlement->end < METRICS_ENDS)
        metrics->ends[settlement->end]++;
    if (status != 0 && (status < 200 || status >= 300)) {
        size_t place = 0;
        while (place < METRICS_STATUSES && statuses[place].status != status)
            place++;
        metrics->upstream_errors[place]++;
    }
    if (settlement->first_byte_us >= 0 && settlement->batch_id[0] == '\0')
        histogram_add(&metrics->first_byte, settlement->first_byte_us);
}

void metrics_refused(struct metrics *metrics, int http_status)
{
    size_t place = 0;
    if (metrics == NULL)
        return;
    while (place < METRICS_REFUSALS && refusals[place].status != http_status)
        place++;
    metrics->refusals[place]++;
}

void metrics_added(struct metrics *metrics, int64_t latency_us)
{
    if (metrics != NULL)
        histogram_add(&metrics->added, latency_us);
}

void metrics_run_ended(struct metrics *metrics, enum run_end end)
{
    if (metrics != NULL)
        metrics->runs_ended[end]++;
}

const char *metrics_status_name(size_t place)
{
    return place < METRICS_STATUSES ? statuses[place].name : METRICS_OTHER;
}

const char *metrics_refusal_name(size_t place)
{
    return place < METRICS_REFUSALS ? refusals[place].reason : METRICS_OTHER;
}
