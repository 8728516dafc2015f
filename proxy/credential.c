// Credential: one credential, the state it is in, and what answers and time make of it. Pure.

#include "credential.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

const char *credential_state_name(enum credential_state state)
{
    static const char *const names[] = {"ready",   "refreshing",  "cooling",    "expired",
                                        "refused", "needs-login", "unreadable", "disabled"};
    return names[state];
}

const char *credential_problem(const struct credential *credential)
{
    return credential->problem[0] != '\0' ? credential->problem : credential->file_problem;
}

void credential_enter(struct credential *credential, enum credential_state state, int64_t until_ms,
                      const char *problem)
{
    enum {
        READY = 1 << CREDENTIAL_READY,
        REFRESHING = 1 << CREDENTIAL_REFRESHING,
        COOLING = 1 << CREDENTIAL_COOLING,
        EXPIRED = 1 << CREDENTIAL_EXPIRED,
        REFUSED = 1 << CREDENTIAL_REFUSED,
        NEEDS_LOGIN = 1 << CREDENTIAL_NEEDS_LOGIN,
        UNREADABLE = 1 << CREDENTIAL_UNREADABLE,
        DISABLED = 1 << CREDENTIAL_DISABLED,
    };
    static const unsigned legal[CREDENTIAL_STATES] = {
        [CREDENTIAL_READY] =
            REFRESHING | COOLING | EXPIRED | REFUSED | NEEDS_LOGIN | UNREADABLE | DISABLED,
        [CREDENTIAL_REFRESHING] = READY | EXPIRED | REFUSED | NEEDS_LOGIN | UNREADABLE | DISABLED,
        [CREDENTIAL_COOLING] =
            READY | REFRESHING | EXPIRED | REFUSED | NEEDS_LOGIN | UNREADABLE | DISABLED,
        [CREDENTIAL_EXPIRED] = READY | REFRESHING | NEEDS_LOGIN | UNREADABLE | DISABLED,
        [CREDENTIAL_REFUSED] = READY | REFRESHING | EXPIRED | NEEDS_LOGIN | UNREADABLE | DISABLED,
        [CREDENTIAL_NEEDS_LOGIN] = READY | UNREADABLE | DISABLED,
        [CREDENTIAL_UNREADABLE] = READY | DISABLED,
        [CREDENTIAL_DISABLED] = READY | UNREADABLE,
    };
    assert((legal[credential->state] & 1U << state) != 0);
    credential->state = state;
    credential->until_ms = until_ms;
    if (problem != credential->problem)
        snprintf(credential->problem, sizeof(credential->problem), "%s",
                 problem != NULL ? problem : "");
}

bool credential_is_alive(const struct credential *credential)
{
    return credential->state == CREDENTIAL_READY || credential->state == CREDENTIAL_COOLING;
}

bool credential_is_refreshable(const struct credential *credential)
{
    return credential->secret.refresh[0] != '\0';
}

// ---- time

// The life of its access token is over.
static void expire(struct credential *credential, int64_t now_ms)
{
    if (credential_is_refreshable(credential))
        credential_enter(credential, CREDENTIAL_EXPIRED, now_ms, credential->problem);
    else
        credential_enter(credential, CREDENTIAL_NEEDS_LOGIN, INT64_MAX,
                         credential->problem[0] != '\0' ? credential->problem
                                                        : "its token has expired");
}

bool credential_tick(struct credential *credential, int64_t now_ms)
{
    enum credential_state before = credential->state;
    for (size_t i = 0; i < CREDENTIAL_LIMITS_MAX; i++)
        if (credential->limits[i].until_ms <= now_ms)
            credential->limits[i] = (struct credential_limit){0};
    if (credential->state == CREDENTIAL_COOLING && credential->until_ms <= now_ms)
        credential_enter(credential, CREDENTIAL_READY, INT64_MAX, credential->problem);
    if (credential->state == CREDENTIAL_READY && credential->secret.expires_at_ms <= now_ms)
        expire(credential, now_ms);
    return credential->state != before;
}

