// Page session: who may look at the page: one-time links, and the sessions that they open.

#include "page_session.h"

#include <stddef.h>
#include <string.h>

#define PREFIX "reeve-page-"
#define SECRET_BYTES_MAX 256 // of what is presented as one

// Draws a secret into the place that is free, or else the one that ends first.
static int secret_make(struct page_secret *secrets, size_t count, int64_t expires_at_us,
                       char text[static PAGE_SECRET_MAX], struct error *err)
{
    struct page_secret *oldest = &secrets[0], made = {.expires_at_us = expires_at_us};
    for (size_t i = 1; i < count; i++)
        if (secrets[i].expires_at_us < oldest->expires_at_us)
            oldest = &secrets[i];
    int result = agent_key_draw(PREFIX, text, made.digest, err);
    if (result == 0)
        *oldest = made;
    return result;
}

// NULL: it is none of them, or its time is over. All of them are compared, each in constant time.
static const struct page_secret *secret_find(const struct page_secret *secrets, size_t count,
                                             struct slice text, int64_t now_us)
{
    unsigned char digest[AGENT_KEY_DIGEST_BYTES];
    const struct page_secret *found = NULL;
    if (text.length > SECRET_BYTES_MAX)
        return NULL;
    agent_key_digest(text.bytes, text.length, digest);
    for (size_t i = 0; i < count; i++)
        if (agent_key_digests_equal(secrets[i].digest, digest) && now_us < secrets[i].expires_at_us)
            found = &secrets[i];
    return found;
}

int page_link_make(struct page_sessions *sessions, int64_t now_us,
                   char token[static PAGE_SECRET_MAX], struct error *err)
{
    return secret_make(sessions->links, PAGE_LINKS_MAX, now_us + PAGE_LINK_VALID_US, token, err);
}

bool page_link_use(struct page_sessions *sessions, struct slice token, int64_t now_us,
                   char cookie[static PAGE_SECRET_MAX])
{
    const struct page_secret *link = secret_find(sessions->links, PAGE_LINKS_MAX, token, now_us);
    if (link == NULL)
        return false;
    sessions->links[link - sessions->links] = (struct page_secret){.expires_at_us = 0};
    return secret_make(sessions->sessions, PAGE_SESSIONS_MAX, now_us + PAGE_SESSION_VALID_US,
                       cookie, NULL) == 0;
}

int64_t page_session_find(const struct page_sessions *sessions, struct slice cookie, int64_t now_us)
{
    const struct page_secret *session =
        secret_find(sessions->sessions, PAGE_SESSIONS_MAX, cookie, now_us);
    return session != NULL ? session->expires_at_us : 0;
}
