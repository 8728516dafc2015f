// Tests of sse.c: every stream in pieces of every size, and events that are too large.
#include "sse.h"
#include "suite_run.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static char heard[4096]; // "name=data|" of each event
static int stop_after;   // events; 0: never

static bool hear(void *context, const struct sse_event *event)
{
    size_t length = strlen(heard);
    ck_assert_ptr_null(context);
    snprintf(heard + length, sizeof(heard) - length, "%.*s=%.*s%s|", (int)event->name.length,
             event->name.bytes == NULL ? "" : event->name.bytes, (int)event->data.length,
             event->data.bytes == NULL ? "" : event->data.bytes, event->oversized ? "!" : "");
    return stop_after == 0 || --stop_after > 0;
}

static const struct {
    const char *stream, *heard;
} streams[] = {
    {"event: a\ndata: 1\n\ndata: 2\n\n", "a=1|=2|"},
    {"event: a\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n", "a=1|=2|"},
    {"event: a\rdata: 1\r\rdata: 2\r\r", "a=1|=2|"},
    {"event: a\r\ndata: 1\n\r\ndata: 2\r\r\n", "a=1|=2|"},
    {"data: 1\n\n\n\n\r\n\rdata: 2\n\n", "=1|=2|"},
    {"\n\ndata: 1\n\n", "=1|"},
    {"\xef\xbb\xbf"
     "data: 1\n\n\xef\xbb\xbf"
     "data: 2\n\n",
     "=1|"},
    {"data:1\ndata:  2\ndata\ndata: 4\nevent: a\n\n", "a=1\n 2\n\n4|"},
    {"data: 1\nevent: x\ndata: 22222222222222222222222222\n\n", "x=1\n22222222222222222222222222|"},
    {"data\n\ndata:\n\n", "=|=|"},
    {"event: a\n\ndata: 1\n\n", "=1|"},
    {"event: a\nevent: b\ndata: 1\n\n", "b=1|"},
    {": comment\nid: 7\nretry: 3\ndata: 1\n:\n\n: ping\n\n", "=1|"},
    {"dataset: 1\n data: 2\ndatas\n\ndata: 3\n\n", "=3|"},
    {"data: 1\n\ndata: not ended\n", "=1|"},
    {"data: {\"a\":\"b: c\"}\n\n", "={\"a\":\"b: c\"}|"},
    {"", ""},
};

START_TEST(test_streams_in_pieces)
{
    const char *stream = streams[_i].stream;
    size_t length = strlen(stream);
    for (size_t first = 0; first <= length; first++)
        for (size_t second = first; second <= length; second++) {
            struct sse_splitter splitter;
            heard[0] = '\0';
            sse_init(&splitter);
            sse_feed(&splitter, stream, first, hear, NULL);
            sse_feed(&splitter, stream + first, second - first, hear, NULL);
            sse_feed(&splitter, stream + second, length - second, hear, NULL);
            sse_done(&splitter);
            ck_assert_str_eq(heard, streams[_i].heard);
        }
}
END_TEST

static bool hear_length(void *context, const struct sse_event *event)
{
    *(size_t *)context = event->length;
    return true;
}

// An event is as long as its lines with their ends; the empty line after it does not count.
START_TEST(test_length)
{
    static const char *const rows[] = {"data: 1\n\ndata: 2\n\n", "data: 1\r\n\r\ndata: 2\r\n\r\n",
                                       "data: 1\r\rdata: 2\r\r"};
    for (size_t i = 0; i < 3; i++)
        for (size_t split = 0; split <= strlen(rows[i]); split++) {
            struct sse_splitter splitter;
            size_t length = 0;
            sse_init(&splitter);
            sse_feed(&splitter, rows[i], split, hear_length, &length);
            sse_feed(&splitter, rows[i] + split, strlen(rows[i]) - split, hear_length, &length);
            sse_done(&splitter);
            ck_assert_uint_eq(length, i == 1 ? 9 : 8);
        }
}
END_TEST

START_TEST(test_stop)
{
    struct sse_splitter splitter;
    heard[0] = '\0';
    stop_after = 2;
    sse_init(&splitter);
    sse_feed(&splitter, "data: 1\n\ndata: 2\n\ndata: 3\n\n", 27, hear, NULL);
    sse_done(&splitter);
    stop_after = 0;
    ck_assert_str_eq(heard, "=1|=2|");
}
END_TEST

// At the limit and one byte above it, whole and in pieces: what follows is not disturbed.
START_TEST(test_oversized)
{
    static char stream[SSE_EVENT_BYTES_MAX + 256];
    static const size_t steps[] = {sizeof(stream), 4096, 7};
    for (size_t over = 0; over < 2; over++) {
        size_t length = (size_t)snprintf(stream, sizeof(stream), "event: big\ndata: ");
        memset(stream + length, 'x', sizeof(stream) - length);
        length = SSE_EVENT_BYTES_MAX + over - 1;
        length += (size_t)snprintf(stream + length, 64, "\n\nevent: a\ndata: 1\n\n");
        for (size_t i = 0; i < 3; i++) {
            struct sse_splitter splitter;
            heard[0] = '\0';
            sse_init(&splitter);
            for (size_t at = 0; at < length; at += steps[i])
                sse_feed(&splitter, stream + at, length - at < steps[i] ? length - at : steps[i],
                         hear, NULL);
            ck_assert_uint_le(splitter.gathered_capacity, 4096);
            sse_done(&splitter);
            if (over)
                ck_assert_str_eq(heard, "big=!|a=1|");
            else
                ck_assert_int_eq(strncmp(heard, "big=xxx", 7), 0);
        }
    }
}
END_TEST

// However large an event gets, no more of it than the maximum is held.
START_TEST(test_memory_is_bounded)
{
    static char filler[65536];
    struct sse_splitter splitter;
    memset(filler, 'x', sizeof(filler));
    heard[0] = '\0';
    sse_init(&splitter);
    for (int i = 0; i < 100; i++) {
        sse_feed(&splitter, filler, sizeof(filler), hear, NULL);
        ck_assert_uint_le(splitter.gathered_capacity, 2 * SSE_EVENT_BYTES_MAX);
    }
    sse_feed(&splitter, "\n\ndata: 1\n\n", 11, hear, NULL);
    sse_done(&splitter);
    ck_assert_str_eq(heard, "=!|=1|");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sse");
    TCase *tcase = tcase_create("sse");
    tcase_add_loop_test(tcase, test_streams_in_pieces, 0,
                        (int)(sizeof(streams) / sizeof(streams[0])));
    tcase_add_test(tcase, test_length);
    tcase_add_test(tcase, test_stop);
    tcase_add_test(tcase, test_oversized);
    tcase_add_test(tcase, test_memory_is_bounded);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