int64_t credential_due_ms(const struct credential *credential)
{
    int64_t due_ms = INT64_MAX;
    switch (credential->state) {
    case CREDENTIAL_READY:
        due_ms = credential->secret.expires_at_ms;
        break;
    case CREDENTIAL_COOLING:
    case CREDENTIAL_EXPIRED:
    case CREDENTIAL_REFUSED:
        due_ms = credential->until_ms;
        break;
    default:
        return INT64_MAX;
    }
    for (size_t i = 0; i < CREDENTIAL_LIMITS_MAX; i++)
        if (credential->limits[i].until_ms != 0 && credential->limits[i].until_ms < due_ms)
            due_ms = credential->limits[i].until_ms;
    return credential_is_alive(credential) && credential->refresh_due_ms < due_ms
               ? credential->refresh_due_ms
               : due_ms;
}

// Ahead of its end, but by no more than a fifth of its life where that is known.
static int64_t refresh_due_find(const struct credential *credential, uint32_t random)
{
    int64_t ahead_ms = CREDENTIAL_AHEAD_MS + random % CREDENTIAL_JITTER_MS;
    int64_t end_ms = credential->secret.expires_at_ms;
    if (!credential_is_refreshable(credential) || end_ms == INT64_MAX)
        return INT64_MAX;
    if (credential->obtained_at_ms > 0 && (end_ms - credential->obtained_at_ms) / 5 < ahead_ms)
        ahead_ms = (end_ms - credential->obtained_at_ms) / 5;
    return end_ms - ahead_ms;
}

// What is `first_ms` at first and doubles with each failure.
static int64_t doubled(int64_t first_ms, int64_t max_ms, int failures)
{
    int64_t ms = first_ms;
    for (int i = 1; i < failures && ms < max_ms; i++)
        ms *= 2;
    return ms < max_ms ? ms : max_ms;
}

// ---- answers

static void limit_model(struct credential *credential, struct slice model, int64_t until_ms)
{
    struct credential_limit *place = &credential->limits[0];
    for (size_t i = 0; i < CREDENTIAL_LIMITS_MAX; i++) {
        struct credential_limit *each = &credential->limits[i];
        if (slice_is(model, each->model)) {
            place = each;
            break;
        }
        if (each->until_ms < place->until_ms) // the one that ends first makes room
            place = each;
    }
    slice_copy(model, place->model, sizeof(place->model));
    place->until_ms = until_ms;
}

int64_t credential_limited_until_ms(const struct credential *credential, struct slice model,
                                    int64_t now_ms)
{
    for (size_t i = 0; i < CREDENTIAL_LIMITS_MAX; i++)
        if (credential->limits[i].until_ms > now_ms && slice_is(model, credential->limits[i].model))
            return credential->limits[i].until_ms;
    return 0;
}

bool credential_is_nearly_used(const struct credential *credential, int64_t now_ms)
{
    return credential->used_percent >= credential->switch_percent &&
           credential->used_until_ms > now_ms;
}

static void note_limit(struct credential *credential, const struct credential_signs *signs,
                       struct slice model)
{
    if (signs->limits_one_model && model.length > 0)
        limit_model(credential, model, signs->ends_at_ms);
    else if (credential->state == CREDENTIAL_READY)
        credential_enter(credential, CREDENTIAL_COOLING, signs->ends_at_ms, NULL);
    else if (credential->state == CREDENTIAL_COOLING)
        credential->until_ms = signs->ends_at_ms;
}

void credential_note_answer(struct credential *credential, const struct credential_signs *signs,
                            struct slice model, int64_t now_ms)
{
    if (signs->used_percent >= 0) {
        credential->used_percent = signs->used_percent;
        credential->used_until_ms = signs->used_until_ms;
    }
    if (signs->verdict == VERDICT_SERVED) {
        credential->exchanges++;
        credential->served_at_ms = now_ms;
        if (credential->state == CREDENTIAL_READY)
            credential->failures = 0;
    } else if (signs->verdict == VERDICT_LIMITED) {
        note_limit(credential, signs, model);
    }
}

void credential_refuse(struct credential *credential, int http_status, int64_t now_ms)
{
    char problem[CREDENTIAL_PROBLEM_MAX];
    if (!credential_is_alive(credential) && credential->state != CREDENTIAL_REFRESHING)
        return; // as much is known already
    snprintf(problem, sizeof(problem), "the upstream answered %d", http_status);
    if (credential->secret.type == CREDENTIAL_OAUTH && !credential_is_refreshable(credential)) {
        credential_enter(credential, CREDENTIAL_NEEDS_LOGIN, INT64_MAX,
                         credential->problem[0] != '\0' ? credential->problem : problem);
        return;
    }
    credential->failures = 0;
    credential_enter(credential, CREDENTIAL_REFUSED, now_ms + CREDENTIAL_CHECK_FIRST_MS, problem);
}

