// State: the daemon's desk at which runs and operators ask for keys, see reeve-state(1).
//
//     control socket ▶ who asks, for which job ▶ question ▶ ledger's feed ▶ answer ▶ control socket
//
// Postgres is the feed's to talk to; the desk never waits for it. What a run holds is renewed while
// the run lives and freed when it has ended: the desk knows the runs that hold something, Postgres
// knows what. A run's own key (reeve run --key) is claimed before the run has a slot, under the id
// that the run will have.
#pragma once

#include "config.h"
#include "control.h"
#include "error.h"
#include "run_registry.h"
#include "run_table.h"
#include "source_state.h"

#include <stdbool.h>

#define STATE_ANSWER_MAX_US INT64_C(20000000) // then the ledger counts as out of reach
#define STATE_QUESTIONS_MAX 1024              // that wait for an answer
#define STATE_HOLDERS_MAX 2048                // runs that hold something

struct event_base;
struct state_desk;

struct state_desk_options {
    struct event_base *base;
    const struct config *config; // the jobs' keys and the time zone; outlives the desk
    struct run_table *runs;
    struct run_registry *registry;
    // Passes a question on. -EAGAIN: it cannot now.
    int (*ask)(const struct source_state_question *question, void *context, struct error *err);
    void *context;
};

// The runs that are live already are those of the daemon before.
int state_desk_new(struct state_desk **desk, const struct state_desk_options *options,
                   struct error *err);

// What is held stays so until its time is over, or a successor adopts the runs. NULL is allowed, as
// in all below.
void state_desk_free(struct state_desk *desk);

// Takes STATE_ASK. False: it is something else.
bool state_desk_receive(struct state_desk *desk, struct control_peer *peer,
                        const struct control_message *message);
void state_desk_peer_gone(struct state_desk *desk, struct control_peer *peer);

// The feed has answered.
void state_desk_answered(struct state_desk *desk, const struct source_state_answer *answer);

// The id that the run of this supervisor has to have, as it has claimed its key under it. False:
// any.
bool state_desk_run_id(struct state_desk *desk, const struct control_peer *peer,
                       char id[static RUN_ID_MAX]);
void state_desk_run_opened(struct state_desk *desk, const struct live_run *live);

// The run has ended, nothing of it lives any more.
void state_desk_run_closed(struct state_desk *desk, const struct live_run *live);
