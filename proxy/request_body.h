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
#define REQUEST_SPLICES_MAX 2
#define REQUEST_SPLICE_TEXT_MAX 112 // a model's name in quotes, or a number

// Other bytes in place of some of the body's: [offset, offset + length) becomes `text`.
struct request_splice {
    size_t offset, length;
    char text[REQUEST_SPLICE_TEXT_MAX];
};

struct request_body {
    int64_t *held; // the sum over all exchanges
    const char *spool_directory;
    int64_t length_max;
    int64_t length;
    char *bytes;                                        // in memory, or mapped
    size_t capacity;                                    // of the memory; 0 when mapped
    int file;                                           // -1 while it is in memory
    struct request_splice splices[REQUEST_SPLICES_MAX]; // by offset
    size_t splice_count;
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

// The body as it came.
struct slice request_body_slice(const struct request_body *body);

// Sends `text` in place of `length` bytes at `offset` of the body as it came. Places do not
// overlap; a second splice at the same offset replaces the first.
void request_body_splice(struct request_body *body, size_t offset, size_t length, const char *text);

// Takes all splices back.
void request_body_restore(struct request_body *body);

// The body as it is sent: its length, and the bytes at hand from `offset` on, of which there is at
// least one before its end.
int64_t request_body_sent_length(const struct request_body *body);
size_t request_body_peek(const struct request_body *body, uint64_t offset, const char **bytes);

// Frees it, which may be done twice.
void request_body_done(struct request_body *body);
