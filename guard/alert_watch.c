// Alert watch: what is remembered of runs and jobs to notice requests that were billed twice, and
// prompt caches that have stopped saving. Pure.
//
// What a cache saves. A prompt token costs the input rate, or less if it is read from the cache. So
// a prompt could save (input rate - cache read rate) a token, and has saved that for each one that
// was read. Both sums are in dollars, so that the dear models of a run count for more. What writing
// to the cache costs is left out: it is the reading that fails.
#include "alert_watch.h"

#include <stdlib.h>
#include <string.h>

struct billed_body {
    struct body_hash hash;
    int64_t reserved_at_us;
};

struct watched_run {
    char id[RUN_ID_MAX];
    struct watched_run *next;
    struct billed_body bodies[WATCH_BODIES_MAX]; // a ring
    size_t body_count;                           // ever
    int64_t savable_pico_usd, saved_pico_usd;
};

struct watched_job {
    struct journal_run_cache runs[WATCH_HISTORY_MAX]; // a ring
    size_t run_count;                                 // ever
};

struct alert_watch {
    struct watched_run *runs;
    size_t run_count, job_count;
    struct watched_job jobs[WATCH_JOBS_MAX];
};

struct alert_watch *alert_watch_new(void)
{
    return calloc(1, sizeof(struct alert_watch));
}

void alert_watch_free(struct alert_watch *watch)
{
    if (watch == NULL)
        return;
    for (struct watched_run *run; (run = watch->runs) != NULL;) {
        watch->runs = run->next;
        free(run);
    }
    free(watch);
}

// The run, which is made if it is not there. NULL: there are too many, or memory is out.
static struct watched_run *watch_run(struct alert_watch *watch, const char *id)
{
    for (struct watched_run *run = watch->runs; run != NULL; run = run->next)
        if (strcmp(run->id, id) == 0)
            return run;
    struct watched_run *run = watch->run_count < WATCH_RUNS_MAX ? calloc(1, sizeof(*run)) : NULL;
    if (run == NULL)
        return NULL;
    snprintf(run->id, sizeof(run->id), "%s", id);
    run->next = watch->runs;
    watch->runs = run;
    watch->run_count++;
    return run;
}

// ---- the same request twice

static bool run_has_billed(const struct watched_run *run, const struct body_hash *hash,
                           int64_t reserved_at_us, int64_t *apart_us)
{
    size_t kept = run->body_count < WATCH_BODIES_MAX ? run->body_count : WATCH_BODIES_MAX;
    for (size_t i = 0; i < kept; i++) {
        int64_t apart = llabs(reserved_at_us - run->bodies[i].reserved_at_us);
        if (apart >= DUPLICATE_US || !body_hash_equal(&run->bodies[i].hash, hash))
            continue;
        *apart_us = apart;
        return true;
    }
    return false;
}

static void run_keep_billed(struct watched_run *run, const struct body_hash *hash,
                            int64_t reserved_at_us)
{
    run->bodies[run->body_count++ % WATCH_BODIES_MAX] = (struct billed_body){*hash, reserved_at_us};
}

// ---- what the cache saves

static void run_add_cache(struct watched_run *run, const struct token_counts *tokens,
                          const struct price_rates *rates)
{
    int64_t prompt = tokens->input + tokens->cache_write_5m + tokens->cache_write_1h;
    int64_t gain = rates->input - rates->cache_read, savable, saved;
    if (gain <= 0 || __builtin_add_overflow(prompt, tokens->cache_read, &prompt) ||
        __builtin_mul_overflow(prompt, gain, &savable) ||
        __builtin_mul_overflow(tokens->cache_read, gain, &saved) ||
        __builtin_add_overflow(run->savable_pico_usd, savable, &savable) ||
        __builtin_add_overflow(run->saved_pico_usd, saved, &saved) ||
        savable > WATCH_MONEY_MAX_PICO_USD)
        return; // no price, or no sum of money
    run->savable_pico_usd = savable;
    run->saved_pico_usd = saved;
}

bool alert_watch_settled(struct alert_watch *watch, const struct journal_settlement *settlement,
                         const struct body_hash *body, const struct price_rates *rates,
                         int64_t *apart_us)
{
    struct watched_run *run = watch_run(watch, settlement->run_id);
    if (run == NULL || settlement->cost_pico_usd == 0)
        return false;
    if (rates != NULL && !settlement->estimated)
        run_add_cache(run, &settlement->tokens, rates);
    if (settlement->attempt > 1 || body == NULL)
        return false;
    bool twice = run_has_billed(run, body, settlement->reserved_at_us, apart_us);
    run_keep_billed(run, body, settlement->reserved_at_us);
    return twice;
}

