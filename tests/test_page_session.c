// Tests of page_session.c: links work once and not for long, sessions end, and both are few.
#include "page_session.h"
#include "suite_run.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define NOW INT64_C(1000000)

static struct page_sessions sessions;

static void set_up(void)
{
    memset(&sessions, 0, sizeof(sessions));
}

static void make_link(int64_t now_us, char token[static PAGE_SECRET_MAX])
{
    struct error err;
    ck_assert_int_eq(page_link_make(&sessions, now_us, token, &err), 0);
}

START_TEST(a_link_opens_one_session)
{
    char token[PAGE_SECRET_MAX], cookie[PAGE_SECRET_MAX], another[PAGE_SECRET_MAX];
    make_link(NOW, token);
    ck_assert(page_link_use(&sessions, slice_of(token), NOW + 1, cookie));
    ck_assert_str_ne(token, cookie);
    ck_assert_int_eq(page_session_find(&sessions, slice_of(cookie), NOW + 2),
                     NOW + 1 + PAGE_SESSION_VALID_US);
    ck_assert(!page_link_use(&sessions, slice_of(token), NOW + 2, another));
    ck_assert_int_eq(page_session_find(&sessions, slice_of(cookie), NOW + 2),
                     NOW + 1 + PAGE_SESSION_VALID_US);
}
END_TEST

START_TEST(a_link_is_no_session_and_a_session_no_link)
{
    char token[PAGE_SECRET_MAX], cookie[PAGE_SECRET_MAX], another[PAGE_SECRET_MAX];
    make_link(NOW, token);
    ck_assert_int_eq(page_session_find(&sessions, slice_of(token), NOW), 0);
    ck_assert(page_link_use(&sessions, slice_of(token), NOW, cookie));
    ck_assert(!page_link_use(&sessions, slice_of(cookie), NOW, another));
}
END_TEST

START_TEST(a_link_is_over_after_its_time)
{
    char token[PAGE_SECRET_MAX], cookie[PAGE_SECRET_MAX];
    make_link(NOW, token);
    ck_assert(!page_link_use(&sessions, slice_of(token), NOW + PAGE_LINK_VALID_US, cookie));
    ck_assert(page_link_use(&sessions, slice_of(token), NOW + PAGE_LINK_VALID_US - 1, cookie));
}
END_TEST

START_TEST(a_session_is_over_after_its_time)
{
    char token[PAGE_SECRET_MAX], cookie[PAGE_SECRET_MAX];
    make_link(NOW, token);
    ck_assert(page_link_use(&sessions, slice_of(token), NOW, cookie));
    ck_assert_int_ne(
        page_session_find(&sessions, slice_of(cookie), NOW + PAGE_SESSION_VALID_US - 1), 0);
    ck_assert_int_eq(page_session_find(&sessions, slice_of(cookie), NOW + PAGE_SESSION_VALID_US),
                     0);
}
END_TEST

START_TEST(nothing_else_opens_anything)
{
    char token[PAGE_SECRET_MAX], cookie[PAGE_SECRET_MAX], long_text[1000];
    make_link(NOW, token);
    memset(long_text, 'a', sizeof(long_text));
    token[strlen(token) - 1] ^= 1;
    const struct slice wrong[] = {
        slice_of(token), slice_of(""), {NULL, 0}, {long_text, sizeof(long_text)}};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        ck_assert(!page_link_use(&sessions, wrong[i], NOW, cookie));
        ck_assert_int_eq(page_session_find(&sessions, wrong[i], NOW), 0);
    }
}
END_TEST

START_TEST(one_more_replaces_the_oldest)
{
    char tokens[PAGE_LINKS_MAX + 1][PAGE_SECRET_MAX],
        cookies[PAGE_SESSIONS_MAX + 1][PAGE_SECRET_MAX];
    for (int i = 0; i <= PAGE_LINKS_MAX; i++)
        make_link(NOW + i, tokens[i]);
    ck_assert(!page_link_use(&sessions, slice_of(tokens[0]), NOW, cookies[0]));
    ck_assert(page_link_use(&sessions, slice_of(tokens[1]), NOW, cookies[0]));
    for (int i = 1; i <= PAGE_SESSIONS_MAX; i++) {
        make_link(NOW + i, tokens[0]);
        ck_assert(page_link_use(&sessions, slice_of(tokens[0]), NOW + i, cookies[i]));
    }
    ck_assert_int_eq(page_session_find(&sessions, slice_of(cookies[0]), NOW), 0);
    for (int i = 1; i <= PAGE_SESSIONS_MAX; i++)
        ck_assert_int_ne(page_session_find(&sessions, slice_of(cookies[i]), NOW + i), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("page_session");
    TCase *cases = tcase_create("page_session");
    tcase_add_checked_fixture(cases, set_up, NULL);
    tcase_add_test(cases, a_link_opens_one_session);
    tcase_add_test(cases, a_link_is_no_session_and_a_session_no_link);
    tcase_add_test(cases, a_link_is_over_after_its_time);
    tcase_add_test(cases, a_session_is_over_after_its_time);
    tcase_add_test(cases, nothing_else_opens_anything);
    tcase_add_test(cases, one_more_replaces_the_oldest);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
