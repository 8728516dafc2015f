// Tests of credential_lock.c: the folders that Claude Code makes, one owner at a time, and dead
// ones.
#include "credential_lock.h"
#include "remove_tree.h"
#include "suite_run.h"

#include <check.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char directory[40];
static struct error err;

static const char *in_directory(const char *name)
{
    static char path[2][96];
    static int next;
    next = !next;
    snprintf(path[next], sizeof(path[next]), "%s/%s", directory, name);
    return path[next];
}

static void set_up(void)
{
    snprintf(directory, sizeof(directory), "/tmp/reeve-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(mkdir(in_directory(".claude"), 0700), 0);
}

static void tear_down(void)
{
    remove_tree(directory);
}

static bool is_there(const char *name)
{
    return access(in_directory(name), F_OK) == 0;
}

static void age(const char *name, int seconds)
{
    struct timespec times[2] = {{.tv_sec = time(NULL) - seconds}, {.tv_sec = time(NULL) - seconds}};
    ck_assert_int_eq(utimensat(AT_FDCWD, in_directory(name), times, 0), 0);
}

static const struct {
    const char *file;
    bool has_second; // the one of older versions, around the folder
} files[] = {{".claude/.credentials.json", true}, {".claude/other.json", false}};

START_TEST(there_is_one_owner)
{
    struct credential_lock first = {0}, second = {0};
    ck_assert_int_eq(credential_lock_take(&first, in_directory(files[_i].file), &err), 0);
    ck_assert(is_there(".claude/.oauth_refresh.lock"));
    ck_assert_int_eq(is_there(".claude.lock"), files[_i].has_second);
    ck_assert_int_eq(credential_lock_take(&second, in_directory(files[_i].file), &err), -EBUSY);
    ck_assert_ptr_nonnull(strstr(err.text, "another process"));
    credential_lock_release(&second); // which it does not have
    ck_assert(is_there(".claude/.oauth_refresh.lock"));
    credential_lock_release(&first);
    ck_assert(!is_there(".claude/.oauth_refresh.lock") && !is_there(".claude.lock"));
    ck_assert_int_eq(credential_lock_take(&second, in_directory(files[_i].file), &err), 0);
    credential_lock_release(&second);
}
END_TEST

START_TEST(of_two_folders_it_takes_both_or_none)
{
    struct credential_lock lock = {0};
    ck_assert_int_eq(mkdir(in_directory(".claude.lock"), 0700), 0);
    ck_assert_int_eq(credential_lock_take(&lock, in_directory(files[0].file), &err), -EBUSY);
    ck_assert(!is_there(".claude/.oauth_refresh.lock"));
    ck_assert(is_there(".claude.lock"));
}
END_TEST

static const struct {
    int seconds;
    int result;
} ages[] = {{CREDENTIAL_LOCK_STALE_S - 20, -EBUSY}, {CREDENTIAL_LOCK_STALE_S + 20, 0}};

START_TEST(a_dead_one_is_removed)
{
    struct credential_lock lock = {0};
    ck_assert_int_eq(mkdir(in_directory(".claude/.oauth_refresh.lock"), 0700), 0);
    age(".claude/.oauth_refresh.lock", ages[_i].seconds);
    ck_assert_int_eq(credential_lock_take(&lock, in_directory(files[1].file), &err),
                     ages[_i].result);
    credential_lock_release(&lock);
}
END_TEST

START_TEST(touching_keeps_it_alive)
{
    struct credential_lock first = {0}, second = {0};
    ck_assert_int_eq(credential_lock_take(&first, in_directory(files[0].file), &err), 0);
    age(".claude/.oauth_refresh.lock", 2 * CREDENTIAL_LOCK_STALE_S);
    age(".claude.lock", 2 * CREDENTIAL_LOCK_STALE_S);
    credential_lock_touch(&first);
    ck_assert_int_eq(credential_lock_take(&second, in_directory(files[0].file), &err), -EBUSY);
    credential_lock_release(&first);
}
END_TEST

START_TEST(a_missing_folder_is_an_error)
{
    struct credential_lock lock = {0};
    ck_assert_int_eq(credential_lock_take(&lock, in_directory("nowhere/a"), &err), -ENOENT);
    ck_assert_int_eq(credential_lock_take(&lock, "a", &err), -EINVAL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("credential_lock");
    TCase *tests = tcase_create("credential_lock");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, there_is_one_owner, 0, (int)(sizeof(files) / sizeof(files[0])));
    tcase_add_test(tests, of_two_folders_it_takes_both_or_none);
    tcase_add_loop_test(tests, a_dead_one_is_removed, 0, (int)(sizeof(ages) / sizeof(ages[0])));
    tcase_add_test(tests, touching_keeps_it_alive);
    tcase_add_test(tests, a_missing_folder_is_an_error);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
