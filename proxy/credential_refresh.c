// Credential refresh: one refresh of one pair, from the lock to the new pair on the disk.

#include "credential_refresh.h"

#include "clock.h"
#include "credential_lock.h"
#include "credential_store.h"
#include "log.h"
#include "off_loop.h"
#include "random.h"

#include <assert.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define LOCK_ASK_US 300000                 // and as much again, by chance
#define LOCK_WAIT_MAX_US INT64_C(90000000) // longer than a dead lock is respected
#define ASK_AGAIN_US 1000000               // after a lost answer
#define STORE_AGAIN_FIRST_US 1000000       // doubles
#define STORE_AGAIN_MAX_US (CREDENTIAL_LOCK_STALE_S * INT64_C(500000)) // touches the lock in time

enum refresh_state {
    REFRESH_LOCKING,
    REFRESH_PREPARING, // on a thread
    REFRESH_ASKING,
    REFRESH_STORING, // on a thread, or waiting to try again
    REFRESH_ENDED,
};

struct credential_refresh {
    struct off_loop_work work;
    const struct refresh_tools *tools;
    void (*done)(void *context, const struct refresh_result *result); // NULL: cancelled
    void *context;
    enum refresh_state state;
    char path[PATH_MAX];
    bool shared;
    bool asked_before; // and got no answer: this time or before a kill
    bool on_thread;
    struct credential_lock lock;
    struct event timer;
    int64_t lock_until_us;
    int64_t store_again_us;
    int64_t asked_at_ms;
    struct token_request *request;
    struct credential_secret held;
    struct credential_renewal renewal;
    // What a thread has found.
    int result;
    struct error err;
    enum credential_leftover leftover;
    struct credential_secret found;
};

static void refresh_enter(struct credential_refresh *refresh, enum refresh_state state)
{
    static const unsigned legal[] = {
        [REFRESH_LOCKING] = 1 << REFRESH_PREPARING | 1 << REFRESH_ENDED,
        [REFRESH_PREPARING] = 1 << REFRESH_ASKING | 1 << REFRESH_ENDED,
        [REFRESH_ASKING] = 1 << REFRESH_STORING | 1 << REFRESH_ENDED,
        [REFRESH_STORING] = 1 << REFRESH_ENDED,
    };
    assert((legal[refresh->state] & 1U << state) != 0);
    refresh->state = state;
    credential_lock_touch(&refresh->lock);
}

static void refresh_free(struct credential_refresh *refresh)
{
    event_del(&refresh->timer);
    if (refresh->request != NULL)
        token_request_cancel(refresh->request);
    credential_lock_release(&refresh->lock);
    explicit_bzero(refresh, sizeof(*refresh));
    free(refresh);
}

__attribute__((format(printf, 4, 5))) static void refresh_end(struct credential_refresh *refresh,
                                                              enum refresh_outcome outcome,
                                                              int64_t retry_after_s,
                                                              const char *format, ...)
{
    struct refresh_result result = {.outcome = outcome, .retry_after_s = retry_after_s};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(result.text, sizeof(result.text), format, arguments);
    va_end(arguments);
    if (outcome == REFRESH_RENEWED || outcome == REFRESH_ADOPTED)
        result.secret = &refresh->found;
    refresh_enter(refresh, REFRESH_ENDED);
    credential_lock_release(&refresh->lock); // before anybody hears of it and asks for the next one
    refresh->done(refresh->context, &result);
    refresh_free(refresh);
}

static void timer_set(struct credential_refresh *refresh, int64_t delay_us)
{
    struct timeval delay = {delay_us / 1000000, delay_us % 1000000};
    event_add(&refresh->timer, &delay);
}

// ---- on a thread

static void thread_start(struct credential_refresh *refresh, void (*run)(struct off_loop_work *))
{
    struct error err;
    refresh->work.run = run;
    refresh->on_thread = true;
    int result = off_loop_start(refresh->tools->off_loop, &refresh->work, &err);
    if (result == 0) // `result` and `err` of the refresh are the thread's from here on
        return;
    refresh->on_thread = false;
    refresh->result = result;
    refresh->err = err;
    timer_set(refresh, STORE_AGAIN_FIRST_US); // tried again, or postponed, as any other failure
}

