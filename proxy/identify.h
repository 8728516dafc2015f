// Identify: whose request is this? The run key in its head → the live run.
#pragma once

#include "http_message.h"
#include "run_table.h"

enum identify_outcome {
    IDENTIFY_RUN,        // *run is set
    IDENTIFY_NO_KEY,     // neither Authorization: Bearer nor x-api-key
    IDENTIFY_UNKNOWN,    // a key that no live run has, or two keys of different runs
    IDENTIFY_CREDENTIAL, // a real credential of the provider's: agents must not hold one
};

enum identify_outcome identify(struct run_table *runs, const struct http_head *head,
                               struct live_run **run);

// What to tell the agent. NULL for IDENTIFY_RUN.
const char *identify_refusal(enum identify_outcome outcome);
