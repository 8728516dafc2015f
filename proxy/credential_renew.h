// Credential renewal: the text of a credential's file with a new pair in it. Pure.
#pragma once

#include "credential_file.h"
#include "error.h"

#include <stdint.h>

// What the token endpoint has given.
struct credential_renewal {
    char access[CREDENTIAL_SECRET_MAX];
    char refresh[CREDENTIAL_SECRET_MAX]; // "": the old one stays good
    int64_t expires_at_ms;               // since 1970
    int64_t refresh_expires_at_ms;       // -1 unknown
};

// Writes the pair into `text`, which is in one of the two JSON shapes of credential_file.h: the
// values change where they stand, every other byte stays. *renewed is malloc'ed, to be freed with
// credential_text_free(). The tokens have no quote or backslash in them. -EINVAL: there is no pair
// in the text.
int credential_text_renew(const char *text, const struct credential_renewal *renewal,
                          char **renewed, struct error *err);
