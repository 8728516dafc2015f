// Checks where state and socket are looked for, by what is said and by the environment.
#include "paths.h"
#include "suite_run.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct config config;
static struct paths paths;
static struct error err;

static void setup(void)
{
    static const char *const variables[] = {"REEVE_STATE_DIR", "STATE_DIRECTORY",
                                            "RUNTIME_DIRECTORY", "XDG_STATE_HOME",
                                            "XDG_RUNTIME_DIR"};
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        unsetenv(variables[i]);
    setenv("HOME", "/home/me", 1);
    ck_assert_int_eq(config_init(&config, &err), 0);
}

static void teardown(void)
{
    ck_assert_int_eq(seteuid(getuid()), 0);
    config_done(&config);
}

static void become_user(void)
{
    if (geteuid() == 0)
        ck_assert_int_eq(seteuid(65534), 0);
}

static void assert_found(const char *option, const char *state_dir, const char *socket)
{
    ck_assert_int_eq(paths_find(&paths, option, &config, &err), 0);
    ck_assert_str_eq(paths.state_dir, state_dir);
    ck_assert_str_eq(paths.control_socket, socket);
}

START_TEST(what_is_said_outright_wins)
{
    setenv("STATE_DIRECTORY", "/s", 1);
    setenv("RUNTIME_DIRECTORY", "/r", 1);
    assert_found(NULL, "/s", "/r/control.sock");
    setenv("REEVE_STATE_DIR", "/env", 1);
    assert_found(NULL, "/env", "/env/control.sock");
    ck_assert_int_eq(config_set(&config, "StateDirectory", "/conf", &err), 0);
    assert_found(NULL, "/conf", "/conf/control.sock");
    assert_found("/option", "/option", "/option/control.sock");
    ck_assert_str_eq(paths.journal_dir, "/option/journal");
    ck_assert_str_eq(paths.postgres_dir, "/option/postgres");
}
END_TEST

START_TEST(users_have_places_of_their_own)
{
    become_user();
    assert_found(NULL, "/home/me/.local/state/reeve", "/home/me/.local/state/reeve/control.sock");
    setenv("XDG_STATE_HOME", "/xdg", 1);
    setenv("XDG_RUNTIME_DIR", "/xdg-run", 1);
    assert_found(NULL, "/xdg/reeve", "/xdg-run/reeve/control.sock");
    unsetenv("XDG_STATE_HOME");
    unsetenv("HOME");
    ck_assert_int_eq(paths_find(&paths, NULL, &config, &err), -ENOENT);
}
END_TEST

START_TEST(relative_ones_are_made_absolute)
{
    ck_assert_int_eq(chdir("/tmp"), 0);
    assert_found("state", "/tmp/state", "/tmp/state/control.sock");
    char path[PATH_MAX];
    ck_assert_int_eq(paths_in_state(&paths, "main.json", path, &err), 0);
    ck_assert_str_eq(path, "/tmp/state/main.json");
    ck_assert_int_eq(paths_in_state(&paths, "/etc/main.json", path, &err), 0);
    ck_assert_str_eq(path, "/etc/main.json");
}
END_TEST

START_TEST(a_socket_path_has_to_fit)
{
    char directory[PATHS_CONTROL_SOCKET_MAX];
    memset(directory, 'd', sizeof(directory) - 1);
    directory[0] = '/';
    directory[sizeof(directory) - 1 - strlen("/control.sock")] = '\0';
    ck_assert_int_eq(paths_find(&paths, directory, &config, &err), 0);
    strncat(directory, "d", 2);
    ck_assert_int_eq(paths_find(&paths, directory, &config, &err), -ENAMETOOLONG);
    ck_assert_ptr_nonnull(strstr(err.text, "name a shorter state directory"));
}
END_TEST

START_TEST(the_daemon_makes_its_directories)
{
    char top[] = "/tmp/reeve-paths.XXXXXX";
    char state[64];
    struct stat status;
    ck_assert_ptr_nonnull(mkdtemp(top));
    snprintf(state, sizeof(state), "%s/a/b", top);
    for (int i = 0; i < 2; i++) { // once more changes nothing
        ck_assert_int_eq(paths_resolve(&paths, state, &config, &err), 0);
        ck_assert_int_eq(stat(state, &status), 0);
        ck_assert_uint_eq(status.st_mode & 0066, 0); // nobody else reads or writes
    }
    rmdir(state);
    snprintf(state, sizeof(state), "%s/a", top);
    rmdir(state);
    ck_assert_int_eq(rmdir(top), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("paths");
    TCase *tests = tcase_create("paths");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, what_is_said_outright_wins);
    tcase_add_test(tests, users_have_places_of_their_own);
    tcase_add_test(tests, relative_ones_are_made_absolute);
    tcase_add_test(tests, a_socket_path_has_to_fit);
    tcase_add_test(tests, the_daemon_makes_its_directories);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
