// Checks CRC-32C against the vectors of RFC 3720, appendix B.4, and both ways of computing it.
#include "crc32c.h"
#include "suite_run.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(matches_the_vectors)
{
    uint8_t zeros[32] = {0};
    uint8_t ones[32];
    uint8_t rising[32];
    uint8_t falling[32];
    memset(ones, 0xff, sizeof(ones));
    for (uint8_t i = 0; i < 32; i++) {
        rising[i] = i;
        falling[i] = (uint8_t)(31 - i);
    }
    const struct {
        const void *bytes;
        size_t length;
        uint32_t crc;
    } vectors[] = {
        {zeros, 32, 0x8a9136aa},
        {ones, 32, 0x62a8ab43},
        {rising, 32, 0x46dd794e},
        {falling, 32, 0x113fdb5c},
        {"", 0, 0},
        {"123456789", 9, 0xe3069283},
    };
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        ck_assert_uint_eq(crc32c(0, vectors[i].bytes, vectors[i].length), vectors[i].crc);
        ck_assert_uint_eq(crc32c_portable(0, vectors[i].bytes, vectors[i].length), vectors[i].crc);
    }
}
END_TEST

START_TEST(goes_on_from_any_split)
{
    uint8_t bytes[100];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 37 + 11);
    uint32_t whole = crc32c_portable(0, bytes, sizeof(bytes));
    for (size_t split = 0; split <= sizeof(bytes); split++) {
        uint32_t crc = crc32c(0, bytes, split);
        ck_assert_uint_eq(crc32c(crc, bytes + split, sizeof(bytes) - split), whole);
        crc = crc32c_portable(0, bytes, split);
        ck_assert_uint_eq(crc32c_portable(crc, bytes + split, sizeof(bytes) - split), whole);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("crc32c");
    TCase *cases = tcase_create("crc32c");
    tcase_add_test(cases, matches_the_vectors);
    tcase_add_test(cases, goes_on_from_any_split);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
