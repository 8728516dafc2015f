// Slice: a view of bytes that somebody else holds. Not terminated; `bytes` NULL means "not there".
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct slice {
    const char *bytes;
    size_t length;
};

static inline struct slice slice_of(const char *text)
{
    return (struct slice){text, strlen(text)};
}

static inline bool slice_equals(struct slice a, struct slice b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.bytes, b.bytes, a.length) == 0);
}

static inline bool slice_is(struct slice slice, const char *text)
{
    return slice.length == strlen(text) &&
           (slice.length == 0 || memcmp(slice.bytes, text, slice.length) == 0);
}

// ASCII letters compare without regard to case.
static inline bool slice_is_any_case(struct slice slice, const char *text)
{
    return slice.length == strlen(text) &&
           (slice.length == 0 || strncasecmp(slice.bytes, text, slice.length) == 0);
}

static inline bool slice_starts_with(struct slice slice, const char *prefix)
{
    size_t length = strlen(prefix);
    return slice.length >= length && memcmp(slice.bytes, prefix, length) == 0;
}

static inline bool slice_starts_with_any_case(struct slice slice, const char *prefix)
{
    size_t length = strlen(prefix);
    return slice.length >= length && strncasecmp(slice.bytes, prefix, length) == 0;
}

// Copies what fits into `text` of `size` > 0 bytes and terminates it. Returns false if it was cut.
static inline bool slice_copy(struct slice slice, char *text, size_t size)
{
    size_t length = slice.length < size ? slice.length : size - 1;
    if (length > 0)
        memcpy(text, slice.bytes, length);
    text[length] = '\0';
    return length == slice.length;
}
