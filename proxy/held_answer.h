// Held answer: a small answer that is looked at as a whole before the agent gets any of it: what
// was made, which is the job's from then on; a batch, whose reservation it takes over; lists.
#pragma once

#include "error.h"
#include "http_message.h"

#include <stdbool.h>
#include <stddef.h>

#define HELD_ANSWER_BYTES_MAX (4 << 20) // a page of 1000 batches has less than one

struct exchange;

enum held_answer_state {
    HELD_ANSWER_NONE, // the answer streams
    HELD_ANSWER_GATHERED,
    HELD_ANSWER_LOST, // it is too large, or memory is out
};

struct held_answer {
    enum held_answer_state state;
    char *bytes;
    size_t length, capacity;
};

// Whether the answer with this head is to be held: it is from now on.
bool held_answer_begin(struct exchange *exchange, const struct http_head *head);

// Starts the relay, with a length that is not the upstream's. Nothing is sent before the end.
int held_answer_head(struct exchange *exchange, const struct http_head *head, struct error *err);

void held_answer_take(struct exchange *exchange, const char *bytes, size_t length);

// The answer is whole: acts on it, and hands it to the relay. What cannot be read is answered with
// a 502; a reservation is then charged in full, as there may be a batch.
void held_answer_end(struct exchange *exchange);

void held_answer_done(struct held_answer *held);
