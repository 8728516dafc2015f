// Tests of credential_pool.c: which credential serves, and what becomes of one that does not.
#include "credential_pool.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOW_MS INT64_C(1795400000000)

static char directory[] = "/tmp/reeve-test-XXXXXX";
static char path[64];
static struct credential_pool *pool;

static void set_up(void)
{
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/cred", directory);
    pool = credential_pool_new();
}

static void tear_down(void)
{
    credential_pool_free(pool);
    unlink(path);
    rmdir(directory);
}

static int add_text(const char *name, int priority, const char *text, struct error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    return credential_pool_add(pool, name, path, CREDENTIAL_ANY, priority, err);
}

static void add(const char *name, int priority)
{
    struct error err = {0};
    ck_assert_msg(add_text(name, priority, name, &err) == 0, "%s", err.text);
}

// A credential that ends at `expires_at_ms`.
static void add_expiring(const char *name, int priority, int64_t expires_at_ms)
{
    char text[256];
    struct error err = {0};
    snprintf(text, sizeof(text), "{\"claudeAiOauth\":{\"accessToken\":\"%s\",\"expiresAt\":%lld}}",
             name, (long long)expires_at_ms);
    ck_assert_msg(add_text(name, priority, text, &err) == 0, "%s", err.text);
}

static void assert_picked(const char *name)
{
    const struct credential *credential = credential_pool_pick(pool, NOW_MS);
    ck_assert_ptr_nonnull(credential);
    ck_assert_str_eq(credential->name, name);
    ck_assert_str_eq(credential->secret.access, name);
}

static void report(int http_status)
{
    credential_pool_report(credential_pool_pick(pool, NOW_MS), http_status);
}

static void note_name(const struct credential *credential, void *context)
{
    char *names = context;
    size_t used = strlen(names);
    snprintf(names + used, 64 - used, "%s=%s ", credential->name,
             credential_state_name(credential->state));
}

static void assert_states(const char *expected)
{
    char names[64] = "";
    credential_pool_each(pool, note_name, names);
    ck_assert_str_eq(names, expected);
}

START_TEST(lowest_priority_serves_then_who_came_first)
{
    ck_assert_ptr_null(credential_pool_pick(pool, NOW_MS));
    add("five", 5);
    assert_picked("five");
    add("two", 2);
    assert_picked("two");
    add("two-too", 2);
    add("seven", 7);
    add("minus", -1);
    assert_picked("minus");
    ck_assert_uint_eq(credential_pool_count(pool), 5);
    assert_states("minus=ready two=ready two-too=ready five=ready seven=ready ");
}
END_TEST

START_TEST(expired_one_is_passed_over)
{
    add_expiring("past", 1, NOW_MS - 1);
    add_expiring("now", 2, NOW_MS);
    add_expiring("soon", 3, NOW_MS + 1);
    assert_picked("soon");
    assert_states("past=expired now=expired soon=ready ");
    ck_assert_ptr_null(credential_pool_pick(pool, NOW_MS + 1));
}
END_TEST

START_TEST(refused_one_serves_only_where_there_is_no_other)
{
    add("a", 1);
    add("b", 2);
    report(401);
    assert_states("a=refused b=ready ");
    assert_picked("b");
    report(401);
    assert_picked("a"); // better than none: the upstream may have changed its mind
    report(200);
    assert_states("a=ready b=refused ");
    assert_picked("a");
}
END_TEST

START_TEST(other_answers_do_not_count_against_it)
{
    static const int statuses[] = {400, 402, 403, 404, 413, 429, 500, 502, 529, 302};
    add("a", 1);
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
        report(statuses[i]);
    assert_states("a=ready ");
    ck_assert_int_eq(credential_pool_pick(pool, NOW_MS)->exchanges, 0);
    report(200);
    report(299);
    ck_assert_int_eq(credential_pool_pick(pool, NOW_MS)->exchanges, 2);
    report(401);
    report(503); // says nothing about the credential
    assert_states("a=refused ");
}
END_TEST

START_TEST(name_is_taken_once)
{
    struct error err = {0};
    add("a", 1);
    ck_assert_int_eq(add_text("a", 2, "other", &err), -EEXIST);
    ck_assert_str_eq(err.text, "credential a exists already");
    assert_picked("a");
}
END_TEST

START_TEST(bad_file_leaves_the_pool_as_it_was)
{
    struct error err = {0};
    add("a", 1);
    ck_assert_int_eq(add_text("b", 0, "", &err), -EINVAL);
    ck_assert_int_eq(credential_pool_add(pool, "b", "/nonexistent", CREDENTIAL_ANY, 0, &err),
                     -ENOENT);
    ck_assert_int_eq(credential_pool_add(pool, "b", path, CREDENTIAL_OAUTH, 0, &err), -EINVAL);
    ck_assert_uint_eq(credential_pool_count(pool), 1);
    assert_states("a=ready ");
}
END_TEST

START_TEST(pool_is_full_at_its_maximum)
{
    char name[16];
    struct error err = {0};
    for (int i = 0; i < CREDENTIALS_MAX; i++) {
        snprintf(name, sizeof(name), "c%d", i);
        add(name, CREDENTIALS_MAX - i);
    }
    ck_assert_int_eq(add_text("more", 0, "more", &err), -ENOSPC);
    ck_assert_str_eq(err.text, "64 credentials, which is the most");
    assert_picked("c63");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("credential_pool");
    TCase *cases = tcase_create("credential_pool");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, lowest_priority_serves_then_who_came_first);
    tcase_add_test(cases, expired_one_is_passed_over);
    tcase_add_test(cases, refused_one_serves_only_where_there_is_no_other);
    tcase_add_test(cases, other_answers_do_not_count_against_it);
    tcase_add_test(cases, name_is_taken_once);
    tcase_add_test(cases, bad_file_leaves_the_pool_as_it_was);
    tcase_add_test(cases, pool_is_full_at_its_maximum);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
