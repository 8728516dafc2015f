// A message of the fake: what it answers to one request, before it is put on the wire.
#pragma once

#include "fake_price.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAKE_ID_MAX 48

struct fake_message {
    char id[FAKE_ID_MAX];
    char *model;         // that answered
    json_t *content;     // array of blocks
    json_t *usage;       // final, complete: what is billed
    json_t *start_usage; // as message_start shows it
    char *stop_reason;
    json_t *stop_details; // or NULL
    size_t output_bytes;  // of text, thinking and tool input in `content`
};

// Composes the answer to a valid request `body`. `prompt_usage` is the input side; `script` may be
// NULL.
// `is_beta`: the usage lists its iterations, as the beta endpoint's does.
void fake_message_init(struct fake_message *message, const char *id, const json_t *body,
                       const json_t *prompt_usage, const json_t *script, bool is_beta);

void fake_message_done(struct fake_message *message);

// Bytes of text, thinking and tool input of one block.
size_t fake_message_block_bytes(const json_t *block);

// The Message object of an answer that is not streamed, as a new reference.
json_t *fake_message_to_json(const struct fake_message *message);

// What is billed if the answer ended after `sent_bytes` of its output: the usage that message_start
// showed, with output in proportion. A new reference.
json_t *fake_message_partial_usage(const struct fake_message *message, size_t sent_bytes);

// Bills `usage` (final or partial) of the message; a refusal before any output may be free.
void fake_message_bill(const struct fake_message *message, const json_t *usage,
                       struct fake_bill *bill);