static struct watched_job *job_find(struct alert_watch *watch, const char *name)
{
    for (size_t i = 0; i < watch->job_count; i++)
        if (strcmp(watch->jobs[i].runs[0].job, name) == 0)
            return &watch->jobs[i];
    return NULL;
}

static const struct journal_run_cache *job_last_run(const struct watched_job *job)
{
    return &job->runs[(job->run_count - 1) % WATCH_HISTORY_MAX];
}

// A place for a job that is new: a free one, or that of the job whose last run is the oldest.
static struct watched_job *job_place(struct alert_watch *watch)
{
    if (watch->job_count < WATCH_JOBS_MAX)
        return &watch->jobs[watch->job_count++];
    struct watched_job *oldest = &watch->jobs[0];
    for (size_t i = 1; i < WATCH_JOBS_MAX; i++)
        if (job_last_run(&watch->jobs[i])->closed_at_us < job_last_run(oldest)->closed_at_us)
            oldest = &watch->jobs[i];
    memset(oldest, 0, sizeof(*oldest));
    return oldest;
}

void alert_watch_remember(struct alert_watch *watch, const struct journal_run_cache *cache)
{
    struct watched_job *job = job_find(watch, cache->job);
    if (cache->savable_pico_usd < 0 || cache->savable_pico_usd > WATCH_MONEY_MAX_PICO_USD ||
        cache->saved_pico_usd < 0 || cache->saved_pico_usd > cache->savable_pico_usd)
        return; // not of our making
    if (job == NULL)
        job = job_place(watch);
    job->runs[job->run_count++ % WATCH_HISTORY_MAX] = *cache;
}

static int percent_of(__int128 part, __int128 whole)
{
    return (int)(part * 100 / whole);
}

// Compares a run with the ones before it.
static bool job_fell(const struct watched_job *job, const struct journal_run_cache *now,
                     struct cache_fall *fall)
{
    __int128 savable = 0, saved = 0;
    size_t kept = job->run_count < WATCH_HISTORY_MAX ? job->run_count : WATCH_HISTORY_MAX;
    for (size_t i = 0; i < kept; i++) {
        savable += job->runs[i].savable_pico_usd;
        saved += job->runs[i].saved_pico_usd;
    }
    if (kept < CACHE_RUNS_MIN || savable == 0)
        return false;
    // What this run would have saved before. Ten times the square of the maximum fits.
    __int128 usual = saved * now->savable_pico_usd / savable;
    if ((__int128)now->saved_pico_usd * 2 > usual ||
        usual - now->saved_pico_usd < CACHE_LOST_MIN_PICO_USD)
        return false;
    *fall = (struct cache_fall){
        .lost_pico_usd = (int64_t)usual - now->saved_pico_usd,
        .percent = percent_of(now->saved_pico_usd, now->savable_pico_usd),
        .percent_before = percent_of(saved, savable),
        .runs_before = (int)kept,
    };
    return true;
}

// Takes the run out of the watch. The caller frees it. NULL: it has not settled anything.
static struct watched_run *run_take(struct alert_watch *watch, const char *id)
{
    for (struct watched_run **link = &watch->runs; *link != NULL; link = &(*link)->next) {
        struct watched_run *run = *link;
        if (strcmp(run->id, id) != 0)
            continue;
        *link = run->next;
        watch->run_count--;
        return run;
    }
    return NULL;
}

bool alert_watch_closed(struct alert_watch *watch, const struct live_run *run, int64_t now_us,
                        struct journal_run_cache *cache, bool *fell, struct cache_fall *fall)
{
    struct watched_run *watched = run_take(watch, run->id);
    int64_t savable = watched != NULL ? watched->savable_pico_usd : 0;
    if (savable > 0) {
        *cache = (struct journal_run_cache){
            .closed_at_us = now_us,
            .savable_pico_usd = savable,
            .saved_pico_usd = watched->saved_pico_usd,
        };
        memcpy(cache->job, run->job, sizeof(cache->job));
        const struct watched_job *job = job_find(watch, run->job);
        *fell = job != NULL && job_fell(job, cache, fall);
        alert_watch_remember(watch, cache);
    }
    free(watched);
    return savable > 0;
}

void alert_watch_each(const struct alert_watch *watch,
                      void (*visit)(const struct journal_run_cache *cache, void *context),
                      void *context)
{
    for (size_t i = 0; i < watch->job_count; i++) {
        const struct watched_job *job = &watch->jobs[i];
        size_t first = job->run_count > WATCH_HISTORY_MAX ? job->run_count - WATCH_HISTORY_MAX : 0;
        for (size_t run = first; run < job->run_count; run++)
            visit(&job->runs[run % WATCH_HISTORY_MAX], context);
    }
}
