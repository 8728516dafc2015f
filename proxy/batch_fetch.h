// Batch fetch: one free call about a batch, under the credential that created it: how far it is, or
// its results, line by line.
#pragma once

#include "error.h"
#include "journal_record.h"
#include "proxy.h"
#include "slice.h"

#include <stdbool.h>

#define BATCH_LINE_BYTES_MAX (32 << 20) // of the results: one message and its content

enum batch_fetch_kind { BATCH_FETCH_STATUS, BATCH_FETCH_RESULTS };

enum batch_fetch_end {
    BATCH_FETCH_PROCESSING, // the upstream has not processed all of it
    BATCH_FETCH_READY,      // there are results
    BATCH_FETCH_READ,       // all of the results have been handed out
    BATCH_FETCH_GONE,       // there is no such batch, or there are no results any more
    BATCH_FETCH_FAILED,     // none of these; `err` says why
};

struct batch_fetch_receiver {
    // Takes a line of the results, without its LF. A line longer than the maximum comes as one with
    // NULL bytes. False: not now; it is offered again in a moment.
    bool (*line)(void *context, struct slice line);
    // The last call; the fetch is gone.
    void (*done)(void *context, enum batch_fetch_end end, const struct error *err);
};

struct batch_fetch;

// Nothing is called from within. -ENOENT: the credential is not there any more.
int batch_fetch_start(struct batch_fetch **fetch, struct proxy *proxy,
                      const struct journal_batch *batch, enum batch_fetch_kind kind,
                      const struct batch_fetch_receiver *receiver, void *context,
                      struct error *err);

// Drops it. No callback follows.
void batch_fetch_cancel(struct batch_fetch *fetch);
