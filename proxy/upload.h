// Upload: the window between an agent that sends a large body and the upstream that takes it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UPLOAD_WINDOW_BYTES 262144   // from this on the agent is not read
#define UPLOAD_PIECE_BYTES_MAX 65536 // that one call appends

struct upload {
    char *bytes; // owned: body bytes [start, start + length)
    size_t length;
    uint64_t start;
    int64_t total, total_max;
    bool ended;
};

// Not while it is full. False: out of memory, or more than total_max.
bool upload_append(struct upload *upload, const char *bytes, size_t length);

// Bytes from `offset` on, which only grows; what is before it is dropped. Returns how many, 0 for
// none yet; *at_end when the body has ended there.
size_t upload_peek(struct upload *upload, uint64_t offset, const char **bytes, bool *at_end);

static inline bool upload_is_full(const struct upload *upload)
{
    return upload->length >= UPLOAD_WINDOW_BYTES;
}

void upload_done(struct upload *upload);
