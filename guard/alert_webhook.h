// Alert webhook: posts an alert to a URL, once, on the daemon's loop.
#pragma once

#include "curl_loop.h"
#include "error.h"

#include <stddef.h>
#include <stdint.h>

#define WEBHOOK_ANSWER_BYTES_MAX 65536 // of the answer, none of which is looked at
#define WEBHOOK_SIGNATURE_HEADER "X-Reeve-Signature"

struct alert_webhook;

struct alert_webhook_options {
    struct curl_loop *loop;
    const char *url;     // its path can be a secret: it is in no message
    const char *ca_file; // NULL: the system's certificates
    const void *secret;  // NULL: not signed; else "sha256=" and HMAC-SHA256 of the body in hex
    size_t secret_length;
    int64_t timeout_us; // of all of it
};

// How it ended. `failure` is NULL if the answer was 2xx. `retry_after_us` is what the answer asks
// for, 0 nothing.
struct alert_webhook_receiver {
    void (*done)(void *context, const struct error *failure, int64_t retry_after_us);
    void *context;
};

// Copies what it is given. `done` is called once, later; then the webhook is gone.
int alert_webhook_post(struct alert_webhook **webhook, const struct alert_webhook_options *options,
                       const char *body, const struct alert_webhook_receiver *receiver,
                       struct error *err);

// Nothing is called any more. It may have arrived all the same. NULL is allowed.
void alert_webhook_cancel(struct alert_webhook *webhook);
