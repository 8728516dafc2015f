// Serve state: the desk for state, with the ledger's feed behind it.
#pragma once

#include "feed_child.h"
#include "state.h"

// Makes the desk and has it hear the feed's answers. The parts outlive it.
int serve_state_open(struct state_desk **desk, struct event_base *base, const struct config *config,
                     struct run_table *runs, struct run_registry *registry, struct feed_child *feed,
                     struct error *err);
