// Authorize: the headers that go upstream: the agent's own, with exactly one credential. Pure.
#pragma once

#include "credential_file.h"
#include "error.h"
#include "http_message.h"
#include "upstream.h"

#define AUTHORIZE_BETAS_MAX 8192 // bytes of the merged anthropic-beta header

struct authorized_request {
    struct upstream_header headers[HTTP_HEADERS_MAX + 3];
    size_t header_count;
    char authorization[CREDENTIAL_SECRET_MAX + 8]; // "Bearer …"
    char betas[AUTHORIZE_BETAS_MAX];
};

// Copies every header of `head` but hop-by-hop ones, framing, Host, Accept-Encoding and both
// credential headers; adds the credential and, for OAuth, its beta. The slices in `request` point
// into `head`'s bytes, `secret` and `request` itself. The caller wipes it with explicit_bzero().
// -EMSGSIZE: the betas do not fit.
int authorize(struct authorized_request *request, const struct http_head *head,
              const struct credential_secret *secret, struct error *err);
