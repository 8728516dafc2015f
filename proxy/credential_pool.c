// Credential pool: which credential serves the next exchange.

#include "credential_pool.h"

#include <stdlib.h>
#include <string.h>

struct credential_pool {
    struct credential *credentials[CREDENTIALS_MAX]; // by priority, then as added
    size_t count;
};

const char *credential_state_name(enum credential_state state)
{
    static const char *const names[] = {"ready", "expired", "refused"};
    return names[state];
}

struct credential_pool *credential_pool_new(void)
{
    return calloc(1, sizeof(struct credential_pool));
}

void credential_pool_free(struct credential_pool *pool)
{
    if (pool == NULL)
        return;
    for (size_t i = 0; i < pool->count; i++) {
        explicit_bzero(pool->credentials[i], sizeof(*pool->credentials[i]));
        free(pool->credentials[i]);
    }
    free(pool);
}

int credential_pool_add(struct credential_pool *pool, const char *name, const char *path,
                        enum credential_type expected, int priority, struct error *err)
{
    size_t place = 0;
    for (size_t i = 0; i < pool->count; i++) {
        if (strcmp(pool->credentials[i]->name, name) == 0)
            return error_set(err, -EEXIST, "credential %s exists already", name);
        if (pool->credentials[i]->priority <= priority)
            place = i + 1;
    }
    if (pool->count == CREDENTIALS_MAX)
        return error_set(err, -ENOSPC, "%d credentials, which is the most", CREDENTIALS_MAX);
    struct credential *credential = calloc(1, sizeof(*credential));
    if (credential == NULL)
        return error_set(err, -ENOMEM, "out of memory for credential %s", name);
    int result = credential_file_read(path, expected, &credential->secret, err);
    if (result < 0) {
        free(credential);
        return result;
    }
    snprintf(credential->name, sizeof(credential->name), "%s", name);
    credential->priority = priority;
    memmove(&pool->credentials[place + 1], &pool->credentials[place],
            (pool->count - place) * sizeof(pool->credentials[0]));
    pool->credentials[place] = credential;
    pool->count++;
    return 0;
}

struct credential *credential_pool_pick(struct credential_pool *pool, int64_t now_ms)
{
    struct credential *refused = NULL; // better than none: the upstream may have changed its mind
    for (size_t i = 0; i < pool->count; i++) {
        struct credential *credential = pool->credentials[i];
        if (credential->state == CREDENTIAL_READY && credential->secret.expires_at_ms <= now_ms)
            credential->state = CREDENTIAL_EXPIRED;
        if (credential->state == CREDENTIAL_READY)
            return credential;
        if (credential->state == CREDENTIAL_REFUSED && refused == NULL)
            refused = credential;
    }
    return refused;
}

struct credential *credential_pool_find(const struct credential_pool *pool, const char *name)
{
    for (size_t i = 0; i < pool->count; i++)
        if (strcmp(pool->credentials[i]->name, name) == 0)
            return pool->credentials[i];
    return NULL;
}

void credential_pool_report(struct credential *credential, int http_status)
{
    if (http_status == 401)
        credential->state = CREDENTIAL_REFUSED;
    else if (http_status >= 200 && http_status < 300) {
        credential->state = CREDENTIAL_READY;
        credential->exchanges++;
    }
}

size_t credential_pool_count(const struct credential_pool *pool)
{
    return pool->count;
}

void credential_pool_each(const struct credential_pool *pool,
                          void (*visit)(const struct credential *credential, void *context),
                          void *context)
{
    for (size_t i = 0; i < pool->count; i++)
        visit(pool->credentials[i], context);
}
