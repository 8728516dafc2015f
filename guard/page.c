// Page: reeve's own paths on the proxy's listener: the live page under /reeve/, and /metrics.

#include "page.h"

#include "cleanup.h"
#include "clock.h"
#include "embedded.h"
#include "page_answer.h"
#include "page_check.h"
#include "page_session.h"
#include "page_stream.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COOKIE_NAME "reeve_page"
#define COOKIE_MAX 256
#define TOKEN_QUERY "token="
#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8" // Prometheus, exposition formats
#define HTML "text/html; charset=utf-8"

struct page {
    struct page_options options;
    struct page_sessions sessions;
    struct page_streams *streams;
};

// ---- what needs no session

static const struct {
    const char *path, *file, *type;
} files[] = {
    {"/reeve/icon.svg", "guard/page/icon.svg", "image/svg+xml"},
    {"/reeve/page.css", "guard/page/page.css", "text/css; charset=utf-8"},
    {"/reeve/page.js", "guard/page/page.js", "text/javascript; charset=utf-8"},
    {"/reeve/chart.js", "guard/page/chart.js", "text/javascript; charset=utf-8"},
};

static void answer_file(struct agent *agent, int status, const char *file, const char *type,
                        const char *cookie)
{
    const struct embedded_file *found = embedded_find(file);
    assert(found != NULL);
    page_answer_send(agent, &(struct page_answer){.status = status,
                                                  .type = type,
                                                  .bytes = found->bytes,
                                                  .length = found->length,
                                                  .cookie = cookie});
}

static void serve_file(struct agent *agent, struct slice path)
{
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        if (slice_is(path, files[i].path)) {
            answer_file(agent, 200, files[i].file, files[i].type, NULL);
            return;
        }
    page_answer_text(agent, 404, "reeve: there is no such page; see /reeve/\n");
}

static void serve_metrics(const struct page *page, struct agent *agent)
{
    size_t length = 0;
    cleanup_free char *text = page->options.metrics(&length, page->options.context);
    if (text == NULL)
        page_answer_text(agent, 500, "reeve: the metrics do not fit into memory\n");
    else
        page_answer_send(agent,
                         &(struct page_answer){
                             .status = 200, .type = METRICS_TYPE, .bytes = text, .length = length});
}

// ---- what needs one

// The moment at which the session that asks ends; 0: there is none.
static int64_t session_of(const struct page *page, const struct http_head *head)
{
    return page_session_find(&page->sessions, page_cookie(head, COOKIE_NAME), clock_monotonic_us());
}

static void serve_index(const struct page *page, struct agent *agent, const struct http_head *head)
{
    if (session_of(page, head) > 0)
        answer_file(agent, 200, "guard/page/index.html", HTML, NULL);
    else
        answer_file(agent, 401, "guard/page/closed.html", HTML, NULL);
}

// The page that is answered goes on to /reeve/ by itself. A redirect would not do: where the link
// was followed from another site, the cookie, being strict, would not go along.
static void serve_open(struct page *page, struct agent *agent, const struct http_head *head)
{
    char secret[PAGE_SECRET_MAX], cookie[COOKIE_MAX];
    struct slice token = head->query;
    if (token.bytes == NULL || !slice_starts_with(token, TOKEN_QUERY)) {
        answer_file(agent, 401, "guard/page/closed.html", HTML, NULL);
        return;
    }
    token.bytes += strlen(TOKEN_QUERY);
    token.length -= strlen(TOKEN_QUERY);
    if (!page_link_use(&page->sessions, token, clock_monotonic_us(), secret)) {
        answer_file(agent, 401, "guard/page/used.html", HTML, NULL);
        return;
    }
    snprintf(cookie, sizeof(cookie),
             COOKIE_NAME "=%s; Path=/reeve/; Max-Age=%d; HttpOnly; SameSite=Strict", secret,
             (int)(PAGE_SESSION_VALID_US / 1000000));
    answer_file(agent, 200, "guard/page/opened.html", HTML, cookie);
    explicit_bzero(secret, sizeof(secret));
    explicit_bzero(cookie, sizeof(cookie));
}

