// Credential pool: the credentials there are, and which one serves the next attempt. Pure.
#pragma once

#include "credential.h"
#include "error.h"

#define CREDENTIALS_MAX 64
#define CREDENTIAL_EXCLUDED_MAX 8

struct credential_pool;

struct credential_pool *credential_pool_new(void);       // NULL when out of memory
void credential_pool_free(struct credential_pool *pool); // wipes every secret

// ---- what there is: credential_pool_begin(), _put() for each, _sweep()

struct credential_options {
    const char *name;
    const char *path;              // absolute
    enum credential_type expected; // CREDENTIAL_ANY: whatever the file holds
    enum credential_serves serves;
    bool shared;
    bool disabled;
    int priority;
    int switch_percent;
};

void credential_pool_begin(struct credential_pool *pool);

// Adds a credential, or reads its file again. One that cannot be read becomes unreadable if it has
// no secret yet, or its file is gone; else it goes on with the one it has, and `file_problem` says
// so. One whose secret is as before keeps its state. Returns 1 if there is something to tell, else
// 0; -ENOSPC: CREDENTIALS_MAX; -EEXIST: put twice; -ENOMEM. *credential is set unless it failed.
int credential_pool_put(struct credential_pool *pool, const struct credential_options *options,
                        uint32_t random, int64_t now_ms, struct credential **credential,
                        struct error *err);

// Takes out those that were not put since credential_pool_begin(), calling `gone` for each.
void credential_pool_sweep(struct credential_pool *pool,
                           void (*gone)(const struct credential *credential, void *context),
                           void *context);

// ---- which one serves

struct credential_wish {
    bool has_identity;  // of Claude Code or the Agent SDK
    bool is_free;       // nothing is billed: any may serve it, those that serve all come first
    struct slice model; // "" where none is asked for
    uint32_t owner;     // its number: a thread, batch or file is its, and unknown to others; 0 none
    uint32_t preferred; // its number: it has the session's prompt cache; 0 none
    uint32_t excluded[CREDENTIAL_EXCLUDED_MAX]; // their numbers: they cannot serve this request
    size_t excluded_count;
    uint32_t limited[CREDENTIAL_EXCLUDED_MAX]; // their numbers: they had no room for it
    size_t limited_count;
};

enum credential_choice {
    CHOICE_MADE,
    CHOICE_SOON,    // one is being refreshed, or is to be
    CHOICE_LIMITED, // all are at a limit, as far as this request is concerned
    CHOICE_NONE,    // there is none that a person would not have to mend, or to add
};

struct credential_pick {
    enum credential_choice choice;
    struct credential *credential; // MADE: it stays the pool's, see credential_hold()
    int64_t until_ms;              // LIMITED: the first one is free again
};

struct credential_pick credential_pool_pick(struct credential_pool *pool,
                                            const struct credential_wish *wish, int64_t now_ms);

// Why there is none, for a person: "main is refused (…); other needs-login (…)". Returns `text`.
const char *credential_pool_explain(const struct credential_pool *pool, char *text, size_t size);

// ---- holding and looking

// Keeps a credential in memory, even if it is taken out of the pool meanwhile.
void credential_hold(struct credential *credential);
void credential_release(struct credential_pool *pool, struct credential *credential);

size_t credential_pool_count(const struct credential_pool *pool);
struct credential *credential_pool_find(const struct credential_pool *pool, const char *name);

// By priority, then by name.
struct credential *credential_pool_at(const struct credential_pool *pool, size_t index);
