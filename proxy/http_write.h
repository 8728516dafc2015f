// HTTP writer: appends a head to a bounded buffer. Pure.
//
// What does not fit, or would break the head (a control byte in a name or value), is remembered, so
// that only the end has to be checked: `http_write_end(&writer) == 0` means that the head is whole.
#pragma once

#include "error.h"
#include "slice.h"

#include <stddef.h>
#include <stdint.h>

struct http_writer {
    char *bytes;
    size_t capacity;
    size_t length;
    int failed; // 0, -ENOSPC or -EINVAL
};

// Writes into `buffer`, which stays the caller's.
void http_writer_init(struct http_writer *writer, char *buffer, size_t capacity);

// "METHOD prefix+target HTTP/1.1". `prefix` is what the upstream's URL has before "/v1", or empty.
void http_write_request_line(struct http_writer *writer, struct slice method, struct slice prefix,
                             struct slice target);

// "HTTP/1.1 402 Payment Required"; `reason` NULL: the usual one.
void http_write_status_line(struct http_writer *writer, int status, const char *reason);

void http_write_header(struct http_writer *writer, struct slice name, struct slice value);
void http_write_text(struct http_writer *writer, const char *name, const char *value);
void http_write_number(struct http_writer *writer, const char *name, int64_t value);

// Ends the head with the empty line. -ENOSPC: the buffer is too small; -EINVAL: a name or value had
// a byte that must not be there.
int http_write_end(struct http_writer *writer, struct error *err);

// The standard reason phrase, or "Unknown".
const char *http_status_reason(int status);
