// JSON pieces: see json_pieces.h.
#include "json_pieces.h"

#include "json_walk.h"

#include <stdlib.h>

void json_pieces_init(struct json_pieces *pieces, const struct json_wanted *wanted)
{
    *pieces = (struct json_pieces){.wanted = wanted};
}

void json_pieces_done(struct json_pieces *pieces)
{
    free(pieces->picked);
    *pieces = (struct json_pieces){.wanted = pieces->wanted};
}

static void pick(struct json_pieces *pieces, const char *bytes, size_t length)
{
    size_t needed = pieces->picked_length + length;
    if (needed > pieces->member->bytes_max) {
        pieces->picked_length = pieces->member->bytes_max + 1;
        return;
    }
    if (needed > pieces->picked_capacity) {
        size_t capacity = needed < 256 ? 256 : needed * 2;
        char *grown = realloc(pieces->picked, capacity);
        if (grown == NULL) {
            pieces->picked_length = pieces->member->bytes_max + 1;
            return;
        }
        pieces->picked = grown;
        pieces->picked_capacity = capacity;
    }
    memcpy(pieces->picked + pieces->picked_length, bytes, length);
    pieces->picked_length = needed;
}

// Passes over bytes that have no meaning but in what they are part of.
static void take(struct json_pieces *pieces, const char *bytes, size_t length)
{
    if (length == 0)
        return;
    if (pieces->picking_depth > 0)
        pick(pieces, bytes, length);
    if (!pieces->at_name || pieces->state == JSON_PIECES_INSIDE)
        return;
    for (size_t i = 0; i < length; i++, pieces->name_length++)
        if (pieces->name_length < JSON_PIECES_NAME_MAX)
            pieces->name[pieces->name_length] = bytes[i];
}

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static struct slice trim(struct slice value)
{
    while (value.length > 0 && is_space(value.bytes[value.length - 1]))
        value.length--;
    while (value.length > 0 && is_space(*value.bytes)) {
        value.bytes++;
        value.length--;
    }
    return value;
}

static void hand_out(struct json_pieces *pieces, json_piece_function *on_piece, void *context)
{
    struct slice value = {NULL, 0};
    if (pieces->picked_length <= pieces->member->bytes_max)
        value = trim((struct slice){pieces->picked, pieces->picked_length});
    pieces->picking_depth = 0;
    pieces->picked_length = 0;
    on_piece(context, pieces->member, value);
}

// The colon after a name: is it wanted?
static void start_member(struct json_pieces *pieces)
{
    struct slice name = {pieces->name, pieces->name_length};
    pieces->at_name = false;
    pieces->member = NULL;
    for (const struct json_wanted *wanted = pieces->wanted; wanted->name != NULL; wanted++)
        if (name.length <= JSON_PIECES_NAME_MAX && slice_is(name, wanted->name))
            pieces->member = wanted;
    if (pieces->member != NULL && !pieces->member->elements)
        pieces->picking_depth = 1;
}

static void open_bracket(struct json_pieces *pieces, char byte)
{
    pieces->depth++;
    if (pieces->member != NULL && pieces->member->elements && pieces->depth == 3 && byte == '{')
        pieces->picking_depth = 2;
}

// A byte with a meaning, outside of strings. Returns true if it is part of what is picked.
static bool take_mark(struct json_pieces *pieces, char byte, json_piece_function *on_piece,
                      void *context)
{
    switch (byte) {
    case '"':
        pieces->state = JSON_PIECES_IN_STRING;
        return true;
    case '{':
    case '[':
        open_bracket(pieces, byte);
        return true;
    case ':':
        if (pieces->depth == 1 && pieces->at_name) {
            start_member(pieces);
            return false;
        }
        return true;
    case ',':
        if (pieces->depth > 1)
            return true;
        if (pieces->picking_depth == 1)
            hand_out(pieces, on_piece, context);
        pieces->at_name = true;
        pieces->name_length = 0;
        return false;
    default: // a closing bracket
        if (pieces->depth == 1 && pieces->picking_depth == 1)
            hand_out(pieces, on_piece, context);
        pieces->depth--;
        if (pieces->depth == 0)
            pieces->state = JSON_PIECES_WHOLE;
        return true;
    }
}

static bool is_mark(char byte)
{
    return byte == '"' || byte == ',' || byte == ':' || byte == '{' || byte == '}' || byte == '[' ||
           byte == ']';
}

static size_t feed_inside(struct json_pieces *pieces, const char *bytes, size_t length,
                          json_piece_function *on_piece, void *context)
{
    size_t used = 0;
    while (used < length && !is_mark(bytes[used]))
        used++;
    take(pieces, bytes, used);
    if (used == length)
        return used;
    if (take_mark(pieces, bytes[used], on_piece, context) && pieces->picking_depth > 0)
        pick(pieces, bytes + used, 1);
    if (pieces->picking_depth > 1 && pieces->depth == pieces->picking_depth)
        hand_out(pieces, on_piece, context);
    return used + 1;
}

static size_t feed_string(struct json_pieces *pieces, const char *bytes, size_t length)
{
    size_t used = 1;
    if (pieces->state == JSON_PIECES_AFTER_BACKSLASH) {
        take(pieces, bytes, used);
        pieces->state = JSON_PIECES_IN_STRING;
        return used;
    }
    used = json_plain_length(bytes, length);
    take(pieces, bytes, used);
    if (used == length)
        return used;
    if (bytes[used] == '"') {
        pieces->state = JSON_PIECES_INSIDE;
        if (pieces->picking_depth > 0)
            pick(pieces, bytes + used, 1);
        return used + 1;
    }
    if (bytes[used] == '\\')
        pieces->state = JSON_PIECES_AFTER_BACKSLASH;
    take(pieces, bytes + used, 1);
    return used + 1;
}

enum json_pieces_state json_pieces_feed(struct json_pieces *pieces, const char *bytes,
                                        size_t length, json_piece_function *on_piece, void *context)
{
    size_t at = 0;
    while (at < length && pieces->state < JSON_PIECES_WHOLE) {
        switch (pieces->state) {
        case JSON_PIECES_BEFORE:
            if (bytes[at] == '{') {
                pieces->state = JSON_PIECES_INSIDE;
                pieces->depth = 1;
                pieces->at_name = true;
            } else if (!is_space(bytes[at])) {
                pieces->state = JSON_PIECES_BROKEN;
            }
            at++;
            break;
        case JSON_PIECES_INSIDE:
            at += feed_inside(pieces, bytes + at, length - at, on_piece, context);
            break;
        default:
            at += feed_string(pieces, bytes + at, length - at);
            break;
        }
    }
    return pieces->state;
}
