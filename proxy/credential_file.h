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
#define CREDENTIAL_CLIENT_MAX 128
#define CREDENTIAL_SCOPE_MAX 512
#define CREDENTIAL_FINGERPRINT_BYTES 6 // of the SHA-256
#define CREDENTIAL_FINGERPRINT_MAX 20  // "sha256:" and 12 hex digits

enum credential_type {
    CREDENTIAL_ANY, // only as an expectation: whatever the file holds
    CREDENTIAL_API_KEY,
    CREDENTIAL_OAUTH_TOKEN, // one year, no refresh token
    CREDENTIAL_OAUTH,       // access and refresh token
};

// The word that the configuration uses, and back; CREDENTIAL_ANY is "".
const char *credential_type_name(enum credential_type type);
int credential_type_parse(const char *name, enum credential_type *type, struct error *err);

enum credential_shape {
    CREDENTIAL_PLAIN,
    CREDENTIAL_OF_CLAUDE_CODE,
    CREDENTIAL_OF_SDK_PROFILE,
};

struct credential_secret {
    enum credential_type type;
    enum credential_shape shape;
    char access[CREDENTIAL_SECRET_MAX];    // what authorises an exchange
    char refresh[CREDENTIAL_SECRET_MAX];   // "" without one
    char client_id[CREDENTIAL_CLIENT_MAX]; // that the pair was issued to; "" where it is not said
    char scope[CREDENTIAL_SCOPE_MAX];      // of the pair, spaces between; "" where it is not said
    int64_t expires_at_ms;                 // since 1970; INT64_MAX when unknown
};

// Reads `path`, which must be a regular file of this user, or root's, that nobody else can read,
// or one in $CREDENTIALS_DIRECTORY (systemd's LoadCredential=); otherwise the error names the
// command that mends it. `expected` other than CREDENTIAL_ANY must be
// what the file holds. The caller wipes `secret` with explicit_bzero().
int credential_file_read(const char *path, enum credential_type expected,
                         struct credential_secret *secret, struct error *err);

// The text of such a file, malloc'ed, to be freed with credential_text_free(), which wipes it.
int credential_file_text(const char *path, char **text, struct error *err);
void credential_text_free(char **text); // sets it to NULL

// The same for text that is not in a file yet; `where` stands for it in errors.
int credential_text_read(const char *text, const char *where, enum credential_type expected,
                         struct credential_secret *secret, struct error *err);

// What may be shown of a secret: the beginning of its SHA-256, which says only whether two are the
// same.
void credential_fingerprint(const char *secret, char text[static CREDENTIAL_FINGERPRINT_MAX]);

// The same of a secret of which nothing but the SHA-256 is known.
void credential_fingerprint_format(const unsigned char digest[static CREDENTIAL_FINGERPRINT_BYTES],
                                   char text[static CREDENTIAL_FINGERPRINT_MAX]);
