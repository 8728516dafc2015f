// Route: what a request asks for, told by method and path. Pure.
#pragma once

#include "slice.h"

#include <stdbool.h>
#include <stdint.h>

#define ROUTE_MESSAGES_BYTES_MAX (INT64_C(32) << 20) // Claude API: request size limits
#define ROUTE_BATCHES_BYTES_MAX (INT64_C(256) << 20)
#define ROUTE_FILES_BYTES_MAX (INT64_C(500) << 20)

enum route_kind {
    ROUTE_UNKNOWN,  // not under /v1/, or a path that can be read in two ways
    ROUTE_PROBE,    // HEAD / and HEAD /api/hello: a client warms up, reeve answers
    ROUTE_LOCAL,    // /reeve/… and /metrics: reeve's own
    ROUTE_MESSAGES, // billed: one message
    ROUTE_BATCH,    // billed: a batch of messages, when it has been processed
    ROUTE_FREE,     // held whole, counted, not billed
    ROUTE_UPLOAD,   // free, and too large to be held: streams through
};

// What the upstream keeps for an account, and reeve tells apart by job.
enum route_object {
    ROUTE_NO_OBJECT,
    ROUTE_OBJECT_BATCH,
    ROUTE_OBJECT_FILE,
};

// What a good answer is. All but the first are held whole, which they are small enough for.
enum route_answer {
    ROUTE_ANSWER_STREAMS, // anything: passes through as it comes
    ROUTE_ANSWER_CREATED, // the object that was made
    ROUTE_ANSWER_OBJECT,  // one object
    ROUTE_ANSWER_LIST,    // a page of objects
};

struct route {
    enum route_kind kind;
    int64_t body_bytes_max;
    enum route_object object;
    enum route_answer answer;
};

// Whether what is asked for is billed, now or later.
static inline bool route_is_billed(struct route route)
{
    return route.kind == ROUTE_MESSAGES || route.kind == ROUTE_BATCH;
}

// `path` is the target without its query.
struct route route_find(struct slice method, struct slice path);

// The id of the object that `path` is about, which route_find() has found `object` for; NULL bytes
// if it names none.
struct slice route_object_id(enum route_object object, struct slice path);