static void serve_events(struct page *page, struct agent *agent, const struct http_head *head)
{
    int64_t expires_at_us = session_of(page, head);
    if (expires_at_us == 0)
        page_answer_text(agent, 401, "reeve: no session; `reeve status --open` prints a link\n");
    else if (!page_streams_add(page->streams, agent, expires_at_us))
        page_answer_text(agent, 503, "reeve: too many look at this page at once\n");
}

// ---- all of it

int page_new(struct page **page, const struct page_options *options, struct error *err)
{
    struct page *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return error_set(err, -ENOMEM, "out of memory for the page");
    made->options = *options;
    int result = page_streams_new(&made->streams, options->base, PAGE_STREAM_INTERVAL_US,
                                  options->snapshot, options->context, err);
    if (result < 0) {
        free(made);
        return result;
    }
    *page = made;
    return 0;
}

void page_free(struct page *page)
{
    if (page == NULL)
        return;
    page_streams_free(page->streams);
    explicit_bzero(&page->sessions, sizeof(page->sessions));
    free(page);
}

// Why the request is refused before anybody looks at what it is for; NULL: it is not.
static const char *refusal(const struct http_head *head, bool is_link, int *status)
{
    switch (page_check(head, is_link)) {
    case PAGE_FOREIGN_HOST:
        *status = 421;
        return "reeve: this is served under localhost and numeric addresses alone\n";
    case PAGE_FOREIGN_ORIGIN:
        *status = 403;
        return "reeve: another site has asked for this\n";
    case PAGE_PREFETCH:
        *status = 503;
        return "reeve: a link that works once is not opened ahead\n";
    case PAGE_ALLOWED:
        break;
    }
    return NULL;
}

void page_serve(struct page *page, struct agent *agent, const struct http_head *head)
{
    bool is_get = slice_is(head->method, "GET"), is_link = slice_is(head->path, "/reeve/open");
    bool is_events = slice_is(head->path, "/reeve/events");
    int status = 0;
    const char *text = refusal(head, is_link, &status);
    if (text != NULL) {
        page_answer_text(agent, status, text);
    } else if (!is_get && (is_link || is_events || !slice_is(head->method, "HEAD"))) {
        text = "reeve: this can only be read\n";
        page_answer_send(
            agent, &(struct page_answer){.status = 405,
                                         .type = "text/plain; charset=utf-8",
                                         .bytes = text,
                                         .length = strlen(text),
                                         .allow = is_link || is_events ? "GET" : "GET, HEAD"});
    } else if (is_link) {
        serve_open(page, agent, head);
    } else if (is_events) {
        serve_events(page, agent, head);
    } else if (slice_is(head->path, "/reeve/")) {
        serve_index(page, agent, head);
    } else if (slice_is(head->path, "/metrics")) {
        serve_metrics(page, agent);
    } else if (slice_is(head->path, "/reeve")) {
        page_answer_send(agent, &(struct page_answer){.status = 308, .location = "/reeve/"});
    } else {
        serve_file(agent, head->path);
    }
}

int page_link(struct page *page, const char *address, char url[static PAGE_URL_MAX],
              struct error *err)
{
    char token[PAGE_SECRET_MAX];
    int result = page_link_make(&page->sessions, clock_monotonic_us(), token, err);
    if (result < 0)
        return result;
    int length =
        snprintf(url, PAGE_URL_MAX, "http://%s/reeve/open?" TOKEN_QUERY "%s", address, token);
    explicit_bzero(token, sizeof(token));
    return length < PAGE_URL_MAX ? 0 : error_set(err, -ENAMETOOLONG, "the address %s", address);
}

int page_viewers(const struct page *page)
{
    return page_streams_count(page->streams);
}
