// State holders: the runs that hold keys: renewed while they live, freed when they have ended, and
// what is done written down even if the ledger is out of reach for a while.

#include "state_desk.h"

#include "clock.h"
#include "log.h"

#include <assert.h>
#include <stdlib.h>

#define RENEW_AGAIN_US INT64_C(2000000) // after a renewal that did not come through
#define RETRY_FIRST_US INT64_C(1000000)
#define RETRY_MAX_US INT64_C(30000000)

static void own_enter(struct state_holder *holder, enum own_key own)
{
    static const bool legal[][OWN_KEY_OVER + 1] = {
        [OWN_KEY_NONE] = {[OWN_KEY_CLAIMING] = true, [OWN_KEY_HELD] = true}, // it was adopted
        [OWN_KEY_CLAIMING] = {[OWN_KEY_HELD] = true, [OWN_KEY_OVER] = true},
        [OWN_KEY_HELD] = {[OWN_KEY_FINISHING] = true, [OWN_KEY_OVER] = true},
        [OWN_KEY_FINISHING] = {[OWN_KEY_OWED] = true, [OWN_KEY_OVER] = true},
        [OWN_KEY_OWED] = {[OWN_KEY_FINISHING] = true},
        [OWN_KEY_OVER] = {false},
    };
    assert(legal[holder->own][own]);
    holder->own = own;
}

struct state_holder *holder_find(struct state_desk *desk, const char *id)
{
    for (struct state_holder *holder = desk->holders; holder != NULL; holder = holder->next)
        if (strcmp(holder->id, id) == 0)
            return holder;
    return NULL;
}

struct state_holder *holder_of_supervisor(struct state_desk *desk, const struct control_peer *peer)
{
    for (struct state_holder *holder = desk->holders; holder != NULL; holder = holder->next)
        if (holder->supervisor == peer)
            return holder;
    return NULL;
}

struct state_holder *holder_add(struct state_desk *desk, const char *id, const char *job,
                                enum holder_phase phase)
{
    struct state_holder *holder =
        desk->holder_count < STATE_HOLDERS_MAX ? calloc(1, sizeof(*holder)) : NULL;
    if (holder == NULL)
        return NULL;
    snprintf(holder->id, sizeof(holder->id), "%s", id);
    snprintf(holder->job, sizeof(holder->job), "%s", job);
    holder->phase = phase;
    holder->ttl_us = INT64_MAX;
    holder->renew_at_us = INT64_MAX;
    holder->next = desk->holders;
    desk->holders = holder;
    desk->holder_count++;
    desk_wake(desk);
    return holder;
}

static void holder_forget(struct state_desk *desk, struct state_holder *holder)
{
    struct state_holder **link = &desk->holders;
    while (*link != holder)
        link = &(*link)->next;
    *link = holder->next;
    desk->holder_count--;
    free(holder);
}

void holder_renew_in_time(struct state_desk *desk, struct state_holder *holder, int64_t ttl_us)
{
    int64_t renew_at_us = clock_monotonic_us() + ttl_us / 3;
    if (ttl_us > 0 && ttl_us < holder->ttl_us)
        holder->ttl_us = ttl_us;
    if (renew_at_us < holder->renew_at_us)
        holder->renew_at_us = renew_at_us;
    desk_wake(desk);
}

void holder_end(struct state_desk *desk, struct state_holder *holder)
{
    bool is_owed = holder->own == OWN_KEY_FINISHING || holder->own == OWN_KEY_OWED;
    struct source_state_question question = {.action = SOURCE_STATE_END, .whole_run = !is_owed};
    memcpy(question.holder, holder->id, sizeof(question.holder));
    holder->phase = HOLDER_OVER;
    holder->supervisor = NULL;
    if (!is_owed)
        holder_forget(desk, holder);
    desk_ask(desk, &question, NULL);
}

void holders_leave(struct state_desk *desk)
{
    struct state_holder *next;
    for (struct state_holder *holder = desk->holders; holder != NULL; holder = next) {
        next = holder->next;
        if (holder->phase == HOLDER_WAITING)
            holder_end(desk, holder);
        else
            holder_forget(desk, holder);
    }
}

// ---- the own key

void holder_own_claimed(struct state_desk *desk, struct state_holder *holder,
                        const struct source_state_answer *answer)
{
    if (answer->outcome == SOURCE_STATE_OK) {
        own_enter(holder, OWN_KEY_HELD);
        holder_renew_in_time(desk, holder, SOURCE_STATE_TTL_US);
    } else if (answer->outcome == SOURCE_STATE_UNREACHABLE) {
        holder_end(desk, holder); // it may have been granted all the same
    } else {
        holder_forget(desk, holder);
    }
}

void holder_finish(struct state_desk *desk, struct state_holder *holder, struct control_peer *peer)
{
    struct source_state_question question = {.action = SOURCE_STATE_FINISH, .whole_run = true};
    if (holder->own == OWN_KEY_NONE) // adopted, and not renewed yet
        own_enter(holder, OWN_KEY_HELD);
    if (holder->own != OWN_KEY_HELD && holder->own != OWN_KEY_OWED) {
        struct source_state_answer answer = {.outcome = SOURCE_STATE_HELD};
        desk_tell(peer, &answer);
        return;
    }
    own_enter(holder, OWN_KEY_FINISHING);
    memcpy(question.job, holder->job, sizeof(question.job));
    memcpy(question.key, holder->key, sizeof(question.key));
    memcpy(question.holder, holder->id, sizeof(question.holder));
    desk_ask(desk, &question, peer);
}

