// Morning report: what a day cost, what its month comes to, and what stands out, as plain structs.
//
// Days are those of the query's zone. All sums are made by Postgres in exact numerics or here in
// picodollars; what is said of the future or of "what if" is arithmetic on them.
#pragma once

#include "anomaly.h"
#include "cheaper_model.h"
#include "error.h"
#include "forecast.h"
#include "ledger.h"
#include "price_table.h"
#include "report.h"
#include "run_costs.h"
#include "time_zone.h"
#include "usage.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MORNING_DAYS_MAX 36 // four weeks or a month, the day, and the open one behind it
#define MORNING_DEAREST_RUNS 5

// ---- What is asked

enum morning_period { MORNING_PER_DAY, MORNING_PER_MONTH };

struct morning_limit { // a ceiling as it is configured
    const char *job;   // NULL: of everything
    enum morning_period period;
    bool is_of_tokens; // else of picodollars
    int64_t limit;
};

struct morning_account { // a credential as it is configured
    const char *name;
    bool is_subscription; // what it spends is not billed by use
    int64_t monthly_fee_pico_usd;
};

struct morning_query {
    int64_t day; // as time_zone_day() counts
    int64_t now_us;
    const struct time_zone *zone;
    const char *zone_name;
    const struct price_table *prices;
    const struct morning_limit *limits;
    size_t limit_count;
    const char *limits_zone; // whose days and months the ceilings count
    const struct morning_account *accounts;
    size_t account_count;
};

// ---- What is answered

struct morning_sums {
    int64_t exchanges;
    int64_t estimated;      // of them: usage is not known exactly
    int64_t unknown_models; // priced at the dearest known rates
    int64_t failed;         // not answered, or not to the end
    int64_t retries;        // second and later attempts that were billed
    struct token_counts tokens;
    int64_t cost_pico_usd;
    int64_t estimated_pico_usd; // part of the cost
    int64_t retries_pico_usd;   // part of the cost
    int64_t counted_pico_usd;   // what the ceilings counted
    int64_t counted_tokens;
};

struct morning_job {
    char *name;       // owned
    size_t first_day; // index in `days`; before it the job was not known
    struct morning_sums days[MORNING_DAYS_MAX];
};

struct morning_anomaly {
    const char *job;
    struct anomaly found;
};

struct morning_run {
    char *run_id, *job; // owned
    char *ended;        // owned; "": not on that day
    int64_t exchanges, tokens, cost_pico_usd;
    int64_t lasted_us; // -1: not known, as the next two
    int64_t memory_peak_bytes;
    int64_t memory_max_bytes;
};

struct morning_cache_window {
    int64_t missed;          // exchanges that came too late by up to half of the window
    int64_t missed_pico_usd; // at most that for writing again what was there before
    int64_t other_pico_usd;  // the other window in place of this one: so much more; negative: less
};

struct morning_cache {
    char *job; // owned; NULL in the total
    int64_t prompt_tokens, read_tokens;
    int64_t saved_pico_usd;  // by reading rather than sending anew
    int64_t writes_pico_usd; // for writing, above plain input
    struct morning_cache_window of_5m, of_1h;
};

struct morning_ceiling {
    struct morning_limit limit;
    int64_t used;             // on the day, or in the month up to its end or to now
    struct forecast forecast; // of a month
};

struct morning_report {
    struct morning_query query;
    int64_t since_us, until_us; // of the day
    int64_t as_of_us;           // what is later is not in the sums: now, or the end of the day
    int64_t first_day;          // of days[0]; as time_zone_day() counts
    size_t day_count;           // the open day included
    size_t day_index;           // of the day that is reported
    size_t month_index;         // of the first day of its month
    bool day_is_open;           // the last of the days is not over
    struct morning_sums days[MORNING_DAYS_MAX];
    struct morning_sums month; // up to as_of_us
    struct morning_job *jobs;
    size_t job_count;
    struct report by[REPORT_BYS];       // of the day, but for REPORT_BY_DAY; runs: none
    struct report month_by[REPORT_BYS]; // up to as_of_us, the same
    struct morning_anomaly *anomalies;
    size_t anomaly_count;
    size_t too_new_jobs;      // that are not known for long enough to be compared
    struct morning_run *runs; // the dearest first
    size_t run_count;
    struct run_costs run_costs; // of those that spent something
    struct morning_cache *caches;
    size_t cache_count;
    struct morning_cache cache_total;
    struct cheaper_models cheaper;
    struct forecast forecast; // of the month's cost
    size_t days_left;         // of the month, the open day included
    struct morning_ceiling *ceilings;
    size_t ceiling_count;
    int64_t equivalent_pico_usd;       // part of the day's cost that a subscription covers
    int64_t month_equivalent_pico_usd; // the same of the month
    int64_t fees_pico_usd;             // a month, of all accounts
};

// Reads a report; end it with morning_report_done(), in every case. The query's pointers outlive
// it. -ENOENT: the ledger has no tables yet.
int morning_report_read(struct ledger *ledger, const struct morning_query *query,
                        struct morning_report *report, struct error *err);
void morning_report_done(struct morning_report *report);

// The account of that name, NULL: it is not configured.
const struct morning_account *morning_account_find(const struct morning_report *report,
                                                   const char *name);

// True for a run that did not come to its end by itself: at a ceiling, out of memory or of time,
// killed, or lost.
bool morning_run_ended_badly(const struct morning_run *run);

// Prompt tokens read from the cache, in thousandths; -1: there were none.
int64_t morning_hit_permille(const struct token_counts *tokens);