static void run_prepare(struct off_loop_work *work)
{
    struct credential_refresh *refresh = (struct credential_refresh *)(void *)work;
    int result = credential_store_recover(refresh->path, &refresh->leftover, &refresh->err);
    if (result == 0)
        result =
            credential_file_read(refresh->path, CREDENTIAL_OAUTH, &refresh->found, &refresh->err);
    if (result == 0 && strcmp(refresh->found.access, refresh->held.access) == 0)
        result = credential_store_prepare(refresh->path, refresh->held.refresh, &refresh->err);
    refresh->result = result;
}

static void run_store(struct off_loop_work *work)
{
    struct credential_refresh *refresh = (struct credential_refresh *)(void *)work;
    refresh->result = credential_store_commit(refresh->path, refresh->held.refresh,
                                              &refresh->renewal, &refresh->err);
    if (refresh->result == -ESTALE &&
        credential_file_read(refresh->path, CREDENTIAL_OAUTH, &refresh->found, NULL) < 0)
        refresh->found.access[0] = '\0';
}

// ---- the steps

static void refresh_lock(struct credential_refresh *refresh)
{
    struct error err;
    int result = refresh->shared ? credential_lock_take(&refresh->lock, refresh->path, &err) : 0;
    if (result == 0) {
        refresh_enter(refresh, REFRESH_PREPARING);
        thread_start(refresh, run_prepare);
    } else if (result == -EBUSY && clock_monotonic_us() < refresh->lock_until_us) {
        timer_set(refresh, LOCK_ASK_US + random_number() % LOCK_ASK_US);
    } else {
        refresh_end(refresh, REFRESH_POSTPONED, 0, "%s", err.text);
    }
}

static void on_answer(void *context, const struct token_answer *answer);

static void refresh_ask(struct credential_refresh *refresh)
{
    struct error err;
    refresh->asked_at_ms = clock_now_us() / 1000;
    credential_lock_touch(&refresh->lock);
    if (token_request_start(&refresh->request, refresh->tools->curl, &refresh->tools->endpoint,
                            &refresh->held, on_answer, refresh, &err) < 0)
        refresh_end(refresh, REFRESH_POSTPONED, 0, "%s", err.text);
}

static void refresh_prepared(struct credential_refresh *refresh)
{
    if (refresh->result < 0) {
        refresh_end(refresh, REFRESH_POSTPONED, 0, "%s", refresh->err.text);
    } else if (strcmp(refresh->found.access, refresh->held.access) != 0) {
        refresh_end(refresh, REFRESH_ADOPTED, 0, "%s",
                    refresh->leftover == LEFTOVER_ADOPTED
                        ? "the pair that had been stored before a kill was found"
                        : "the file holds another pair by now");
    } else {
        refresh->asked_before = refresh->leftover == LEFTOVER_UNANSWERED;
        refresh_enter(refresh, REFRESH_ASKING);
        refresh_ask(refresh);
    }
}

static void renewal_take(struct credential_refresh *refresh, const struct token_answer *answer)
{
    struct credential_renewal *renewal = &refresh->renewal;
    memcpy(renewal->access, answer->access, sizeof(renewal->access));
    memcpy(renewal->refresh, answer->refresh, sizeof(renewal->refresh));
    renewal->expires_at_ms = refresh->asked_at_ms + answer->lifetime_s * 1000;
    renewal->refresh_expires_at_ms = answer->refresh_lifetime_s < 0
                                         ? -1
                                         : refresh->asked_at_ms + answer->refresh_lifetime_s * 1000;
    refresh_enter(refresh, REFRESH_STORING);
    thread_start(refresh, run_store);
}

