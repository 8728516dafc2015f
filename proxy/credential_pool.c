// Credential pool: the credentials there are, and which one serves the next attempt. Pure.

#include "credential_pool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct credential_pool {
    struct credential *credentials[CREDENTIALS_MAX]; // by priority, then by name
    size_t count;
    uint32_t last_number;
};

struct credential_pool *credential_pool_new(void)
{
    return calloc(1, sizeof(struct credential_pool));
}

static void credential_free(struct credential *credential)
{
    explicit_bzero(credential, sizeof(*credential));
    free(credential);
}

void credential_pool_free(struct credential_pool *pool)
{
    if (pool == NULL)
        return;
    for (size_t i = 0; i < pool->count; i++)
        credential_free(pool->credentials[i]);
    free(pool);
}

void credential_hold(struct credential *credential)
{
    credential->holds++;
}

static bool pool_has(const struct credential_pool *pool, const struct credential *credential)
{
    for (size_t i = 0; i < pool->count; i++)
        if (pool->credentials[i] == credential)
            return true;
    return false;
}

void credential_release(struct credential_pool *pool, struct credential *credential)
{
    assert(credential->holds > 0);
    if (--credential->holds == 0 && !pool_has(pool, credential))
        credential_free(credential);
}

// ---- what there is

void credential_pool_begin(struct credential_pool *pool)
{
    for (size_t i = 0; i < pool->count; i++)
        pool->credentials[i]->is_listed = false;
}

// Puts it where its priority and name belong.
static void pool_sort_in(struct credential_pool *pool, struct credential *credential)
{
    size_t place = 0, from = pool->count;
    for (size_t i = 0; i < pool->count; i++)
        if (pool->credentials[i] == credential)
            from = i;
    if (from < pool->count)
        memmove(&pool->credentials[from], &pool->credentials[from + 1],
                (--pool->count - from) * sizeof(pool->credentials[0]));
    for (; place < pool->count; place++) {
        const struct credential *each = pool->credentials[place];
        if (each->priority > credential->priority ||
            (each->priority == credential->priority && strcmp(each->name, credential->name) > 0))
            break;
    }
    memmove(&pool->credentials[place + 1], &pool->credentials[place],
            (pool->count++ - place) * sizeof(pool->credentials[0]));
    pool->credentials[place] = credential;
}

static struct credential *credential_new(struct credential_pool *pool,
                                         const struct credential_options *options)
{
    struct credential *credential = calloc(1, sizeof(*credential));
    if (credential == NULL)
        return NULL;
    snprintf(credential->name, sizeof(credential->name), "%s", options->name);
    credential->number = ++pool->last_number;
    credential->used_percent = -1;
    credential->until_ms = credential->refresh_due_ms = INT64_MAX;
    credential->priority = options->priority;
    return credential;
}

static enum credential_serves serves_choose(const struct credential_options *options,
                                            enum credential_type type)
{
    if (options->serves != CREDENTIAL_SERVES_BY_TYPE)
        return options->serves;
    return type == CREDENTIAL_API_KEY ? CREDENTIAL_SERVES_ANY : CREDENTIAL_SERVES_CLAUDE_CODE;
}

// Takes what is in the file now. True if there is something to tell.
static bool credential_read(struct credential *credential, uint32_t random, int64_t now_ms)
{
    struct credential_secret secret = {0};
    char fingerprint[CREDENTIAL_FINGERPRINT_MAX];
    struct error err;
    bool changed = false;
    int result = credential_file_read(credential->path, credential->expected, &secret, &err);
    if (result < 0) {
        changed = strncmp(credential->file_problem, err.text, CREDENTIAL_PROBLEM_MAX - 1) != 0;
        snprintf(credential->file_problem, CREDENTIAL_PROBLEM_MAX, "%.*s",
                 CREDENTIAL_PROBLEM_MAX - 1, err.text);
        if (result == -ENOENT || credential->secret.access[0] == '\0')
            credential_forget(credential);
        return changed;
    }
    credential->file_problem[0] = '\0';
    credential_secret_fingerprint(&secret, fingerprint);
    if (strcmp(fingerprint, credential->fingerprint) != 0) {
        credential_renew(credential, &secret, false, random, now_ms);
        changed = true;
    }
    explicit_bzero(&secret, sizeof(secret));
    return changed;
}

int credential_pool_put(struct credential_pool *pool, const struct credential_options *options,
                        uint32_t random, int64_t now_ms, struct credential **credential,
                        struct error *err)
{
    struct credential *found = credential_pool_find(pool, options->name);
    bool is_new = found == NULL;
    if (!is_new && found->is_listed)
        return error_set(err, -EEXIST, "there is a credential %s already", options->name);
    if (is_new && pool->count == CREDENTIALS_MAX)
        return error_set(err, -ENOSPC, "credential %s: %d is the most that there can be",
                         options->name, CREDENTIALS_MAX);
    if (is_new)
        found = credential_new(pool, options);
    if (found == NULL)
        return error_set(err, -ENOMEM, "out of memory for credential %s", options->name);
    if (strcmp(found->path, options->path) != 0)
        found->fingerprint[0] = '\0'; // read anew, whatever is in it
    snprintf(found->path, sizeof(found->path), "%s", options->path);
    found->expected = options->expected;
    found->shared = options->shared;
    found->priority = options->priority;
    found->switch_percent = options->switch_percent;
    found->is_listed = true;
    bool changed = credential_read(found, random, now_ms) || is_new;
    found->serves = serves_choose(options, found->secret.type);
    if (options->disabled != (found->state == CREDENTIAL_DISABLED)) {
        changed = true;
        credential_enter(found, options->disabled ? CREDENTIAL_DISABLED : CREDENTIAL_READY,
                         INT64_MAX, NULL);
        if (!options->disabled && found->secret.access[0] == '\0')
            credential_read(found, random, now_ms);
        credential_tick(found, now_ms);
    }
    pool_sort_in(pool, found);
    *credential = found;
    return changed;
}

