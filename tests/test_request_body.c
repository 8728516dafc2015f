// Tests of request_body.c: what is held in memory, what in a file, and how much of it.
#include "request_body.h"
#include "suite_run.h"

#include <check.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MB (INT64_C(1) << 20)
#define PIECE 65536

static char directory[] = "/tmp/reeve-test-XXXXXX";
static int64_t held;

static void set_up(void)
{
    ck_assert_ptr_nonnull(mkdtemp(directory));
    held = 0;
}

static void tear_down(void)
{
    ck_assert_int_eq(rmdir(directory), 0); // nothing is left in it
}

static bool directory_is_empty(void)
{
    size_t entries = 0;
    DIR *listing = opendir(directory);
    while (readdir(listing) != NULL)
        entries++;
    closedir(listing);
    return entries == 2; // . and ..
}

// Byte `at` of every body here: no period that a buffer's size could share.
static char byte_at(int64_t at)
{
    return (char)(at % 251 + at / 65521);
}

static int append(struct request_body *body, int64_t length, struct error *err)
{
    char bytes[PIECE];
    int result = 0;
    while (result == 0 && length > 0) {
        size_t size = length < PIECE ? (size_t)length : PIECE;
        for (size_t i = 0; i < size; i++)
            bytes[i] = byte_at(body->length + (int64_t)i);
        result = request_body_append(body, bytes, size, err);
        length -= (int64_t)size;
    }
    return result;
}

// `expected` as announced; `in_file`: whether it is spilled.
static const struct {
    int64_t expected, length;
    bool in_file;
} bodies[] = {
    {-1, 0, false},         {0, 0, false},          {-1, 1, false},          {1, 1, false},
    {8192, 8192, false},    {-1, 8192, false},      {-1, 8193, false},       {100, 9000, false},
    {-1, MB - 1, false},    {-1, MB, false},        {MB, MB, false},         {-1, MB + 1, true},
    {MB + 1, MB + 1, true}, {3 * MB, 3 * MB, true}, {-1, 5 * MB + 17, true}, {MB, 1, false},
};

START_TEST(body_comes_back_as_it_came)
{
    struct request_body body;
    struct error err = {0};
    request_body_init(&body, bodies[_i].expected, 32 * MB, &held, directory);
    ck_assert_msg(append(&body, bodies[_i].length, &err) == 0, "%s", err.text);
    ck_assert_int_eq(held, bodies[_i].length);
    ck_assert(directory_is_empty()); // its file has no name
    ck_assert(bodies[_i].in_file == (body.file >= 0));
    ck_assert_msg(request_body_complete(&body, &err) == 0, "%s", err.text);
    struct slice slice = request_body_slice(&body);
    ck_assert_uint_eq(slice.length, (size_t)bodies[_i].length);
    ck_assert_ptr_nonnull(slice.bytes);
    for (size_t i = 0; i < slice.length; i++)
        if (slice.bytes[i] != byte_at((int64_t)i))
            ck_abort_msg("byte %zu of %zu differs", i, slice.length);
    request_body_done(&body);
    request_body_done(&body);
    ck_assert_int_eq(held, 0);
}
END_TEST

START_TEST(memory_is_given_back_once_it_is_in_a_file)
{
    struct request_body body;
    request_body_init(&body, -1, 32 * MB, &held, directory);
    ck_assert_int_eq(append(&body, MB, NULL), 0);
    ck_assert_uint_ge(body.capacity, MB);
    ck_assert_int_eq(append(&body, 1, NULL), 0);
    ck_assert_uint_eq(body.capacity, 0);
    ck_assert_ptr_null(body.bytes);
    request_body_done(&body);
}
END_TEST

START_TEST(body_ends_at_its_maximum)
{
    static const int64_t maxima[] = {1, 10, MB, 2 * MB};
    for (size_t i = 0; i < sizeof(maxima) / sizeof(maxima[0]); i++) {
        struct request_body body;
        struct error err = {0};
        char says[128];
        request_body_init(&body, -1, maxima[i], &held, directory);
        ck_assert_int_eq(append(&body, maxima[i], NULL), 0);
        ck_assert_int_eq(request_body_append(&body, "x", 1, &err), -EFBIG);
        snprintf(says, sizeof(says), "the request's body is larger than %lld bytes",
                 (long long)maxima[i]);
        ck_assert_str_eq(err.text, says);
        ck_assert_int_eq(held, maxima[i]);
        ck_assert_int_eq(body.length, maxima[i]);
        request_body_done(&body);
        ck_assert_int_eq(held, 0);
    }
}
END_TEST

START_TEST(all_bodies_together_end_at_their_maximum)
{
    struct request_body body;
    struct error err = {0};
    held = REQUEST_BODIES_HELD_MAX - 10; // of others
    request_body_init(&body, -1, 32 * MB, &held, directory);
    ck_assert_int_eq(append(&body, 10, NULL), 0);
    ck_assert_int_eq(request_body_append(&body, "x", 1, &err), -EBUSY);
    ck_assert_str_eq(err.text, "the requests at hand have 1073741824 bytes of bodies, the most");
    ck_assert_int_eq(held, REQUEST_BODIES_HELD_MAX);
    request_body_done(&body);
    ck_assert_int_eq(held, REQUEST_BODIES_HELD_MAX - 10);
}
END_TEST

START_TEST(missing_spool_is_told_and_small_bodies_do_without)
{
    struct request_body body;
    struct error err = {0};
    request_body_init(&body, -1, 32 * MB, &held, "/nonexistent");
    ck_assert_int_eq(append(&body, MB, NULL), 0);
    ck_assert_int_eq(append(&body, 1, &err), -ENOENT);
    ck_assert_str_eq(err.text, "a file for the request's body in /nonexistent: "
                               "No such file or directory");
    ck_assert_int_eq(held, MB);
    request_body_done(&body);
    ck_assert_int_eq(held, 0);
}
END_TEST

START_TEST(full_disk_is_told)
{
    struct request_body body;
    struct error err = {0};
    if (access("/dev/full", W_OK) < 0)
        return;
    request_body_init(&body, -1, 32 * MB, &held, directory);
    ck_assert_int_eq(append(&body, MB + 1, NULL), 0);
    FILE *full = fopen("/dev/full", "w");
    ck_assert_int_eq(dup2(fileno(full), body.file), body.file);
    fclose(full);
    ck_assert_int_eq(append(&body, 1, &err), -ENOSPC);
    ck_assert_ptr_nonnull(strstr(err.text, "holding the request's body in"));
    ck_assert_ptr_nonnull(strstr(err.text, "No space left on device"));
    request_body_done(&body);
    ck_assert_int_eq(held, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("request_body");
    TCase *cases = tcase_create("request_body");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_loop_test(cases, body_comes_back_as_it_came, 0, sizeof(bodies) / sizeof(bodies[0]));
    tcase_add_test(cases, memory_is_given_back_once_it_is_in_a_file);
    tcase_add_test(cases, body_ends_at_its_maximum);
    tcase_add_test(cases, all_bodies_together_end_at_their_maximum);
    tcase_add_test(cases, missing_spool_is_told_and_small_bodies_do_without);
    tcase_add_test(cases, full_disk_is_told);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
