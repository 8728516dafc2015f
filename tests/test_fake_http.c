// What the fake's strict parser takes and refuses.

#include "fake_http.h"
#include "suite_run.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE "POST /v1/messages HTTP/1.1\r\n"
#define HOST "Host: h\r\n"

static const struct {
    const char *bytes;
    const char *problem; // a part of it; NULL: it is taken
} heads[] = {
    {LINE HOST "\r\n", NULL},
    {LINE HOST "Content-Length: 3\r\n\r\n", NULL},
    {LINE HOST "Transfer-Encoding: Chunked\r\n\r\n", NULL},
    {LINE HOST "X-Empty:\r\n\r\n", NULL},
    {LINE "\r\n", "exactly one Host"},
    {LINE HOST HOST "\r\n", "exactly one Host"},
    {LINE HOST "Content-Length: 3\r\nContent-Length: 3\r\n\r\n", "given twice"},
    {LINE HOST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "both"},
    {LINE HOST "Content-Length: +3\r\n\r\n", "not a number"},
    {LINE HOST "Content-Length: 3, 3\r\n\r\n", "not a number"},
    {LINE HOST "Content-Length:\r\n\r\n", "not a number"},
    {LINE HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", "not chunked"},
    {LINE HOST "X-Space : 1\r\n\r\n", "not allowed"},
    {LINE HOST " folded\r\n\r\n", "no colon"},
    {LINE HOST ": nameless\r\n\r\n", "no name"},
    {LINE HOST "X: \x01\r\n\r\n", "control byte"},
    {LINE HOST "X: a\nY: b\r\n\r\n", "bare CR or LF"},
    {LINE HOST "Expect: more\r\n\r\n", "100-continue"},
    {"POST /v1/messages HTTP/1.0\r\n" HOST "\r\n", "not HTTP/1.1"},
    {"POST http://h/ HTTP/1.1\r\n" HOST "\r\n", "origin form"},
    {"post / HTTP/1.1\r\n" HOST "\r\n", "upper-case"},
    {"POST /\r\n" HOST "\r\n", "three parts"},
    {"\r\n\r\n", "three parts"},
};

START_TEST(head_is_taken_or_refused)
{
    struct fake_head head;
    const char *problem = NULL;
    const char *bytes = heads[_i].bytes;
    ssize_t used = fake_head_parse(bytes, strlen(bytes), &head, &problem);
    if (heads[_i].problem == NULL) {
        ck_assert_int_eq(used, (ssize_t)strlen(bytes));
        ck_assert_str_eq(head.method, "POST");
        ck_assert_str_eq(head.target, "/v1/messages");
        ck_assert_str_eq(fake_head_find(&head, "host"), "h");
        fake_head_done(&head);
    } else {
        ck_assert_int_eq(used, -1);
        ck_assert_msg(strstr(problem, heads[_i].problem) != NULL, "%s", problem);
    }
}
END_TEST

START_TEST(head_that_is_not_all_there_is_waited_for)
{
    static const char bytes[] = LINE HOST "Content-Length: 3\r\n\r\n";
    for (size_t length = 0; length < sizeof(bytes) - 1; length++) {
        struct fake_head head;
        const char *problem = NULL;
        ck_assert_int_eq(fake_head_parse(bytes, length, &head, &problem), 0);
    }
}
END_TEST

START_TEST(head_has_maximums)
{
    struct fake_head head;
    const char *problem = NULL;
    char *bytes = malloc(FAKE_HEAD_MAX);
    memset(bytes, 'x', FAKE_HEAD_MAX);
    ck_assert_int_eq(fake_head_parse(bytes, FAKE_HEAD_MAX, &head, &problem), -1);
    ck_assert_str_eq(problem, "the head is too long");
    size_t length = (size_t)snprintf(bytes, FAKE_HEAD_MAX, LINE HOST);
    for (int i = 0; i < FAKE_HEADERS_MAX; i++)
        length += (size_t)snprintf(bytes + length, FAKE_HEAD_MAX - length, "a: b\r\n");
    length += (size_t)snprintf(bytes + length, FAKE_HEAD_MAX - length, "\r\n");
    ck_assert_int_eq(fake_head_parse(bytes, length, &head, &problem), -1);
    ck_assert_str_eq(problem, "there are too many headers");
    free(bytes);
}
END_TEST

static const struct {
    const char *bytes;
    const char *body; // NULL: refused
} chunked_bodies[] = {
    {"3\r\nabc\r\n0\r\n\r\n", "abc"},
    {"1\r\na\r\n00B\r\n, and more..\r\n0\r\n\r\n", NULL}, // 11 bytes said, 12 sent
    {"A\r\n0123456789\r\n2\r\n\r\n\r\n0\r\n\r\n", "0123456789\r\n"},
    {"0\r\n\r\n", ""},
    {"3;name=value\r\nabc\r\n0\r\n\r\n", NULL},
    {"-3\r\nabc\r\n0\r\n\r\n", NULL},
    {"\r\nabc\r\n0\r\n\r\n", NULL},
    {"3\nabc\n0\n\n", NULL},
    {"3\r\nabc\r\n0\r\nTrailer: x\r\n\r\n", NULL},
    {"1111111111111111\r\n", NULL},
};

// Decodes, taking `step` bytes at a time. Returns the last result.
static int decode(const char *bytes, size_t step, char *body)
{
    struct fake_chunked chunked = {0};
    size_t length = strlen(bytes);
    size_t start = 0;
    int result = 0;
    *body = '\0';
    while (result == 0 && start < length) {
        size_t used;
        size_t data_length;
        const char *data;
        const char *problem;
        size_t given = length - start < step ? length - start : step;
        result =
            fake_chunked_next(&chunked, bytes + start, given, &used, &data, &data_length, &problem);
        strncat(body, data_length > 0 ? data : "", data_length);
        start += used;
    }
    return result;
}

START_TEST(chunks_are_decoded_at_any_split)
{
    for (size_t step = 1; step < 40; step++) {
        char body[256];
        int result = decode(chunked_bodies[_i].bytes, step, body);
        if (chunked_bodies[_i].body == NULL) {
            ck_assert_int_eq(result, -1);
        } else {
            ck_assert_int_eq(result, 1);
            ck_assert_str_eq(body, chunked_bodies[_i].body);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fake_http");
    TCase *tests = tcase_create("all");
    tcase_add_loop_test(tests, head_is_taken_or_refused, 0, sizeof(heads) / sizeof(heads[0]));
    tcase_add_test(tests, head_that_is_not_all_there_is_waited_for);
    tcase_add_test(tests, head_has_maximums);
    tcase_add_loop_test(tests, chunks_are_decoded_at_any_split, 0,
                        sizeof(chunked_bodies) / sizeof(chunked_bodies[0]));
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
