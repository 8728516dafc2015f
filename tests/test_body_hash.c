// Tests of body_hash.c: what is the same hashes the same, and the smallest change shows.
#include "body_hash.h"
#include "suite_run.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX 300

static int compare(const void *left, const void *right)
{
    return memcmp(left, right, sizeof(struct body_hash));
}

static void assert_all_differ(struct body_hash *hashes, size_t count)
{
    qsort(hashes, count, sizeof(*hashes), compare);
    for (size_t i = 1; i < count; i++) {
        ck_assert(!body_hash_equal(&hashes[i - 1], &hashes[i]));
        // Nor do the halves: 2,400 of them meet by accident once in 10^12 times.
        ck_assert_uint_ne(hashes[i - 1].low, hashes[i].low);
        ck_assert_uint_ne(hashes[i - 1].high, hashes[i].high);
    }
}

START_TEST(same_bytes_hash_the_same_wherever_they_are)
{
    char body[BODY_MAX + 16];
    for (size_t length = 0; length <= BODY_MAX; length++) {
        struct body_hash first = {0, 0};
        for (size_t offset = 0; offset < 16; offset++) {
            memset(body, 'x', sizeof(body));
            for (size_t i = 0; i < length; i++)
                body[offset + i] = (char)(i * 7);
            struct body_hash hash = body_hash_make(body + offset, length);
            if (offset == 0)
                first = hash;
            ck_assert(body_hash_equal(&hash, &first));
        }
    }
}
END_TEST

START_TEST(every_bit_matters)
{
    static struct body_hash hashes[8 * BODY_MAX];
    static const char fills[] = {0, 'a', -1};
    char body[BODY_MAX];
    memset(body, fills[_i], sizeof(body));
    for (size_t bit = 0; bit < 8 * sizeof(body); bit++) {
        body[bit / 8] = (char)(body[bit / 8] ^ 1 << bit % 8);
        hashes[bit] = body_hash_make(body, sizeof(body));
        body[bit / 8] = (char)(body[bit / 8] ^ 1 << bit % 8);
    }
    assert_all_differ(hashes, 8 * sizeof(body));
}
END_TEST

START_TEST(length_matters)
{
    static struct body_hash hashes[BODY_MAX + 1];
    char body[BODY_MAX] = {0};
    for (size_t length = 0; length <= sizeof(body); length++)
        hashes[length] = body_hash_make(body, length);
    assert_all_differ(hashes, sizeof(body) + 1);
}
END_TEST

// Blocks that change places, and bytes that cancel each other out in weaker hashes.
START_TEST(order_matters)
{
    static struct body_hash hashes[64];
    for (size_t i = 0; i < 64; i++) {
        char body[65 * 16] = {0};
        memset(body + 16 * i, 1, 16);
        memset(body + 16 * (i + 1), 2, 16);
        hashes[i] = body_hash_make(body, sizeof(body));
    }
    assert_all_differ(hashes, 64);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("body_hash");
    TCase *cases = tcase_create("body_hash");
    tcase_add_test(cases, same_bytes_hash_the_same_wherever_they_are);
    tcase_add_loop_test(cases, every_bit_matters, 0, 3);
    tcase_add_test(cases, length_matters);
    tcase_add_test(cases, order_matters);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
