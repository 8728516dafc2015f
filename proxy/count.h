// Count: asks the upstream, for free, how many tokens a prompt has.
#pragma once

#include "credential_file.h"
#include "error.h"
#include "http_message.h"
#include "upstream.h"

#define COUNT_ANSWER_BYTES_MAX 4096

struct count;

// Sends the members of `body`, a well-formed Messages request, that count_tokens takes, with
// `model` in place of its own, under `secret`. `done` is called once, later: with the number of
// tokens, or -1 when the upstream did not say, and the status of its answer, 0 where none came.
int count_start(struct count **count, struct upstream *upstream, const struct http_head *head,
                struct slice body, const char *model, const struct credential_secret *secret,
                void (*done)(void *context, int64_t input_tokens, int http_status), void *context,
                struct error *err);

// The body that is sent: malloc'ed, NULL when out of memory. Pure.
char *count_body_make(struct slice body, const char *model, size_t *length);

// Drops it; `done` is not called any more.
void count_cancel(struct count *count);
