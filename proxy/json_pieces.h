// JSON pieces: picks a few small members out of a JSON object that arrives in pieces. Pure.
//
// Nothing else is held, however large the object is. Brackets and strings are followed, grammar is
// not checked: who reads a picked value checks that.
#pragma once

#include "slice.h"

#include <stdbool.h>
#include <stddef.h>

#define JSON_PIECES_NAME_MAX 32 // bytes of a wanted name

// A member of the top level that is wanted.
struct json_wanted {
    const char *name;
    size_t bytes_max; // a longer value is reported without its bytes
    bool elements;    // not the member itself, but each object in the array that it is
};

// `value` is as it stands, or has NULL bytes if it was longer than bytes_max.
typedef void json_piece_function(void *context, const struct json_wanted *wanted,
                                 struct slice value);

enum json_pieces_state {
    JSON_PIECES_BEFORE,
    JSON_PIECES_INSIDE,
    JSON_PIECES_IN_STRING,
    JSON_PIECES_AFTER_BACKSLASH,
    JSON_PIECES_WHOLE,
    JSON_PIECES_BROKEN, // what arrives is no object
};

struct json_pieces {
    const struct json_wanted *wanted; // ends with a NULL name; the caller's
    enum json_pieces_state state;
    size_t depth;                     // open objects and arrays
    bool at_name;                     // at the top level, before the colon
    char name[JSON_PIECES_NAME_MAX];  // of the member we are in
    size_t name_length;               // may be larger: then it is none of the wanted
    const struct json_wanted *member; // that we are in, if it is wanted
    size_t picking_depth;             // 0: not picking; else the depth at which the value ends
    char *picked;                     // owned
    size_t picked_length;             // larger than member->bytes_max: given up
    size_t picked_capacity;
};

void json_pieces_init(struct json_pieces *pieces, const struct json_wanted *wanted);
void json_pieces_done(struct json_pieces *pieces);

// Takes the next piece and calls `on_piece` for every wanted value that ends in it. Returns the
// state: what follows JSON_PIECES_WHOLE or JSON_PIECES_BROKEN is passed over.
enum json_pieces_state json_pieces_feed(struct json_pieces *pieces, const char *bytes,
                                        size_t length, json_piece_function *on_piece,
                                        void *context);
