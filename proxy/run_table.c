// Run table: run key → live run.

#include "run_table.h"

#include "agent_key.h"
#include "cleanup.h"
#include "clock.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct run_entry {
    struct live_run run;
    unsigned char key_digest[AGENT_KEY_DIGEST_BYTES];
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

// An entry that has no key yet, and is not in the table.
static int entry_new(struct run_entry **entry, struct run_table *table, const char *id,
                     const char *job, const struct run_limits *limits, struct error *err)
{
    if (run_table_find_id(table, id) != NULL)
        return error_set(err, -EEXIST, "run %s exists already", id);
    if (table->count == RUN_TABLE_MAX)
        return error_set(err, -ENOSPC, "%d runs are live, which is the most", RUN_TABLE_MAX);
    struct run_entry *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return error_set(err, -ENOMEM, "out of memory for run %s", id);
    snprintf(made->run.id, sizeof(made->run.id), "%s", id);
    snprintf(made->run.job, sizeof(made->run.job), "%s", job);
    made->run.limits = *limits;
    made->run.opened_at_us = clock_now_us();
    *entry = made;
    return 0;
}

static void entry_add(struct run_table *table, struct run_entry *entry, struct live_run **run)
{
    table->entries[table->count++] = entry;
    *run = &entry->run;
}

int run_table_add(struct run_table *table, const char *id, const char *job,
                  const struct run_limits *limits, char key[static RUN_KEY_MAX],
                  struct live_run **run, struct error *err)
{
    struct run_entry *entry;
    int result = entry_new(&entry, table, id, job, limits, err);
    if (result < 0)
        return result;
    result = agent_key_draw(RUN_KEY_PREFIX, key, entry->key_digest, err);
    if (result < 0)
        free(entry);
    else
        entry_add(table, entry, run);
    return result;
}

int run_table_restore(struct run_table *table, const char *id, const char *job,
                      const struct run_limits *limits,
                      const unsigned char key_digest[static RUN_KEY_DIGEST_BYTES],
                      struct live_run **run, struct error *err)
{
    struct run_entry *entry;
    int result = entry_new(&entry, table, id, job, limits, err);
    if (result < 0)
        return result;
    memcpy(entry->key_digest, key_digest, sizeof(entry->key_digest));
    entry_add(table, entry, run);
    return 0;
}

void run_table_key_digest(const struct live_run *run,
                          unsigned char key_digest[static RUN_KEY_DIGEST_BYTES])
{
    const struct run_entry *entry = (const struct run_entry *)(const void *)run; // its first member
    memcpy(key_digest, entry->key_digest, RUN_KEY_DIGEST_BYTES);
}

struct live_run *run_table_find_key(struct run_table *table, const char *key, size_t length)
{
    unsigned char digest[AGENT_KEY_DIGEST_BYTES];
    struct live_run *found = NULL;
    agent_key_digest(key, length, digest);
    for (size_t i = 0; i < table->count; i++)
        if (agent_key_digests_equal(table->entries[i]->key_digest, digest))
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
