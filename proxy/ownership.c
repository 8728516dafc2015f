// Ownership: which job has made a batch, a file or a message of a thread upstream.

#include "ownership.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096
#define NONE (-1)

// A ring, the oldest overwritten first, and chains by hash through it.
struct ownership {
    struct {
        struct journal_owned owned; // no id: free
        int next;                   // in its bucket
    } entries[OWNERSHIP_MAX];
    int buckets[BUCKETS];
    int newest;
};

struct ownership *ownership_new(void)
{
    struct ownership *ownership = calloc(1, sizeof(*ownership));
    if (ownership == NULL)
        return NULL;
    for (int i = 0; i < BUCKETS; i++)
        ownership->buckets[i] = NONE;
    ownership->newest = OWNERSHIP_MAX - 1;
    return ownership;
}

void ownership_free(struct ownership *ownership)
{
    free(ownership);
}

// FNV-1a. Ids are drawn at random, by the upstream.
static int *bucket_find(struct ownership *ownership, struct slice id)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < id.length; i++)
        hash = (hash ^ (uint8_t)id.bytes[i]) * UINT64_C(0x100000001b3);
    return &ownership->buckets[(hash ^ hash >> 32) % BUCKETS];
}

static int entry_find(const struct ownership *ownership, struct slice id)
{
    int entry = *bucket_find((struct ownership *)ownership, id);
    while (entry != NONE && !slice_is(id, ownership->entries[entry].owned.id))
        entry = ownership->entries[entry].next;
    return entry;
}

static void entry_unlink(struct ownership *ownership, int entry)
{
    int *link = bucket_find(ownership, slice_of(ownership->entries[entry].owned.id));
    while (*link != entry)
        link = &ownership->entries[*link].next;
    *link = ownership->entries[entry].next;
}

static void put(struct ownership *ownership, const struct journal_owned *owned)
{
    struct slice id = slice_of(owned->id);
    int entry = entry_find(ownership, id);
    if (entry != NONE) {
        ownership->entries[entry].owned = *owned;
        return;
    }
    entry = (ownership->newest + 1) % OWNERSHIP_MAX;
    if (ownership->entries[entry].owned.id[0] != '\0')
        entry_unlink(ownership, entry);
    int *bucket = bucket_find(ownership, id);
    ownership->entries[entry].owned = *owned;
    ownership->entries[entry].next = *bucket;
    *bucket = entry;
    ownership->newest = entry;
}

static void on_replay(const struct journal_record *record, void *context)
{
    if (record->type == JOURNAL_OWNED && record->owned->id[0] != '\0')
        put(context, record->owned);
}

static void on_checkpoint(struct journal_checkpoint *checkpoint, void *context)
{
    const struct ownership *ownership = context;
    for (int i = 1; i <= OWNERSHIP_MAX; i++) {
        int entry = (ownership->newest + i) % OWNERSHIP_MAX;
        const struct journal_owned *owned = &ownership->entries[entry].owned;
        if (owned->id[0] != '\0')
            journal_checkpoint_record(
                checkpoint, &(struct journal_record){.type = JOURNAL_OWNED, .owned = owned});
    }
}

void ownership_restore(struct ownership *ownership, struct restore_targets *targets)
{
    restore_add_witness(targets, &(struct restore_witness){.replay = on_replay,
                                                           .checkpoint = on_checkpoint,
                                                           .context = ownership});
}

int ownership_add(struct ownership *ownership, struct journal *journal, struct slice id,
                  const char *job, uint64_t *position, struct error *err)
{
    struct journal_owned owned = {.id = ""};
    if (id.length == 0 || !slice_copy(id, owned.id, sizeof(owned.id)))
        return error_set(err, -EMSGSIZE, "an id of %zu bytes", id.length);
    snprintf(owned.job, sizeof(owned.job), "%s", job);
    put(ownership, &owned);
    return journal_append(journal, &(struct journal_record){.type = JOURNAL_OWNED, .owned = &owned},
                          position, err);
}

enum ownership_answer ownership_find(const struct ownership *ownership, struct slice id,
                                     const char *job)
{
    int entry = ownership != NULL && id.length > 0 ? entry_find(ownership, id) : NONE;
    if (entry == NONE)
        return OWNERSHIP_UNKNOWN;
    return strcmp(ownership->entries[entry].owned.job, job) == 0 ? OWNERSHIP_OWN : OWNERSHIP_OTHERS;
}
