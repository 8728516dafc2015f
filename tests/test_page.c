// Tests of page.c: who is shown what, over real connections.
#include "page.h"

#include "page_fixture.h"
#include "suite_run.h"

#define OURS PAGE_FIXTURE_HOST
#define ADDRESS "127.0.0.1:8377"
#define LINK "http://" ADDRESS "/reeve/open?token="

static struct page_fixture fixture;
static struct page *page;

static char *on_snapshot(void *context)
{
    (void)context;
    return strdup("{\"runs\":[]}");
}

static char *on_metrics(size_t *length, void *context)
{
    char *text = strdup("a_total 1\n");
    (void)context;
    *length = strlen(text);
    return text;
}

static void on_request(struct agent *agent, const struct http_head *head, void *context)
{
    (void)context;
    page_serve(page, agent, head);
}

static void set_up(void)
{
    page_fixture_open(&fixture, on_request);
    ck_assert_int_eq(page_new(&page,
                              &(struct page_options){.base = fixture.base,
                                                     .snapshot = on_snapshot,
                                                     .metrics = on_metrics},
                              NULL),
                     0);
}

static void tear_down(void)
{
    page_free(page);
    page_fixture_close(&fixture);
}

static int get(const char *path, const char *headers)
{
    return page_status(page_ask(&fixture, "GET", path, headers));
}

static bool says(const char *text)
{
    return strstr(fixture.answer, text) != NULL;
}

// The path of a new link.
static const char *new_link(void)
{
    static char url[PAGE_URL_MAX];
    struct error err;
    ck_assert_int_eq(page_link(page, ADDRESS, url, &err), 0);
    ck_assert_msg(strncmp(url, LINK, strlen(LINK)) == 0, "%s", url);
    return url + strlen("http://" ADDRESS);
}

// Headers with the cookie of a new session.
static const char *new_session(void)
{
    static char headers[512];
    char cookie[256];
    ck_assert_int_eq(get(new_link(), OURS), 200);
    const char *set = strstr(fixture.answer, "\r\nSet-Cookie: ");
    ck_assert_ptr_nonnull(set);
    ck_assert_int_eq(sscanf(set, "\r\nSet-Cookie: %255[^;\r]", cookie), 1);
    snprintf(headers, sizeof(headers), OURS "Cookie: %s\r\n", cookie);
    return headers;
}

START_TEST(without_a_session_only_the_door_is_shown)
{
    ck_assert_int_eq(get("/reeve/", OURS), 401);
    ck_assert(says("reeve status --open"));
    ck_assert_int_eq(get("/reeve/events", OURS), 401);
    ck_assert_int_eq(get("/reeve/", OURS "Cookie: reeve_page=guess\r\n"), 401);
    ck_assert_int_eq(get("/reeve/", OURS "Cookie: reeve_page=\r\n"), 401);
    ck_assert_int_eq(get("/reeve/open", OURS), 401);
    ck_assert_int_eq(get("/reeve/open?token=", OURS), 401);
    ck_assert_int_eq(get("/reeve/open?token=guess", OURS), 401);
    ck_assert(!says("Set-Cookie"));
}
END_TEST

START_TEST(a_link_opens_the_page_once)
{
    const char *link = new_link();
    ck_assert_int_eq(get(link, OURS), 200);
    ck_assert(says("; Path=/reeve/; Max-Age=43200; HttpOnly; SameSite=Strict\r\n"));
    ck_assert(says("url=/reeve/"));
    ck_assert_int_eq(get(link, OURS), 401);
    ck_assert(!says("Set-Cookie"));
    ck_assert(says("does not work any more"));
    ck_assert_int_eq(get("/reeve/", new_session()), 200);
    ck_assert(says("page.js"));
}
END_TEST

START_TEST(a_link_is_not_used_up_by_who_may_not_use_it)
{
    const char *link = new_link();
    ck_assert_int_eq(get(link, "Host: evil.example\r\n"), 421);
    ck_assert_int_eq(get(link, OURS "Origin: http://evil.example\r\n"), 403);
    ck_assert_int_eq(get(link, OURS "Sec-Purpose: prefetch\r\n"), 503);
    ck_assert_int_eq(page_status(page_ask(&fixture, "HEAD", link, OURS)), 405);
    ck_assert_int_eq(page_status(page_ask(&fixture, "POST", link, OURS "Content-Length: 0\r\n")),
                     405);
    ck_assert_int_eq(get(link, OURS), 200);
}
END_TEST

