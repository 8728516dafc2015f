// Slots: the right to run, for which there has to be memory as well. A queue by priority and then
// first come, first served: nobody overtakes the first one, or a large one would never have its
// turn. Pure: the caller says what time it is and asks who is next.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum slot_state {
    SLOT_NONE,    // holds none and does not wait
    SLOT_WAITING, // in the queue
    SLOT_HELD,    // has the right to run
};

// Why a ticket that waits has no slot.
enum slot_obstacle {
    SLOT_FREE, // it is about to have one
    SLOT_ALL_TAKEN,
    SLOT_MEMORY_SHORT,
    SLOT_HELD_BACK,
    SLOT_BEHIND_OTHERS,
};

// One who wants a slot. Embedded in its owner, zeroed at first, not copied while it waits.
struct slot_ticket {
    enum slot_state state;
    int64_t memory_bytes;     // that it is going to take; set before the ticket is used
    int64_t priority;         // higher first
    int64_t deadline_us;      // gives up then; INT64_MAX never
    struct slot_ticket *next; // in the queue
};

struct slots {
    size_t total;
    size_t held;
    int64_t memory_total; // for all that are held; LIMIT_NONE: it does not matter
    int64_t memory_held;
    bool held_back;            // nobody gets one for now; the caller sets this
    struct slot_ticket *queue; // the first one is next
};

void slots_init(struct slots *slots, size_t total, int64_t memory_total);

// Takes a slot at once if nothing is in the way and nobody waits, else joins the queue. SLOT_NONE:
// something is, and the deadline is not after `now_us`.
enum slot_state slots_take(struct slots *slots, struct slot_ticket *ticket, int64_t priority,
                           int64_t now_us, int64_t deadline_us);

// Holds a slot whether one is free or not: of a run that has had it since before a restart.
void slots_hold(struct slots *slots, struct slot_ticket *ticket);

// Gives back what the ticket holds, or leaves the queue; nothing happens if neither.
void slots_leave(struct slots *slots, struct slot_ticket *ticket);

// Hands a free slot to the first one in the queue and returns it; NULL when something is in its way
// or nobody waits. Call it until NULL after slots_leave().
struct slot_ticket *slots_next(struct slots *slots);

// Takes one whose deadline has come out of the queue and returns it; NULL when there is none.
struct slot_ticket *slots_expire(struct slots *slots, int64_t now_us);

// The earliest deadline in the queue, INT64_MAX without one.
int64_t slots_deadline_us(const struct slots *slots);

// Place in the queue, 1 is next; 0 for a ticket that does not wait.
size_t slots_position(const struct slots *slots, const struct slot_ticket *ticket);

// What is in the way of a ticket, which may be one that does not wait yet.
enum slot_obstacle slots_obstacle(const struct slots *slots, const struct slot_ticket *ticket);

// Memory for those who are to come; negative if more is held than there is.
int64_t slots_memory_left(const struct slots *slots);

size_t slots_waiting(const struct slots *slots);
