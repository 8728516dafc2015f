// Credential check: whether the upstream takes a credential, by a call that is free.

#include "credential_check.h"

#include "authorize.h"

#include <stdlib.h>
#include <string.h>

#define CHECK_TARGET "/v1/models?limit=1"
#define API_VERSION "2023-06-01" // the oldest one that is current; this call is the same in all

struct credential_check {
    struct upstream_transfer *transfer;
    void (*done)(void *context, int http_status);
    void *context;
    int http_status;
};

static size_t on_body_peek(void *context, uint64_t offset, const char **bytes)
{
    (void)context;
    (void)offset;
    *bytes = "";
    return 0;
}

static void on_head(void *context, const struct http_head *head)
{
    struct credential_check *check = context;
    check->http_status = head->status;
}

static void on_body(void *context, const char *bytes, size_t length, bool last)
{
    (void)context;
    (void)bytes;
    (void)length;
    (void)last;
}

static void on_done(void *context, enum upstream_end end, const struct error *err)
{
    struct credential_check check = *(struct credential_check *)context;
    (void)end;
    (void)err;
    free(context);
    check.done(check.context, check.http_status);
}

static const struct upstream_receiver receiver = {
    .body_peek = on_body_peek, .head = on_head, .body = on_body, .done = on_done};

int credential_check_start(struct credential_check **check, struct upstream *upstream,
                           const struct credential_secret *secret,
                           void (*done)(void *context, int http_status), void *context,
                           struct error *err)
{
    struct authorized_request authorized;
    struct http_head head = {
        .header_count = 1,
        .headers = {{slice_of("anthropic-version"), slice_of(API_VERSION), HTTP_FIELD_OTHER}},
    };
    struct credential_check *started = calloc(1, sizeof(*started));
    if (started == NULL)
        return error_set(err, -ENOMEM, "out of memory to check a credential");
    started->done = done;
    started->context = context;
    int result = authorize(&authorized, &head, secret, err);
    if (result == 0)
        result = upstream_open(upstream,
                               &(struct upstream_request){
                                   .method = slice_of("GET"),
                                   .target = slice_of(CHECK_TARGET),
                                   .headers = authorized.headers,
                                   .header_count = authorized.header_count,
                               },
                               &receiver, started, &started->transfer, err);
    explicit_bzero(authorized.authorization, sizeof(authorized.authorization));
    if (result < 0) {
        free(started);
        return result;
    }
    *check = started;
    return 0;
}

void credential_check_cancel(struct credential_check *check)
{
    upstream_cancel(check->transfer);
    free(check);
}
