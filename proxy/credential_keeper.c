// Credential keeper: looks after the pool.

#include "credential_keeper.h"

#include "clock.h"
#include "credential_check.h"
#include "credential_refresh.h"
#include "log.h"
#include "off_loop.h"
#include "random.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

// What is being done for one credential, which it holds.
struct errand {
    LIST_ENTRY(errand) link;
    struct credential_keeper *keeper;
    struct credential *credential;
    struct credential_refresh *refresh; // one of the two
    struct credential_check *check;
    TAILQ_HEAD(keeper_waiters, keeper_waiter) waiters;
};

enum keeper_state {
    KEEPER_WORKING,
    KEEPER_RESTING, // nothing is begun
};

struct credential_keeper {
    struct credential_keeper_options options;
    enum keeper_state state;
    struct refresh_tools tools;
    struct credential_pool *pool;
    LIST_HEAD(errands, errand) errands;
    struct event *timer;
    struct event *changed; // tells of it from the loop
    int64_t due_ms;        // nothing is due before
};

static void attend(struct credential_keeper *keeper);

static int64_t now_ms(void)
{
    return clock_now_us() / 1000;
}

// ---- errands

static struct errand *errand_find(const struct credential_keeper *keeper,
                                  const struct credential *credential)
{
    struct errand *each;
    LIST_FOREACH(each, &keeper->errands, link)
    if (each->credential == credential)
        return each;
    return NULL;
}

static struct errand *errand_new(struct credential_keeper *keeper, struct credential *credential)
{
    struct errand *errand = calloc(1, sizeof(*errand));
    if (errand == NULL)
        return NULL;
    errand->keeper = keeper;
    errand->credential = credential;
    TAILQ_INIT(&errand->waiters);
    credential_hold(credential);
    LIST_INSERT_HEAD(&keeper->errands, errand, link);
    return errand;
}

static void errand_free(struct errand *errand)
{
    LIST_REMOVE(errand, link);
    credential_release(errand->keeper->pool, errand->credential);
    free(errand);
}

// Tells those who wait for it, and looks for what else is to be done.
static void errand_end(struct errand *errand, bool good, const char *text)
{
    struct credential_keeper *keeper = errand->keeper;
    struct keeper_waiters waiters = TAILQ_HEAD_INITIALIZER(waiters);
    TAILQ_CONCAT(&waiters, &errand->waiters, link);
    errand_free(errand);
    for (struct keeper_waiter *each; (each = TAILQ_FIRST(&waiters)) != NULL;) {
        TAILQ_REMOVE(&waiters, each, link);
        each->done(each, good, text);
    }
    event_active(keeper->changed, EV_TIMEOUT, 0);
    attend(keeper);
}

static void alert(const struct credential_keeper *keeper, const struct credential *credential,
                  const char *what_to_do)
{
    char text[CREDENTIAL_PROBLEM_MAX + 64];
    const char *problem = credential_problem(credential);
    snprintf(text, sizeof(text), "%s%s%s", problem, *problem != '\0' ? "; " : "", what_to_do);
    keeper->options.alert(credential->name, credential_state_name(credential->state), text,
                          keeper->options.context);
}

static void log_refresh(int priority, const char *event, const struct credential *credential,
                        const char *text)
{
    log_event(priority, event, "credential", credential->name, "state",
              credential_state_name(credential->state), "text", text, NULL);
}

static void on_refreshed(void *context, const struct refresh_result *result)
{
    struct errand *errand = context;
    struct credential_keeper *keeper = errand->keeper;
    struct credential *credential = errand->credential;
    errand->refresh = NULL;
    switch (result->outcome) {
    case REFRESH_RENEWED:
    case REFRESH_ADOPTED:
        credential_renew(credential, result->secret, result->outcome == REFRESH_RENEWED,
                         random_number(), now_ms());
        log_refresh(LOG_INFO, "credential_renewed", credential, result->text);
        break;
    case REFRESH_POSTPONED:
        credential_refresh_postponed(credential, result->retry_after_s, result->text,
                                     random_number(), now_ms());
        log_refresh(LOG_WARNING, "credential_not_renewed", credential, result->text);
        // Seldomer and seldomer: at the first failure, the second, the fourth, …
        if (credential->state == CREDENTIAL_EXPIRED &&
            (credential->failures & (credential->failures - 1)) == 0)
            alert(keeper, credential, "it is tried again");
        break;
    case REFRESH_DEAD:
    case REFRESH_LOST:
        credential_login_needed(credential, result->text);
        log_refresh(LOG_ERR, "credential_needs_login", credential, result->text);
        alert(keeper, credential, "log in anew, then: reeve credential add");
        break;
    }
    errand_end(errand, result->secret != NULL, result->text);
}

