// Page stream: browsers that look at the page, told once a second what there is (server-sent
// events, HTML Living Standard, 9.2).
//
// Nothing is computed while nobody looks, and at most once a second for all of them together. One
// that does not take what it is sent is left out, and then dropped, so that it costs the exchanges
// beside it nothing.
#pragma once

#include "error.h"

#include <stdbool.h>
#include <stdint.h>

#define PAGE_STREAMS_MAX 8 // at once
#define PAGE_STREAM_INTERVAL_US 1000000
#define PAGE_STREAM_BEHIND_MAX 10 // events that a stream has missed before it is dropped

struct agent;
struct event_base;
struct page_streams;

// `snapshot` makes the text of an event, one line, malloc'ed; NULL: it cannot now. `interval_us` is
// PAGE_STREAM_INTERVAL_US, but for tests.
int page_streams_new(struct page_streams **streams, struct event_base *base, int64_t interval_us,
                     char *(*snapshot)(void *context), void *context, struct error *err);

// Drops all of them. NULL is allowed.
void page_streams_free(struct page_streams *streams);

// Answers the agent's request with a stream until `expires_at_us` (monotonic). False, and nothing
// is answered: there are PAGE_STREAMS_MAX.
bool page_streams_add(struct page_streams *streams, struct agent *agent, int64_t expires_at_us);

// How many look.
int page_streams_count(const struct page_streams *streams);
