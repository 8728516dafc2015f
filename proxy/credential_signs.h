// Credential signs: what an answer says about the credential that it was asked under. Pure.
//
// Source of the headers and statuses: Claude API facts, E.1 and E.2.
#pragma once

#include "http_message.h"
#include "slice.h"

#include <stdbool.h>
#include <stdint.h>

#define LIMIT_MIN_MS INT64_C(1000)
#define LIMIT_UNNAMED_MS INT64_C(60000) // how long a limit holds that names no end
#define LIMIT_SPEND_MS INT64_C(300000)  // the same for a spending limit, which waiting may not end
#define LIMIT_MAX_MS INT64_C(691200000) // 8 days: the longest window is 7; later ends are not true

enum credential_verdict {
    VERDICT_SERVED,       // 2xx
    VERDICT_OF_REQUEST,   // another status that is about the request: 400, 404, 413, …
    VERDICT_UNAUTHORIZED, // 401: the credential is not good, or not any more
    VERDICT_FORBIDDEN,    // 403 in the API's own shape: it may not do this
    VERDICT_LIMITED,      // 429: the account is at a limit, until `ends_at_ms`
    VERDICT_FAILED,       // 5xx, 529 among them: the upstream itself
};

struct credential_signs {
    enum credential_verdict verdict;
    int http_status;
    int64_t ends_at_ms;     // LIMITED: since 1970
    int64_t retry_after_ms; // as the upstream asked; -1 where it did not
    bool limits_one_model;  // LIMITED: other models may go on
    bool never_retry;       // x-should-retry: false
    int used_percent;       // of the fullest window of a subscription; -1 unknown
    int64_t used_until_ms;  // when that window begins anew
};

// Reads a response's head, and `body` as far as it is there, at `now_ms` (since 1970).
void credential_signs_read(struct credential_signs *signs, const struct http_head *head,
                           struct slice body, int64_t now_ms);
