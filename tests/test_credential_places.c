// Tests of credential_places.c: where each credential is, and whose file it is.
#include "credential_places.h"
#include "remove_tree.h"
#include "suite_run.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[40];
static struct paths paths;
static struct config config;
static struct error err;

static void file_make(const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

static void folder_make(const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void set_up(void)
{
    char systemd[128];
    snprintf(directory, sizeof(directory), "/tmp/reeve-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(paths.state_dir, sizeof(paths.state_dir), "%s/state", directory);
    folder_make("state");
    folder_make("state/credentials");
    folder_make("systemd");
    folder_make("home");
    file_make("home/.credentials.json");
    file_make("state/credentials/stored");
    file_make("state/credentials/.hidden.disabled");
    file_make("systemd/brought");
    snprintf(systemd, sizeof(systemd), "%s/systemd", directory);
    setenv("CREDENTIALS_DIRECTORY", systemd, 1);
}

static void tear_down(void)
{
    config_done(&config);
    remove_tree(directory);
}

// An @ in it is the test's folder.
static void configure(const char *given)
{
    char text[512] = "";
    for (size_t used = 0; *given != '\0'; given++, used = strlen(text))
        snprintf(text + used, sizeof(text) - used, "%.*s", *given == '@' ? 512 : 1,
                 *given == '@' ? directory : given);
    ck_assert_int_eq(config_parse(&config, "reeve.conf", text, strlen(text), NULL, &err), 0);
}

static const struct {
    const char *section, *name, *path; // below the test's folder
    bool is_shared, is_stored;
} cases[] = {
    {"", "stored", "state/credentials/stored", false, true},
    {"", "missing", "state/credentials/missing", false, true},
    {"[Credential a]\nType=api-key\n", "a", "state/credentials/a", false, true},
    {"[Credential a]\nFile=main.json\n", "a", "state/main.json", false, false},
    {"[Credential a]\nFile=@/home/.credentials.json\n", "a", "home/.credentials.json", true, false},
    {"[Credential brought]\nType=api-key\n", "brought", "systemd/brought", true, false},
    {"[Credential a]\nType=oauth-token\nFile=brought\n", "a", "systemd/brought", true, false},
    {"[Credential brought]\nType=oauth\n", "brought", "state/credentials/brought", false, true},
};

START_TEST(each_has_its_place)
{
    struct credential_place place;
    char path[PATH_MAX];
    configure(cases[_i].section);
    ck_assert_int_eq(credential_place_find(&place, &config, &paths, cases[_i].name, &err), 0);
    snprintf(path, sizeof(path), "%s/%s", directory, cases[_i].path);
    ck_assert_str_eq(place.path, path);
    ck_assert_int_eq(place.is_shared, cases[_i].is_shared);
    ck_assert_int_eq(credential_place_is_stored(&place), cases[_i].is_stored);
}
END_TEST

static const char *const bad_names[] = {"", ".hidden", "a/b", "../a", "a b"};

START_TEST(bad_names_are_refused)
{
    struct credential_place place;
    configure("");
    ck_assert_int_eq(credential_place_find(&place, &config, &paths, bad_names[_i], &err), -EINVAL);
    ck_assert_int_eq(credential_place_disable(&paths, bad_names[_i], true, &err), -EINVAL);
}
END_TEST

#define NAMES_MAX 128

static int note(const struct credential_place *place, void *context, struct error *unused)
{
    char *names = context;
    (void)unused;
    snprintf(names + strlen(names), NAMES_MAX - strlen(names), "%s ", place->name);
    return 0;
}

START_TEST(sections_come_first_and_none_twice)
{
    char names[NAMES_MAX] = "", sections[NAMES_MAX] = "";
    configure("[Credential z]\n[Credential stored]\n");
    file_make("state/credentials/another");
    ck_assert_int_eq(credential_places_each(&config, &paths, true, note, names, &err), 0);
    ck_assert_str_eq(names, "z stored another ");
    ck_assert_int_eq(credential_places_each(&config, &paths, false, note, sections, &err), 0);
    ck_assert_str_eq(sections, "z stored ");
}
END_TEST

START_TEST(disabling_lasts)
{
    struct credential_place place;
    configure("");
    for (int disabled = 1; disabled >= 0; disabled--)
        for (int twice = 0; twice < 2; twice++) {
            ck_assert_int_eq(credential_place_disable(&paths, "stored", disabled != 0, &err), 0);
            ck_assert_int_eq(credential_place_find(&place, &config, &paths, "stored", &err), 0);
            ck_assert_int_eq(place.is_disabled, disabled);
        }
}
END_TEST

START_TEST(the_configuration_reaches_the_pool)
{
    struct credential_place place;
    configure("[Credential a]\nType=oauth-token\nPriority=7\nServes=any\nSwitchAt=80%\n");
    ck_assert_int_eq(credential_place_find(&place, &config, &paths, "a", &err), 0);
    struct credential_options options = credential_place_options(&place);
    ck_assert_int_eq(options.expected, CREDENTIAL_OAUTH_TOKEN);
    ck_assert_int_eq(options.serves, CREDENTIAL_SERVES_ANY);
    ck_assert_int_eq(options.priority, 7);
    ck_assert_int_eq(options.switch_percent, 80);
    ck_assert_int_eq(credential_place_find(&place, &config, &paths, "stored", &err), 0);
    options = credential_place_options(&place);
    ck_assert_int_eq(options.expected, CREDENTIAL_ANY);
    ck_assert_int_eq(options.serves, CREDENTIAL_SERVES_BY_TYPE);
    ck_assert_int_eq(options.switch_percent, 95);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("credential_places");
    TCase *tests = tcase_create("credential_places");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, each_has_its_place, 0, (int)(sizeof(cases) / sizeof(cases[0])));
    tcase_add_loop_test(tests, bad_names_are_refused, 0,
                        (int)(sizeof(bad_names) / sizeof(bad_names[0])));
    tcase_add_test(tests, sections_come_first_and_none_twice);
    tcase_add_test(tests, disabling_lasts);
    tcase_add_test(tests, the_configuration_reaches_the_pool);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
