// Body hash: 128 bits by which two bodies of requests are told apart, or found to be the same.
// Pure.
//
// Fast (some 5 GB a second: a body of a megabyte costs the loop a fifth of a millisecond), and good
// against accidents alone: whoever wants to can make two bodies collide.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct body_hash {
    uint64_t low, high;
};

struct body_hash body_hash_make(const void *bytes, size_t length);

static inline bool body_hash_equal(const struct body_hash *a, const struct body_hash *b)
{
    return a->low == b->low && a->high == b->high;
}