// Begins it, or joins the one that is under way.
static int refresh_begin(struct credential_keeper *keeper, struct credential *credential,
                         struct errand **errand, struct error *err)
{
    struct errand *found = errand_find(keeper, credential);
    bool is_new = found == NULL;
    if (is_new)
        found = errand_new(keeper, credential);
    if (found == NULL)
        return error_set(err, -ENOMEM, "out of memory to refresh credential %s", credential->name);
    int result = 0;
    if (found->refresh == NULL)
        result = credential_refresh_start(&found->refresh, &keeper->tools, credential->path,
                                          credential->shared, &credential->secret, on_refreshed,
                                          found, err);
    if (result < 0) {
        if (is_new)
            errand_free(found);
        return result;
    }
    if (found->check != NULL) { // which can be done without
        credential_check_cancel(found->check);
        found->check = NULL;
    }
    *errand = found;
    return 0;
}

// The credential is of no use before it is refreshed, or has failed to be.
static void refresh_or_postpone(struct credential_keeper *keeper, struct credential *credential)
{
    struct errand *errand;
    struct error err;
    if (refresh_begin(keeper, credential, &errand, &err) < 0)
        credential_refresh_postponed(credential, 0, err.text, random_number(), now_ms());
}

static void on_checked(void *context, int http_status)
{
    struct errand *errand = context;
    struct credential *credential = errand->credential;
    enum credential_state before = credential->state;
    char text[64] = "no answer came";
    errand->check = NULL;
    credential_note_check(credential, http_status, now_ms());
    if (http_status != 0)
        snprintf(text, sizeof(text), "the upstream answered %d", http_status);
    log_refresh(LOG_INFO, "credential_checked", credential, text);
    if (credential->state == CREDENTIAL_REFUSED && before != CREDENTIAL_REFUSED)
        alert(errand->keeper, credential, "replace it: reeve credential add");
    errand_end(errand, http_status >= 200 && http_status < 300, text);
}

static int check_begin(struct credential_keeper *keeper, struct credential *credential,
                       struct errand **errand, struct error *err)
{
    struct errand *found = errand_find(keeper, credential);
    if (found == NULL) {
        found = errand_new(keeper, credential);
        if (found == NULL)
            return error_set(err, -ENOMEM, "out of memory to check credential %s",
                             credential->name);
        int result = credential_check_start(&found->check, keeper->options.upstream,
                                            &credential->secret, on_checked, found, err);
        if (result < 0) {
            errand_free(found);
            return result;
        }
    }
    *errand = found;
    return 0;
}

// ---- what is due

// Begins what is due for one credential. Returns when there is something to do for it again.
static int64_t attend_one(struct credential_keeper *keeper, struct credential *credential,
                          int64_t now)
{
    struct errand *errand;
    credential_tick(credential, now);
    if (errand_find(keeper, credential) != NULL)
        return INT64_MAX; // its end brings us back
    if (credential->state == CREDENTIAL_EXPIRED && credential->until_ms <= now) {
        credential_enter(credential, CREDENTIAL_REFRESHING, INT64_MAX, NULL);
        refresh_or_postpone(keeper, credential);
    } else if (credential_is_alive(credential) && credential->refresh_due_ms <= now) {
        refresh_or_postpone(keeper, credential);
    } else if (credential->state == CREDENTIAL_REFUSED && credential->until_ms <= now) {
        if (check_begin(keeper, credential, &errand, NULL) < 0)
            credential_note_check(credential, 0, now);
    }
    return errand_find(keeper, credential) != NULL ? INT64_MAX : credential_due_ms(credential);
}

