// Kept answer: the response to an attempt that failed, held back while another one is tried.
#pragma once

#include "http_message.h"
#include "slice.h"

#include <stdbool.h>
#include <stddef.h>

#define KEPT_ANSWER_BYTES_MAX 65536 // of body; errors are short

struct kept_answer;

// Copies `head`. NULL when out of memory.
struct kept_answer *kept_answer_new(const struct http_head *head);
void kept_answer_free(struct kept_answer *kept); // NULL is allowed

// False when it does not fit, or memory is out; what is there stays.
bool kept_answer_append(struct kept_answer *kept, const char *bytes, size_t length);

struct slice kept_answer_body(const struct kept_answer *kept);

// The head, with the value of its retry-after replaced, or added, unless `retry_after_s` is 0.
// Valid until the next call.
const struct http_head *kept_answer_head(struct kept_answer *kept, int64_t retry_after_s);
