// Credential file: a secret on disk, read strictly.
//
// Forms: an API key (`sk-ant-api…`) or a long-lived OAuth token (`sk-ant-oat…`) as plain text; an
// OAuth pair as Claude Code writes it (`.credentials.json`, member claudeAiOauth, expiry in
// milliseconds) or as SDK profiles do (`{"type":"oauth_token",…}`, expiry in seconds).
#pragma once

#include "error.h"

#include <stdint.h>

#define CREDENTIAL_SECRET_MAX 512
#define CREDENTIAL_FILE_BYTES_MAX 65536

enum credential_type {
    CREDENTIAL_ANY, // only as an expectation: whatever the file holds
    CREDENTIAL_API_KEY,
    CREDENTIAL_OAUTH_TOKEN, // one year, no refresh token
    CREDENTIAL_OAUTH,       // access and refresh token
};

// The word that the configuration uses, and back; CREDENTIAL_ANY is "".
const char *credential_type_name(enum credential_type type);
int credential_type_parse(const char *name, enum credential_type *type, struct error *err);

struct credential_secret {
    enum credential_type type;
    char access[CREDENTIAL_SECRET_MAX];  // what authorises an exchange
    char refresh[CREDENTIAL_SECRET_MAX]; // "" without one
    int64_t expires_at_ms;               // since 1970; INT64_MAX when unknown
};

// Reads `path`, which must be a regular file of this user, or root's, that nobody else can read;
// otherwise the error names the command that mends it. `expected` other than CREDENTIAL_ANY must be
// what the file holds. The caller wipes `secret` with explicit_bzero().
int credential_file_read(const char *path, enum credential_type expected,
                         struct credential_secret *secret, struct error *err);

// The same for text that is not in a file yet; `where` stands for it in errors.
int credential_text_read(const char *text, const char *where, enum credential_type expected,
                         struct credential_secret *secret, struct error *err);
