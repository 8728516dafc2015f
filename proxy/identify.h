// Identify: whose request is this? The run key in its head → the live run.
#pragma once

#include "http_message.h"
#include "run_table.h"

enum identify_outcome {  // the worse ones last
    IDENTIFY_RUN,        // *run is set
    IDENTIFY_NO_KEY,     // neither Authorization: Bearer nor x-api-key
    IDENTIFY_UNKNOWN,    // a key that no live run has, or two keys of different runs
    IDENTIFY_NO_RUN,     // a job key, but its implicit run could not be opened
    IDENTIFY_CREDENTIAL, // a real credential of the provider's: agents must not hold one
};

// What leads from a key to a run.
struct identify_keys {
    struct run_table *runs;
    // The implicit run of a key that begins with JOB_KEY_PREFIX: IDENTIFY_RUN, _UNKNOWN or _NO_RUN.
    // NULL: there are no such keys.
    enum identify_outcome (*find_job_key)(struct slice key, struct live_run **run, void *context);
    void *context;
};

enum identify_outcome identify(const struct identify_keys *keys, const struct http_head *head,
                               struct live_run **run);

// What to tell the agent. NULL for IDENTIFY_RUN.
const char *identify_refusal(enum identify_outcome outcome);
