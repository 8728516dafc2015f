// Tests of http_chunk.c: bodies in pieces of every size, and framing that lies.
#include "http_chunk.h"
#include "suite_run.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *body, *payload;
    size_t rest; // bytes after the body's end, which belong to the next message
} bodies[] = {
    {"5\r\nhello\r\n0\r\n\r\n", "hello", 0},
    {"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\nHTTP/1.1", "hello!", 8},
    {"0\r\n\r\n", "", 0},
    {"0000000000000A\r\n0123456789\r\n00\r\n\r\n", "0123456789", 0},
    {"a;name=\"v\";b\r\n0123456789\r\n0;x\r\n\r\n", "0123456789", 0},
    {"3 \t;x\r\nabc\r\n0\r\n\r\n", "abc", 0},
    {"3\r\n\r\n0\r\n0\r\nTrailer: x\r\nB: y\r\n\r\n", "\r\n0", 0},
};

static enum http_chunk_outcome decode_piece(struct http_chunk_decoder *decoder, const char *piece,
                                            size_t length, char *payload, size_t *payload_length,
                                            size_t *consumed)
{
    char copy[512];
    size_t decoded;
    memcpy(copy, piece, length);
    enum http_chunk_outcome outcome = http_chunk_decode(decoder, copy, length, &decoded, consumed);
    memcpy(payload + *payload_length, copy, decoded);
    *payload_length += decoded;
    return outcome;
}

START_TEST(test_bodies_in_pieces)
{
    const char *body = bodies[_i].body;
    size_t length = strlen(body), end = length - bodies[_i].rest;
    for (size_t split = 0; split <= length; split++) {
        struct http_chunk_decoder decoder = {0};
        char payload[64];
        size_t payload_length = 0, consumed;
        enum http_chunk_outcome outcome =
            decode_piece(&decoder, body, split, payload, &payload_length, &consumed);
        ck_assert_int_eq(outcome, split >= end ? HTTP_CHUNK_END : HTTP_CHUNK_MORE);
        ck_assert_uint_eq(consumed, split < end ? split : end);
        if (outcome == HTTP_CHUNK_MORE) {
            outcome = decode_piece(&decoder, body + split, length - split, payload, &payload_length,
                                   &consumed);
            ck_assert_int_eq(outcome, HTTP_CHUNK_END);
            ck_assert_uint_eq(split + consumed, end);
        }
        ck_assert_uint_eq(payload_length, strlen(bodies[_i].payload));
        ck_assert_int_eq(memcmp(payload, bodies[_i].payload, payload_length), 0);
    }
}
END_TEST

START_TEST(test_next_leaves_bytes_alone)
{
    static const char body[] = "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
    struct http_chunk_decoder decoder = {0};
    struct slice payload;
    size_t consumed, at = 0;
    ck_assert_int_eq(http_chunk_next(&decoder, body, sizeof(body) - 1, &payload, &consumed),
                     HTTP_CHUNK_DATA);
    ck_assert(slice_is(payload, "ab") && payload.bytes == body + 3);
    at += consumed;
    ck_assert_int_eq(
        http_chunk_next(&decoder, body + at, sizeof(body) - 1 - at, &payload, &consumed),
        HTTP_CHUNK_DATA);
    ck_assert(slice_is(payload, "c") && payload.bytes == body + 10);
    at += consumed;
    ck_assert_int_eq(
        http_chunk_next(&decoder, body + at, sizeof(body) - 1 - at, &payload, &consumed),
        HTTP_CHUNK_END);
    ck_assert_uint_eq(at + consumed, sizeof(body) - 1);
}
END_TEST

static const char *const broken[] = {
    "\r\n",
    "g\r\n",
    "-1\r\n",
    "+1\r\n",
    "0x1\r\n",
    " 1\r\na",
    "1 \r\na",
    "1\na",
    "1\r\na\n",
    "1\r\nab\r\n",
    "1\r\na\rb",
    "1\rx",
    ";x\r\n",
    "1;\x01\r\n",
    "1;\n\r\n",
    "0000000000000001\r\na\r\n", // one digit too many
    "ffffffffffffffff\r\n",
    "0\r\n\n",
    "0\r\nT: x\n\r\n",
    "0\r\n\rx",
    "0\r\nT: \x01\r\n\r\n",
};

START_TEST(test_broken)
{
    size_t length = strlen(broken[_i]);
    for (size_t split = 0; split <= length; split++) {
        struct http_chunk_decoder decoder = {0};
        char payload[64];
        size_t payload_length = 0, consumed;
        enum http_chunk_outcome outcome =
            decode_piece(&decoder, broken[_i], split, payload, &payload_length, &consumed);
        if (outcome == HTTP_CHUNK_MORE)
            outcome = decode_piece(&decoder, broken[_i] + split, length - split, payload,
                                   &payload_length, &consumed);
        ck_assert_msg(outcome == HTTP_CHUNK_BROKEN, "'%s' at %zu", broken[_i], split);
        ck_assert_int_eq(
            decode_piece(&decoder, "0\r\n\r\n", 5, payload, &payload_length, &consumed),
            HTTP_CHUNK_BROKEN);
    }
}
END_TEST

// `start`, then a's up to `count`, then `end`.
static enum http_chunk_outcome decode_long(const char *start, size_t count, const char *end)
{
    struct http_chunk_decoder decoder = {0};
    char payload[64];
    size_t payload_length = 0, consumed;
    enum http_chunk_outcome outcome =
        decode_piece(&decoder, start, strlen(start), payload, &payload_length, &consumed);
    for (size_t i = 0; i < count && outcome == HTTP_CHUNK_MORE; i++)
        outcome = decode_piece(&decoder, "a", 1, payload, &payload_length, &consumed);
    if (outcome == HTTP_CHUNK_MORE)
        outcome = decode_piece(&decoder, end, strlen(end), payload, &payload_length, &consumed);
    return outcome;
}

START_TEST(test_limits)
{
    size_t extension = HTTP_CHUNK_EXTENSION_BYTES_MAX - 1, trailer = HTTP_TRAILER_BYTES_MAX;
    ck_assert_int_eq(decode_long("0;", extension, "\r\n\r\n"), HTTP_CHUNK_END);
    ck_assert_int_eq(decode_long("0;", extension + 1, "\r\n\r\n"), HTTP_CHUNK_BROKEN);
    ck_assert_int_eq(decode_long("0\r\n", trailer, "\r\n\r\n"), HTTP_CHUNK_END);
    ck_assert_int_eq(decode_long("0\r\n", trailer + 1, "\r\n\r\n"), HTTP_CHUNK_BROKEN);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http_chunk");
    TCase *tcase = tcase_create("http_chunk");
    tcase_add_loop_test(tcase, test_bodies_in_pieces, 0, (int)(sizeof(bodies) / sizeof(bodies[0])));
    tcase_add_test(tcase, test_next_leaves_bytes_alone);
    tcase_add_loop_test(tcase, test_broken, 0, (int)(sizeof(broken) / sizeof(broken[0])));
    tcase_add_test(tcase, test_limits);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