static void on_answer(void *context, const struct token_answer *answer)
{
    struct credential_refresh *refresh = context;
    refresh->request = NULL;
    switch (answer->outcome) {
    case TOKEN_RENEWED:
        renewal_take(refresh, answer);
        return;
    case TOKEN_LOST:
        if (refresh->asked_before) {
            refresh_end(refresh, REFRESH_LOST, 0, "two answers of the token endpoint got lost: %s",
                        answer->text);
            return;
        }
        refresh->asked_before = true;
        timer_set(refresh, ASK_AGAIN_US);
        return;
    case TOKEN_DEAD:
        credential_store_discard(refresh->path, refresh->held.refresh);
        refresh_end(
            refresh, REFRESH_DEAD, 0, "%s%s", answer->text,
            refresh->asked_before
                ? "; the answer to an earlier refresh had got lost, and the new pair with it"
                : "");
        return;
    case TOKEN_REFUSED:
    case TOKEN_BUSY:
    case TOKEN_UNREACHABLE:
        // Unless an answer got lost before, the token is known to be unspent.
        if (!refresh->asked_before)
            credential_store_discard(refresh->path, refresh->held.refresh);
        refresh_end(refresh, REFRESH_POSTPONED, answer->retry_after_s, "the token endpoint: %s",
                    answer->text);
        return;
    }
}

// The pair that is held now: the old one's origin, the new one's tokens.
static void found_make(struct credential_refresh *refresh)
{
    const struct credential_renewal *renewal = &refresh->renewal;
    refresh->found = refresh->held;
    memcpy(refresh->found.access, renewal->access, sizeof(renewal->access));
    if (renewal->refresh[0] != '\0')
        memcpy(refresh->found.refresh, renewal->refresh, sizeof(renewal->refresh));
    refresh->found.expires_at_ms = renewal->expires_at_ms;
}

static void refresh_stored(struct credential_refresh *refresh)
{
    if (refresh->result == 0) {
        found_make(refresh);
        refresh_end(refresh, REFRESH_RENEWED, 0, "renewed");
    } else if (refresh->result == -ESTALE && refresh->found.access[0] != '\0') {
        refresh_end(refresh, REFRESH_ADOPTED, 0, "%s", refresh->err.text);
    } else if (refresh->result == -ESTALE) {
        refresh_end(refresh, REFRESH_DEAD, 0, "%s", refresh->err.text);
    } else {
        log_event(LOG_CRIT, "credential_not_stored", "path", refresh->path, "error",
                  refresh->err.text, NULL);
        timer_set(refresh, refresh->store_again_us);
        refresh->store_again_us *= 2;
        if (refresh->store_again_us > STORE_AGAIN_MAX_US)
            refresh->store_again_us = STORE_AGAIN_MAX_US;
    }
}

static void on_thread_done(struct off_loop_work *work)
{
    struct credential_refresh *refresh = (struct credential_refresh *)(void *)work;
    refresh->on_thread = false;
    if (refresh->done == NULL)
        refresh_free(refresh);
    else if (refresh->state == REFRESH_PREPARING)
        refresh_prepared(refresh);
    else
        refresh_stored(refresh);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    struct credential_refresh *refresh = context;
    (void)fd;
    (void)what;
    if (refresh->state == REFRESH_LOCKING)
        refresh_lock(refresh);
    else if (refresh->state == REFRESH_PREPARING)
        refresh_prepared(refresh); // no thread could be started
    else if (refresh->state == REFRESH_ASKING)
        refresh_ask(refresh);
    else
        thread_start(refresh, run_store);
}

int credential_refresh_start(struct credential_refresh **refresh, const struct refresh_tools *tools,
                             const char *path, bool shared, const struct credential_secret *held,
                             void (*done)(void *context, const struct refresh_result *result),
                             void *context, struct error *err)
{
    struct credential_refresh *started = calloc(1, sizeof(*started));
    if (started == NULL)
        return error_set(err, -ENOMEM, "out of memory to refresh a credential");
    *started = (struct credential_refresh){
        .work = {.done = on_thread_done},
        .tools = tools,
        .done = done,
        .context = context,
        .shared = shared,
        .held = *held,
        .lock_until_us = clock_monotonic_us() + LOCK_WAIT_MAX_US,
        .store_again_us = STORE_AGAIN_FIRST_US,
    };
    snprintf(started->path, sizeof(started->path), "%s", path);
    event_assign(&started->timer, tools->base, -1, 0, on_timer, started);
    timer_set(started, 0); // `done` is never called from here
    *refresh = started;
    return 0;
}

void credential_refresh_cancel(struct credential_refresh *refresh)
{
    refresh->done = NULL;
    event_del(&refresh->timer);
    if (!refresh->on_thread)
        refresh_free(refresh);
}
