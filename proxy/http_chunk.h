// Chunked transfer coding (RFC 9112, 7.1), decoded as it arrives. Pure.
//
// Strict where framing is at stake: CRLF and nothing else ends a line, sizes are plain hexadecimal.
// Extensions and trailers are checked for length and control bytes and dropped.
#pragma once

#include "slice.h"

#include <stddef.h>
#include <stdint.h>

#define HTTP_CHUNK_SIZE_DIGITS_MAX 15      // so that a size fits int64
#define HTTP_CHUNK_EXTENSION_BYTES_MAX 256 // of one chunk
#define HTTP_TRAILER_BYTES_MAX 8192        // all trailer lines

enum http_chunk_outcome {
    HTTP_CHUNK_MORE, // everything given was used, the body goes on
    HTTP_CHUNK_DATA, // only from http_chunk_next(): a piece of payload
    HTTP_CHUNK_END,  // the last chunk and its trailers are through
    HTTP_CHUNK_BROKEN,
};

enum http_chunk_state {
    HTTP_CHUNK_AT_SIZE,
    HTTP_CHUNK_AT_SPACE, // white space that only an extension may follow
    HTTP_CHUNK_AT_EXTENSION,
    HTTP_CHUNK_AT_SIZE_LF,
    HTTP_CHUNK_AT_DATA,
    HTTP_CHUNK_AT_DATA_CR,
    HTTP_CHUNK_AT_DATA_LF,
    HTTP_CHUNK_AT_TRAILER_START,
    HTTP_CHUNK_AT_TRAILER,
    HTTP_CHUNK_AT_TRAILER_LF,
    HTTP_CHUNK_AT_LAST_LF,
    HTTP_CHUNK_AT_END,
    HTTP_CHUNK_AT_FAULT,
};

// Zero it for every body.
struct http_chunk_decoder {
    enum http_chunk_state state;
    int64_t remaining;    // payload bytes that this chunk still has
    size_t line_bytes;    // digits or extension bytes of this size line
    size_t trailer_bytes; // of all trailer lines
};

// Follows the framing without touching the bytes, so that they can be passed on as they are.
// HTTP_CHUNK_DATA: *payload is the next piece, within `bytes`; call again with what is left after
// *consumed. With HTTP_CHUNK_END, what is left belongs to the next message.
enum http_chunk_outcome http_chunk_next(struct http_chunk_decoder *decoder, const char *bytes,
                                        size_t length, struct slice *payload, size_t *consumed);

// Decodes in place: moves the payload to the front of `bytes`, *payload_length of it.
// HTTP_CHUNK_MORE, HTTP_CHUNK_END or HTTP_CHUNK_BROKEN; *consumed < length only with END or BROKEN.
enum http_chunk_outcome http_chunk_decode(struct http_chunk_decoder *decoder, char *bytes,
                                          size_t length, size_t *payload_length, size_t *consumed);
