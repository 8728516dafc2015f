// Credential pool: which credential serves the next exchange.
#pragma once

#include "credential_file.h"
#include "run.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CREDENTIALS_MAX 64

enum credential_state {
    CREDENTIAL_READY,
    CREDENTIAL_EXPIRED,
    CREDENTIAL_REFUSED, // the upstream answered 401
};

const char *credential_state_name(enum credential_state state);

struct credential {
    char name[JOB_NAME_MAX];
    struct credential_secret secret;
    int priority; // lower serves first
    enum credential_state state;
    int64_t exchanges;
};

struct credential_pool;

struct credential_pool *credential_pool_new(void);       // NULL when out of memory
void credential_pool_free(struct credential_pool *pool); // wipes every secret

// Adds the credential in `path`. -EEXIST: the name is taken; -ENOSPC: CREDENTIALS_MAX.
int credential_pool_add(struct credential_pool *pool, const char *name, const char *path,
                        enum credential_type expected, int priority, struct error *err);

// The credential that serves at `now_ms` (since 1970): of those that are ready the one of the
// lowest priority, else one that was refused, else NULL. It stays the pool's, until the pool is
// freed.
struct credential *credential_pool_pick(struct credential_pool *pool, int64_t now_ms);

// NULL: there is none of that name.
struct credential *credential_pool_find(const struct credential_pool *pool, const char *name);

// What the upstream answered to an exchange under it.
void credential_pool_report(struct credential *credential, int http_status);

size_t credential_pool_count(const struct credential_pool *pool);

void credential_pool_each(const struct credential_pool *pool,
                          void (*visit)(const struct credential *credential, void *context),
                          void *context);
