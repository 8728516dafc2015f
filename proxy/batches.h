// Batches: those that the upstream has not been seen to end. Their results are fetched, whether or
// not an agent does, and settled.
//
//     adopted → asked for its status, ever more seldom → ended → results → settled
//                                                      → gone → charged as reserved
//
// One free call at a time, so that a thousand open batches crowd nobody out. The run that has
// created a batch may have ended long ago: its ceilings and its totals are not touched any more,
// those of the job and the machine are.
#pragma once

#include "admit.h"
#include "error.h"
#include "journal_live.h"
#include "proxy.h"
#include "slice.h"

#include <stdbool.h>
#include <stddef.h>

#define BATCHES_OPEN_MAX 1024 // one more is refused, but for those that are on their way by then
_Static_assert(BATCHES_OPEN_MAX + PROXY_EXCHANGES_MAX <= JOURNAL_LIVE_BATCHES_MAX,
               "the journal holds them all");

struct batches;

// Takes over those that the journal has open.
int batches_new(struct batches **batches, struct proxy *proxy, struct error *err);

// They stay open in the journal. NULL is allowed.
void batches_free(struct batches *batches);

size_t batches_count(const struct batches *batches);
bool batches_have_room(const struct batches *batches);

// The upstream has taken the batch that `admission` has reserved for, under that credential. The
// reservation is the batch's from here on. -EMSGSIZE: `id` is none of the upstream's, -ENOMEM;
// nothing has changed then. Where the journal fails the batch is settled all the same, unless the
// daemon is started again before.
int batches_adopt(struct batches *batches, const struct admission *admission, struct slice id,
                  const char *credential, struct error *err);

// The same of a batch that a predecessor has had made; `record` says it all.
int batches_take_over(struct batches *batches, const struct journal_batch *record,
                      const struct budget_reservation *reservation, struct error *err);

// A successor follows them from now on; those that are still being made go to it by the journal.
void batches_hand_over(struct batches *batches);

// Asks for the batch's results at once, as somebody is interested. False: it is not open.
bool batches_hurry(struct batches *batches, struct slice id);
