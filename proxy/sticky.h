// Sticky: which credential has served a session, a thread, a batch or a file before. Pure.
//
// Another account means a cold prompt cache, and does not know what belongs to the first (Claude
// API facts, D.6). Bounded: of the keys that meet in one set, the one longest unused is forgotten.
#pragma once

#include "slice.h"

#include <stdint.h>

#define STICKY_SETS 1024
#define STICKY_WAYS 8 // keys in a set
#define STICKY_NONE 0 // no credential's number

struct sticky;

// `seed` should be random, so that nobody can choose keys that meet. NULL when out of memory.
struct sticky *sticky_new(uint64_t seed);
void sticky_free(struct sticky *sticky);

// Remembers that `credential` (not STICKY_NONE) serves `key`. An empty key is passed over.
void sticky_put(struct sticky *sticky, struct slice key, uint32_t credential);

// The credential of `key`, or STICKY_NONE.
uint32_t sticky_find(struct sticky *sticky, struct slice key);

// Forgets all keys of a credential.
void sticky_forget(struct sticky *sticky, uint32_t credential);
