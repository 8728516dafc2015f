// JSON walk: one strict pass over a whole JSON text (RFC 8259), token by token, in place. Pure.
//
// Checks the grammar of everything it passes over, but not that strings are valid UTF-8. Strings
// are passed over 16 bytes at a time, so that a long prompt costs next to nothing.
#pragma once

#include "slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_DEPTH_MAX 128 // nested objects and arrays

enum json_token {
    JSON_TOKEN_END, // the text is whole
    JSON_TOKEN_OBJECT,
    JSON_TOKEN_OBJECT_END,
    JSON_TOKEN_ARRAY,
    JSON_TOKEN_ARRAY_END,
    JSON_TOKEN_NAME, // of a member; its value is the next token
    JSON_TOKEN_STRING,
    JSON_TOKEN_NUMBER,
    JSON_TOKEN_TRUE,
    JSON_TOKEN_FALSE,
    JSON_TOKEN_NULL,
    JSON_TOKEN_BROKEN, // `problem` says what is wrong at `at`
};

enum json_expectation {
    JSON_EXPECTS_VALUE,
    JSON_EXPECTS_FIRST_VALUE, // or the end of the array
    JSON_EXPECTS_FIRST_NAME,  // or the end of the object
    JSON_EXPECTS_COMMA,       // or the end of what is open; nothing more at depth 0
    JSON_EXPECTS_NOTHING,     // broken
};

struct json_walker {
    const char *bytes;
    size_t length;
    size_t at; // where the next token is looked for
    struct slice
        text; // of the last token, strings and names without their quotes, escapes as they are
    const char *problem;
    size_t depth; // open objects and arrays
    enum json_expectation expectation;
    bool escaped;                      // the last string or name has an escape in it
    uint8_t is_object[JSON_DEPTH_MAX]; // by depth
};

void json_walker_init(struct json_walker *walker, const char *bytes, size_t length);

enum json_token json_walker_next(struct json_walker *walker);

// Passes over the rest of the value that `token`, the last one, has begun. Returns the token it
// ends with, or JSON_TOKEN_BROKEN.
enum json_token json_walker_skip(struct json_walker *walker, enum json_token token);

// The value of member `name` of the object that `object` is, the first one of that name, as it
// stands (a string with its quotes). NULL bytes: no such member, or no JSON object.
struct slice json_member(struct slice object, const char *name);

#define JSON_MEMBERS_MAX 64

// The members of an object, in order, as they stand. Valid as long as the text they are in.
struct json_members {
    size_t count;
    struct {
        struct slice name, value;
    } items[JSON_MEMBERS_MAX];
};

// Reads all members of `object` at once. False if it is no JSON object or has more than the
// maximum.
bool json_members_read(struct slice object, struct json_members *members);

// The value of the last member of that name, or NULL bytes. Escaped names are not decoded.
struct slice json_members_find(const struct json_members *members, const char *name);

// The text of a JSON string without its quotes, if `value` is one; else NULL bytes.
struct slice json_string_text(struct slice value);

// True when the raw text of a string, once its escapes are decoded, is `plain` (or begins with it);
// `plain` is ASCII.
bool json_text_is(struct slice raw, const char *plain);
bool json_text_starts_with(struct slice raw, const char *plain);

// How many bytes of UTF-8 the raw text of a string stands for.
size_t json_text_utf8_length(struct slice raw);

// How many bytes at the start of `bytes` are plain inside a string: no quote, backslash, or
// control.
size_t json_plain_length(const char *bytes, size_t length);

// A number without fraction and exponent that fits int64. False, leaving the output alone,
// otherwise.
bool json_number_integer(struct slice number, int64_t *value);
