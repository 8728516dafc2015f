// Feed child: `reeve ledger feed` as a child of serve: started, woken, heard and started again.
#pragma once

#include "ledger_feed.h"
#include "source_state.h"

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

// A successor has a feed of its own: closes the feed's socket, which ends it, and does not wait.
void feed_child_let_go(struct feed_child *child);

// Tells it that the journal has grown.
void feed_child_wake(struct feed_child *child);

// Has `answered` called for every answer about state.
void feed_child_hear_answers(struct feed_child *child,
                             void (*answered)(const struct source_state_answer *answer,
                                              void *context),
                             void *context);

// Puts a question about state. Never blocks; -EAGAIN: the feed is not there, or is too far behind.
// An answer may never come: the feed may die, or find that the question's deadline is over.
int feed_child_ask(struct feed_child *child, const struct source_state_question *question,
                   struct error *err);

// Its last report; `state` is LEDGER_FEED_STARTING until there is one.
const struct ledger_feed_report *feed_child_report(const struct feed_child *child);
