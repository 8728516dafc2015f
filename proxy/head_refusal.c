// Head refusal: why a request is refused by its head alone, before any of its body is read.

#include "head_refusal.h"

#include "agent.h"
#include "batches.h"
#include "identify.h"
#include "ownership.h"

const char *run_closing_message(const struct live_run *run)
{
    return run->at_ceiling[0] != '\0' ? run->at_ceiling : "reeve: this run is being ended";
}

// Why no run takes the request, NULL if one does.
static const char *run_refusal(const struct proxy *proxy, struct agent *agent,
                               const struct http_head *head, struct live_run **run,
                               struct reply *reply)
{
    const struct identify_keys keys = {proxy->runs, proxy->find_job_key, proxy->context};
    enum identify_outcome outcome = identify(&keys, head, run);
    *reply = (struct reply){.status = outcome == IDENTIFY_NO_RUN ? 503 : 401,
                            .never_retry = outcome != IDENTIFY_NO_RUN};
    if (outcome != IDENTIFY_RUN)
        return identify_refusal(outcome);
    const char *message = agent_stranger_refusal(agent, *run);
    if (message != NULL || !(*run)->closing)
        return message;
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
    if ((route.kind == ROUTE_MESSAGES || route.kind == ROUTE_BATCH) && encoding != NULL &&
        !slice_is_any_case(encoding->value, "identity")) {
        *reply = (struct reply){.status = 400};
        return "reeve: a compressed request body cannot be bounded; send it without "
               "Content-Encoding";
    }
    return NULL;
}

// The results of a batch are read into the books before anybody deletes them; clients try again.
static const char *batch_refusal(const struct proxy *proxy, const struct http_head *head,
                                 struct route route, struct slice id, struct reply *reply)
{
    if (route.object != ROUTE_OBJECT_BATCH || !slice_is_any_case(head->method, "DELETE") ||
        !batches_hurry(proxy->batches, id))
        return NULL;
    *reply = (struct reply){.status = 409, .retry_after_s = 1};
    return "reeve: what this batch has cost is not in the books yet; once it has been processed, "
           "that takes a moment";
}

// Whether the run may reach the object that its path names, if it names one.
static const char *object_refusal(const struct proxy *proxy, const struct live_run *run,
                                  const struct http_head *head, struct route route,
                                  struct reply *reply)
{
    struct slice id = route_object_id(route.object, head->path);
    if (id.bytes == NULL || proxy->ownership == NULL)
        return NULL;
    switch (ownership_find(proxy->ownership, id, run->job)) {
    case OWNERSHIP_OWN:
        return batch_refusal(proxy, head, route, id, reply);
    case OWNERSHIP_UNKNOWN:
        if (proxy->allows_unknown_ids)
            return NULL;
        break;
    case OWNERSHIP_OTHERS:
        break;
    }
    *reply = (struct reply){.status = 404};
    return "reeve: no run of this job has made that through reeve. A run reads and deletes only "
           "what its own job has made; UnknownIds=allow lets it at what nobody is known to have "
           "made";
}

const char *head_refusal(const struct proxy *proxy, struct agent *agent,
                         const struct http_head *head, struct route route, struct live_run **run,
                         struct reply *reply)
{
    const char *message = run_refusal(proxy, agent, head, run, reply);
    if (message == NULL)
        message = request_refusal(head, route, reply);
    return message != NULL ? message : object_refusal(proxy, *run, head, route, reply);
}
