// Credential refresh: one refresh of one pair, from the lock to the new pair on the disk.
//
//     locking ──▶ preparing ──▶ asking ──▶ storing ──▶ ended
//     shared       │   room,      │ lost:    │ full disk: again,
//     files only   │   a trace    └ once     └ and the pair is not used before
//                  └ the file holds another pair: it is adopted, nothing is sent
//
// Whoever starts it sees to it that there is one at a time for each pair.
#pragma once

#include "credential_file.h"
#include "error.h"
#include "token_endpoint.h"

#include <stdbool.h>

struct curl_loop;
struct event_base;
struct credential_refresh;
struct off_loop;

struct refresh_tools {
    struct event_base *base;
    struct curl_loop *curl;
    struct off_loop *off_loop;
    struct token_endpoint endpoint;
};

enum refresh_outcome {
    REFRESH_RENEWED,   // `secret` is on the disk
    REFRESH_ADOPTED,   // somebody else has stored `secret`; nothing was sent
    REFRESH_POSTPONED, // it did not come about; the old refresh token is still good
    REFRESH_DEAD,      // invalid_grant: somebody has to log in
    REFRESH_LOST,      // two answers in a row got lost: the same
};

struct refresh_result {
    enum refresh_outcome outcome;
    const struct credential_secret *secret; // RENEWED and ADOPTED; wiped after the call
    int64_t retry_after_s;                  // POSTPONED: as the endpoint asked, or 0
    char text[ERROR_TEXT_MAX];              // what happened, without a secret
};

// Refreshes `held`, which is in `path`, an absolute one. `shared`: Claude Code may refresh the same
// file. `done` is called once, later. `tools` outlives the refresh.
int credential_refresh_start(struct credential_refresh **refresh, const struct refresh_tools *tools,
                             const char *path, bool shared, const struct credential_secret *held,
                             void (*done)(void *context, const struct refresh_result *result),
                             void *context, struct error *err);

// Drops it; `done` is not called any more. An answer that is on its way is lost by this.
void credential_refresh_cancel(struct credential_refresh *refresh);
