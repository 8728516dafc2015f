// Tests of kept_answer.c: what was kept back is what came, but for the wait that it names.
#include "kept_answer.h"
#include "suite_run.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static char source[256];
static struct http_head head;
static struct kept_answer *kept;

// A head of an answer whose bytes are gone afterwards.
static void keep(const char *text)
{
    size_t searched = 0;
    int refused;
    struct error err;
    snprintf(source, sizeof(source), "%s", text);
    ck_assert_int_eq(
        http_response_parse(&head, source, strlen(source), false, &searched, &refused, &err),
        HTTP_HEAD_COMPLETE);
    kept = kept_answer_new(&head);
    ck_assert_ptr_nonnull(kept);
    memset(source, 'x', sizeof(source));
    memset(&head, 0, sizeof(head));
}

static void tear_down(void)
{
    kept_answer_free(kept);
    kept = NULL;
}

static void assert_header(const struct http_head *of, const char *name, const char *value)
{
    const struct http_header *found = http_head_find(of, name);
    size_t count = 0;
    for (size_t i = 0; i < of->header_count; i++)
        count += slice_is_any_case(of->headers[i].name, name);
    ck_assert_uint_eq(count, value != NULL);
    if (value != NULL)
        ck_assert(slice_is(found->value, value));
}

START_TEST(it_is_what_came)
{
    keep("HTTP/1.1 429 Too Many\r\nRequest-Id: req_1\r\nretry-after: 90\r\n\r\n");
    const struct http_head *shown = kept_answer_head(kept, 0);
    ck_assert_int_eq(shown->status, 429);
    ck_assert(slice_is(shown->reason, "Too Many"));
    assert_header(shown, "request-id", "req_1");
    assert_header(shown, "retry-after", "90");
    ck_assert_uint_eq(kept_answer_body(kept).length, 0);
    ck_assert(kept_answer_append(kept, "ab", 2));
    ck_assert(kept_answer_append(kept, "cd", 2));
    ck_assert(slice_is(kept_answer_body(kept), "abcd"));
}
END_TEST

static const struct {
    const char *text;
} waits[] = {
    {"HTTP/1.1 429 X\r\na: b\r\n\r\n"},
    {"HTTP/1.1 429 X\r\nRetry-After: 90\r\na: b\r\n\r\n"},
    {"HTTP/1.1 429 X\r\na: b\r\nretry-after: 90\r\nretry-after-ms: 90000\r\n\r\n"},
};

START_TEST(another_wait_takes_the_place_of_its_own)
{
    keep(waits[_i].text);
    assert_header(kept_answer_head(kept, 7), "retry-after", "7");
    const struct http_head *shown = kept_answer_head(kept, 12); // and of the one before
    assert_header(shown, "retry-after", "12");
    assert_header(shown, "retry-after-ms", NULL);
    assert_header(shown, "a", "b");
}
END_TEST

START_TEST(a_long_body_is_not_kept)
{
    static char bytes[KEPT_ANSWER_BYTES_MAX];
    keep("HTTP/1.1 500 X\r\n\r\n");
    ck_assert(kept_answer_append(kept, bytes, sizeof(bytes) - 1));
    ck_assert(!kept_answer_append(kept, "ab", 2));
    ck_assert_uint_eq(kept_answer_body(kept).length, sizeof(bytes) - 1);
    ck_assert(kept_answer_append(kept, "a", 1));
    ck_assert(!kept_answer_append(kept, "a", 1));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kept_answer");
    TCase *tests = tcase_create("kept_answer");
    tcase_add_checked_fixture(tests, NULL, tear_down);
    tcase_add_test(tests, it_is_what_came);
    tcase_add_loop_test(tests, another_wait_takes_the_place_of_its_own, 0,
                        (int)(sizeof(waits) / sizeof(waits[0])));
    tcase_add_test(tests, a_long_body_is_not_kept);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
