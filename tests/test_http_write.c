// Tests of http_write.c: what it writes reads back, and what does not fit or belong is refused.
#include "http_message.h"
#include "http_write.h"
#include "suite_run.h"

#include <check.h>
#include <stdlib.h>

static size_t write_request(char *buffer, size_t capacity, int *result)
{
    struct http_writer writer;
    http_writer_init(&writer, buffer, capacity);
    http_write_request_line(&writer, slice_of("POST"), slice_of("/p"), slice_of("/v1/x?y"));
    http_write_text(&writer, "Host", "api.example");
    http_write_header(&writer, slice_of("A"), slice_of("\xc3\xa9\tb"));
    http_write_number(&writer, "Content-Length", INT64_MAX);
    *result = http_write_end(&writer, NULL);
    return writer.length;
}

START_TEST(test_request_reads_back)
{
    char buffer[256];
    int result, refused_status;
    size_t searched = 0, length = write_request(buffer, sizeof(buffer), &result);
    struct http_head head;
    ck_assert_int_eq(result, 0);
    ck_assert_int_eq(http_request_parse(&head, buffer, length, &searched, &refused_status, NULL),
                     HTTP_HEAD_COMPLETE);
    ck_assert(slice_is(head.target, "/p/v1/x?y"));
    ck_assert(slice_is(http_head_find(&head, "a")->value, "\xc3\xa9\tb"));
    ck_assert_int_eq(head.content_length, INT64_MAX);
    ck_assert_uint_eq(head.length, length);
}
END_TEST

START_TEST(test_status_line)
{
    char buffer[128];
    struct http_writer writer;
    http_writer_init(&writer, buffer, sizeof(buffer));
    http_write_status_line(&writer, 402, NULL);
    http_write_status_line(&writer, 200, "Fine");
    http_write_status_line(&writer, 299, NULL);
    ck_assert(slice_is((struct slice){writer.bytes, writer.length},
                       "HTTP/1.1 402 Payment Required\r\n"
                       "HTTP/1.1 200 Fine\r\n"
                       "HTTP/1.1 299 Unknown\r\n"));
}
END_TEST

// Every buffer that is too small, by whatever part: said at the end, and nothing is written past
// it.
START_TEST(test_too_small)
{
    char buffer[256];
    int result;
    size_t length = write_request(buffer, sizeof(buffer), &result);
    for (size_t capacity = 0; capacity <= length; capacity++) {
        memset(buffer, '#', sizeof(buffer));
        size_t written = write_request(buffer, capacity, &result);
        ck_assert_int_eq(result, capacity == length ? 0 : -ENOSPC);
        ck_assert_uint_le(written, capacity);
        ck_assert_int_eq(buffer[capacity], '#');
    }
}
END_TEST

START_TEST(test_control_bytes)
{
    static const struct {
        const char *name, *value;
        int result;
    } rows[] = {{"a", "b\r\nc: d", -EINVAL}, {"a", "b\n", -EINVAL}, {"a", "\x7f", -EINVAL},
                {"a b", "c", -EINVAL},       {"a\r", "c", -EINVAL}, {"a", "b c\td", 0}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char buffer[64];
        struct http_writer writer;
        struct error err = {0};
        http_writer_init(&writer, buffer, sizeof(buffer));
        http_write_text(&writer, rows[i].name, rows[i].value);
        ck_assert_int_eq(http_write_end(&writer, &err), rows[i].result);
        ck_assert_int_eq(err.code, rows[i].result);
    }
}
END_TEST

START_TEST(test_control_bytes_in_target)
{
    char buffer[64];
    struct http_writer writer;
    http_writer_init(&writer, buffer, sizeof(buffer));
    http_write_request_line(&writer, slice_of("GET"), slice_of(""), slice_of("/ HTTP/1.1"));
    ck_assert_int_eq(http_write_end(&writer, NULL), -EINVAL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http_write");
    TCase *tcase = tcase_create("http_write");
    tcase_add_test(tcase, test_request_reads_back);
    tcase_add_test(tcase, test_status_line);
    tcase_add_test(tcase, test_too_small);
    tcase_add_test(tcase, test_control_bytes);
    tcase_add_test(tcase, test_control_bytes_in_target);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
