// Alert watch: what is remembered of runs and jobs to notice requests that were billed twice, and
// prompt caches that have stopped saving. Pure.
#pragma once

#include "alert_text.h"
#include "body_hash.h"
#include "journal_record.h"
#include "money.h"
#include "price_table.h"

#include <stdbool.h>
#include <stdint.h>

#define WATCH_RUNS_MAX RUN_TABLE_MAX
#define WATCH_BODIES_MAX 32 // of a run: those billed last
#define WATCH_JOBS_MAX 256  // those that had a run last
#define WATCH_HISTORY_MAX 10
#define WATCH_MONEY_MAX_PICO_USD (INT64_C(1000000) * PICO_USD_PER_USD) // of a run
#define DUPLICATE_US 1000000
#define CACHE_RUNS_MIN 3                             // before them a job has no habit
#define CACHE_LOST_MIN_PICO_USD INT64_C(10000000000) // $0.01: less is not worth a word

struct alert_watch;

struct alert_watch *alert_watch_new(void); // NULL when out of memory
void alert_watch_free(struct alert_watch *watch);

// An exchange has settled. True, and how far the two were apart, if the same body was sent by the
// same run less than DUPLICATE_US before or after and both were billed; what a client repeats as a
// retry is no duplicate, nor is a `body` that is not known, NULL. `rates` (may be NULL) are of the
// model that answered.
bool alert_watch_settled(struct alert_watch *watch, const struct journal_settlement *settlement,
                         const struct body_hash *body, const struct price_rates *rates,
                         int64_t *apart_us);

// A run has ended. False: nothing of its prompts could have been read from a cache. *cache is the
// record that a start needs to remember it. *fell: its cache saved less than half of what it did in
// the job's last WATCH_HISTORY_MAX runs, weighed in dollars, and *fall says what that cost.
bool alert_watch_closed(struct alert_watch *watch, const struct live_run *run, int64_t now_us,
                        struct journal_run_cache *cache, bool *fell, struct cache_fall *fall);

// Remembers the cache of a run that has ended; runs of a job come in the order of their ends.
void alert_watch_remember(struct alert_watch *watch, const struct journal_run_cache *cache);

// Visits what alert_watch_remember() has to be told at the next start.
void alert_watch_each(const struct alert_watch *watch,
                      void (*visit)(const struct journal_run_cache *cache, void *context),
                      void *context);
