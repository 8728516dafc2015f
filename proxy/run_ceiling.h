// Run ceiling: a run that has come to a ceiling is to end, and its agents are told why.
#pragma once

#include "budget.h"
#include "proxy.h"
#include "run_table.h"

// What it asked for does not fit under `ceiling`, as `message` says.
void run_at_ceiling(struct proxy *proxy, struct live_run *run, const struct budget_ceiling *ceiling,
                    const char *message);

// The upstream has added by itself what nobody could bound, and gone above `ceiling`.
void run_above_ceiling(struct proxy *proxy, struct live_run *run,
                       const struct budget_ceiling *ceiling);
