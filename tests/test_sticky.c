// Tests of sticky.c: who has served a key, and that the memory of it is bounded.
#include "sticky.h"
#include "suite_run.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static struct sticky *sticky;

static void set_up(void)
{
    sticky = sticky_new(12345);
    ck_assert_ptr_nonnull(sticky);
}

static void tear_down(void)
{
    sticky_free(sticky);
}

static struct slice key_of(int number)
{
    static char text[32];
    snprintf(text, sizeof(text), "session-%d", number);
    return slice_of(text);
}

START_TEST(a_key_keeps_the_credential_that_was_put_last)
{
    ck_assert_uint_eq(sticky_find(sticky, slice_of("a")), STICKY_NONE);
    sticky_put(sticky, slice_of("a"), 1);
    sticky_put(sticky, slice_of("b"), 2);
    ck_assert_uint_eq(sticky_find(sticky, slice_of("a")), 1);
    ck_assert_uint_eq(sticky_find(sticky, slice_of("b")), 2);
    sticky_put(sticky, slice_of("a"), 3);
    ck_assert_uint_eq(sticky_find(sticky, slice_of("a")), 3);
}
END_TEST

START_TEST(no_key_is_no_key)
{
    sticky_put(sticky, slice_of(""), 1);
    ck_assert_uint_eq(sticky_find(sticky, slice_of("")), STICKY_NONE);
    ck_assert_uint_eq(sticky_find(sticky, (struct slice){NULL, 0}), STICKY_NONE);
}
END_TEST

START_TEST(a_credential_is_forgotten_whole)
{
    for (int i = 0; i < 1000; i++)
        sticky_put(sticky, key_of(i), 1 + (uint32_t)i % 2);
    sticky_forget(sticky, 1);
    for (int i = 0; i < 1000; i++)
        ck_assert_uint_eq(sticky_find(sticky, key_of(i)), i % 2 == 0 ? STICKY_NONE : 2);
}
END_TEST

START_TEST(what_is_in_use_outlives_a_flood)
{
    sticky_put(sticky, slice_of("kept"), 7);
    for (int i = 0; i < 100000; i++) {
        sticky_put(sticky, key_of(i), 1);
        ck_assert_uint_eq(sticky_find(sticky, slice_of("kept")), 7);
    }
    int found = 0;
    for (int i = 0; i < 100000; i++)
        found += sticky_find(sticky, key_of(i)) == 1;
    ck_assert_int_le(found, STICKY_SETS * STICKY_WAYS);
    ck_assert_int_ge(found, STICKY_SETS * STICKY_WAYS / 2); // the sets are filled evenly
    ck_assert_uint_eq(sticky_find(sticky, key_of(99999)), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sticky");
    TCase *cases = tcase_create("sticky");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, a_key_keeps_the_credential_that_was_put_last);
    tcase_add_test(cases, no_key_is_no_key);
    tcase_add_test(cases, a_credential_is_forgotten_whole);
    tcase_add_test(cases, what_is_in_use_outlives_a_flood);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
