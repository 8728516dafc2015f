// Credential keeper: looks after the pool: refreshes pairs ahead of their end and when they are
// found dead, checks again what was refused, wakes those who wait, and calls a person where nobody
// else can help.
//
// One refresh at a time for each credential, whoever asks for it.
#pragma once

#include "credential_pool.h"
#include "error.h"
#include "token_endpoint.h"

#include <stdbool.h>
#include <sys/queue.h>

struct credential_keeper;
struct curl_loop;
struct event_base;
struct upstream;

struct credential_keeper_options {
    struct event_base *base;
    struct curl_loop *curl;
    struct upstream *upstream;
    struct token_endpoint endpoint; // its texts outlive the keeper
    // A credential may serve again: those who wait for one should ask. Not called from within a
    // call into the keeper.
    void (*changed)(void *context);
    // A person has to know, or to do something about the credential `name`; `state` is a word for
    // it.
    void (*alert)(const char *name, const char *state, const char *text, void *context);
    void *context;
};

int credential_keeper_new(struct credential_keeper **keeper,
                          const struct credential_keeper_options *options, struct error *err);

// Drops what is under way, and begins nothing more: another process looks after the credentials,
// before this one does or after it. Exchanges may go on; nobody waits for a check. And the end of
// that.
void credential_keeper_rest(struct credential_keeper *keeper);
void credential_keeper_wake(struct credential_keeper *keeper);

// Drops what is under way. Nobody may hold a credential any more. NULL is allowed.
void credential_keeper_free(struct credential_keeper *keeper);

// The pool, to be filled and looked at; and what to call after it has been filled.
struct credential_pool *credential_keeper_pool(struct credential_keeper *keeper);
void credential_keeper_filled(struct credential_keeper *keeper);

// A refresh is under way, whose answer should not be lost.
bool credential_keeper_is_refreshing(const struct credential_keeper *keeper);

// ---- for exchanges

// Which credential serves, as credential_pool_pick(), once everything that is due has been done.
struct credential_pick credential_keeper_pick(struct credential_keeper *keeper,
                                              const struct credential_wish *wish);

// The upstream has answered `signs` to an attempt for `model` under `credential`, whose secret was
// then number `secret_number`. `is_free`: nothing was to be billed. A 401 to a pair begins a
// refresh, unless its secret is replaced by now; other 401s and 403s are looked into by a check,
// and only that makes it refused. Returns true if another attempt under it is worth while.
bool credential_keeper_answered(struct credential_keeper *keeper, struct credential *credential,
                                uint32_t secret_number, const struct credential_signs *signs,
                                struct slice model, bool is_free);

// ---- for people

// Somebody who waits for a refresh or a check to end. Embedded in its owner.
struct keeper_waiter {
    // Called once. `text` says what happened; `good`: the credential is usable, or was renewed.
    void (*done)(struct keeper_waiter *waiter, bool good, const char *text);
    TAILQ_ENTRY(keeper_waiter) link;
};

// Refreshes, or asks the upstream about, a credential now. -EINVAL: it cannot be.
int credential_keeper_refresh(struct credential_keeper *keeper, struct credential *credential,
                              struct keeper_waiter *waiter, struct error *err);
int credential_keeper_check(struct credential_keeper *keeper, struct credential *credential,
                            struct keeper_waiter *waiter, struct error *err);

// Calls off a waiter whose `done` has not been called.
void credential_keeper_forget(struct credential_keeper *keeper, struct keeper_waiter *waiter);
