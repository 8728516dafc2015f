// Page session: who may look at the page: one-time links, and the sessions that they open. Pure.
//
//     reeve status --open → link (once, two minutes) → browser → session (a cookie, twelve hours)
//
// Both are secrets of 256 random bits of which only the SHA-256 is kept, and only in memory: a
// restart of the daemon ends all sessions.
#pragma once

#include "agent_key.h"
#include "error.h"
#include "slice.h"

#include <stdbool.h>
#include <stdint.h>

#define PAGE_LINKS_MAX 8 // made and not used; one more replaces the oldest
#define PAGE_LINK_VALID_US (INT64_C(2) * 60 * 1000000)
#define PAGE_SESSIONS_MAX 16 // one more ends the oldest
#define PAGE_SESSION_VALID_US (INT64_C(12) * 3600 * 1000000)
#define PAGE_SECRET_MAX RUN_KEY_MAX // bytes of text with NUL

struct page_secret {
    unsigned char digest[AGENT_KEY_DIGEST_BYTES];
    int64_t expires_at_us; // monotonic; 0: the place is free
};

struct page_sessions { // zeroed at first
    struct page_secret links[PAGE_LINKS_MAX];
    struct page_secret sessions[PAGE_SESSIONS_MAX];
};

// Makes the secret of a link. The caller hands it out, and wipes it. `now_us` is monotonic, as
// below.
int page_link_make(struct page_sessions *sessions, int64_t now_us,
                   char token[static PAGE_SECRET_MAX], struct error *err);

// Uses up a link and opens a session in its place. False: no such link, it was used, or its time is
// over. The caller wipes `cookie`.
bool page_link_use(struct page_sessions *sessions, struct slice token, int64_t now_us,
                   char cookie[static PAGE_SECRET_MAX]);

// The moment at which this session ends; 0 if it is none. Takes the same time whatever the cookie
// is.
int64_t page_session_find(const struct page_sessions *sessions, struct slice cookie,
                          int64_t now_us);
