// State asker: which run a question about state comes from, and whether it may ask.
#pragma once

#include "control.h"
#include "error.h"
#include "run_registry.h"
#include "run_table.h"

// The live run that the peer belongs to: the one whose supervisor is an ancestor of its process, or
// the one whose run key it shows; NULL: it is outside of all runs. -EPERM: it shows the key of
// another run, or one that is of no live run; or it asks for `job` ("": its own) from within a run
// of another job; or its process is not to be seen any more.
int state_asker_find(struct run_registry *registry, struct run_table *runs,
                     const struct control_peer *peer, const char *run_key, const char *job,
                     struct live_run **run, struct error *err);