void credential_pool_sweep(struct credential_pool *pool,
                           void (*gone)(const struct credential *credential, void *context),
                           void *context)
{
    size_t kept = 0;
    for (size_t i = 0; i < pool->count; i++) {
        struct credential *credential = pool->credentials[i];
        pool->credentials[kept] = credential;
        if (credential->is_listed) {
            kept++;
            continue;
        }
        gone(credential, context);
        if (credential->holds == 0)
            credential_free(credential);
    }
    pool->count = kept;
}

// ---- which one serves

static bool is_among(const uint32_t *numbers, size_t count, const struct credential *credential)
{
    for (size_t i = 0; i < count; i++)
        if (numbers[i] == credential->number)
            return true;
    return false;
}

static bool may_serve(const struct credential_wish *wish, const struct credential *credential)
{
    return !is_among(wish->excluded, wish->excluded_count, credential) &&
           (wish->has_identity || wish->is_free || credential->serves == CREDENTIAL_SERVES_ANY);
}

// How well it would do, the least being the best.
enum fitness {
    FITS,
    FITS_NEARLY_USED,
    FITS_FOR_CLAUDE_CODE, // a free call without the identity, which the upstream may take
    FITS_PERHAPS,         // a model at its limit: there may be room for a smaller request
    FITS_SOON,
    FITS_LATER, // at a limit
    FITS_NEVER,
};

static enum fitness fitness_find(const struct credential_wish *wish,
                                 const struct credential *credential, int64_t now_ms,
                                 int64_t *until_ms)
{
    if (!may_serve(wish, credential))
        return FITS_NEVER;
    switch (credential->state) {
    case CREDENTIAL_READY:
        *until_ms = credential_limited_until_ms(credential, wish->model, now_ms);
        if (*until_ms > 0)
            return is_among(wish->limited, wish->limited_count, credential) ? FITS_LATER
                                                                            : FITS_PERHAPS;
        if (!wish->has_identity && credential->serves != CREDENTIAL_SERVES_ANY)
            return FITS_FOR_CLAUDE_CODE;
        return credential_is_nearly_used(credential, now_ms) ? FITS_NEARLY_USED : FITS;
    case CREDENTIAL_REFRESHING:
    case CREDENTIAL_EXPIRED:
        return FITS_SOON;
    case CREDENTIAL_COOLING:
        *until_ms = credential->until_ms;
        return FITS_LATER;
    default:
        return FITS_NEVER;
    }
}

// The one that this request is bound to, NULL where there is none. An owner even if it is at a
// limit: nobody else could serve. The session's own if it can serve now, or is being refreshed.
static struct credential *bound_find(const struct credential_pool *pool,
                                     const struct credential_wish *wish, int64_t now_ms)
{
    struct credential *session = NULL;
    for (size_t i = 0; i < pool->count; i++) {
        struct credential *each = pool->credentials[i];
        int64_t until_ms;
        enum fitness fitness = fitness_find(wish, each, now_ms, &until_ms);
        if (wish->owner == each->number && fitness != FITS_NEVER)
            return each;
        if (wish->preferred == each->number && fitness <= FITS_SOON && fitness != FITS_PERHAPS &&
            each->state != CREDENTIAL_EXPIRED)
            session = each;
    }
    return session;
}

struct credential_pick credential_pool_pick(struct credential_pool *pool,
                                            const struct credential_wish *wish, int64_t now_ms)
{
    struct credential_pick pick = {.until_ms = INT64_MAX};
    enum fitness best = FITS_NEVER;
    for (size_t i = 0; i < pool->count; i++)
        credential_tick(pool->credentials[i], now_ms);
    const struct credential *bound = bound_find(pool, wish, now_ms);
    for (size_t i = 0; i < pool->count; i++) {
        struct credential *each = pool->credentials[i];
        int64_t until_ms = INT64_MAX;
        if (bound != NULL && each != bound)
            continue;
        enum fitness fitness = fitness_find(wish, each, now_ms, &until_ms);
        if (fitness == FITS_LATER && until_ms < pick.until_ms)
            pick.until_ms = until_ms;
        if (fitness < best) {
            best = fitness;
            pick.credential = each;
        }
    }
    pick.choice = best < FITS_SOON     ? CHOICE_MADE
                  : best == FITS_SOON  ? CHOICE_SOON
                  : best == FITS_LATER ? CHOICE_LIMITED
                                       : CHOICE_NONE;
    return pick;
}

const char *credential_pool_explain(const struct credential_pool *pool, char *text, size_t size)
{
    size_t used = 0;
    snprintf(text, size, "there is none");
    for (size_t i = 0; i < pool->count && used < size; i++) {
        const struct credential *each = pool->credentials[i];
        const char *problem = credential_problem(each);
        used += (size_t)snprintf(text + used, size - used, "%s%s: %s%s%s", i > 0 ? "; " : "",
                                 each->name, credential_state_name(each->state),
                                 *problem != '\0' ? ", " : "", problem);
    }
    return text;
}

// ---- looking

size_t credential_pool_count(const struct credential_pool *pool)
{
    return pool->count;
}

struct credential *credential_pool_find(const struct credential_pool *pool, const char *name)
{
    for (size_t i = 0; i < pool->count; i++)
        if (strcmp(pool->credentials[i]->name, name) == 0)
            return pool->credentials[i];
    return NULL;
}

struct credential *credential_pool_at(const struct credential_pool *pool, size_t index)
{
    assert(index < pool->count);
    return pool->credentials[index];
}
