// Head refusal: why a request is refused by its head alone, before any of its body is read.

#include "head_refusal.h"

#include "identify.h"

const char *run_closing_message(const struct live_run *run)
{
    return run->at_ceiling[0] != '\0' ? run->at_ceiling : "reeve: this run is being ended";
}

// Why no run takes the request, NULL if one does.
static const char *run_refusal(const struct proxy *proxy, const struct http_head *head,
                               struct live_run **run, struct reply *reply)
{
    const struct identify_keys keys = {proxy->runs, proxy->find_job_key, proxy->context};
    enum identify_outcome outcome = identify(&keys, head, run);
    *reply = (struct reply){.status = outcome == IDENTIFY_NO_RUN ? 503 : 401,
                            .never_retry = outcome != IDENTIFY_NO_RUN};
    if (outcome != IDENTIFY_RUN || !(*run)->closing)
        return identify_refusal(outcome);
    (*run)->refused++;
    reply->status = 402;
    return run_closing_message(*run);
}

// Why a request is refused by its head alone, NULL if it is not.
static const char *request_refusal(const struct http_head *head, struct route route,
                                   struct reply *reply)
{
    const struct http_header *encoding = http_head_find_field(head, HTTP_FIELD_CONTENT_ENCODING);
    if (route.kind == ROUTE_UNKNOWN) {
        *reply = (struct reply){.status = 404};
        return "reeve: no such path; everything under /v1/ is passed on";
    }
    if (head->content_length > route.body_bytes_max) {
        *reply = (struct reply){.status = 413};
        return "Request exceeds the maximum size";
    }
    if (route.kind == ROUTE_MESSAGES && encoding != NULL &&
        !slice_is_any_case(encoding->value, "identity")) {
        *reply = (struct reply){.status = 400};
        return "reeve: a compressed request body cannot be bounded; send it without "
               "Content-Encoding";
    }
    return NULL;
}

const char *head_refusal(const struct proxy *proxy, const struct http_head *head,
                         struct route route, struct live_run **run, struct reply *reply)
{
    const char *message = run_refusal(proxy, head, run, reply);
    return message != NULL ? message : request_refusal(head, route, reply);
}
