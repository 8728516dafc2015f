// Tests of credential_set.c: what the pool is filled with, and what has it filled again.
#include "credential_set_fixture.h"
#include "suite_run.h"

#include <signal.h>

static size_t count(void)
{
    return credential_pool_count(credential_keeper_pool(keeper));
}

static const char *path_of(const char *name)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

// The test's configuration, as a file and as read.
static void configure(const char *text)
{
    file_put("reeve.conf", text);
    config_done(&config);
    ck_assert_int_eq(config_load(&config, path_of("reeve.conf"), NULL, &err), 0);
}

START_TEST(the_folder_for_what_is_stored_is_made)
{
    struct stat status;
    ck_assert_int_eq(set_begin(NULL, NULL), 0);
    ck_assert_uint_eq(count(), 0);
    ck_assert_int_eq(stat(path_of("credentials"), &status), 0);
    ck_assert_int_eq(status.st_mode & 07777, 0700);
}
END_TEST

START_TEST(sections_and_what_is_stored_are_put)
{
    folder_make("credentials");
    file_put("credentials/stored", TOKEN);
    file_put("main.key", KEY);
    configure("[Credential main]\nType=api-key\nFile=main.key\nPriority=7\n");
    ck_assert_int_eq(set_begin(NULL, NULL), 0);
    ck_assert_uint_eq(count(), 2);
    ck_assert_int_eq(find("main")->priority, 7);
    ck_assert_str_eq(find("main")->secret.access, KEY);
    ck_assert_str_eq(find("stored")->secret.access, TOKEN);
}
END_TEST

START_TEST(one_that_cannot_be_read_leaves_the_others)
{
    folder_make("credentials");
    file_put("credentials/broken", "{");
    file_put("credentials/stored", KEY);
    ck_assert_int_eq(set_begin(NULL, NULL), 0);
    ck_assert_int_eq(find("broken")->state, CREDENTIAL_UNREADABLE);
    ck_assert_str_ne(find("broken")->file_problem, "");
    ck_assert_int_eq(find("stored")->state, CREDENTIAL_READY);
}
END_TEST

START_TEST(the_named_file_stands_for_what_is_stored)
{
    folder_make("credentials");
    file_put("credentials/stored", KEY);
    file_put("named", TOKEN);
    ck_assert_int_eq(set_begin(NULL, path_of("named")), 0);
    ck_assert_uint_eq(count(), 1);
    ck_assert_str_eq(find("main")->secret.access, TOKEN);
    ck_assert(find("main")->shared);
}
END_TEST

START_TEST(the_named_file_must_be_good)
{
    char missing[PATH_MAX];
    snprintf(missing, sizeof(missing), "%s", path_of("missing"));
    ck_assert_int_eq(set_begin(NULL, missing), -ENOENT);
    ck_assert_ptr_nonnull(strstr(err.text, missing));
    file_put("named", "no secret at all");
    ck_assert_int_eq(set_begin(NULL, path_of("named")), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, path_of("named")));
    ck_assert_ptr_null(strstr(err.text, "no secret"));
}
END_TEST

START_TEST(what_is_stored_is_taken_over_at_once)
{
    ck_assert_int_eq(set_begin(NULL, NULL), 0);
    file_put("credentials/later", KEY);
    run_until(find("later") != NULL);
    uint32_t number = find("later")->number;
    file_put("credentials/later", TOKEN);
    run_until(strcmp(find("later")->secret.access, TOKEN) == 0);
    ck_assert_uint_eq(find("later")->number, number);
}
END_TEST

START_TEST(what_is_removed_serves_no_session_any_more)
{
    folder_make("credentials");
    file_put("credentials/goes", KEY);
    file_put("credentials/stays", TOKEN);
    ck_assert_int_eq(set_begin(NULL, NULL), 0);
    sticky_put(sticky, slice_of("one"), find("goes")->number);
    sticky_put(sticky, slice_of("two"), find("stays")->number);
    file_remove("credentials/goes");
    run_until(find("goes") == NULL);
    ck_assert_uint_eq(sticky_find(sticky, slice_of("one")), STICKY_NONE);
    ck_assert_uint_eq(sticky_find(sticky, slice_of("two")), find("stays")->number);
}
END_TEST

// The folder of a section's file is watched, wherever it is.
START_TEST(a_file_elsewhere_is_watched)
{
    folder_make("elsewhere");
    file_put("elsewhere/key", KEY);
    configure("[Credential main]\nFile=elsewhere/key\n");
    ck_assert_int_eq(set_begin(NULL, NULL), 0);
    file_put("elsewhere/key", TOKEN);
    run_until(strcmp(find("main")->secret.access, TOKEN) == 0);
}
END_TEST

START_TEST(a_reload_reads_at_once)
{
    ck_assert_int_eq(set_begin(NULL, NULL), 0);
    file_put("credentials/later", KEY);
    credential_set_reload(set);
    ck_assert_ptr_nonnull(find("later"));
}
END_TEST

START_TEST(a_hangup_reads_the_configuration_again)
{
    char config_path[PATH_MAX];
    snprintf(config_path, sizeof(config_path), "%s", path_of("reeve.conf"));
    file_put("one", KEY);
    file_put("two", TOKEN);
    configure("[Credential first]\nFile=one\n");
    ck_assert_int_eq(set_begin(config_path, NULL), 0);
    file_put("reeve.conf", "[Credential second]\nFile=two\n");
    credential_set_reload(set); // the files alone
    ck_assert_ptr_nonnull(find("first"));
    ck_assert_int_eq(raise(SIGHUP), 0);
    run_until(find("second") != NULL);
    ck_assert_ptr_null(find("first"));
    file_put("reeve.conf", "[Credential third]\nPriority=low\n");
    ck_assert_int_eq(raise(SIGHUP), 0);
    file_put("credentials/sign", KEY); // that the signal has been seen
    run_until(find("sign") != NULL);
    ck_assert_ptr_null(find("third")); // the last good one is in force
    ck_assert_ptr_nonnull(find("second"));
}
END_TEST

START_TEST(a_list_that_cannot_be_read_takes_nothing_out)
{
    folder_make("credentials");
    file_put("credentials/stored", KEY);
    ck_assert_int_eq(set_begin(NULL, NULL), 0);
    snprintf(paths.state_dir, sizeof(paths.state_dir), "%s/reeve.conf", directory);
    file_put("reeve.conf", ""); // no folder
    credential_set_reload(set);
    ck_assert_ptr_nonnull(find("stored"));
}
END_TEST

int main(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    TCase *cases = tcase_create("credential_set");
    tcase_set_timeout(cases, 60);
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, the_folder_for_what_is_stored_is_made);
    tcase_add_test(cases, sections_and_what_is_stored_are_put);
    tcase_add_test(cases, one_that_cannot_be_read_leaves_the_others);
    tcase_add_test(cases, the_named_file_stands_for_what_is_stored);
    tcase_add_test(cases, the_named_file_must_be_good);
    tcase_add_test(cases, what_is_stored_is_taken_over_at_once);
    tcase_add_test(cases, what_is_removed_serves_no_session_any_more);
    tcase_add_test(cases, a_file_elsewhere_is_watched);
    tcase_add_test(cases, a_reload_reads_at_once);
    tcase_add_test(cases, a_hangup_reads_the_configuration_again);
    tcase_add_test(cases, a_list_that_cannot_be_read_takes_nothing_out);
    Suite *suite = suite_create("credential_set");
    suite_add_tcase(suite, cases);
    int code = suite_run(suite);
    curl_global_cleanup();
    return code;
}
