// Tests of credential_store.c: the file is the old one or the new one, and a kill leaves a trace.
#include "credential_store.h"
#include "suite_run.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char old_text[] =
    "{\"claudeAiOauth\":{\"accessToken\":\"A1\",\"refreshToken\":\"R1\",\"expiresAt\":1}}";
static const char new_text[] =
    "{\"claudeAiOauth\":{\"accessToken\":\"A2\",\"refreshToken\":\"R2\",\"expiresAt\":2}}";
static const struct credential_renewal renewal = {
    .access = "A2", .refresh = "R2", .expires_at_ms = 2, .refresh_expires_at_ms = -1};

static char directory[32];
static char path[64];
static struct error err;

static void text_put(const char *where, const char *text)
{
    int fd = open(where, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void set_up(void)
{
    snprintf(directory, sizeof(directory), "/tmp/reeve-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/main.json", directory);
    text_put(path, old_text);
    err = (struct error){0};
}

// The names in the folder besides the file's own; the first one that is there, or "".
static const char *other_file(void)
{
    static char name[NAME_MAX + 1];
    DIR *listing = opendir(directory);
    name[0] = '\0';
    for (const struct dirent *each; (each = readdir(listing)) != NULL;)
        if (strcmp(each->d_name, ".") != 0 && strcmp(each->d_name, "..") != 0 &&
            strcmp(each->d_name, "main.json") != 0)
            snprintf(name, sizeof(name), "%s", each->d_name);
    closedir(listing);
    return name;
}

static const char *other_path(void)
{
    static char text[PATH_MAX];
    snprintf(text, sizeof(text), "%s/%s", directory, other_file());
    return text;
}

static void tear_down(void)
{
    unlink(path);
    while (*other_file() != '\0')
        ck_assert_int_eq(unlink(other_path()), 0);
    ck_assert_int_eq(rmdir(directory), 0);
}

static void assert_text(const char *where, const char *expected)
{
    char *text = NULL;
    ck_assert_msg(credential_file_text(where, &text, &err) == 0, "%s", err.text);
    ck_assert_str_eq(text, expected);
    credential_text_free(&text);
}

static void prepare(void)
{
    ck_assert_msg(credential_store_prepare(path, "R1", &err) == 0, "%s", err.text);
}

static enum credential_leftover recover(void)
{
    enum credential_leftover leftover = LEFTOVER_NONE;
    ck_assert_msg(credential_store_recover(path, &leftover, &err) == 0, "%s", err.text);
    return leftover;
}

START_TEST(a_commit_replaces_the_pair_and_leaves_nothing)
{
    struct stat status;
    prepare();
    assert_text(path, old_text);
    ck_assert_msg(credential_store_commit(path, "R1", &renewal, &err) == 0, "%s", err.text);
    assert_text(path, new_text);
    ck_assert_str_eq(other_file(), "");
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0600);
    ck_assert_int_eq(recover(), LEFTOVER_NONE);
}
END_TEST

START_TEST(what_was_prepared_is_found_as_unanswered)
{
    prepare();
    ck_assert_int_eq(recover(), LEFTOVER_UNANSWERED);
    ck_assert_int_eq(recover(), LEFTOVER_UNANSWERED); // until it is answered
    prepare();                                        // as the retry does
    credential_store_discard(path, "R1");
    ck_assert_int_eq(recover(), LEFTOVER_NONE);
    assert_text(path, old_text);
}
END_TEST

START_TEST(nothing_is_prepared_for_another_login)
{
    ck_assert_int_eq(credential_store_prepare(path, "R9", &err), -ESTALE);
    ck_assert_str_eq(other_file(), "");
}
END_TEST

START_TEST(a_successor_that_is_torn_is_as_good_as_none)
{
    for (size_t length = 0; length < strlen(new_text); length++) {
        char torn[sizeof(new_text)] = "";
        memcpy(torn, new_text, length);
        prepare();
        text_put(other_path(), torn);
        ck_assert_int_eq(recover(), LEFTOVER_UNANSWERED);
        assert_text(path, old_text);
    }
}
END_TEST

START_TEST(a_successor_that_is_whole_becomes_the_file)
{
    prepare();
    text_put(other_path(), new_text);
    ck_assert_int_eq(recover(), LEFTOVER_ADOPTED);
    assert_text(path, new_text);
    ck_assert_str_eq(other_file(), "");
    ck_assert_int_eq(recover(), LEFTOVER_NONE);
}
END_TEST

START_TEST(a_successor_of_another_login_is_removed)
{
    prepare();
    text_put(other_path(), new_text);
    text_put(path, "{\"claudeAiOauth\":{\"accessToken\":\"B1\",\"refreshToken\":\"S1\"}}");
    ck_assert_int_eq(recover(), LEFTOVER_NONE);
    ck_assert_str_eq(other_file(), "");
}
END_TEST

START_TEST(another_login_is_not_written_over)
{
    static const char *const others[] = {
        "{\"claudeAiOauth\":{\"accessToken\":\"B1\",\"refreshToken\":\"S1\"}}",
        "{\"claudeAiOauth\":{}}",
        "{}",
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        text_put(path, old_text);
        prepare();
        text_put(path, others[i]);
        ck_assert_int_eq(credential_store_commit(path, "R1", &renewal, &err), -ESTALE);
        assert_text(path, others[i]);
        ck_assert_str_eq(other_file(), "");
    }
    text_put(path, old_text);
    prepare();
    unlink(path);
    ck_assert_int_eq(credential_store_commit(path, "R1", &renewal, &err), -ESTALE);
    ck_assert_int_lt(access(path, F_OK), 0);
}
END_TEST

START_TEST(a_folder_that_takes_no_file_is_found_out_before)
{
    char missing[96];
    snprintf(missing, sizeof(missing), "%s/none/main.json", directory);
    ck_assert_int_eq(credential_store_prepare(missing, "R1", &err), -ENOENT);
    ck_assert_int_eq(credential_store_prepare("main.json", "R1", &err), -EINVAL);
}
END_TEST

START_TEST(write_makes_file_and_folder_for_the_owner_alone)
{
    char folder[64], made[96];
    struct stat status;
    snprintf(folder, sizeof(folder), "%s/credentials", directory);
    snprintf(made, sizeof(made), "%s/main", folder);
    ck_assert_msg(credential_store_write(made, "sk-ant-api03-K\n", &err) == 0, "%s", err.text);
    ck_assert_msg(credential_store_write(made, "sk-ant-api03-L\n", &err) == 0, "%s", err.text);
    assert_text(made, "sk-ant-api03-L\n");
    ck_assert_int_eq(stat(made, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0600);
    ck_assert_int_eq(stat(folder, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0700);
    unlink(made);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("credential_store");
    TCase *cases = tcase_create("credential_store");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, a_commit_replaces_the_pair_and_leaves_nothing);
    tcase_add_test(cases, what_was_prepared_is_found_as_unanswered);
    tcase_add_test(cases, nothing_is_prepared_for_another_login);
    tcase_add_test(cases, a_successor_that_is_torn_is_as_good_as_none);
    tcase_add_test(cases, a_successor_that_is_whole_becomes_the_file);
    tcase_add_test(cases, a_successor_of_another_login_is_removed);
    tcase_add_test(cases, another_login_is_not_written_over);
    tcase_add_test(cases, a_folder_that_takes_no_file_is_found_out_before);
    tcase_add_test(cases, write_makes_file_and_folder_for_the_owner_alone);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
