// Request batch: the scan of each request in a Message Batches body. Pure.
//
//     {"requests": [{"custom_id": "a1", "params": {a Messages request}}, …]}
#pragma once

#include "request_scan.h"

// A request, or what else there is in a body, is at most as large as a Messages body may be: so one
// step is bounded.
#define REQUEST_BATCH_STEP_BYTES_MAX (32 << 20)

struct request_batch {
    struct json_walker walker;
    size_t length; // of the body
    size_t count;  // requests so far
    bool begun;    // `requests` has been found
};

struct request_batch_item {
    struct slice custom_id;     // raw; NULL: absent
    struct request_span params; // the params object within the body
    struct request_scan scan;   // of params; its offsets count from the body's start
};

// Starts on a whole body. Both: 0 or 1, or -EBADMSG as above.
int request_batch_begin(struct request_batch *batch, const char *bytes, size_t length,
                        struct error *err);

// 1: *item is the next request; 0: the body has ended and was well formed. A body may have 100,000
// requests in 256 MB, so a caller on an event loop takes a bounded number at a time.
int request_batch_next(struct request_batch *batch, struct request_batch_item *item,
                       struct error *err);