START_TEST(a_session_is_worth_nothing_to_another_site)
{
    char headers[1024];
    const char *session = new_session();
    snprintf(headers, sizeof(headers), "%sSec-Fetch-Site: cross-site\r\n", session);
    ck_assert_int_eq(get("/reeve/", headers), 403);
    ck_assert_int_eq(get("/reeve/events", headers), 403);
    snprintf(headers, sizeof(headers), "%sOrigin: http://127.0.0.1:1\r\n", session);
    ck_assert_int_eq(get("/reeve/events", headers), 403);
    snprintf(headers, sizeof(headers), "Host: evil.example%s", strstr(session, "\r\n"));
    ck_assert_int_eq(get("/reeve/events", headers), 421);
}
END_TEST

START_TEST(every_answer_has_the_guards)
{
    static const char *const paths[] = {"/reeve/",     "/reeve/page.css", "/reeve/nothing",
                                        "/reeve/open", "/reeve/events",   "/metrics"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        get(paths[i], OURS);
        ck_assert_msg(says("\r\nContent-Security-Policy: default-src 'none'; script-src 'self';"),
                      "%s", paths[i]);
        ck_assert_msg(says("frame-ancestors 'none'\r\n"), "%s", paths[i]);
        ck_assert_msg(says("\r\nX-Content-Type-Options: nosniff\r\n"), "%s", paths[i]);
        ck_assert_msg(says("\r\nCross-Origin-Resource-Policy: same-origin\r\n"), "%s", paths[i]);
        ck_assert_msg(says("\r\nCache-Control: no-store\r\n"), "%s", paths[i]);
        ck_assert_msg(!says("Access-Control-"), "%s", paths[i]);
    }
}
END_TEST

START_TEST(everything_can_only_be_read)
{
    static const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS", "get"};
    const char *session = new_session();
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        ck_assert_int_eq(page_status(page_ask(&fixture, methods[i], "/reeve/", session)), 405);
    ck_assert(says("\r\nAllow: GET, HEAD\r\n"));
    ck_assert_int_eq(page_status(page_ask(&fixture, "HEAD", "/reeve/", session)), 200);
    ck_assert(!says("<html"));
    ck_assert_int_eq(page_status(page_ask(&fixture, "HEAD", "/reeve/events", session)), 405);
}
END_TEST

START_TEST(files_and_metrics_need_no_session)
{
    ck_assert_int_eq(get("/reeve/page.css", OURS), 200);
    ck_assert(says("\r\nContent-Type: text/css; charset=utf-8\r\n"));
    ck_assert_int_eq(get("/reeve/page.js", OURS), 200);
    ck_assert_int_eq(get("/reeve/chart.js", OURS), 200);
    ck_assert_int_eq(get("/reeve/icon.svg", OURS), 200);
    ck_assert_int_eq(get("/metrics", OURS), 200);
    ck_assert(says("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    ck_assert(says("\r\n\r\na_total 1\n"));
    ck_assert_int_eq(get("/metrics", "Host: evil.example\r\n"), 421);
    ck_assert_int_eq(get("/reeve/index.html", OURS), 404);
    ck_assert_int_eq(get("/reeve/../v1/messages", OURS), 404);
    ck_assert_int_eq(get("/reeve", OURS), 308);
    ck_assert(says("\r\nLocation: /reeve/\r\n"));
}
END_TEST

START_TEST(a_session_is_told_what_goes_on)
{
    char request[1024];
    snprintf(request, sizeof(request), "GET /reeve/events HTTP/1.1\r\n%s\r\n", new_session());
    int fd = page_send(&fixture, request);
    fixture.answer[0] = '\0';
    page_receive(fd, fixture.answer, sizeof(fixture.answer));
    ck_assert(says("data: {\"runs\":[]}\n\n"));
    ck_assert_int_eq(page_viewers(page), 1);
    close(fd);
    event_base_loop(fixture.base, EVLOOP_NONBLOCK);
    ck_assert_int_eq(page_viewers(page), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("page");
    TCase *cases = tcase_create("page");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, without_a_session_only_the_door_is_shown);
    tcase_add_test(cases, a_link_opens_the_page_once);
    tcase_add_test(cases, a_link_is_not_used_up_by_who_may_not_use_it);
    tcase_add_test(cases, a_session_is_worth_nothing_to_another_site);
    tcase_add_test(cases, every_answer_has_the_guards);
    tcase_add_test(cases, everything_can_only_be_read);
    tcase_add_test(cases, files_and_metrics_need_no_session);
    tcase_add_test(cases, a_session_is_told_what_goes_on);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
