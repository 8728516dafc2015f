// Meter message: what is known so far of the message that an exchange is answered with. Pure.
//
// Fed by the events of a stream or by the members of a JSON body; read once, at the end.
#pragma once

#include "meter.h"
#include "sse.h"
#include "usage_json.h"

// A model that declined, and the one that went on in its place.
struct meter_fallback {
    char from[MODEL_NAME_MAX];
    char to[MODEL_NAME_MAX];
    char category[METER_TEXT_MAX]; // "none" without one
    int64_t text_bytes;            // what `from` had said before
};

enum meter_message_state {
    METER_MESSAGE_OPEN,
    METER_MESSAGE_WHOLE,
    METER_MESSAGE_FAILED, // an error came, in place of the rest or of all of it
};

struct meter_message {
    enum meter_message_state state;
    struct usage_text usage; // as merged so far
    bool counted;            // output_tokens is a count, no longer message_start's placeholder
    const char *problem;     // why its usage cannot be read, NULL while it can
    int64_t text_bytes;      // UTF-8 of all deltas since the last count or fallback
    bool spoke;              // there has been a delta, since the last fallback
    char model[MODEL_NAME_MAX];
    char id[METER_TEXT_MAX];
    char stop_reason[METER_TEXT_MAX];
    char category[METER_TEXT_MAX]; // of a refusal; empty without one
    char error_type[METER_TEXT_MAX];
    struct meter_fallback *fallbacks; // owned
    size_t fallback_count;
};

void meter_message_done(struct meter_message *message);

// Takes an event of a stream. Returns false once the stream has come to its end.
bool meter_message_take_event(struct meter_message *message, const struct sse_event *event);

// Takes a member of a message that is plain JSON: its usage, model, id, stop_reason, stop_details
// or error, or one of its content blocks as "content". NULL bytes: the value was too long.
void meter_message_take_member(struct meter_message *message, const char *name, struct slice value);

// No more is to come: the body was whole, or an error.
void meter_message_end(struct meter_message *message, enum meter_message_state state);

// Works out the result, which takes over what it can of the message; the caller frees *result.
void meter_message_finish(struct meter_message *message, const char *free_refusals,
                          struct meter_result *result);
