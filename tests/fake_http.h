// Strict HTTP/1.1 requests (RFC 9112) as the fake reads them: heads and chunked bodies. Pure.
//
// It judges what the proxy sends, so it shares nothing with the proxy's own parser and forgives
// nothing: bare LF, folded lines, spaces before a colon, doubled or doubtful framing are all
// broken.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FAKE_HEAD_MAX 65536
#define FAKE_HEADERS_MAX 128

enum fake_framing { FAKE_FRAMING_NONE, FAKE_FRAMING_LENGTH, FAKE_FRAMING_CHUNKED };

struct fake_header {
    const char *name; // lower case
    const char *value;
};

struct fake_head {
    char *text; // owned; everything below points into it
    const char *method;
    const char *target; // origin form, with the query
    struct fake_header headers[FAKE_HEADERS_MAX];
    size_t header_count;
    enum fake_framing framing;
    uint64_t content_length;
    bool keep_alive;
    bool expect_continue;
};

// Reads a head from the front of `bytes`. Returns its length, 0 if it is not all there yet, or -1
// with `*problem` set. A head that was read is released with fake_head_done().
ssize_t fake_head_parse(const char *bytes, size_t length, struct fake_head *head,
                        const char **problem);

void fake_head_done(struct fake_head *head);

// The value of the header `name` (lower case), or NULL.
const char *fake_head_find(const struct fake_head *head, const char *name);

// How often the header `name` (lower case) occurs.
size_t fake_head_count(const struct fake_head *head, const char *name);

enum fake_chunk_state {
    FAKE_CHUNK_SIZE,
    FAKE_CHUNK_SIZE_LF,
    FAKE_CHUNK_DATA,
    FAKE_CHUNK_DATA_CR,
    FAKE_CHUNK_DATA_LF,
    FAKE_CHUNK_LAST_CR, // trailers are refused: no client of the API sends any
    FAKE_CHUNK_LAST_LF,
    FAKE_CHUNK_DONE,
};

// Starts all zero.
struct fake_chunked {
    enum fake_chunk_state state;
    uint64_t left;   // bytes of the current chunk
    unsigned digits; // of the size read so far
};

// Decodes some of `bytes`: says how many were used and which span of them is body. Returns 1 at the
// end of the body, 0 to be called again with the bytes after `*used`, -1 with `*problem` set.
int fake_chunked_next(struct fake_chunked *chunked, const char *bytes, size_t length, size_t *used,
                      const char **data, size_t *data_length, const char **problem);
