// Body hash: 16 bytes at a time, each half of them multiplied into a state of its own.
//
// One step takes a state s and 8 bytes w to the two halves, added up without carry, of the 128-bit
// product (s ^ w) * odd. The halves of a product depend on all bits of its factors. A factor of
// zero would forget the state, so the state is added back in.
#include "body_hash.h"

#include <string.h>

// The golden ratio and the square roots of 2, 3 and 5, their fractions times 2^64, made odd.
static const uint64_t odd[] = {0x9e3779b97f4a7c15, 0x6a09e667f3bcc909, 0xbb67ae8584caa73b,
                               0x3c6ef372fe94f82b};

static uint64_t step(uint64_t state, uint64_t word, uint64_t factor)
{
    unsigned __int128 product = (unsigned __int128)(state ^ word) * factor;
    return ((uint64_t)product ^ (uint64_t)(product >> 64)) + state;
}

static uint64_t word_at(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    return word;
}

struct body_hash body_hash_make(const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    uint8_t rest[16] = {0};
    struct body_hash hash = {length * odd[2], ~(uint64_t)length};
    size_t left = length;
    for (; left >= sizeof(rest); left -= sizeof(rest), at += sizeof(rest)) {
        hash.low = step(hash.low, word_at(at), odd[0]);
        hash.high = step(hash.high, word_at(at + 8), odd[1]);
    }
    if (left > 0)
        memcpy(rest, at, left);
    hash.low = step(hash.low, word_at(rest), odd[0]);
    hash.high = step(hash.high, word_at(rest + 8), odd[1]);
    // Every bit of either half comes to matter for both.
    uint64_t low = step(hash.low, hash.high, odd[2]);
    uint64_t high = step(hash.high, low, odd[3]);
    return (struct body_hash){step(low, high, odd[1]), step(high, low, odd[0])};
}
