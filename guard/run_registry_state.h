// Run registry, inside: what it holds of each run. For run_registry*.c.
#pragma once

#include "agent_key.h"
#include "journal.h"
#include "run_registry.h"
#include "slots.h"

#include <stddef.h>

enum registered_state {
    REGISTERED_WAITING,  // for a slot
    REGISTERED_STARTING, // granted
    REGISTERED_RUNNING,  // its command was started
    REGISTERED_ENDING,   // its supervisor has been told to end it
    REGISTERED_SETTLING, // it has ended, its last exchanges have not
    REGISTERED_CLOSED,
};

struct registered_run {
    struct run_registry *registry;
    struct registered_run *next; // the newest first
    enum registered_state state;
    struct slot_ticket ticket;
    struct control_peer *peer;     // NULL once the supervisor is gone
    struct control_run_open asked; // limits combined with the job's
    int64_t asked_at_us;
    int64_t kill_grace_us;
    enum config_cache_ttl cache_ttl;
    struct live_run *live; // from REGISTERED_STARTING on
    enum run_end forced;   // RUN_LIVE: nobody has ended it by force
    char forced_text[CONTROL_TEXT_MAX];
    struct event *grace; // until it is killed, if it does not end by itself; then until that shows
                         // no effect; NULL: none runs
    struct control_run_ended ended; // from REGISTERED_SETTLING on
    // Of an implicit run, see run_registry_implicit.c:
    unsigned char job_key_digest[AGENT_KEY_DIGEST_BYTES];
    struct event *idle; // NULL: not implicit
    int64_t idle_max_us, last_seen_us;
};

struct run_registry {
    struct run_registry_options options;
    struct slots slots;
    struct registered_run *runs;
    struct event *queue_timer; // the earliest time-out in the queue
    char base_url[CONTROL_TEXT_MAX];
    char host[JOURNAL_TEXT_MAX];
};

// Asserts that the edge is legal.
void registered_enter(struct registered_run *run, enum registered_state state);

// NULL: it is not, or no longer, registered.
struct registered_run *registered_find(struct run_registry *registry, const struct live_run *live);

// What the daemon's own configuration says of the run's job. -EPERM: the run asks for more.
int registered_apply_job(struct registered_run *run, struct error *err);

// Links the run into the registry.
void registered_link(struct registered_run *run);

// Gives the run its identity, in the table and in the journal; *key is its run key, to be wiped.
int registered_open(struct registered_run *run, char key[static RUN_KEY_MAX], struct error *err);

// The run has ended; it is closed, and `run` is freed, once its last exchange has settled.
void registered_settle(struct registered_run *run, const struct control_run_ended *ended);

// Notes where the run's processes will be.
void registered_place(struct registered_run *run, const struct control_run_placed *placed);

// Unlinks and frees a run that is not in the table any more, or never was.
void registered_forget(struct registered_run *run);

static inline struct registered_run *run_of_ticket(struct slot_ticket *ticket)
{
    return (struct registered_run *)(void *)((char *)ticket -
                                             offsetof(struct registered_run, ticket));
}
