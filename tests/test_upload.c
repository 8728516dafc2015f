// Tests of upload.c: the window between a sender and a taker of different speeds.
#include "suite_run.h"
#include "upload.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static char byte_at(uint64_t at)
{
    return (char)(at % 251);
}

static bool append(struct upload *upload, size_t length)
{
    char bytes[UPLOAD_PIECE_BYTES_MAX];
    for (size_t i = 0; i < length; i++)
        bytes[i] = byte_at((uint64_t)upload->total + i);
    return upload_append(upload, bytes, length);
}

// What is there from `offset` on, checked byte by byte.
static size_t peek(struct upload *upload, uint64_t offset, bool *at_end)
{
    const char *bytes = NULL;
    size_t there = upload_peek(upload, offset, &bytes, at_end);
    for (size_t i = 0; i < there; i++)
        if (bytes[i] != byte_at(offset + i))
            ck_abort_msg("byte %llu differs", (unsigned long long)(offset + i));
    return there;
}

START_TEST(end_is_told_once_all_is_taken)
{
    struct upload upload = {.total_max = 100};
    bool at_end = true;
    ck_assert_uint_eq(peek(&upload, 0, &at_end), 0);
    ck_assert(!at_end);
    ck_assert(append(&upload, 10));
    ck_assert_uint_eq(peek(&upload, 0, &at_end), 10);
    ck_assert_uint_eq(peek(&upload, 4, &at_end), 6);
    ck_assert_uint_eq(peek(&upload, 10, &at_end), 0);
    ck_assert(!at_end); // more may come
    ck_assert(append(&upload, 5));
    upload.ended = true;
    ck_assert_uint_eq(peek(&upload, 12, &at_end), 3);
    ck_assert(!at_end);
    ck_assert_uint_eq(peek(&upload, 15, &at_end), 0);
    ck_assert(at_end);
    upload_done(&upload);
}
END_TEST

START_TEST(empty_body_ends_at_once)
{
    struct upload upload = {.total_max = 100, .ended = true};
    bool at_end = false;
    ck_assert_uint_eq(peek(&upload, 0, &at_end), 0);
    ck_assert(at_end);
    upload_done(&upload);
    upload_done(&upload);
}
END_TEST

START_TEST(total_ends_at_its_maximum)
{
    struct upload upload = {.total_max = 100};
    bool at_end;
    ck_assert(append(&upload, 60));
    peek(&upload, 60, &at_end); // what has gone out counts too
    ck_assert(!append(&upload, 41));
    ck_assert(append(&upload, 40));
    ck_assert(!append(&upload, 1));
    ck_assert_int_eq(upload.total, 100);
    upload_done(&upload);
}
END_TEST

START_TEST(window_is_full_at_its_size)
{
    struct upload upload = {.total_max = 1 << 30};
    bool at_end;
    while (upload.length < UPLOAD_WINDOW_BYTES - UPLOAD_PIECE_BYTES_MAX)
        ck_assert(append(&upload, UPLOAD_PIECE_BYTES_MAX));
    ck_assert(append(&upload, UPLOAD_PIECE_BYTES_MAX - 1));
    ck_assert(!upload_is_full(&upload));
    ck_assert(append(&upload, 1));
    ck_assert(upload_is_full(&upload));
    ck_assert_uint_eq(peek(&upload, UPLOAD_WINDOW_BYTES, &at_end), 0);
    ck_assert(!upload_is_full(&upload));
    upload_done(&upload);
}
END_TEST

// A taker that TLS makes offer the same bytes again must find them at the same place.
START_TEST(bytes_that_were_offered_stay_where_they_are)
{
    struct upload upload = {.total_max = 1 << 30};
    const char *first, *second;
    bool at_end;
    ck_assert(append(&upload, 1));
    upload_peek(&upload, 0, &first, &at_end);
    while (!upload_is_full(&upload))
        ck_assert(append(&upload, UPLOAD_PIECE_BYTES_MAX));
    upload_peek(&upload, 0, &second, &at_end);
    ck_assert_ptr_eq(first, second);
    upload_done(&upload);
}
END_TEST

START_TEST(long_body_passes_in_bounded_memory)
{
    const uint64_t total = 20 << 20;
    struct upload upload = {.total_max = 1 << 30};
    uint64_t taken = 0;
    unsigned random = 1;
    bool at_end = false;
    while (!at_end) {
        random = random * 1103515245 + 12345;
        size_t size = random >> 8 & 0xffff;
        if ((uint64_t)upload.total < total && !upload_is_full(&upload))
            ck_assert(append(&upload, size));
        upload.ended = (uint64_t)upload.total >= total;
        size_t there = peek(&upload, taken, &at_end);
        taken += there < size / 2 ? there : size / 2;
        ck_assert_uint_lt(upload.length, UPLOAD_WINDOW_BYTES + UPLOAD_PIECE_BYTES_MAX);
    }
    ck_assert_uint_eq(taken, (uint64_t)upload.total);
    upload_done(&upload);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("upload");
    TCase *cases = tcase_create("upload");
    tcase_add_test(cases, end_is_told_once_all_is_taken);
    tcase_add_test(cases, empty_body_ends_at_once);
    tcase_add_test(cases, total_ends_at_its_maximum);
    tcase_add_test(cases, window_is_full_at_its_size);
    tcase_add_test(cases, bytes_that_were_offered_stay_where_they_are);
    tcase_add_test(cases, long_body_passes_in_bounded_memory);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
