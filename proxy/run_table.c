// Run table: run key → live run.

#include "run_table.h"

#include "cleanup.h"
#include "clock.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define KEY_RANDOM_BYTES 32

struct run_entry {
    struct live_run run;
    unsigned char key_sha256[SHA256_DIGEST_LENGTH];
};

struct run_table {
    struct run_entry *entries[RUN_TABLE_MAX]; // oldest first
    size_t count;
};

struct run_table *run_table_new(void)
{
    return calloc(1, sizeof(struct run_table));
}

void run_table_free(struct run_table *table)
{
    if (table == NULL)
        return;
    while (table->count > 0)
        run_table_remove(table, &table->entries[table->count - 1]->run);
    free(table);
}

// base64url without padding (RFC 4648, section 5): 32 bytes become 43 characters.
static void key_encode(const unsigned char bytes[static KEY_RANDOM_BYTES],
                       char key[static RUN_KEY_MAX])
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char *out = key + sizeof(RUN_KEY_PREFIX) - 1;
    memcpy(key, RUN_KEY_PREFIX, sizeof(RUN_KEY_PREFIX) - 1);
    for (size_t bit = 0; bit < KEY_RANDOM_BYTES * 8; bit += 6) {
        size_t byte = bit / 8;
        unsigned pair = (unsigned)bytes[byte] << 8;
        if (byte + 1 < KEY_RANDOM_BYTES)
            pair |= bytes[byte + 1];
        *out++ = alphabet[pair >> (10 - bit % 8) & 63];
    }
    *out = '\0';
}

int run_table_add(struct run_table *table, const char *id, const char *job,
                  const struct run_limits *limits, char key[static RUN_KEY_MAX],
                  struct live_run **run, struct error *err)
{
    unsigned char random[KEY_RANDOM_BYTES];
    if (run_table_find_id(table, id) != NULL)
        return error_set(err, -EEXIST, "run %s exists already", id);
    if (table->count == RUN_TABLE_MAX)
        return error_set(err, -ENOSPC, "%d runs are live, which is the most", RUN_TABLE_MAX);
    struct run_entry *entry = calloc(1, sizeof(*entry));
    if (entry == NULL)
        return error_set(err, -ENOMEM, "out of memory for run %s", id);
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        free(entry);
        return error_set_errno(err, -errno, "drawing a run key");
    }
    key_encode(random, key);
    explicit_bzero(random, sizeof(random));
    SHA256((const unsigned char *)key, strlen(key), entry->key_sha256);
    snprintf(entry->run.id, sizeof(entry->run.id), "%s", id);
    snprintf(entry->run.job, sizeof(entry->run.job), "%s", job);
    entry->run.limits = *limits;
    entry->run.opened_at_us = clock_now_us();
    table->entries[table->count++] = entry;
    *run = &entry->run;
    return 0;
}

struct live_run *run_table_find_key(struct run_table *table, const char *key, size_t length)
{
    unsigned char sha256[SHA256_DIGEST_LENGTH];
    struct live_run *found = NULL;
    SHA256((const unsigned char *)key, length, sha256);
    for (size_t i = 0; i < table->count; i++)
        if (CRYPTO_memcmp(table->entries[i]->key_sha256, sha256, sizeof(sha256)) == 0)
            found = &table->entries[i]->run;
    return found;
}

struct live_run *run_table_find_id(struct run_table *table, const char *id)
{
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->entries[i]->run.id, id) == 0)
            return &table->entries[i]->run;
    return NULL;
}

void run_table_remove(struct run_table *table, struct live_run *run)
{
    assert(run->exchanges_in_flight == 0);
    for (size_t i = 0; i < table->count; i++) {
        struct run_entry *entry = table->entries[i];
        if (&entry->run != run)
            continue;
        table->count--;
        memmove(&table->entries[i], &table->entries[i + 1],
                (table->count - i) * sizeof(table->entries[0]));
        explicit_bzero(entry, sizeof(*entry));
        free(entry);
        return;
    }
}

void run_table_each(struct run_table *table, void (*visit)(struct live_run *run, void *context),
                    void *context)
{
    for (size_t i = 0; i < table->count; i++)
        visit(&table->entries[i]->run, context);
}
