// Journal checkpoint: the records at the head of a segment, gathered in memory: everything that a
// start has to know of what came before.
#pragma once

#include "error.h"
#include "journal.h"
#include "journal_live.h"

#include <stddef.h>
#include <stdint.h>

struct journal_checkpoint {
    uint8_t *bytes;
    size_t length;
    size_t capacity;
    size_t length_max;
    int result; // of the first failure
};

// Gathers accounts (from options->checkpoint), live runs, open reservations and batches, and the
// end mark. -E2BIG: more than `length_max` bytes. journal_checkpoint_done() it, whatever the
// result.
int journal_checkpoint_gather(struct journal_checkpoint *checkpoint,
                              const struct journal_options *options,
                              const struct journal_live *live, size_t length_max,
                              struct error *err);
void journal_checkpoint_done(struct journal_checkpoint *checkpoint);
