// A call of the API while it is answered, and the handlers that answer it.
#pragma once

#include "fake.h"

#define FAKE_NAME_MAX 128

struct fake_call {
    struct fake *fake;
    const struct fake_request *request;
    struct fake_exchange *exchange;
    int64_t now_ms;
    char request_id[FAKE_ID_MAX];
    char name[FAKE_NAME_MAX]; // what stands for `*` in the route
    const struct fake_credential *credential;
    json_t *body; // NULL: none, or not JSON
    bool is_2026; // anthropic-version 2026-10-21
};

enum fake_access {
    FAKE_OWN,        // of the fake itself: not in the books
    FAKE_OPEN,       // needs no credential
    FAKE_CREDENTIAL, // needs a credential and a version
};

struct fake_route {
    const char *method;
    const char *path;
    const char *kind; // in the books
    void (*answer)(struct fake_call *call);
    enum fake_access access;
};

// Answers with the error that belongs to `status`.
void fake_refuse(struct fake_call *call, int status, const char *message);

// Decodes a request body. Returns NULL with `*decoded` (owned) and `*length` set, else the error
// code.
const char *fake_body_decode(const char *coding, const char *body, size_t *length, size_t max,
                             char **decoded);

// fake_inspect.c

// Refuse a request whose head holds what a proxy must not let through (RFC 9110, 7.6.1; run keys),
// or that has not come as its script says it was sent. False: it is refused.
bool fake_inspect_head(struct fake_call *call);
bool fake_inspect_script(struct fake_call *call);

// fake_messages.c
void fake_answer_messages(struct fake_call *call);
void fake_answer_count_tokens(struct fake_call *call);

// Checks the parameters of a message. Returns NULL, or what the API says, with `*status` set.
const char *fake_params_problem(const struct fake_call *call, const json_t *params, int *status);

// fake_oauth.c
void fake_answer_token(struct fake_call *call);

// fake_batches.c
void fake_answer_batch_create(struct fake_call *call);
void fake_answer_batch_list(struct fake_call *call);
void fake_answer_batch(struct fake_call *call);
void fake_answer_batch_cancel(struct fake_call *call);
void fake_answer_batch_delete(struct fake_call *call);
void fake_answer_batch_results(struct fake_call *call);

// fake_files.c
void fake_answer_file_create(struct fake_call *call);
void fake_answer_file_list(struct fake_call *call);
void fake_answer_file(struct fake_call *call);
void fake_answer_file_delete(struct fake_call *call);

// fake_paths.c
void fake_answer_probe(struct fake_call *call);
void fake_answer_cache_touch(struct fake_call *call);
void fake_answer_models(struct fake_call *call);
void fake_answer_model(struct fake_call *call);
void fake_answer_books(struct fake_call *call);
void fake_answer_reset(struct fake_call *call);
void fake_answer_script(struct fake_call *call);
void fake_answer_credential(struct fake_call *call);
