// Run registry: the daemon's side of a run's life, from the wish for a slot to the settled account.
//
//     run-open → slot (or queue) → id, key, journal → granted → started → ended → settled → closed
//
// A run ends once its supervisor has said so (or is gone, with all that it has started) and its
// last exchange has settled. A lost connection is no end: the supervisor comes back.
#pragma once

#include "agent_key.h"
#include "config.h"
#include "control.h"
#include "error.h"
#include "journal_live.h"
#include "run.h"
#include "run_table.h"

#include <stdbool.h>
#include <stdint.h>

#define RUN_ADOPTION_GRACE_US 30000000

struct event_base;
struct journal;
struct run_registry;

struct run_registry_options {
    struct event_base *base;
    struct run_table *table;
    struct journal *journal;
    const struct config *config; // slots, the jobs' limits; outlives the registry
    bool sockets_tell;           // in which cgroup they were made, see run_place.h
    int64_t memory_for_runs;     // bytes, see machine.h; LIMIT_NONE: not known
    const char *base_url;        // given to runs: "http://127.0.0.1:8377"; copied
    int64_t adoption_grace_us;   // for a supervisor to come back; 0: RUN_ADOPTION_GRACE_US

    // Whether the job may start a run at all now: false, with why, under an exhausted ceiling.
    // May be NULL.
    bool (*may_open)(const char *job, char why[static ERROR_TEXT_MAX], void *context);
    // The id that the run of this supervisor has to have. False: any. May be NULL.
    bool (*run_id)(const struct control_peer *peer, char id[static RUN_ID_MAX], void *context);
    // The pressure on memory in hundredths of a percent, -1 unknown. May be NULL.
    int64_t (*read_pressure)(void *context);
    // The run is in the table, no exchange can have come yet: set its ceilings. May be NULL.
    void (*opened)(struct live_run *run, void *context);
    // The run is being ended by force: end its exchanges upstream at once. May be NULL.
    void (*cancel)(struct live_run *run, void *context);
    // The run's supervisor was told to end it, and long after its KillGrace= has not; or it is
    // gone, and something of the run is left. May be NULL.
    void (*overdue)(struct live_run *run, void *context);
    // `what` had left the run's cgroup, and was killed by its supervisor. May be NULL.
    void (*escaped)(struct live_run *run, const char *what, void *context);
    // The run is about to leave the table: forget it. `memory_peak_bytes` is -1 if it is not known.
    // May be NULL.
    void (*closed)(struct live_run *run, enum run_end end, int64_t memory_peak_bytes,
                   void *context);
    void *context;
};

int run_registry_new(struct run_registry **registry, const struct run_registry_options *options,
                     struct error *err);

// Takes up the runs that were live at the last end, as the journal knows them: they have their
// slots, keys and ceilings again; those whose supervisors do not come back are closed as lost.
int run_registry_restore(struct run_registry *registry, const struct journal_live *live,
                         struct error *err);

// Drops what is left without a journal record: the replay finds those runs open. NULL is allowed.
void run_registry_free(struct run_registry *registry);

// Takes RUN_OPEN, RUN_PLACED, RUN_STARTED, RUN_ENDED, RUN_ADOPT, RUN_ESCAPED and KILL. False: not
// one of these.
bool run_registry_receive(struct run_registry *registry, struct control_peer *peer,
                          const struct control_message *message);

// The peer has gone: out of the queue; or its run is lost, unless it connects again.
void run_registry_peer_gone(struct run_registry *registry, struct control_peer *peer);

// Ends a run by force, whatever the reason: no new exchange is taken, its exchanges are cancelled
// and its supervisor is told to kill the cgroup. The first reason stays.
void run_registry_end(struct run_registry *registry, struct live_run *live, enum run_end reason,
                      const char *text);

// The same after the job's KillGrace=, unless the run has ended by itself by then; no new exchange
// is taken from now on, and the reason stands in either case. An implicit run is not ended by
// force.
void run_registry_end_later(struct run_registry *registry, struct live_run *live,
                            enum run_end reason, const char *text);

// The proxy has settled an exchange of this run.
void run_registry_exchange_settled(struct run_registry *registry, struct live_run *live);

// The implicit run of a job key, opened if there is none. It ends after its job's IdleSec= without
// a request, and the last one of those may be one that was refused. NULL, logged: there are too
// many runs, or the journal does not take it.
struct live_run *
run_registry_find_implicit(struct run_registry *registry, const char *job,
                           const unsigned char job_key_digest[static AGENT_KEY_DIGEST_BYTES]);

// The live run whose supervisor is this process, or NULL.
struct live_run *run_registry_find_supervised(const struct run_registry *registry, pid_t pid);

// Fills slots, runs and waiting of a status.
void run_registry_status(const struct run_registry *registry, struct status *status);

// Runs that are live or settling; and the number that wait.
size_t run_registry_count(const struct run_registry *registry);
size_t run_registry_waiting(const struct run_registry *registry);
