// Tests of job_keys.c: what is kept of a key, who is let in by it, and until when.
#include "job_keys.h"
#include "suite_run.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/reeve-keys-XXXXXX";
static char path[PATH_MAX];
static struct job_keys keys;
static struct error err;

static void set_up(void)
{
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/job-keys", directory);
    job_keys_init(&keys, path);
}

static void tear_down(void)
{
    job_keys_done(&keys);
    unlink(path);
    ck_assert_int_eq(rmdir(directory), 0);
}

static const char *job_of(const char *key)
{
    const struct job_key *found = job_keys_find(&keys, key, strlen(key));
    return found != NULL ? found->job : "";
}

static void write_lines(const char *lines)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);
    ck_assert_int_eq(write(fd, lines, strlen(lines)), (ssize_t)strlen(lines));
    close(fd);
}

START_TEST(key_leads_to_its_job)
{
    char first[RUN_KEY_MAX], second[RUN_KEY_MAX], other[RUN_KEY_MAX];
    ck_assert_str_eq(job_of("reeve-job-x"), ""); // there is no file yet
    ck_assert_int_eq(job_keys_add(path, "outreach", first, &err), 0);
    ck_assert_str_eq(job_of(first), "outreach");
    ck_assert_int_eq(job_keys_add(path, "triage", other, &err), 0);
    ck_assert_int_eq(job_keys_add(path, "outreach", second, &err), 0);
    ck_assert_str_ne(first, second);
    ck_assert_str_eq(job_of(other), "triage"); // the file is read anew
    ck_assert_str_eq(job_of(second), "outreach");
    ck_assert_uint_eq(strlen(first), strlen(JOB_KEY_PREFIX) + 43);
    ck_assert_int_eq(strncmp(first, JOB_KEY_PREFIX, strlen(JOB_KEY_PREFIX)), 0);
    first[strlen(first) - 1] ^= 1;
    ck_assert_str_eq(job_of(first), "");
}
END_TEST

START_TEST(revoked_keys_let_nobody_in)
{
    char first[RUN_KEY_MAX], other[RUN_KEY_MAX], later[RUN_KEY_MAX];
    job_keys_add(path, "outreach", first, &err);
    job_keys_add(path, "triage", other, &err);
    ck_assert_int_eq(job_keys_revoke(path, "outreach", &err), 0);
    ck_assert_str_eq(job_of(first), "");
    ck_assert_str_eq(job_of(other), "triage");
    job_keys_add(path, "outreach", later, &err);
    ck_assert_str_eq(job_of(later), "outreach");
    ck_assert_str_eq(job_of(first), "");
    ck_assert_uint_eq(keys.count, 2);
}
END_TEST

START_TEST(file_has_no_key_in_it_and_is_private)
{
    char key[RUN_KEY_MAX], text[4096] = "";
    struct stat status;
    umask(0);
    job_keys_add(path, "outreach", key, &err);
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_int_eq(status.st_mode & 0777, 0600);
    int fd = open(path, O_RDONLY);
    ck_assert_int_gt(read(fd, text, sizeof(text) - 1), 0);
    close(fd);
    ck_assert_ptr_null(strstr(text, key + strlen(JOB_KEY_PREFIX)));
    ck_assert_ptr_nonnull(strstr(text, " outreach 2"));
}
END_TEST

START_TEST(file_that_others_may_write_lets_nobody_in)
{
    char key[RUN_KEY_MAX];
    job_keys_add(path, "outreach", key, &err);
    ck_assert_str_eq(job_of(key), "outreach");
    chmod(path, 0620);
    write_lines("\n"); // a change
    ck_assert_int_eq(job_keys_refresh(&keys, &err), -EACCES);
    ck_assert_ptr_nonnull(strstr(err.text, "chmod 600"));
    ck_assert_str_eq(job_of(key), "");
    chmod(path, 0600);
    ck_assert_str_eq(job_of(key), "outreach");
}
END_TEST

START_TEST(lines_of_others_are_passed_over)
{
    char key[RUN_KEY_MAX];
    write_lines("key 0 outreach 2026\n"
                "key \n"
                "nonsense\n"
                "revoked\n"
                "key e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 a/b 2026\n"
                "key e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85g ok 2026\n"
                "key e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 x 2026 y\n");
    job_keys_add(path, "outreach", key, &err);
    ck_assert_str_eq(job_of(key), "outreach");
    ck_assert_uint_eq(keys.count, 1);
    write_lines(
        "key e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 empty 2026\n");
    ck_assert_str_eq(job_of(""), "empty"); // that is its SHA-256
}
END_TEST

START_TEST(there_is_a_most)
{
    char key[RUN_KEY_MAX];
    for (int i = 0; i < JOB_KEYS_MAX + 5; i++)
        ck_assert_int_eq(job_keys_add(path, "outreach", key, &err), 0);
    ck_assert_int_eq(job_keys_refresh(&keys, &err), 0);
    ck_assert_uint_eq(keys.count, JOB_KEYS_MAX);
    ck_assert_int_eq(truncate(path, JOB_KEYS_BYTES_MAX + 1), 0);
    ck_assert_int_eq(job_keys_refresh(&keys, &err), -EFBIG);
    ck_assert_uint_eq(keys.count, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("job_keys");
    TCase *cases = tcase_create("job_keys");
    tcase_set_timeout(cases, 60);
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, key_leads_to_its_job);
    tcase_add_test(cases, revoked_keys_let_nobody_in);
    tcase_add_test(cases, file_has_no_key_in_it_and_is_private);
    tcase_add_test(cases, file_that_others_may_write_lets_nobody_in);
    tcase_add_test(cases, lines_of_others_are_passed_over);
    tcase_add_test(cases, there_is_a_most);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
