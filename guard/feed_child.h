// Feed child: `reeve ledger feed` as a child of serve: started, woken, heard and started again.
#pragma once

#include "ledger_feed.h"

struct event_base;
struct feed_child;

// Starts the feed. `options` and its texts are copied by reference and outlive the child.
// `reported` (may be NULL) is called for every report.
int feed_child_new(struct feed_child **child, struct event_base *base,
                   const struct ledger_catch_up_options *options,
                   void (*reported)(const struct ledger_feed_report *report, void *context),
                   void *context, struct error *err);

// Closes the feed's socket, which ends it, and waits for it. NULL is allowed.
void feed_child_free(struct feed_child *child);

// Tells it that the journal has grown.
void feed_child_wake(struct feed_child *child);

// Its last report; `state` is LEDGER_FEED_STARTING until there is one.
const struct ledger_feed_report *feed_child_report(const struct feed_child *child);
