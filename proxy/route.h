// Route: what a request asks for, told by method and path. Pure.
#pragma once

#include "slice.h"

#include <stdint.h>

#define ROUTE_MESSAGES_BYTES_MAX (INT64_C(32) << 20) // Claude API: request size limits
#define ROUTE_BATCHES_BYTES_MAX (INT64_C(256) << 20)
#define ROUTE_FILES_BYTES_MAX (INT64_C(500) << 20)

enum route_kind {
    ROUTE_UNKNOWN,  // not under /v1/, or a POST to a path that can be read in two ways
    ROUTE_PROBE,    // HEAD / and HEAD /api/hello: a client warms up, reeve answers
    ROUTE_MESSAGES, // billed: one message
    ROUTE_FREE,     // held whole, counted, not billed
    ROUTE_UPLOAD,   // free, and too large to be held: streams through
};

struct route {
    enum route_kind kind;
    int64_t body_bytes_max;
};

// `path` is the target without its query.
struct route route_find(struct slice method, struct slice path);