void credential_note_check(struct credential *credential, int http_status, int64_t now_ms)
{
    credential->checked_at_ms = now_ms;
    if (http_status == 401 || http_status == 403) {
        credential_refuse(credential, http_status, now_ms);
    } else if (credential->state == CREDENTIAL_REFUSED && http_status >= 200 && http_status < 300) {
        credential->failures = 0;
        credential_enter(credential, CREDENTIAL_READY, INT64_MAX, NULL);
        credential_tick(credential, now_ms);
        return;
    }
    if (credential->state == CREDENTIAL_REFUSED)
        credential->until_ms = now_ms + doubled(CREDENTIAL_CHECK_FIRST_MS, CREDENTIAL_CHECK_MAX_MS,
                                                ++credential->failures);
}

// ---- refreshes

void credential_refresh_postponed(struct credential *credential, int64_t retry_after_s,
                                  const char *problem, uint32_t random, int64_t now_ms)
{
    int64_t wait_ms =
        doubled(CREDENTIAL_BACKOFF_FIRST_MS, CREDENTIAL_BACKOFF_MAX_MS, ++credential->failures);
    wait_ms += wait_ms / 4 * (random % 1024) / 1024;
    if (retry_after_s > CREDENTIAL_CHECK_MAX_MS / 1000)
        retry_after_s = CREDENTIAL_CHECK_MAX_MS / 1000;
    if (wait_ms < retry_after_s * 1000)
        wait_ms = retry_after_s * 1000;
    if (credential->state == CREDENTIAL_REFRESHING) {
        credential_enter(credential, CREDENTIAL_EXPIRED, now_ms + wait_ms, problem);
        return;
    }
    credential->refresh_due_ms = now_ms + wait_ms;
    snprintf(credential->problem, sizeof(credential->problem), "%s", problem);
}

void credential_login_needed(struct credential *credential, const char *problem)
{
    explicit_bzero(credential->secret.refresh, sizeof(credential->secret.refresh));
    credential->refresh_due_ms = INT64_MAX;
    if (credential->state == CREDENTIAL_REFRESHING || credential->state == CREDENTIAL_EXPIRED ||
        credential->state == CREDENTIAL_REFUSED)
        credential_enter(credential, CREDENTIAL_NEEDS_LOGIN, INT64_MAX, problem);
    else
        snprintf(credential->problem, sizeof(credential->problem), "%s", problem);
}

void credential_secret_fingerprint(const struct credential_secret *secret,
                                   char text[static CREDENTIAL_FINGERPRINT_MAX])
{
    char both[2 * CREDENTIAL_SECRET_MAX + 1];
    snprintf(both, sizeof(both), "%s %s", secret->access, secret->refresh);
    credential_fingerprint(both, text);
    explicit_bzero(both, sizeof(both));
}

void credential_forget(struct credential *credential)
{
    explicit_bzero(&credential->secret, sizeof(credential->secret));
    credential->fingerprint[0] = '\0';
    credential->refresh_due_ms = INT64_MAX;
    if (credential->state != CREDENTIAL_DISABLED && credential->state != CREDENTIAL_UNREADABLE)
        credential_enter(credential, CREDENTIAL_UNREADABLE, INT64_MAX, NULL);
}

void credential_renew(struct credential *credential, const struct credential_secret *secret,
                      bool refreshed, uint32_t random, int64_t now_ms)
{
    // It may have been found in the file before its refresh is through: then it is in use already.
    if (strcmp(credential->secret.access, secret->access) != 0)
        credential->secret_number++;
    explicit_bzero(&credential->secret, sizeof(credential->secret));
    credential->secret = *secret;
    credential_secret_fingerprint(secret, credential->fingerprint);
    credential->failures = 0;
    credential->obtained_at_ms = refreshed ? now_ms : 0;
    credential->refresh_due_ms = refresh_due_find(credential, random);
    if (refreshed) {
        credential->refreshes++;
    } else { // it may be another account's
        memset(credential->limits, 0, sizeof(credential->limits));
        credential->used_percent = -1;
    }
    if (credential->state == CREDENTIAL_DISABLED ||
        (credential->state == CREDENTIAL_COOLING && refreshed))
        return;
    if (credential->state == CREDENTIAL_READY)
        credential->problem[0] = '\0';
    else
        credential_enter(credential, CREDENTIAL_READY, INT64_MAX, NULL);
    credential_tick(credential, now_ms);
}
