// Sticky: which credential has served a session, a thread, a batch or a file before. Pure.

#include "sticky.h"

#include <assert.h>
#include <stdlib.h>

// Keys are kept as hashes: should two ever share one, a session begins with a cold cache, no more.
struct entry {
    uint64_t hash;
    uint32_t credential; // STICKY_NONE: free
    uint32_t used;       // the clock when it was last looked for
};

struct sticky {
    uint64_t seed;
    uint32_t clock;
    struct entry sets[STICKY_SETS][STICKY_WAYS];
};

struct sticky *sticky_new(uint64_t seed)
{
    struct sticky *sticky = calloc(1, sizeof(*sticky));
    if (sticky != NULL)
        sticky->seed = seed;
    return sticky;
}

void sticky_free(struct sticky *sticky)
{
    free(sticky);
}

// FNV-1a, 64 bits, with a seed and a finish that spreads the last bytes.
static uint64_t key_hash(const struct sticky *sticky, struct slice key)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ sticky->seed;
    for (size_t i = 0; i < key.length; i++)
        hash = (hash ^ (uint8_t)key.bytes[i]) * UINT64_C(0x100000001b3);
    return (hash ^ hash >> 32) * UINT64_C(0x9e3779b97f4a7c15);
}

static struct entry *entry_find(struct sticky *sticky, uint64_t hash)
{
    struct entry *set = sticky->sets[(hash >> 32) % STICKY_SETS];
    for (size_t i = 0; i < STICKY_WAYS; i++)
        if (set[i].credential != STICKY_NONE && set[i].hash == hash)
            return &set[i];
    return NULL;
}

// A free place, else the one that was not looked for the longest. The clock may wrap.
static struct entry *entry_replace(struct sticky *sticky, uint64_t hash)
{
    struct entry *set = sticky->sets[(hash >> 32) % STICKY_SETS];
    struct entry *oldest = &set[0];
    for (size_t i = 0; i < STICKY_WAYS; i++) {
        if (set[i].credential == STICKY_NONE)
            return &set[i];
        if (sticky->clock - set[i].used > sticky->clock - oldest->used)
            oldest = &set[i];
    }
    return oldest;
}

void sticky_put(struct sticky *sticky, struct slice key, uint32_t credential)
{
    assert(credential != STICKY_NONE);
    if (key.length == 0)
        return;
    uint64_t hash = key_hash(sticky, key);
    struct entry *entry = entry_find(sticky, hash);
    if (entry == NULL)
        entry = entry_replace(sticky, hash);
    *entry = (struct entry){hash, credential, ++sticky->clock};
}

uint32_t sticky_find(struct sticky *sticky, struct slice key)
{
    struct entry *entry = key.length > 0 ? entry_find(sticky, key_hash(sticky, key)) : NULL;
    if (entry == NULL)
        return STICKY_NONE;
    entry->used = ++sticky->clock;
    return entry->credential;
}

void sticky_forget(struct sticky *sticky, uint32_t credential)
{
    for (size_t set = 0; set < STICKY_SETS; set++)
        for (size_t way = 0; way < STICKY_WAYS; way++)
            if (sticky->sets[set][way].credential == credential)
                sticky->sets[set][way] = (struct entry){0};
}
