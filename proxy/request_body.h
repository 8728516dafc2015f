// Request body: held whole, because it is scanned, and may have to go to a second credential.
//
// In memory up to REQUEST_BODY_MEMORY_MAX, above that in an unlinked file that is mapped once it is
// whole. All bodies together are capped.
#pragma once

#include "error.h"
#include "slice.h"

#include <stddef.h>
#include <stdint.h>

#define REQUEST_BODY_MEMORY_MAX (INT64_C(1) << 20)
#define REQUEST_BODIES_HELD_MAX (INT64_C(1) << 30) // over all exchanges, in memory and files

struct request_body {
    int64_t *held; // the sum over all exchanges
    const char *spool_directory;
    int64_t length_max;
    int64_t length;
    char *bytes;     // in memory, or mapped
    size_t capacity; // of the memory; 0 when mapped
    int file;        // -1 while it is in memory
};

// `expected` is the announced length, -1 unknown. `held` and `spool_directory` outlive the body.
void request_body_init(struct request_body *body, int64_t expected, int64_t length_max,
                       int64_t *held, const char *spool_directory);

// -EFBIG: above length_max; -EBUSY: REQUEST_BODIES_HELD_MAX is reached; -ENOMEM, or the file's
// error.
int request_body_append(struct request_body *body, const char *bytes, size_t length,
                        struct error *err);

// The body is whole: makes it one piece.
int request_body_complete(struct request_body *body, struct error *err);

struct slice request_body_slice(const struct request_body *body);

// Frees it, which may be done twice.
void request_body_done(struct request_body *body);
