// Serve ceilings: what the configuration says of ceilings, set in the budget.
#pragma once

#include "budget.h"
#include "config.h"
#include "error.h"
#include "run_table.h"

// The ceilings of the box and of all jobs.
int serve_ceilings_set(struct budget *budget, const struct config *config, struct error *err);

// The ceilings of a run, by its limits.
int serve_ceilings_set_run(struct budget *budget, const struct live_run *run, struct error *err);

// What the job's section allows, or the defaults for a job that has none. Texts are `config`'s.
struct run_policy serve_ceilings_policy(const struct config *config, const char *job_name);
