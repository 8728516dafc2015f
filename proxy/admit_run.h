// Admit run: whether a run of a job could have anything at all, before it is started.
#pragma once

#include "budget.h"
#include "proxy.h"
#include "run_table.h"

// False, with the ceiling, if what is left of a ceiling of the job or of the box is less than an
// answer of ClampMin= tokens costs by the cheapest model that the job allows.
bool admit_run(struct proxy *proxy, const char *job, const struct run_policy *policy,
               struct budget_ceiling *exhausted);