static void attend(struct credential_keeper *keeper)
{
    int64_t now = now_ms(), due_ms = INT64_MAX;
    if (keeper->state == KEEPER_RESTING)
        return;
    for (size_t i = 0; i < credential_pool_count(keeper->pool); i++) {
        int64_t each_ms = attend_one(keeper, credential_pool_at(keeper->pool, i), now);
        due_ms = each_ms < due_ms ? each_ms : due_ms;
    }
    keeper->due_ms = due_ms;
    if (due_ms == INT64_MAX) {
        event_del(keeper->timer);
        return;
    }
    int64_t wait_ms = due_ms > now ? due_ms - now : 0;
    event_add(keeper->timer, &(struct timeval){wait_ms / 1000, wait_ms % 1000 * 1000});
}

void credential_keeper_filled(struct credential_keeper *keeper)
{
    attend(keeper);
    event_active(keeper->changed, EV_TIMEOUT, 0);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    struct credential_keeper *keeper = context;
    (void)fd;
    (void)what;
    attend(keeper);
    keeper->options.changed(keeper->options.context);
}

static void on_changed(evutil_socket_t fd, short what, void *context)
{
    struct credential_keeper *keeper = context;
    (void)fd;
    (void)what;
    keeper->options.changed(keeper->options.context);
}

// ---- for exchanges

struct credential_pick credential_keeper_pick(struct credential_keeper *keeper,
                                              const struct credential_wish *wish)
{
    if (now_ms() >= keeper->due_ms)
        attend(keeper);
    return credential_pool_pick(keeper->pool, wish, now_ms());
}

// It may be this request that the upstream turns away, and not the credential: a check tells.
static void doubt(struct credential_keeper *keeper, struct credential *credential)
{
    struct errand *errand;
    if (keeper->state == KEEPER_WORKING && credential_is_alive(credential) &&
        now_ms() - credential->checked_at_ms >= CREDENTIAL_CHECK_INTERVAL_MS)
        check_begin(keeper, credential, &errand, NULL);
}

// A 401. True if the credential is worth another attempt.
static bool unauthorized(struct credential_keeper *keeper, struct credential *credential,
                         uint32_t secret_number, bool is_free)
{
    if (credential->secret_number != secret_number || credential->state == CREDENTIAL_REFRESHING)
        return true;
    // A fresh token that nobody could use is not mended by the next one; and what is free may be
    // what no token of this kind can do, so that it must not be able to refresh all the time.
    bool is_fresh = credential->obtained_at_ms > 0 &&
                    (credential->secret_served_number != secret_number ||
                     (is_free && now_ms() - credential->obtained_at_ms < CREDENTIAL_FRESH_MS));
    if (!credential_is_alive(credential) || !credential_is_refreshable(credential) || is_fresh ||
        keeper->state == KEEPER_RESTING) {
        doubt(keeper, credential);
        return false;
    }
    credential_enter(credential, CREDENTIAL_REFRESHING, INT64_MAX, NULL);
    refresh_or_postpone(keeper, credential);
    return credential->state == CREDENTIAL_REFRESHING;
}

bool credential_keeper_answered(struct credential_keeper *keeper, struct credential *credential,
                                uint32_t secret_number, const struct credential_signs *signs,
                                struct slice model, bool is_free)
{
    enum credential_state before = credential->state;
    bool again = false;
    if (signs->verdict == VERDICT_UNAUTHORIZED)
        again = unauthorized(keeper, credential, secret_number, is_free);
    else if (signs->verdict == VERDICT_FORBIDDEN)
        doubt(keeper, credential);
    else
        credential_note_answer(credential, signs, model, now_ms());
    if (signs->verdict == VERDICT_SERVED && secret_number > credential->secret_served_number)
        credential->secret_served_number = secret_number; // answers of older secrets come late
    if (signs->verdict != VERDICT_SERVED && signs->verdict != VERDICT_OF_REQUEST)
        attend(keeper);
    if (credential->state == CREDENTIAL_COOLING && before != CREDENTIAL_COOLING)
        log_refresh(LOG_NOTICE, "credential_cooling", credential, "the account is at a limit");
    return again;
}

