// Agent key: the secret that an agent presents in place of a credential: a prefix and 256 random
// bits.
#pragma once

#include "error.h"
#include "journal_record.h"
#include "run.h"

#include <stdbool.h>
#include <stddef.h>

#define AGENT_KEY_DIGEST_BYTES RUN_KEY_DIGEST_BYTES

// Draws a key from the kernel: `prefix`, at most RUN_KEY_MAX - 44 bytes, and 43 characters of
// base64url. The caller hands it out once, and wipes it.
int agent_key_draw(const char *prefix, char key[static RUN_KEY_MAX],
                   unsigned char digest[static AGENT_KEY_DIGEST_BYTES], struct error *err);

void agent_key_digest(const char *key, size_t length,
                      unsigned char digest[static AGENT_KEY_DIGEST_BYTES]);

// Takes the same time whatever the digests are.
bool agent_key_digests_equal(const unsigned char a[static AGENT_KEY_DIGEST_BYTES],
                             const unsigned char b[static AGENT_KEY_DIGEST_BYTES]);
