// Exchange attempt: under which credential the next one goes out, and what a failed one is followed
// by: another one that the agent does not notice, or the answer as it is.
//
//     choose ──▶ (admit) ──▶ send ──▶ answered ──▶ relay
//       ▲  wait: refresh, limit, breaker │ kept back
//       └────────── failed ◀─────────────┘
//
// For exchange.c alone.
#pragma once

#include "credential_pool.h"
#include "http_message.h"
#include "kept_answer.h"
#include "reply.h"

#include <stdbool.h>
#include <stdint.h>

#define ATTEMPTS_MAX 8                   // of one request, whatever happens
#define ATTEMPT_FAILURES_MAX 2           // of the upstream's own that are tried again
#define ATTEMPT_WINDOW_US 30000000       // since the first attempt; later ones are passed on
#define ATTEMPT_RETRY_AFTER_MAX_MS 10000 // what an upstream that fails may ask us to wait
#define ATTEMPT_MESSAGE_MAX 768
#define ATTEMPT_PROBLEM_MAX 256

struct exchange;

// What an exchange knows of its attempts. Zeroed at first.
struct attempts {
    uint32_t secret_number; // of the credential's secret when it was sent
    uint32_t again;         // the credential that is worth another attempt, by number; 0 none
    uint32_t excluded[CREDENTIAL_EXCLUDED_MAX]; // those that are not, by number
    uint32_t limited[CREDENTIAL_EXCLUDED_MAX];  // and those that had no room for it
    size_t excluded_count, limited_count;
    int sent;
    int recounts;
    int failures;                      // of the upstream's own
    int64_t first_sent_us;             // monotonic, as the others; 0 never
    int64_t not_before_us;             // the breaker is asked then; 0: it need not be
    int64_t held_until_us;             // at most; 0: it has not been held back yet
    struct credential_pick pick;       // the last one
    char problem[ATTEMPT_PROBLEM_MAX]; // of the last attempt, if it did not get out
    struct kept_answer *kept;          // of the last attempt, if it failed; owned
};

enum attempt_step {
    ATTEMPT_GO,   // exchange->credential is ready
    ATTEMPT_WAIT, // ask again after a time, or when credentials have changed
    ATTEMPT_OVER, // the agent gets the answer that is kept, or an error: attempt_conclude()
};

// Chooses the credential of the next attempt, and holds it. *wait_us is set for ATTEMPT_WAIT.
enum attempt_step attempt_choose(struct exchange *exchange, int64_t *wait_us);

// It goes out.
void attempt_sent(struct exchange *exchange);

// The head of an answer has come. True: it is kept back, as another attempt may follow; its body
// goes to attempt_keep().
bool attempt_answered(struct exchange *exchange, const struct http_head *head);

// False: it is too long to be kept back; it has to be relayed.
bool attempt_keep(struct exchange *exchange, const char *bytes, size_t length);

// The answer that is kept is whole; or, with none kept, nothing went out, because of `problem`.
// What follows? The credential is chosen anew by attempt_choose().
enum attempt_step attempt_failed(struct exchange *exchange, const char *problem, int64_t *wait_us);

// The free count of its prompt, under the credential at hand, was answered with that status, 0
// none. True: counting again is worth while, once a credential has been chosen anew.
bool attempt_count_failed(struct exchange *exchange, int http_status);

// The head of the answer that the agent gets, kept_answer_body() behind it; or NULL, and *reply and
// `message` are set.
const struct http_head *attempt_conclude(struct exchange *exchange, struct reply *reply,
                                         char message[static ATTEMPT_MESSAGE_MAX]);

// The answer to a success is `id`, a thread's message, a batch or a file: later requests that name
// it go to the same credential.
void attempt_owns(struct exchange *exchange, struct slice id);

// Frees what is kept, and lets go of the credential.
void attempt_done(struct exchange *exchange);
