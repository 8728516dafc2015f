// Ownership: which job has made a batch, a file or a message of a thread upstream.
//
// All jobs share an account there, so the upstream lets any run read and delete what any other has
// made; reeve does not. Remembered by the journal, over restarts. Bounded: the oldest is forgotten,
// and is unknown from then on.
#pragma once

#include "error.h"
#include "journal.h"
#include "restore.h"
#include "run.h"
#include "slice.h"

#include <stdint.h>

#define OWNERSHIP_MAX 8192

enum ownership_answer {
    OWNERSHIP_OWN,
    OWNERSHIP_OTHERS,  // another job's
    OWNERSHIP_UNKNOWN, // reeve has not seen it being made, or has forgotten
};

struct ownership;

struct ownership *ownership_new(void); // NULL when out of memory
void ownership_free(struct ownership *ownership);

// Has the journal's replay fill it, and the journal's checkpoints keep it.
void ownership_restore(struct ownership *ownership, struct restore_targets *targets);

// Remembers that `job` has made `id`; *position (may be NULL) is its record's. It is remembered
// even where the journal fails. -EMSGSIZE: no id of the upstream's is that long, or it is empty.
int ownership_add(struct ownership *ownership, struct journal *journal, struct slice id,
                  const char *job, uint64_t *position, struct error *err);

// NULL knows nothing.
enum ownership_answer ownership_find(const struct ownership *ownership, struct slice id,
                                     const char *job);
