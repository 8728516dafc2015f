// Agent key: the secret that an agent presents in place of a credential: a prefix and 256 random
// bits.

#include "agent_key.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <string.h>
#include <sys/random.h>

#define KEY_RANDOM_BYTES 32
#define KEY_CHARACTERS 43

// base64url without padding (RFC 4648, section 5): 32 bytes become 43 characters.
static void encode(const unsigned char bytes[static KEY_RANDOM_BYTES], char *text)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (size_t bit = 0; bit < KEY_RANDOM_BYTES * 8; bit += 6) {
        size_t byte = bit / 8;
        unsigned pair = (unsigned)bytes[byte] << 8;
        if (byte + 1 < KEY_RANDOM_BYTES)
            pair |= bytes[byte + 1];
        *text++ = alphabet[pair >> (10 - bit % 8) & 63];
    }
    *text = '\0';
}

int agent_key_draw(const char *prefix, char key[static RUN_KEY_MAX],
                   unsigned char digest[static AGENT_KEY_DIGEST_BYTES], struct error *err)
{
    unsigned char random[KEY_RANDOM_BYTES];
    size_t length = strlen(prefix);
    assert(length + KEY_CHARACTERS < RUN_KEY_MAX);
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return error_set_errno(err, -errno, "drawing a key");
    memcpy(key, prefix, length);
    encode(random, key + length);
    explicit_bzero(random, sizeof(random));
    agent_key_digest(key, strlen(key), digest);
    return 0;
}

void agent_key_digest(const char *key, size_t length,
                      unsigned char digest[static AGENT_KEY_DIGEST_BYTES])
{
    SHA256((const unsigned char *)key, length, digest);
}

bool agent_key_digests_equal(const unsigned char a[static AGENT_KEY_DIGEST_BYTES],
                             const unsigned char b[static AGENT_KEY_DIGEST_BYTES])
{
    return CRYPTO_memcmp(a, b, AGENT_KEY_DIGEST_BYTES) == 0;
}
