// Msgpack scan: whether bytes keep what their counts promise. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// False if a string or container claims to be longer than what is there. msgpack-c takes room for
// as many elements as the head of an array names before it has seen one of them, so five bytes
// could ask for 100 GB; after this, all of them together are no more than `length`.
bool msgpack_counts_are_honest(const uint8_t *bytes, size_t length);