void holder_own_finished(struct state_desk *desk, struct state_holder *holder,
                         const struct source_state_answer *answer)
{
    if (answer->outcome == SOURCE_STATE_UNREACHABLE) {
        own_enter(holder, OWN_KEY_OWED);
        holder->retry_us = holder->retry_us == 0                 ? RETRY_FIRST_US
                           : holder->retry_us < RETRY_MAX_US / 2 ? holder->retry_us * 2
                                                                 : RETRY_MAX_US;
        holder->retry_at_us = clock_monotonic_us() + holder->retry_us;
        return;
    }
    own_enter(holder, OWN_KEY_OVER);
    if (answer->outcome != SOURCE_STATE_OK)
        log_event(LOG_WARNING, "state_not_done", "run", holder->id, "job", holder->job, "key",
                  holder->key, "error", answer->text, NULL);
    if (holder->phase == HOLDER_OVER)
        holder_forget(desk, holder);
}

// Another one has claimed the own key, or an operator has freed it. What the run still does is done
// twice: it is ended.
static void lose_own(struct state_desk *desk, struct state_holder *holder)
{
    char text[CONTROL_TEXT_MAX + SOURCE_STATE_KEY_MAX];
    snprintf(text, sizeof(text), "the key %s is no longer this run's", holder->key);
    log_event(LOG_WARNING, "state_lost", "run", holder->id, "job", holder->job, "key", holder->key,
              NULL);
    own_enter(holder, OWN_KEY_OVER);
    struct live_run *live = run_table_find_id(desk->options.runs, holder->id);
    if (live != NULL)
        run_registry_end(desk->options.registry, live, RUN_KILLED, text);
    else if (holder->supervisor != NULL)
        control_peer_refuse(holder->supervisor, CONTROL_UNAVAILABLE, "%s", text);
}

// ---- renewal

static const struct source_state_row *find_row(const struct source_state_answer *answer,
                                               const char *holder)
{
    for (size_t i = 0; i < answer->row_count; i++)
        if (strcmp(answer->rows[i].holder, holder) == 0)
            return &answer->rows[i];
    return NULL;
}

void holders_renewed(struct state_desk *desk, const struct source_state_answer *answer)
{
    for (struct state_holder *holder = desk->holders, *next; holder != NULL; holder = next) {
        next = holder->next;
        if (holder->renewal != answer->id)
            continue;
        if (answer->outcome == SOURCE_STATE_UNREACHABLE) {
            holder->renew_at_us = clock_monotonic_us() + RENEW_AGAIN_US;
            continue;
        }
        const struct source_state_row *row = find_row(answer, holder->id);
        bool has_own = row != NULL && row->whole_run;
        if (holder->own == OWN_KEY_HELD && !has_own)
            lose_own(desk, holder);
        else if (holder->own == OWN_KEY_NONE && has_own)
            own_enter(holder, OWN_KEY_HELD);
        if (row == NULL) // until it claims again
            holder->renew_at_us = holder->ttl_us = INT64_MAX;
    }
}

// One question for as many as an answer has room for.
static void renew(struct state_desk *desk, int64_t now_us)
{
    struct source_state_question question = {.action = SOURCE_STATE_RENEW};
    size_t used = 0, count = 0;
    for (struct state_holder *holder = desk->holders;
         holder != NULL && count < SOURCE_STATE_ROWS_MAX; holder = holder->next) {
        if (holder->renew_at_us > now_us)
            continue;
        used += (size_t)snprintf(question.text + used, sizeof(question.text) - used, "%c%s",
                                 count++ == 0 ? '{' : ',', holder->id);
        holder->renewal = desk->last_id + 1;
        holder->renew_at_us = now_us + holder->ttl_us / 3;
    }
    if (count == 0)
        return;
    snprintf(question.text + used, sizeof(question.text) - used, "}");
    desk_ask(desk, &question, NULL);
}

void holders_tick(struct state_desk *desk, int64_t now_us)
{
    for (struct state_holder *holder = desk->holders, *next; holder != NULL; holder = next) {
        next = holder->next;
        if (holder->own == OWN_KEY_OWED && holder->retry_at_us <= now_us)
            holder_finish(desk, holder, NULL);
    }
    renew(desk, now_us);
}

// ---- the runs

void holder_adopt(struct live_run *live, void *context)
{
    struct state_desk *desk = context;
    struct state_holder *holder = holder_add(desk, live->id, live->job, HOLDER_RUNNING);
    if (holder != NULL)
        holder_renew_in_time(desk, holder, 0);
}

bool state_desk_run_id(struct state_desk *desk, const struct control_peer *peer,
                       char id[static RUN_ID_MAX])
{
    const struct state_holder *holder =
        desk != NULL && peer != NULL ? holder_of_supervisor(desk, peer) : NULL;
    if (holder == NULL || holder->own != OWN_KEY_HELD)
        return false;
    memcpy(id, holder->id, RUN_ID_MAX);
    return true;
}

void state_desk_run_opened(struct state_desk *desk, const struct live_run *live)
{
    if (desk == NULL)
        return;
    struct state_holder *holder = holder_find(desk, live->id);
    if (holder != NULL) {
        holder->phase = HOLDER_RUNNING;
        holder->supervisor = NULL;
    }
}

void state_desk_run_closed(struct state_desk *desk, const struct live_run *live)
{
    struct state_holder *holder = desk != NULL ? holder_find(desk, live->id) : NULL;
    if (holder != NULL)
        holder_end(desk, holder);
}
