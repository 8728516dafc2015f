// State desk, inside: the holders of keys and the questions that wait for an answer. For state*.c.
#pragma once

#include "state.h"

#include "time_zone.h"

enum holder_phase {
    HOLDER_WAITING, // its supervisor waits for a slot
    HOLDER_RUNNING,
    HOLDER_OVER, // the run has ended; that its own key is done has yet to be written
};

// Of the key of `reeve run --key`.
enum own_key {
    OWN_KEY_NONE,
    OWN_KEY_CLAIMING,
    OWN_KEY_HELD,
    OWN_KEY_FINISHING,
    OWN_KEY_OWED, // the run ended well, and the ledger was out of reach
    OWN_KEY_OVER, // done, or lost to another holder
};

// A run, or one to be, that holds something.
struct state_holder {
    struct state_holder *next;
    char id[RUN_ID_MAX];
    char job[JOB_NAME_MAX];
    enum holder_phase phase;
    struct control_peer *supervisor; // while HOLDER_WAITING
    enum own_key own;
    char key[SOURCE_STATE_KEY_MAX]; // the own one; "" if it is not known
    int64_t ttl_us;                 // the shortest of what it holds
    int64_t renew_at_us;            // INT64_MAX: there is nothing to renew
    uint64_t renewal;               // the question that renews it
    int64_t retry_us, retry_at_us;  // while OWN_KEY_OWED
};

// A question that waits for its answer.
struct state_question {
    struct state_question *next;
    uint64_t id;
    enum source_state_action action;
    bool whole_run;
    int64_t deadline_us, ttl_us;
    char holder[SOURCE_STATE_HOLDER_MAX];
    struct control_peer *peer; // to be told; NULL: nobody, or it has gone
};

struct state_desk {
    struct state_desk_options options;
    struct time_zone *zone;
    struct event *tick; // runs while there is something to wait for
    struct state_holder *holders;
    struct state_question *questions;
    size_t holder_count, question_count;
    uint64_t last_id;
};

// Puts a question; its id and deadline are filled in. If that fails, the answer is given at once.
// `peer` is told, if it is not NULL.
void desk_ask(struct state_desk *desk, struct source_state_question *question,
              struct control_peer *peer);

void desk_tell(struct control_peer *peer, const struct source_state_answer *answer);

// Has on_tick() look at everything once a second from now on.
void desk_wake(struct state_desk *desk);

struct state_holder *holder_find(struct state_desk *desk, const char *id);
struct state_holder *holder_of_supervisor(struct state_desk *desk, const struct control_peer *peer);

// NULL: there are STATE_HOLDERS_MAX of them.
struct state_holder *holder_add(struct state_desk *desk, const char *id, const char *job,
                                enum holder_phase phase);

// A run of the daemon before this one: it may hold keys, which a renewal will tell.
void holder_adopt(struct live_run *live, void *desk);

// The holder has claimed something for `ttl_us`; 0: it is to be renewed at once, which tells what
// it still holds.
void holder_renew_in_time(struct state_desk *desk, struct state_holder *holder, int64_t ttl_us);

// Frees all that it holds, its own key too unless that is to be done yet, and forgets it.
void holder_end(struct state_desk *desk, struct state_holder *holder);

// The daemon ends: what runs hold stays theirs; who waits for a slot claims again from another
// daemon. Forgets all of them.
void holders_leave(struct state_desk *desk);

// Its own key is done: writes that, and tells `peer`.
void holder_finish(struct state_desk *desk, struct state_holder *holder, struct control_peer *peer);

// What the feed has answered to questions about holders.
void holder_own_claimed(struct state_desk *desk, struct state_holder *holder,
                        const struct source_state_answer *answer);
void holder_own_finished(struct state_desk *desk, struct state_holder *holder,
                         const struct source_state_answer *answer);
void holders_renewed(struct state_desk *desk, const struct source_state_answer *answer);

// What is due.
void holders_tick(struct state_desk *desk, int64_t now_us);