// ---- for people

int credential_keeper_refresh(struct credential_keeper *keeper, struct credential *credential,
                              struct keeper_waiter *waiter, struct error *err)
{
    struct errand *errand;
    if (!credential_is_refreshable(credential))
        return error_set(err, -EINVAL, "credential %s has no refresh token%s", credential->name,
                         credential->secret.type == CREDENTIAL_OAUTH ? " that is still good" : "");
    int result = refresh_begin(keeper, credential, &errand, err);
    if (result == 0)
        TAILQ_INSERT_TAIL(&errand->waiters, waiter, link);
    return result;
}

int credential_keeper_check(struct credential_keeper *keeper, struct credential *credential,
                            struct keeper_waiter *waiter, struct error *err)
{
    struct errand *errand;
    if (credential->secret.access[0] == '\0')
        return error_set(err, -EINVAL, "credential %s: %s", credential->name,
                         credential_problem(credential));
    int result = check_begin(keeper, credential, &errand, err);
    if (result == 0)
        TAILQ_INSERT_TAIL(&errand->waiters, waiter, link);
    return result;
}

void credential_keeper_forget(struct credential_keeper *keeper, struct keeper_waiter *waiter)
{
    struct errand *errand;
    struct keeper_waiter *each;
    LIST_FOREACH(errand, &keeper->errands, link)
    TAILQ_FOREACH(each, &errand->waiters, link)
    if (each == waiter) {
        TAILQ_REMOVE(&errand->waiters, waiter, link);
        return;
    }
}

// ---- begin and end

int credential_keeper_new(struct credential_keeper **keeper,
                          const struct credential_keeper_options *options, struct error *err)
{
    struct credential_keeper *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return error_set(err, -ENOMEM, "out of memory for the credentials");
    made->options = *options;
    made->due_ms = INT64_MAX;
    made->pool = credential_pool_new();
    made->timer = event_new(options->base, -1, 0, on_timer, made);
    made->changed = event_new(options->base, -1, 0, on_changed, made);
    made->tools = (struct refresh_tools){
        .base = options->base, .curl = options->curl, .endpoint = options->endpoint};
    int result = made->pool == NULL || made->timer == NULL || made->changed == NULL
                     ? error_set(err, -ENOMEM, "out of memory for the credentials")
                     : off_loop_new(&made->tools.off_loop, options->base, err);
    if (result < 0) {
        credential_keeper_free(made);
        return result;
    }
    *keeper = made;
    return 0;
}

static void drop_errands(struct credential_keeper *keeper)
{
    for (struct errand *errand; (errand = LIST_FIRST(&keeper->errands)) != NULL;) {
        if (errand->refresh != NULL)
            credential_refresh_cancel(errand->refresh);
        if (errand->check != NULL)
            credential_check_cancel(errand->check);
        errand_free(errand);
    }
}

void credential_keeper_rest(struct credential_keeper *keeper)
{
    keeper->state = KEEPER_RESTING;
    drop_errands(keeper);
    event_del(keeper->timer);
    event_del(keeper->changed);
}

void credential_keeper_wake(struct credential_keeper *keeper)
{
    keeper->state = KEEPER_WORKING;
    credential_keeper_filled(keeper);
}

void credential_keeper_free(struct credential_keeper *keeper)
{
    if (keeper == NULL)
        return;
    drop_errands(keeper);
    off_loop_free(keeper->tools.off_loop);
    if (keeper->timer != NULL)
        event_free(keeper->timer);
    if (keeper->changed != NULL)
        event_free(keeper->changed);
    credential_pool_free(keeper->pool);
    free(keeper);
}

struct credential_pool *credential_keeper_pool(struct credential_keeper *keeper)
{
    return keeper->pool;
}

bool credential_keeper_is_refreshing(const struct credential_keeper *keeper)
{
    const struct errand *each;
    LIST_FOREACH(each, &keeper->errands, link)
    if (each->refresh != NULL)
        return true;
    return false;
}
