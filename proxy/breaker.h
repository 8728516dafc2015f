// Breaker: whether what the upstream has failed is tried again, and when. All exchanges share one,
// so that a herd does not pile on an upstream that is down. Pure.
//
//     closed ──BREAKER_FAILURES_MAX in a row──▶ open ──its time is up──▶ probing
//        ▲                                        ▲ twice as long            │ one retry goes out
//        └──────────────any answer────────────────┴────────it failed─────────┘
//
// First attempts are the agent's own and never ask; what becomes of them counts all the same.
#pragma once

#include <stdint.h>

#define BREAKER_FAILURES_MAX 5        // in a row, then it opens
#define BREAKER_OPEN_FIRST_US 1000000 // 1 s
#define BREAKER_OPEN_MAX_US 30000000  // 30 s
#define BREAKER_PROBE_MAX_US 10000000 // then the probe is taken for lost
#define BREAKER_DELAY_FIRST_US 500000 // before a first retry; it doubles with each
#define BREAKER_DELAY_MAX_US 8000000  // Claude API, SDKs: their own retries stop at 8 s as well
#define BREAKER_ASK_AGAIN_US 250000   // while another one probes

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_PROBING };

// Zeroed is closed.
struct breaker {
    enum breaker_state state;
    int failures;          // in a row
    int64_t open_for_us;   // how long it was opened last
    int64_t changes_at_us; // open: then one may probe; probing: then another one may
};

// How long to wait before retry number `retry` (1 for the first): jittered, so that those who
// failed together do not return together. `random` is any number.
int64_t breaker_delay_us(int retry, uint32_t random);

// Whether a retry may go out at `now_us` (monotonic). Returns 0 if so, else how long to wait before
// asking again.
int64_t breaker_ask_us(struct breaker *breaker, int64_t now_us, uint32_t random);

// What became of an attempt, first ones included: any answer but a 5xx is a success.
void breaker_succeeded(struct breaker *breaker);
void breaker_failed(struct breaker *breaker, int64_t now_us);
