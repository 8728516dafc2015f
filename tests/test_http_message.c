// Tests of http_message.c and http_fields.c: heads that are good, heads that are refused and how.
#include "http_message.h"
#include "suite_run.h"

#include <check.h>
#include <stdlib.h>

static struct http_head head;
static int refused_status;
static struct error err;

static enum http_head_outcome parse_request(const char *text, size_t length)
{
    size_t searched = 0;
    refused_status = 0;
    err = (struct error){0};
    return http_request_parse(&head, text, length, &searched, &refused_status, &err);
}

static enum http_head_outcome parse_response(const char *text, bool answers_head)
{
    size_t searched = 0;
    refused_status = 0;
    err = (struct error){0};
    return http_response_parse(&head, text, strlen(text), answers_head, &searched, &refused_status,
                               &err);
}

static void assert_slice(struct slice slice, const char *text)
{
    ck_assert_msg(slice_is(slice, text), "'%.*s', not '%s'", (int)slice.length, slice.bytes, text);
}

#define CLAUDE_REQUEST                                                                             \
    "POST /v1/messages?beta=true HTTP/1.1\r\n"                                                     \
    "Host: 127.0.0.1:8377\r\n"                                                                     \
    "authorization: Bearer key\r\n"                                                                \
    "X-API-KEY:  \t key two \t\r\n"                                                                \
    "anthropic-beta: a,b\r\n"                                                                      \
    "Empty:\r\n"                                                                                   \
    "Content-Length: 0048\r\n"                                                                     \
    "\r\n"

START_TEST(test_request)
{
    ck_assert_int_eq(parse_request(CLAUDE_REQUEST "{\"a", strlen(CLAUDE_REQUEST) + 3),
                     HTTP_HEAD_COMPLETE);
    assert_slice(head.method, "POST");
    assert_slice(head.target, "/v1/messages?beta=true");
    assert_slice(head.path, "/v1/messages");
    assert_slice(head.query, "beta=true");
    ck_assert_ptr_null(head.authority.bytes);
    ck_assert_int_eq(head.minor_version, 1);
    ck_assert(head.keep_alive);
    ck_assert(!head.expect_continue);
    ck_assert_int_eq(head.framing, HTTP_BODY_LENGTH);
    ck_assert_int_eq(head.content_length, 48);
    ck_assert_uint_eq(head.length, strlen(CLAUDE_REQUEST));
    ck_assert_uint_eq(head.header_count, 6);
    assert_slice(http_head_find(&head, "x-api-key")->value, "key two");
    assert_slice(http_head_find(&head, "EMPTY")->value, "");
    assert_slice(http_head_find_field(&head, HTTP_FIELD_AUTHORIZATION)->value, "Bearer key");
    ck_assert_ptr_null(http_head_find(&head, "anthropic"));
    ck_assert_ptr_null(http_head_find_field(&head, HTTP_FIELD_EXPECT));
}
END_TEST

// However it comes in, the head is complete with its last byte, and reads the same.
START_TEST(test_request_in_pieces)
{
    static const char text[] = "\r\n" CLAUDE_REQUEST;
    size_t searched = 0, length = sizeof(text) - 1;
    for (size_t came = 0; came < length; came++)
        ck_assert_int_eq(http_request_parse(&head, text, came, &searched, &refused_status, &err),
                         HTTP_HEAD_INCOMPLETE);
    ck_assert_int_eq(http_request_parse(&head, text, length, &searched, &refused_status, &err),
                     HTTP_HEAD_COMPLETE);
    ck_assert_uint_eq(head.length, length);
    ck_assert_uint_eq(head.header_count, 6);
}
END_TEST

#define GET "GET / HTTP/1.1\r\nHost: a\r\n"

