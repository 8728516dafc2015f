// Page: reeve's own paths on the proxy's listener: the live page under /reeve/, and /metrics.
//
//     /reeve/open?token=…   uses up a one-time link; the session's cookie, and on to
//     /reeve/               the page, for a session; how to get one, for anybody else
//     /reeve/events         what it shows, once a second, for a session
//     /reeve/page.css …     what it is made of: guard/page/
//     /metrics              counters in Prometheus' text form; needs no session
//
// Everything is read-only: GET and HEAD. See page_check.h for whom a browser may ask for.
#pragma once

#include "control_message.h"
#include "error.h"

#define PAGE_URL_MAX CONTROL_TEXT_MAX

struct agent;
struct event_base;
struct http_head;
struct page;

struct page_options {
    struct event_base *base;
    // The JSON that the page shows, on one line, malloc'ed; NULL: it cannot be made now.
    char *(*snapshot)(void *context);
    // The text of /metrics, malloc'ed; NULL as above.
    char *(*metrics)(size_t *length, void *context);
    void *context;
};

int page_new(struct page **page, const struct page_options *options, struct error *err);
void page_free(struct page *page); // drops who looks; NULL is allowed

// Answers a request for one of the paths.
void page_serve(struct page *page, struct agent *agent, const struct http_head *head);

// Makes a one-time link: "http://ADDRESS/reeve/open?token=…". A secret, which the caller wipes.
int page_link(struct page *page, const char *address, char url[static PAGE_URL_MAX],
              struct error *err);

// How many look at the page now.
int page_viewers(const struct page *page);
