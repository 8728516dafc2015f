// Token endpoint: one refresh token goes out, one answer comes back (RFC 6749, 6, in JSON).
//
// What is known of a request that failed decides what may be done next, so the outcomes are told
// apart by whether the token, which is good once, may have been spent.
#pragma once

#include "credential_file.h"
#include "error.h"

#include <stddef.h>
#include <stdint.h>

#define TOKEN_ANSWER_BYTES_MAX 16384
#define TOKEN_TIMEOUT_S 30           // Claude Code waits as long
#define TOKEN_LIFETIME_UNSAID_S 3600 // where an answer has no expires_in
#define TOKEN_TEXT_MAX 160

struct curl_loop;
struct token_request;

struct token_endpoint {
    const char *url;
    const char *ca_file;           // PEM, NULL for the system's
    const char *client_id, *scope; // where the credential's file does not say
};

enum token_outcome {
    TOKEN_RENEWED,
    TOKEN_DEAD,        // invalid_grant: the refresh token is good for nothing any more
    TOKEN_REFUSED,     // another 4xx: the request is wrong, the token unspent
    TOKEN_BUSY,        // 429 or 5xx: not now
    TOKEN_UNREACHABLE, // nothing went out
    TOKEN_LOST,        // something went out, and no answer that can be read came back
};

struct token_answer {
    enum token_outcome outcome;
    char access[CREDENTIAL_SECRET_MAX];
    char refresh[CREDENTIAL_SECRET_MAX]; // "": the old one stays good
    int64_t lifetime_s;
    int64_t refresh_lifetime_s; // -1 unknown
    int64_t retry_after_s;      // as asked for; 0 where it was not
    char text[TOKEN_TEXT_MAX];  // why there is no pair; no secret is in it
};

// Reads the body of an answer with that status. Pure. The caller wipes `answer`.
void token_answer_read(struct token_answer *answer, int http_status, const char *body,
                       size_t length);

// Sends `secret->refresh`. `done` is called once, later; the answer is wiped after the call.
int token_request_start(struct token_request **request, struct curl_loop *loop,
                        const struct token_endpoint *endpoint,
                        const struct credential_secret *secret,
                        void (*done)(void *context, const struct token_answer *answer),
                        void *context, struct error *err);

// Drops it; `done` is not called any more.
void token_request_cancel(struct token_request *request);
