// An answer of the fake: status, headers and a body in parts, each with its delay.
#pragma once

#include "fake_message.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake_part {
    char *bytes; // owned
    size_t length;
    int64_t delay_ms;    // before it is sent
    size_t output_bytes; // of the message's output sent once this part has been
};

struct fake_parts {
    struct fake_part *list;
    size_t count;
    size_t capacity;
};

// How the connection goes on after the last part.
enum fake_ending { FAKE_ENDING_KEEP, FAKE_ENDING_CLOSE, FAKE_ENDING_RESET, FAKE_ENDING_HANG };

// An answer as it goes over the wire.
struct fake_wire {
    struct fake_parts parts;
    enum fake_ending ending;
    bool cut; // the script took away from the body's end
};

struct fake_answer {
    int status;
    json_t *headers; // name -> string
    json_t *script;  // or NULL
    struct fake_parts body;
    bool streamed;
    bool failed; // the stream ends in an error event
};

void fake_answer_init(struct fake_answer *answer, json_t *script);
void fake_answer_done(struct fake_answer *answer);
void fake_answer_set_header(struct fake_answer *answer, const char *name, const char *value);

// A body of one part. `json` is taken.
void fake_answer_set_json(struct fake_answer *answer, int status, json_t *json);
void fake_answer_set_text(struct fake_answer *answer, int status, const char *content_type,
                          const char *text, size_t length);

// The API's error body. `type` NULL: the one that belongs to the status. `error_code` may be NULL.
void fake_answer_set_error(struct fake_answer *answer, int status, const char *type,
                           const char *message, const char *error_code, const char *request_id);

// The events of a streamed message, in the API's order, as its script shapes them.
void fake_stream_compose(struct fake_answer *answer, const struct fake_message *message);

// Puts the answer into the form in which it goes over the wire: interim answers, head, compression,
// chunks, cuts. `keep_alive` is what the client wishes. The parts are released with
// fake_parts_done().
void fake_wire_compose(const struct fake_answer *answer, bool head_only, bool keep_alive,
                       struct fake_wire *wire);

// Takes `bytes` (from malloc).
void fake_parts_append(struct fake_parts *parts, char *bytes, size_t length, int64_t delay_ms,
                       size_t output_bytes);
void fake_parts_done(struct fake_parts *parts);
