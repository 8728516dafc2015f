// Run table: run key → live run. The proxy's view of a run; the guard fills it.
#pragma once

#include "error.h"
#include "journal_record.h"
#include "run.h"
#include "run_place.h"
#include "usage.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RUN_TABLE_MAX 1024 // live runs
#define RUN_AT_CEILING_MAX 1024

// What a run's job allows. Texts outlive the run.
struct run_policy {
    const char *models;       // allowed ones, spaces between; NULL: all
    const char *step_down;    // models to go down to at the soft limit, dearest first; NULL: none
    int64_t soft_percent;     // of a ceiling
    int64_t clamp_min_tokens; // an answer shorter than this is of no use
    bool clamps;              // near a ceiling, ask for less output; else refuse
    bool allows_unbounded;    // requests whose cost has no bound beforehand, under a ceiling
};

// A live run and what it has spent. Owned by the table; valid until run_table_remove().
struct live_run {
    char id[RUN_ID_MAX];
    char job[JOB_NAME_MAX];
    struct run_limits limits;
    struct run_policy policy;
    int64_t opened_at_us;
    struct run_place place;
    int64_t strangers; // requests that bore its key and came from elsewhere
    // Running totals of settled exchanges, for status and the summary line.
    int64_t cost_pico_usd;
    int64_t exchanges;
    int64_t free_calls;
    int64_t refused;
    struct token_counts tokens;
    int exchanges_in_flight;
    bool closing;                        // no new exchanges: the run is being ended
    char at_ceiling[RUN_AT_CEILING_MAX]; // what an exchange was refused for, as agents are told
};

struct run_table;

struct run_table *run_table_new(void); // NULL when out of memory
void run_table_free(struct run_table *table);

// Adds a run, draws its 256-bit key from the kernel and hands it out once. The table keeps only the
// key's SHA-256. -EEXIST: the id is taken; -ENOSPC: RUN_TABLE_MAX.
int run_table_add(struct run_table *table, const char *id, const char *job,
                  const struct run_limits *limits, char key[static RUN_KEY_MAX],
                  struct live_run **run, struct error *err);

// Adds a run that was live before a restart: its key is known by its SHA-256 alone.
int run_table_restore(struct run_table *table, const char *id, const char *job,
                      const struct run_limits *limits,
                      const unsigned char key_digest[static RUN_KEY_DIGEST_BYTES],
                      struct live_run **run, struct error *err);

// The SHA-256 of the run's key.
void run_table_key_digest(const struct live_run *run,
                          unsigned char key_digest[static RUN_KEY_DIGEST_BYTES]);

// The run that `key` (of `length` bytes, not terminated) belongs to, or NULL. Takes the same time
// whatever the key is: it compares SHA-256 digests of the keys, all of them, in constant time.
struct live_run *run_table_find_key(struct run_table *table, const char *key, size_t length);

struct live_run *run_table_find_id(struct run_table *table, const char *id);

// Wipes and frees the run. Its exchanges must have ended.
void run_table_remove(struct run_table *table, struct live_run *run);

// Visits every live run, oldest first.
void run_table_each(struct run_table *table, void (*visit)(struct live_run *run, void *context),
                    void *context);
