// Run: one execution of a job, its identity, limits and how it ended.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define RUN_ID_MAX 32  // "20261125-160044-k3f9qx" and room
#define RUN_KEY_MAX 64 // "reeve-run-" and 43 characters of base64url (256 random bits), NUL
#define RUN_KEY_PREFIX "reeve-run-"
#define JOB_KEY_PREFIX "reeve-job-" // of agents that are started outside `reeve run`
#define JOB_NAME_MAX 64
#define EXCHANGE_ID_BYTES 16 // UUIDv7 (RFC 9562): sortable by time
#define LIMIT_NONE INT64_MAX

enum run_end {
    RUN_LIVE,          // has not ended
    RUN_EXITED,        // the command ended by itself
    RUN_SIGNALED,      // the command was ended by a signal that reeve did not send
    RUN_CEILING,       // a hard ceiling
    RUN_OUT_OF_MEMORY, // an OOM kill in the run's cgroup
    RUN_TIMEOUT,       // RuntimeMaxSec
    RUN_KILLED,        // reeve kill
    RUN_LOST,          // the supervisor went away
};

// The words that the ledger, the summary line and --json use.
static inline const char *run_end_name(enum run_end end)
{
    static const char *const names[] = {"live", "exited",  "signaled", "ceiling",
                                        "oom",  "timeout", "killed",   "lost"};
    return names[end];
}

// Limits of one run. LIMIT_NONE where there is none.
struct run_limits {
    int64_t cost_max_pico_usd;
    int64_t tokens_max;
    int64_t output_tokens_max;
    int64_t requests_max;
    int64_t memory_max_bytes;
    int64_t memory_high_bytes;
    int64_t memory_swap_max_bytes;
    int64_t tasks_max;
    int64_t cpu_quota_percent; // 100 is one CPU
    int64_t runtime_max_us;
};
