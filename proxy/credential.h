// Credential: one credential, the state it is in, and what answers and time make of it. Pure: time
// is passed in, and what takes time is the keeper's (credential_keeper.h).
//
//             ┌────────── refreshing ◀─── 401, or its time is over ───┐
//     new ──▶ ready ◀──── cooling ◀────── 429 of the account ─────────┤
//             │  ▲                                                    │
//             │  └─ renewed, its limit has ended, checked, new file ──┘
//             └─▶ expired, refused, needs-login, unreadable: not used until that happens
//     disabled: by a person, until enabled
#pragma once

#include "credential_file.h"
#include "credential_signs.h"
#include "run.h"
#include "slice.h"
#include "usage.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CREDENTIAL_LIMITS_MAX 8 // models of one credential that are at a limit
#define CREDENTIAL_PROBLEM_MAX 256
#define CREDENTIAL_AHEAD_MS INT64_C(300000) // Claude Code refreshes 5 minutes ahead as well
#define CREDENTIAL_JITTER_MS 60000
#define CREDENTIAL_CHECK_FIRST_MS INT64_C(60000) // of one that was refused; doubles
#define CREDENTIAL_CHECK_MAX_MS INT64_C(3600000)
#define CREDENTIAL_CHECK_INTERVAL_MS 5000 // of those that are asked for by answers, at least
#define CREDENTIAL_FRESH_MS 60000
#define CREDENTIAL_BACKOFF_FIRST_MS INT64_C(5000) // of a refresh that was postponed; doubles
#define CREDENTIAL_BACKOFF_MAX_MS INT64_C(300000)

enum credential_state {
    CREDENTIAL_READY,
    CREDENTIAL_REFRESHING,  // not usable until the refresh is through
    CREDENTIAL_COOLING,     // the account is at a limit until `until_ms`
    CREDENTIAL_EXPIRED,     // a pair: it is to be refreshed at `until_ms`
    CREDENTIAL_REFUSED,     // the upstream says it is not good; to be checked again at `until_ms`
    CREDENTIAL_NEEDS_LOGIN, // a person has to log in and add it anew
    CREDENTIAL_UNREADABLE,  // `file_problem` says how to mend that
    CREDENTIAL_DISABLED,
    CREDENTIAL_STATES,
};

const char *credential_state_name(enum credential_state state);

// Whom a credential may serve. Subscriptions are for Claude Code and the Agent SDK alone.
enum credential_serves {
    CREDENTIAL_SERVES_BY_TYPE,
    CREDENTIAL_SERVES_CLAUDE_CODE,
    CREDENTIAL_SERVES_ANY
};

// A model that is at a limit of its own.
struct credential_limit {
    char model[MODEL_NAME_MAX];
    int64_t until_ms;
};

struct credential {
    char name[JOB_NAME_MAX];
    char path[PATH_MAX];           // absolute
    uint32_t number;               // never 0, never used again
    enum credential_type expected; // CREDENTIAL_ANY: whatever the file holds
    enum credential_serves serves;
    bool shared;        // Claude Code may rewrite the file
    int priority;       // lower serves first
    int switch_percent; // of a subscription's window; then new sessions go to another one
    enum credential_state state;
    int64_t until_ms;                             // since 1970; INT64_MAX: nothing by itself
    char problem[CREDENTIAL_PROBLEM_MAX];         // why; "" where the state says it
    char file_problem[CREDENTIAL_PROBLEM_MAX];    // why its file could not be read last; ""
    struct credential_secret secret;              // wiped whenever it is replaced
    uint32_t secret_number;                       // raised with each other access token
    uint32_t secret_served_number;                // of the last secret that the upstream took
    char fingerprint[CREDENTIAL_FINGERPRINT_MAX]; // of what the file holds, as read or stored last
    int64_t obtained_at_ms;                       // from the token endpoint; 0: not by us
    int64_t refresh_due_ms;                       // ahead of its end; INT64_MAX never
    int failures;                                 // of refreshes or checks, in a row
    struct credential_limit limits[CREDENTIAL_LIMITS_MAX];
    int used_percent; // of its fullest window; -1 unknown
    int64_t used_until_ms;
    int64_t exchanges;     // answered with 2xx
    int64_t refreshes;     // that brought a new pair
    int64_t served_at_ms;  // the last one; 0 never
    int64_t checked_at_ms; // by a free call; 0 never
    int holds;             // whoever has a pointer to it; it is not freed before they end
    bool is_listed;        // by the sweep at hand (credential_pool.h)
};

// What a person should know of it; "" nothing.
const char *credential_problem(const struct credential *credential);

// Asserts that the edge is legal. `problem` may be NULL.
void credential_enter(struct credential *credential, enum credential_state state, int64_t until_ms,
                      const char *problem);

// Ends what is over at `now_ms`: limits, and the life of the access token. True if the state
// changed.
bool credential_tick(struct credential *credential, int64_t now_ms);

// When its state changes by itself, or a refresh or check is due; INT64_MAX never.
int64_t credential_due_ms(const struct credential *credential);

// Whether its access token is in use: ready, or cooling.
bool credential_is_alive(const struct credential *credential);

// Whether there is a refresh token to renew it with.
bool credential_is_refreshable(const struct credential *credential);

// When it may serve `model` again, 0 now. For one that is ready.
int64_t credential_limited_until_ms(const struct credential *credential, struct slice model,
                                    int64_t now_ms);

// Whether new sessions should go to another one: its window is nearly used up.
bool credential_is_nearly_used(const struct credential *credential, int64_t now_ms);

// What an answer says of it, for `model`; a 401 and a 403 are not for this.
void credential_note_answer(struct credential *credential, const struct credential_signs *signs,
                            struct slice model, int64_t now_ms);

// The upstream says that it is not good, and there is no refresh that would mend it.
void credential_refuse(struct credential *credential, int http_status, int64_t now_ms);

// What a free call under it has been answered; 0 where no answer came.
void credential_note_check(struct credential *credential, int http_status, int64_t now_ms);

// Its refresh did not come about; `retry_after_s` as the endpoint asked, or 0. `random` is any
// number.
void credential_refresh_postponed(struct credential *credential, int64_t retry_after_s,
                                  const char *problem, uint32_t random, int64_t now_ms);

// Its refresh token is good for nothing: it serves as long as its access token lives, if that is
// still in use.
void credential_login_needed(struct credential *credential, const char *problem);

// Takes over a new secret. `refreshed`: from the token endpoint, for the same account; else
// somebody has stored it. `random` is any number.
void credential_renew(struct credential *credential, const struct credential_secret *secret,
                      bool refreshed, uint32_t random, int64_t now_ms);

// Its file is gone: so is its secret.
void credential_forget(struct credential *credential);

// The fingerprint of a whole secret, as credential.fingerprint.
void credential_secret_fingerprint(const struct credential_secret *secret,
                                   char text[static CREDENTIAL_FINGERPRINT_MAX]);
