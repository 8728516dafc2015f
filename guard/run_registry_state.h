// Run registry, inside: what it holds of each run. For run_registry*.c.
#pragma once

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
    struct live_run *live; // from REGISTERED_STARTING on
    enum run_end forced;   // RUN_LIVE: nobody has ended it by force
    char forced_text[CONTROL_TEXT_MAX];
    struct event *grace; // until it is killed, if it does not end by itself; NULL: none runs
    struct control_run_ended ended; // from REGISTERED_SETTLING on
};

struct run_registry {
    struct run_registry_options options;
    struct slots slots;
    struct registered_run *runs;
    struct event *queue_timer; // the earliest time-out in the queue
    char base_url[CONTROL_TEXT_MAX];
    char host[JOURNAL_TEXT_MAX];
};

static inline struct registered_run *run_of_ticket(struct slot_ticket *ticket)
{
    return (struct registered_run *)(void *)((char *)ticket -
                                             offsetof(struct registered_run, ticket));
}
