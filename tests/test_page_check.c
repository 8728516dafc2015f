// Tests of page_check.c: which requests may be a browser's, by the heads that browsers send.
#include "page_check.h"
#include "suite_run.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define HOST "Host: 127.0.0.1:8377\r\n"

static enum page_check check_head(const char *headers, bool is_link)
{
    static struct http_head head;
    char text[4096];
    size_t searched = 0;
    int status;
    struct error err;
    int length = snprintf(text, sizeof(text), "GET /reeve/ HTTP/1.1\r\n%s\r\n", headers);
    ck_assert_int_eq(http_request_parse(&head, text, (size_t)length, &searched, &status, &err),
                     HTTP_HEAD_COMPLETE);
    return page_check(&head, is_link);
}

static const struct {
    const char *host;
    bool ours;
} hosts[] = {
    {"127.0.0.1:8377", true},
    {"127.0.0.1", true},
    {"localhost:9000", true}, // a tunnel ends where somebody wants it to
    {"LocalHost", true},
    {"[::1]:8377", true},
    {"[::1]", true},
    {"192.168.1.7:8377", true},
    {"evil.example:8377", false},
    {"evil.example", false},
    {"localhost.evil.example:8377", false},
    {"127.0.0.1.evil.example", false},
    {"localhost.", false},
    {"", false},
    {":8377", false},
    {"127.1:8377", false},
    {"0x7f000001", false},
    {"::1", false},
    {"[::1", false},
    {"[evil]:8377", false},
    {"127.0.0.1:", false},
    {"127.0.0.1:837700", false},
    {"127.0.0.1:80:80", false},
    {"user@127.0.0.1", false},
};

START_TEST(hosts_that_no_name_server_can_make_up)
{
    ck_assert_msg(page_host_is_ours(slice_of(hosts[_i].host)) == hosts[_i].ours, "%s",
                  hosts[_i].host);
}
END_TEST

static const struct {
    const char *headers;
    enum page_check page, link;
} heads[] = {
    // No browser: curl, Prometheus.
    {HOST, PAGE_ALLOWED, PAGE_ALLOWED},
    // Typed, or a bookmark.
    {HOST "Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n",
     PAGE_ALLOWED, PAGE_ALLOWED},
    // The page's own.
    {HOST "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n",
     PAGE_ALLOWED, PAGE_ALLOWED},
    {HOST "Origin: http://127.0.0.1:8377\r\n", PAGE_ALLOWED, PAGE_ALLOWED},
    // A link on another site is followed: only a one-time link may be.
    {HOST "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n",
     PAGE_FOREIGN_ORIGIN, PAGE_ALLOWED},
    // Another site asks: fetch(), a script, an image, a frame, a form, another port.
    {HOST "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: empty\r\n",
     PAGE_FOREIGN_ORIGIN, PAGE_FOREIGN_ORIGIN},
    {HOST "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: script\r\n",
     PAGE_FOREIGN_ORIGIN, PAGE_FOREIGN_ORIGIN},
    {HOST "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n",
     PAGE_FOREIGN_ORIGIN, PAGE_FOREIGN_ORIGIN},
    {HOST "Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n",
     PAGE_FOREIGN_ORIGIN, PAGE_FOREIGN_ORIGIN},
    {HOST "Origin: https://evil.example\r\n", PAGE_FOREIGN_ORIGIN, PAGE_FOREIGN_ORIGIN},
    {HOST "Origin: null\r\n", PAGE_FOREIGN_ORIGIN, PAGE_FOREIGN_ORIGIN},
    {HOST "Origin: http://127.0.0.1:9999\r\n", PAGE_FOREIGN_ORIGIN, PAGE_FOREIGN_ORIGIN},
    {HOST "Origin: http://127.0.0.1:83770\r\n", PAGE_FOREIGN_ORIGIN, PAGE_FOREIGN_ORIGIN},
    // A name that has been pointed here.
    {"Host: evil.example:8377\r\n", PAGE_FOREIGN_HOST, PAGE_FOREIGN_HOST},
    {"Host: evil.example:8377\r\nOrigin: http://evil.example:8377\r\n", PAGE_FOREIGN_HOST,
     PAGE_FOREIGN_HOST},
    // Typed half, and guessed.
    {HOST "Sec-Fetch-Site: none\r\nSec-Purpose: prefetch;prerender\r\n", PAGE_ALLOWED,
     PAGE_PREFETCH},
};

START_TEST(heads_of_browsers)
{
    ck_assert_msg(check_head(heads[_i].headers, false) == heads[_i].page, "%s", heads[_i].headers);
    ck_assert_msg(check_head(heads[_i].headers, true) == heads[_i].link, "link: %s",
                  heads[_i].headers);
}
END_TEST

static const struct {
    const char *header, *value; // value NULL: there is none
} cookies[] = {
    {"Cookie: a=1\r\n", "1"}, {"Cookie: b=2; a=1\r\n", "1"}, {"Cookie: b=2;a=1;c=3\r\n", "1"},
    {"Cookie: a=\r\n", ""},   {"Cookie: a=x=y\r\n", "x=y"},  {"Cookie: aa=1; ba=2\r\n", NULL},
    {"Cookie: a\r\n", NULL},  {"Cookie: ;;\r\n", NULL},      {"", NULL},
};

START_TEST(cookies_are_found_by_their_whole_name)
{
    static struct http_head head;
    char text[512];
    size_t searched = 0;
    int status;
    int length =
        snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n" HOST "%s\r\n", cookies[_i].header);
    ck_assert_int_eq(http_request_parse(&head, text, (size_t)length, &searched, &status, NULL),
                     HTTP_HEAD_COMPLETE);
    struct slice value = page_cookie(&head, "a");
    ck_assert_msg((value.bytes != NULL) == (cookies[_i].value != NULL), "%s", cookies[_i].header);
    if (value.bytes != NULL)
        ck_assert_msg(slice_is(value, cookies[_i].value), "%s", cookies[_i].header);
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof((table)[0]))

int main(void)
{
    Suite *suite = suite_create("page_check");
    TCase *cases = tcase_create("page_check");
    tcase_add_loop_test(cases, hosts_that_no_name_server_can_make_up, 0, COUNT(hosts));
    tcase_add_loop_test(cases, heads_of_browsers, 0, COUNT(heads));
    tcase_add_loop_test(cases, cookies_are_found_by_their_whole_name, 0, COUNT(cookies));
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