static const struct {
    const char *text;
    int status; // 0: accepted
} requests[] = {
    {GET "\r\n", 0},
    {"GET / HTTP/1.9\r\nHost: a\r\n\r\n", 0},
    {"GET / HTTP/1.0\r\n\r\n", 0},
    {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"GET /?{|}^`\\ HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 0},
    {GET "a!#$%&'*+-.^_`|~: \x80\xff\t x\r\n\r\n", 0},
    {GET "Expect: 100-Continue\r\n\r\n", 0},
    {GET "Transfer-Encoding: Chunked\r\n\r\n", 0},
    // Lengths that two readers could take in two ways
    {GET "Content-Length: 3\r\nContent-Length: 4\r\n\r\n", 400},
    {GET "Content-Length: 3\r\nContent-Length: 3\r\n\r\n", 400},
    {GET "Content-Length: 3, 3\r\n\r\n", 400},
    {GET "Content-Length: +3\r\n\r\n", 400},
    {GET "Content-Length: -3\r\n\r\n", 400},
    {GET "Content-Length: 0x3\r\n\r\n", 400},
    {GET "Content-Length: 3 3\r\n\r\n", 400},
    {GET "Content-Length:\r\n\r\n", 400},
    {GET "Content-Length: 9223372036854775808\r\n\r\n", 413},
    {GET "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {GET "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 400},
    {GET "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {GET "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
    {GET "Transfer-Encoding: chunked, chunked\r\n\r\n", 501},
    {GET "Transfer-Encoding: identity\r\n\r\n", 501},
    {GET "Transfer-Encoding: \x0b"
         "chunked\r\n\r\n",
     400},
    {GET "Transfer-Encoding:\r\n\r\n", 501},
    {"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    // Headers that are none
    {GET "Content-Length : 3\r\n\r\n", 400},
    {GET " folded: x\r\n\r\n", 400},
    {GET "a: b\r\n c\r\n\r\n", 400},
    {GET "\tx: y\r\n\r\n", 400},
    {GET "no colon\r\n\r\n", 400},
    {GET ": no name\r\n\r\n", 400},
    {GET "a(b): x\r\n\r\n", 400},
    {GET "a: b\x01\r\n\r\n", 400},
    {GET "a: b\x7f\r\n\r\n", 400},
    {GET "a: b\rc: d\r\n\r\n", 400},
    {GET "a: b\nc: d\r\n\r\n", 400},
    {GET "a: b\r\r\n\r\n", 400},
    // Host
    {"GET / HTTP/1.1\r\n\r\n", 400},
    {GET "Host: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
    {"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400},
    // The request line
    {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
    {" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /\r\nHost: a\r\n\r\n", 400},
    {"GET / http/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
    {"G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET v1 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 501},
    {"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET http://a?x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {GET "Expect: 200-maybe\r\n\r\n", 417},
    {GET "Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n", 400},
    // Before the head is whole
    {"\x16\x03\x01\x02", 400},
    {"GET / HTTP/1.1\n", 400},
    {"{\"model\"", 400},
    {"\n", 400},
};

START_TEST(test_requests)
{
    enum http_head_outcome outcome = parse_request(requests[_i].text, strlen(requests[_i].text));
    int status = outcome == HTTP_HEAD_REFUSED ? refused_status : 0;
    ck_assert_msg(outcome != HTTP_HEAD_INCOMPLETE && status == requests[_i].status,
                  "'%s': outcome %d, status %d: %s", requests[_i].text, outcome, refused_status,
                  err.text);
    ck_assert_int_eq(err.code != 0 && err.text[0] != '\0', requests[_i].status != 0);
}
END_TEST

START_TEST(test_nul_in_value)
{
    static const char text[] = GET "a: b\0c\r\n\r\n";
    ck_assert_int_eq(parse_request(text, sizeof(text) - 1), HTTP_HEAD_REFUSED);
    ck_assert_int_eq(refused_status, 400);
}
END_TEST

START_TEST(test_absolute_target)
{
    static const struct {
        const char *target, *authority, *rest;
    } rows[] = {{"http://api.example:80/v1/x?y", "api.example:80", "/v1/x?y"},
                {"HTTPS://a", "a", "/"}};
    for (size_t i = 0; i < 2; i++) {
        char text[256];
        snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: b\r\n\r\n", rows[i].target);
        ck_assert_int_eq(parse_request(text, strlen(text)), HTTP_HEAD_COMPLETE);
        assert_slice(head.authority, rows[i].authority);
        assert_slice(head.target, rows[i].rest);
    }
}
END_TEST

START_TEST(test_query)
{
    static const struct {
        const char *target, *path, *query;
    } rows[] = {{"/a", "/a", NULL}, {"/a?", "/a", ""}, {"/a?b?c", "/a", "b?c"}};
    for (size_t i = 0; i < 3; i++) {
        char text[256];
        snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: b\r\n\r\n", rows[i].target);
        ck_assert_int_eq(parse_request(text, strlen(text)), HTTP_HEAD_COMPLETE);
        assert_slice(head.path, rows[i].path);
        ck_assert_int_eq(head.query.bytes != NULL, rows[i].query != NULL);
        if (rows[i].query != NULL)
            assert_slice(head.query, rows[i].query);
    }
}
END_TEST

START_TEST(test_framing_and_connection_of_requests)
{
    static const struct {
        const char *text;
        enum http_framing framing;
        bool keep_alive, expect_continue;
    } rows[] = {
        {GET "\r\n", HTTP_BODY_NONE, true, false},
        {GET "Content-Length: 0\r\n\r\n", HTTP_BODY_NONE, true, false},
        {GET "Transfer-Encoding: chunked\r\n\r\n", HTTP_BODY_CHUNKED, true, false},
        {GET "Connection: close\r\n\r\n", HTTP_BODY_NONE, false, false},
        {GET "Connection: x , CLOSE\r\n\r\n", HTTP_BODY_NONE, false, false},
        {GET "Connection: keep-alive\r\nConnection: close\r\n\r\n", HTTP_BODY_NONE, false, false},
        {GET "Connection: closed\r\n\r\n", HTTP_BODY_NONE, true, false},
        {"GET / HTTP/1.0\r\n\r\n", HTTP_BODY_NONE, false, false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", HTTP_BODY_NONE, true, false},
        {GET "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n", HTTP_BODY_LENGTH, true, true},
        {GET "Expect: 100-continue\r\n\r\n", HTTP_BODY_NONE, true, false},
        {"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", HTTP_BODY_LENGTH,
         false, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ck_assert_int_eq(parse_request(rows[i].text, strlen(rows[i].text)), HTTP_HEAD_COMPLETE);
        ck_assert_msg(head.framing == rows[i].framing, "%s", rows[i].text);
        ck_assert_msg(head.keep_alive == rows[i].keep_alive, "%s", rows[i].text);
        ck_assert_msg(head.expect_continue == rows[i].expect_continue, "%s", rows[i].text);
    }
}
END_TEST

START_TEST(test_responses)
{
    static const struct {
        const char *text;
        bool answers_head;
        enum http_framing framing;
        int64_t content_length;
        bool keep_alive;
        const char *reason;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false, HTTP_BODY_LENGTH, 5, true, "OK"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, HTTP_BODY_NONE, 5, true, "OK"},
        {"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n", false, HTTP_BODY_CHUNKED, -1, true,
         ""},
        {"HTTP/1.1 200\r\n\r\n", false, HTTP_BODY_UNTIL_CLOSE, -1, false, ""},
        {"HTTP/1.1 200 A b\r\n\r\n", true, HTTP_BODY_NONE, -1, true, "A b"},
        {"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", false, HTTP_BODY_NONE, 5, true, "No"},
        {"HTTP/1.1 304 No\r\n\r\n", false, HTTP_BODY_NONE, -1, true, "No"},
        {"HTTP/1.1 100 Continue\r\n\r\n", false, HTTP_BODY_NONE, -1, true, "Continue"},
        {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", false, HTTP_BODY_LENGTH, 5, false, "OK"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", false, HTTP_BODY_NONE,
         0, false, "OK"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ck_assert_int_eq(parse_response(rows[i].text, rows[i].answers_head), HTTP_HEAD_COMPLETE);
        ck_assert_msg(head.framing == rows[i].framing, "%s", rows[i].text);
        ck_assert_int_eq(head.content_length, rows[i].content_length);
        ck_assert_msg(head.keep_alive == rows[i].keep_alive, "%s", rows[i].text);
        assert_slice(head.reason, rows[i].reason);
        ck_assert_int_eq(head.status, atol(rows[i].text + 9));
        ck_assert_uint_eq(head.length, strlen(rows[i].text));
    }
}
END_TEST

START_TEST(test_refused_responses)
{
    static const char *const texts[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: b\n\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1 000 OK\r\n\r\n",
        "HTTP/1.1\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 200 O\x01K\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "{\"type\":\"error\"}",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        ck_assert_msg(parse_response(texts[i], false) == HTTP_HEAD_REFUSED, "%s", texts[i]);
        ck_assert_int_eq(refused_status, 502);
    }
}
END_TEST

// At each limit, and one above it. The buffer has `count` headers, or one of `length` bytes.
START_TEST(test_limits)
{
    static char text[HTTP_HEAD_BYTES_MAX + 1024];
    for (size_t over = 0; over < 2; over++) {
        size_t length = (size_t)snprintf(text, sizeof(text), GET);
        for (size_t i = 1; i < HTTP_HEADERS_MAX + over; i++)
            length += (size_t)snprintf(text + length, 16, "a: b\r\n");
        length += (size_t)snprintf(text + length, 16, "\r\n");
        ck_assert_int_eq(parse_request(text, length),
                         over ? HTTP_HEAD_REFUSED : HTTP_HEAD_COMPLETE);
        ck_assert_int_eq(refused_status, over ? 431 : 0);
    }
    for (size_t over = 0; over < 2; over++) {
        size_t length = (size_t)snprintf(text, sizeof(text), GET "a: ");
        while (length < HTTP_HEAD_BYTES_MAX - 4 + over)
            text[length++] = 'a';
        length += (size_t)snprintf(text + length, 16, "\r\n\r\n");
        ck_assert_int_eq(parse_request(text, length),
                         over ? HTTP_HEAD_REFUSED : HTTP_HEAD_COMPLETE);
        ck_assert_int_eq(refused_status, over ? 431 : 0);
        ck_assert_int_eq(parse_request(text, length - 1),
                         over ? HTTP_HEAD_REFUSED : HTTP_HEAD_INCOMPLETE);
    }
    for (size_t over = 0; over < 2; over++) {
        size_t length = (size_t)snprintf(text, sizeof(text), "GET /");
        while (length < 4 + HTTP_TARGET_BYTES_MAX + over)
            text[length++] = 'a';
        length += (size_t)snprintf(text + length, 64, " HTTP/1.1\r\nHost: a\r\n\r\n");
        ck_assert_int_eq(parse_request(text, length),
                         over ? HTTP_HEAD_REFUSED : HTTP_HEAD_COMPLETE);
        ck_assert_int_eq(refused_status, over ? 414 : 0);
    }
    memset(text, 'a', sizeof(text)); // a target that never ends
    ck_assert_int_eq(parse_request(text, 9000), HTTP_HEAD_REFUSED);
    ck_assert_int_eq(refused_status, 414);
}
END_TEST

START_TEST(test_hop_by_hop)
{
    static const char text[] =
        GET "Connection: x-mine, close\r\nKeep-Alive: 5\r\nProxy-Authorization: x\r\n"
            "Proxy-Anything: x\r\nTE: trailers\r\nTrailer: x\r\nUpgrade: h2c\r\nX-Mine: x\r\n"
            "Connection: keep-alive ,x-other\r\nX-Other: 1\r\n"
            "Content-Type: x\r\nAnthropic-Beta: x\r\nProxyed: x\r\nX-Mine-Too: x\r\n\r\n";
    ck_assert_int_eq(parse_request(text, sizeof(text) - 1), HTTP_HEAD_COMPLETE);
    for (size_t i = 0; i < head.header_count; i++)
        ck_assert_msg(http_header_is_hop_by_hop(&head, &head.headers[i]) == (i >= 1 && i <= 10),
                      "%.*s", (int)head.headers[i].name.length, head.headers[i].name.bytes);
}
END_TEST

START_TEST(test_lists)
{
    struct slice rest = slice_of(" a ,, b\t,c"), member;
    static const char *const members[] = {"a", "", "b", "c"};
    for (size_t i = 0; i < 4; i++) {
        ck_assert(http_value_next(&rest, &member));
        assert_slice(member, members[i]);
    }
    ck_assert(!http_value_next(&rest, &member));
    ck_assert(http_value_has_token(slice_of("gzip, BR"), "br"));
    ck_assert(!http_value_has_token(slice_of("gzip, brotli"), "br"));
    ck_assert(!http_value_has_token(slice_of(""), "br"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http_message");
    TCase *tcase = tcase_create("http_message");
    tcase_add_test(tcase, test_request);
    tcase_add_test(tcase, test_request_in_pieces);
    tcase_add_loop_test(tcase, test_requests, 0, (int)(sizeof(requests) / sizeof(requests[0])));
    tcase_add_test(tcase, test_nul_in_value);
    tcase_add_test(tcase, test_absolute_target);
    tcase_add_test(tcase, test_query);
    tcase_add_test(tcase, test_framing_and_connection_of_requests);
    tcase_add_test(tcase, test_responses);
    tcase_add_test(tcase, test_refused_responses);
    tcase_add_test(tcase, test_limits);
    tcase_add_test(tcase, test_hop_by_hop);
    tcase_add_test(tcase, test_lists);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
