// Proxy: what all exchanges share. Filled by serve, which owns everything in it.
#pragma once

#include "breaker.h"
#include "identify.h"
#include "usage.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#define PROXY_EXCHANGES_MAX 4096 // at once; one more is answered 529

struct agent;
struct agent_parts;
struct batches;
struct body_hash;
struct budget;
struct budget_ceiling;
struct callers;
struct credential_keeper;
struct event_base;
struct exchange;
struct journal;
struct journal_settlement;
struct http_head;
struct live_run;
struct metrics;
struct ownership;
struct price_table;
struct run_table;
struct sticky;
struct upstream;

struct proxy {
    struct event_base *base;
    struct run_table *runs;
    struct budget *budget;
    struct journal *journal;
    struct credential_keeper *keeper;
    struct sticky *sticky;
    struct upstream *upstream;
    const struct price_table *prices;
    struct ownership *ownership; // NULL: jobs are not kept apart
    bool allows_unknown_ids;     // of batches and files that reeve has not seen being made
    struct batches *batches;
    struct metrics *metrics;        // NULL: nobody counts
    const char *spool_directory;    // for bodies that are too large for memory
    const char *free_refusals;      // categories that are not billed, separated by spaces
    enum tokens_count tokens_count; // what a token ceiling counts

    const struct callers *callers; // whom run keys are taken from; NULL: from anybody

    // See identify.h.
    enum identify_outcome (*find_job_key)(struct slice key, struct live_run **run, void *context);
    int64_t wait_max_s; // for money that is only reserved, or for a credential
    // An exchange of this run has been refused at `ceiling`, or has gone above it by what the
    // upstream added by itself: the run is to end.
    void (*run_at_ceiling)(struct live_run *run, const struct budget_ceiling *ceiling,
                           const char *message, void *context);
    // An exchange of this run has taken a ceiling that covers it to the job's SoftLimit=. Once for
    // each ceiling and period since the start of the daemon.
    void (*soft_limit_reached)(struct live_run *run, const struct budget_ceiling *ceiling,
                               void *context);
    // An exchange of this run has settled. `body` is of its request, as the agent sent it; NULL:
    // not known, as a predecessor had it.
    void (*exchange_settled)(struct live_run *run, const struct journal_settlement *settlement,
                             const struct body_hash *body, void *context);
    // A request for a path of reeve's own, from this machine: answers it, or keeps the agent and
    // goes on later. `head` is valid during the call. NULL: there are no such paths.
    void (*serve_local)(struct agent *agent, const struct http_head *head, void *context);
    // An exchange or a free call of this run has ended.
    void (*run_exchange_ended)(struct live_run *run, void *context);
    // Set once a successor serves: it takes the connections that have nothing under way, see
    // agent_pass.h. False: it is not there any more.
    bool (*pass_agent)(const struct agent_parts *parts, void *context);
    void *context;

    // Kept by exchange.c, exchange_attempt.c, waiting.c and request_body.c.
    struct breaker breaker;
    TAILQ_HEAD(exchange_list, exchange) exchanges; // oldest first
    TAILQ_HEAD(waiting_list, exchange) waiting;    // for reserved money, first come first
    size_t exchange_count;
    size_t draining_count;
    int64_t body_bytes_held;
};
