// Slots: the right to run.

#include "slots.h"

#include "run.h"

#include <assert.h>

static void ticket_enter(struct slot_ticket *ticket, enum slot_state state)
{
    static const bool legal[][3] = {
        [SLOT_NONE] = {[SLOT_WAITING] = true, [SLOT_HELD] = true},
        [SLOT_WAITING] = {[SLOT_NONE] = true, [SLOT_HELD] = true},
        [SLOT_HELD] = {[SLOT_NONE] = true},
    };
    assert(legal[ticket->state][state]);
    ticket->state = state;
}

void slots_init(struct slots *slots, size_t total, int64_t memory_total)
{
    *slots = (struct slots){.total = total, .memory_total = memory_total};
}

int64_t slots_memory_left(const struct slots *slots)
{
    return slots->memory_total == LIMIT_NONE ? LIMIT_NONE
                                             : slots->memory_total - slots->memory_held;
}

// What is in the way, whoever else waits.
static enum slot_obstacle own_obstacle(const struct slots *slots, const struct slot_ticket *ticket)
{
    if (slots->held >= slots->total)
        return SLOT_ALL_TAKEN;
    if (ticket->memory_bytes > 0 && ticket->memory_bytes > slots_memory_left(slots))
        return SLOT_MEMORY_SHORT;
    return slots->held_back ? SLOT_HELD_BACK : SLOT_FREE;
}

enum slot_obstacle slots_obstacle(const struct slots *slots, const struct slot_ticket *ticket)
{
    enum slot_obstacle own = own_obstacle(slots, ticket);
    bool is_next = slots->queue == NULL || slots->queue == ticket;
    return own == SLOT_FREE && !is_next ? SLOT_BEHIND_OTHERS : own;
}

static void hold(struct slots *slots, struct slot_ticket *ticket)
{
    slots->held++;
    slots->memory_held += ticket->memory_bytes;
    ticket_enter(ticket, SLOT_HELD);
}

enum slot_state slots_take(struct slots *slots, struct slot_ticket *ticket, int64_t priority,
                           int64_t now_us, int64_t deadline_us)
{
    assert(ticket->state == SLOT_NONE);
    if (slots_obstacle(slots, ticket) == SLOT_FREE) {
        hold(slots, ticket);
        return SLOT_HELD;
    }
    if (deadline_us <= now_us)
        return SLOT_NONE;
    struct slot_ticket **link = &slots->queue;
    while (*link != NULL && (*link)->priority >= priority)
        link = &(*link)->next;
    ticket->priority = priority;
    ticket->deadline_us = deadline_us;
    ticket->next = *link;
    *link = ticket;
    ticket_enter(ticket, SLOT_WAITING);
    return SLOT_WAITING;
}

void slots_hold(struct slots *slots, struct slot_ticket *ticket)
{
    hold(slots, ticket);
}

static void leave_queue(struct slots *slots, struct slot_ticket *ticket)
{
    struct slot_ticket **link = &slots->queue;
    while (*link != ticket)
        link = &(*link)->next;
    *link = ticket->next;
    ticket->next = NULL;
}

void slots_leave(struct slots *slots, struct slot_ticket *ticket)
{
    if (ticket->state == SLOT_NONE)
        return;
    if (ticket->state == SLOT_HELD) {
        slots->held--;
        slots->memory_held -= ticket->memory_bytes;
    } else {
        leave_queue(slots, ticket);
    }
    ticket_enter(ticket, SLOT_NONE);
}

struct slot_ticket *slots_next(struct slots *slots)
{
    struct slot_ticket *ticket = slots->queue;
    if (ticket == NULL || own_obstacle(slots, ticket) != SLOT_FREE)
        return NULL;
    leave_queue(slots, ticket);
    hold(slots, ticket);
    return ticket;
}

struct slot_ticket *slots_expire(struct slots *slots, int64_t now_us)
{
    for (struct slot_ticket *each = slots->queue; each != NULL; each = each->next) {
        if (each->deadline_us > now_us)
            continue;
        slots_leave(slots, each);
        return each;
    }
    return NULL;
}

int64_t slots_deadline_us(const struct slots *slots)
{
    int64_t earliest = INT64_MAX;
    for (const struct slot_ticket *each = slots->queue; each != NULL; each = each->next)
        if (each->deadline_us < earliest)
            earliest = each->deadline_us;
    return earliest;
}

size_t slots_position(const struct slots *slots, const struct slot_ticket *ticket)
{
    size_t position = 1;
    if (ticket->state != SLOT_WAITING)
        return 0;
    for (const struct slot_ticket *each = slots->queue; each != ticket; each = each->next)
        position++;
    return position;
}

size_t slots_waiting(const struct slots *slots)
{
    size_t count = 0;
    for (const struct slot_ticket *each = slots->queue; each != NULL; each = each->next)
        count++;
    return count;
}
