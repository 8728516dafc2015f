// Credentials that the fake accepts, whose they are, and the state a test has put them in.
#pragma once

#include "fake_answer.h"
#include "fake_http.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define FAKE_SECRET_MAX 256
#define FAKE_ACCOUNT_MAX 64
#define FAKE_CREDENTIALS_MAX 4096
#define FAKE_FINGERPRINT_MAX 13 // 12 hexadecimal digits of the secret's SHA-256, NUL

enum fake_credential_state {
    FAKE_CREDENTIAL_GOOD,
    FAKE_CREDENTIAL_REVOKED,   // 401
    FAKE_CREDENTIAL_FORBIDDEN, // 403
    FAKE_CREDENTIAL_LIMITED,   // 429 until `limited_until_s`
};

struct fake_credential {
    char secret[FAKE_SECRET_MAX];
    char account[FAKE_ACCOUNT_MAX]; // organization: caches, files, batches and threads belong to it
    char fingerprint[FAKE_FINGERPRINT_MAX];
    bool is_oauth;
    enum fake_credential_state state;
    int64_t expires_at_ms; // 0: never
    int64_t uses_left;     // -1: no limit
    int64_t limited_until_s;
    double utilization; // of the five-hour window, 0 to 1
};

struct fake_credentials;

struct fake_credentials *fake_credentials_new(void);
void fake_credentials_free(struct fake_credentials *credentials);

// Accepts "SECRET" or "SECRET@ACCOUNT"; once called, nothing else is accepted any more. Returns
// NULL if it is too long or there are too many.
struct fake_credential *fake_credentials_accept(struct fake_credentials *credentials,
                                                const char *secret);

// Applies {"secret": …, "state": …, "reset_s": …, "utilization": …, "uses_left": …} of a test.
bool fake_credentials_change(struct fake_credentials *credentials, const json_t *change);

// A refusal of the API, or NULL in `message` if there is none.
struct fake_refusal {
    int status;
    const char *type; // NULL: the status's own
    const char *message;
};

// Finds the credential of a request for the API. Returns NULL with `*refusal` set if it is missing,
// doubled, unknown or in no state to serve; `*found` gets it whenever it is known.
const struct fake_credential *fake_credentials_check(struct fake_credentials *credentials,
                                                     const struct fake_head *head, int64_t now_ms,
                                                     const struct fake_credential **found,
                                                     struct fake_refusal *refusal);

// Adds the rate-limit headers that the API sends with every answer.
void fake_credentials_add_headers(const struct fake_credential *credential, int64_t now_ms,
                                  struct fake_answer *answer);
