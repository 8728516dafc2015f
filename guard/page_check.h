// Page check: whether a request for one of reeve's own paths may be a browser's at all. Pure.
//
// A site that somebody visits can have the browser send requests to 127.0.0.1. It is kept out
// thrice: by Host, which is a name of its own where it has had DNS point that name here (DNS
// rebinding); by Origin and Sec-Fetch-Site, which say whose request it is (Fetch Metadata, W3C);
// and by the cookie, which is SameSite=Strict.
#pragma once

#include "http_message.h"

#include <stdbool.h>

enum page_check {
    PAGE_ALLOWED,
    PAGE_FOREIGN_HOST,
    PAGE_FOREIGN_ORIGIN,
    PAGE_PREFETCH, // the browser guesses that somebody will want it: no link is to be used up
};

// `is_link` relaxes it for a one-time link, which is its own authority: it may be followed from
// anywhere, but only as the page that a window shows.
enum page_check page_check(const struct http_head *head, bool is_link);

// True for "localhost" and numeric addresses, with or without a port: whatever DNS cannot make up.
bool page_host_is_ours(struct slice host);

// The value of that cookie, NULL bytes without it (RFC 6265, 5.4).
struct slice page_cookie(const struct http_head *head, const char *name);
