// Tests of credential_file.c: the forms of a credential, and who may be able to read it.
#include "credential_file.h"
#include "suite_run.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY "sk-ant-api03-AbC_9-z"
#define TOKEN "sk-ant-oat01-AbC_9-z"
#define REFRESH "sk-ant-ort01-AbC_9-z"
#define NEVER INT64_MAX
#define NO_TOKEN                                                                                   \
    "cred: no token in it; accepted are claudeAiOauth.accessToken (Claude Code) or access_token "  \
    "(SDK profile)"

// A text, what is expected of it, and what it is.
static const struct {
    const char *text;
    enum credential_type expected, type;
    const char *access, *refresh;
    int64_t expires_at_ms;
} good[] = {
    // Plain text: what it looks like decides, else what is expected.
    {KEY, CREDENTIAL_ANY, CREDENTIAL_API_KEY, KEY, "", NEVER},
    {KEY, CREDENTIAL_API_KEY, CREDENTIAL_API_KEY, KEY, "", NEVER},
    {" \t\r\n" KEY " \t\r\n", CREDENTIAL_ANY, CREDENTIAL_API_KEY, KEY, "", NEVER},
    {TOKEN "\n", CREDENTIAL_ANY, CREDENTIAL_OAUTH_TOKEN, TOKEN, "", NEVER},
    {TOKEN "\n", CREDENTIAL_OAUTH_TOKEN, CREDENTIAL_OAUTH_TOKEN, TOKEN, "", NEVER},
    {"of-a-gateway", CREDENTIAL_ANY, CREDENTIAL_API_KEY, "of-a-gateway", "", NEVER},
    {"of-a-gateway", CREDENTIAL_OAUTH_TOKEN, CREDENTIAL_OAUTH_TOKEN, "of-a-gateway", "", NEVER},
    {"!~", CREDENTIAL_ANY, CREDENTIAL_API_KEY, "!~", "", NEVER},
    // Claude Code: milliseconds.
    {"{\"claudeAiOauth\":{\"accessToken\":\"" TOKEN "\",\"refreshToken\":\"" REFRESH
     "\",\"expiresAt\":1795400000000,\"scopes\":[\"user:inference\"],\"subscriptionType\":\"max\"},"
     "\"mcpOAuth\":{}}\n",
     CREDENTIAL_ANY, CREDENTIAL_OAUTH, TOKEN, REFRESH, 1795400000000},
    {"\n {\"claudeAiOauth\":{\"accessToken\":\"" TOKEN "\"}}", CREDENTIAL_OAUTH, CREDENTIAL_OAUTH,
     TOKEN, "", NEVER},
    {"{\"claudeAiOauth\":{\"accessToken\":\"" TOKEN "\",\"refreshToken\":null,\"expiresAt\":null}}",
     CREDENTIAL_ANY, CREDENTIAL_OAUTH, TOKEN, "", NEVER},
    {"{\"claudeAiOauth\":{\"accessToken\":\"" TOKEN "\",\"expiresAt\":0}}", CREDENTIAL_ANY,
     CREDENTIAL_OAUTH, TOKEN, "", 0},
    // SDK profiles: seconds.
    {"{\"version\":1,\"type\":\"oauth_token\",\"access_token\":\"" TOKEN
     "\",\"expires_at\":1795400000,\"refresh_token\":\"" REFRESH "\"}",
     CREDENTIAL_OAUTH, CREDENTIAL_OAUTH, TOKEN, REFRESH, 1795400000000},
    {"{\"access_token\":\"" TOKEN "\"}", CREDENTIAL_ANY, CREDENTIAL_OAUTH, TOKEN, "", NEVER},
};

static const struct {
    const char *text;
    enum credential_type expected;
    const char *says;
} bad[] = {
    {"", CREDENTIAL_ANY, "cred: empty; accepted is a token, an API key or JSON"},
    {" \n\t\r\n", CREDENTIAL_ANY, "cred: empty; accepted is a token, an API key or JSON"},
    {KEY "\n" TOKEN "\n", CREDENTIAL_ANY,
     "cred: byte 21 of the token is not printable ASCII; one token on one line is accepted"},
    {"a b", CREDENTIAL_ANY,
     "cred: byte 2 of the token is not printable ASCII; one token on one line is accepted"},
    {"x\r\nHost: y", CREDENTIAL_ANY,
     "cred: byte 2 of the token is not printable ASCII; one token on one line is accepted"},
    {"\xc3\xa9", CREDENTIAL_ANY,
     "cred: byte 1 of the token is not printable ASCII; one token on one line is accepted"},
    {"{\"access_token\":\"a\\nb\"}", CREDENTIAL_ANY,
     "cred: byte 2 of the token is not printable ASCII; one token on one line is accepted"},
    {"{\"access_token\":\"\"}", CREDENTIAL_ANY, "cred: a token of 0 bytes; accepted are 1 to 511"},
    {"{\"access_token\":\"a\",\"refresh_token\":\"\"}", CREDENTIAL_ANY,
     "cred: a token of 0 bytes; accepted are 1 to 511"},
    {REFRESH, CREDENTIAL_ANY, "cred: a refresh token alone; accepted is the whole pair as JSON"},
    {"{\"access_token\":\"" TOKEN "\"", CREDENTIAL_ANY, "cred: line 1 is not JSON"},
    {"{\"access_token\":\n\"" TOKEN "\"\n,}", CREDENTIAL_ANY, "cred: line 3 is not JSON"},
    {"{\"access_token\":\"" TOKEN "\",\n\"access_token\":\"" KEY "\"}", CREDENTIAL_ANY,
     "cred: line 2 names a member twice"},
    {"{}", CREDENTIAL_ANY, NO_TOKEN},
    {"{\"claudeAiOauth\":\"" TOKEN "\"}", CREDENTIAL_ANY, NO_TOKEN},
    {"{\"claudeAiOauth\":{\"access_token\":\"" TOKEN "\"}}", CREDENTIAL_ANY, NO_TOKEN},
    {"{\"accessToken\":\"" TOKEN "\"}", CREDENTIAL_ANY, NO_TOKEN},
    {"{\"access_token\":7}", CREDENTIAL_ANY, NO_TOKEN},
    {"{\"access_token\":\"a\",\"expires_at\":\"1795400000\"}", CREDENTIAL_ANY,
     "cred: the expiry is not a whole number of seconds"},
    {"{\"claudeAiOauth\":{\"accessToken\":\"a\",\"expiresAt\":1.5}}", CREDENTIAL_ANY,
     "cred: the expiry is not a whole number of milliseconds"},
    {"{\"access_token\":\"a\",\"expires_at\":-1}", CREDENTIAL_ANY,
     "cred: expiry -1 is out of range"},
    {"{\"access_token\":\"a\",\"expires_at\":9223372036854776}", CREDENTIAL_ANY,
     "cred: expiry 9223372036854776 is out of range"},
    // Another type than the configuration says.
    {KEY, CREDENTIAL_OAUTH_TOKEN, "cred: holds credential type api-key, not oauth-token"},
    {KEY, CREDENTIAL_OAUTH, "cred: holds credential type api-key, not oauth"},
    {TOKEN, CREDENTIAL_API_KEY, "cred: holds credential type oauth-token, not api-key"},
    {TOKEN, CREDENTIAL_OAUTH, "cred: holds credential type oauth-token, not oauth"},
    {"{\"access_token\":\"" TOKEN "\"}", CREDENTIAL_OAUTH_TOKEN,
     "cred: holds credential type oauth, not oauth-token"},
    {"{\"access_token\":\"" TOKEN "\"}", CREDENTIAL_API_KEY,
     "cred: holds credential type oauth, not api-key"},
};

START_TEST(good_text_is_read)
{
    struct credential_secret secret;
    struct error err = {0};
    memset(&secret, 0xff, sizeof(secret));
    ck_assert_msg(credential_text_read(good[_i].text, "cred", good[_i].expected, &secret, &err) ==
                      0,
                  "%s", err.text);
    ck_assert_int_eq(secret.type, good[_i].type);
    ck_assert_str_eq(secret.access, good[_i].access);
    ck_assert_str_eq(secret.refresh, good[_i].refresh);
    ck_assert_int_eq(secret.expires_at_ms, good[_i].expires_at_ms);
}
END_TEST

START_TEST(bad_text_is_refused_without_showing_it)
{
    struct credential_secret secret = {.access = "before"};
    struct error err = {0};
    ck_assert_int_eq(credential_text_read(bad[_i].text, "cred", bad[_i].expected, &secret, &err),
                     -EINVAL);
    ck_assert_str_eq(err.text, bad[_i].says);
    ck_assert_str_eq(secret.access, "before");
}
END_TEST

START_TEST(token_has_at_most_511_bytes)
{
    char text[CREDENTIAL_SECRET_MAX + 1];
    struct credential_secret secret;
    struct error err = {0};
    memset(text, 'x', sizeof(text));
    text[CREDENTIAL_SECRET_MAX - 1] = '\0';
    ck_assert_int_eq(credential_text_read(text, "cred", CREDENTIAL_ANY, &secret, &err), 0);
    ck_assert_str_eq(secret.access, text);
    text[CREDENTIAL_SECRET_MAX - 1] = 'x';
    text[CREDENTIAL_SECRET_MAX] = '\0';
    ck_assert_int_eq(credential_text_read(text, "cred", CREDENTIAL_ANY, &secret, &err), -EINVAL);
    ck_assert_str_eq(err.text, "cred: a token of 512 bytes; accepted are 1 to 511");
}
END_TEST

// ---- files

static char directory[] = "/tmp/reeve-test-XXXXXX";
static char path[64];

static void make_file(const char *bytes, size_t length, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, length), (ssize_t)length);
    ck_assert_int_eq(fchmod(fd, mode), 0);
    close(fd);
}

static void set_up(void)
{
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/cred", directory);
}

static void tear_down(void)
{
    unlink(path);
    rmdir(path);
    rmdir(directory);
}

// Reads the file, which is to fail with `says`; @ in it stands for its path.
static void assert_refused(int code, const char *says)
{
    char expected[ERROR_TEXT_MAX];
    struct credential_secret secret = {.access = "before"};
    struct error err = {0};
    size_t used = 0;
    for (; *says != '\0'; says++)
        used += (size_t)snprintf(expected + used, sizeof(expected) - used, "%.*s",
                                 *says == '@' ? (int)sizeof(path) : 1, *says == '@' ? path : says);
    ck_assert_int_eq(credential_file_read(path, CREDENTIAL_ANY, &secret, &err), code);
    ck_assert_str_eq(err.text, expected);
    ck_assert_str_eq(secret.access, "before");
}

START_TEST(file_of_this_user_alone_is_read)
{
    static const mode_t modes[] = {0600, 0400, 0700};
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        struct credential_secret secret;
        struct error err = {0};
        make_file(KEY "\n", sizeof(KEY), modes[i]);
        ck_assert_msg(credential_file_read(path, CREDENTIAL_ANY, &secret, &err) == 0, "%s",
                      err.text);
        ck_assert_str_eq(secret.access, KEY);
        unlink(path);
    }
}
END_TEST

START_TEST(file_that_others_can_read_is_refused)
{
    static const struct {
        mode_t mode;
        const char *says;
    } modes[] = {
        {0640, "mode 0640"}, {0604, "mode 0604"}, {0644, "mode 0644"}, {0620, "mode 0620"},
        {0601, "mode 0601"}, {0610, "mode 0610"}, {0666, "mode 0666"},
    };
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        char says[128];
        make_file(KEY, sizeof(KEY) - 1, modes[i].mode);
        snprintf(says, sizeof(says),
                 "credential file @: %s lets others read it; mend it with: chmod 600 @",
                 modes[i].says);
        assert_refused(-EPERM, says);
        ck_assert_int_eq(chmod(path, 0600), 0); // as it says
        struct credential_secret secret;
        ck_assert_int_eq(credential_file_read(path, CREDENTIAL_ANY, &secret, NULL), 0);
    }
}
END_TEST

START_TEST(file_of_another_user_is_refused)
{
    char says[128];
    if (geteuid() != 0)
        return; // only root can give files away
    make_file(KEY, sizeof(KEY) - 1, 0600);
    ck_assert_int_eq(chown(path, 12345, 0), 0);
    snprintf(says, sizeof(says),
             "credential file @: belongs to user 12345; mend it with: chown %u @", geteuid());
    assert_refused(-EPERM, says);
}
END_TEST

START_TEST(what_is_no_file_is_refused)
{
    assert_refused(-ENOENT, "credential file @: No such file or directory");
    ck_assert_int_eq(mkdir(path, 0700), 0);
    assert_refused(-EINVAL, "credential file @: not a regular file");
    ck_assert_int_eq(rmdir(path), 0);
    ck_assert_int_eq(mkfifo(path, 0600), 0); // and nobody waits for its other end
    assert_refused(-EINVAL, "credential file @: not a regular file");
}
END_TEST

START_TEST(file_is_read_up_to_its_maximum)
{
    static char bytes[CREDENTIAL_FILE_BYTES_MAX];
    struct credential_secret secret;
    memset(bytes, ' ', sizeof(bytes));
    memcpy(bytes, KEY, sizeof(KEY) - 1);
    make_file(bytes, sizeof(bytes) - 2, 0600);
    ck_assert_int_eq(credential_file_read(path, CREDENTIAL_ANY, &secret, NULL), 0);
    ck_assert_str_eq(secret.access, KEY);
    make_file(bytes, sizeof(bytes) - 1, 0600);
    assert_refused(-EFBIG, "credential file @: 65535 bytes or more");
}
END_TEST

START_TEST(content_is_refused_by_the_name_of_its_file)
{
    make_file("", 0, 0600);
    assert_refused(-EINVAL, "@: empty; accepted is a token, an API key or JSON");
    make_file(KEY "\0x", sizeof(KEY) + 1, 0600);
    assert_refused(-EINVAL, "credential file @: byte 21 is NUL");
}
END_TEST

START_TEST(type_names_go_both_ways)
{
    enum credential_type type = CREDENTIAL_ANY;
    struct error err = {0};
    for (int i = CREDENTIAL_API_KEY; i <= CREDENTIAL_OAUTH; i++) {
        ck_assert_int_eq(
            credential_type_parse(credential_type_name((enum credential_type)i), &type, &err), 0);
        ck_assert_int_eq(type, i);
    }
    ck_assert_int_eq(credential_type_parse("", &type, &err), -EINVAL);
    ck_assert_int_eq(credential_type_parse("OAuth", &type, &err), -EINVAL);
    ck_assert_str_eq(err.text, "credential type 'OAuth': accepted are api-key, oauth-token, oauth");
    ck_assert_int_eq(type, CREDENTIAL_OAUTH);
}
END_TEST

START_TEST(what_renews_a_pair_is_read_with_it)
{
    struct credential_secret secret;
    struct error err;
    ck_assert_int_eq(credential_text_read("{\"claudeAiOauth\":{\"accessToken\":\"A\","
                                          "\"scopes\":[\"user:profile\",7,\"user:inference\"],"
                                          "\"clientId\":\"an-id\"}}",
                                          "cred", CREDENTIAL_ANY, &secret, &err),
                     0);
    ck_assert_int_eq(secret.shape, CREDENTIAL_OF_CLAUDE_CODE);
    ck_assert_str_eq(secret.client_id, "an-id");
    ck_assert_str_eq(secret.scope, "user:profile user:inference");
    ck_assert_int_eq(
        credential_text_read("{\"access_token\":\"A\"}", "cred", CREDENTIAL_ANY, &secret, &err), 0);
    ck_assert_int_eq(secret.shape, CREDENTIAL_OF_SDK_PROFILE);
    ck_assert_str_eq(secret.client_id, "");
    ck_assert_str_eq(secret.scope, "");
}
END_TEST

START_TEST(files_that_systemd_brought_may_show_an_access_list)
{
    struct credential_secret secret;
    struct error err;
    make_file(KEY, sizeof(KEY) - 1, 0440);
    ck_assert_int_eq(credential_file_read(path, CREDENTIAL_ANY, &secret, &err), -EPERM);
    setenv("CREDENTIALS_DIRECTORY", directory, 1);
    ck_assert_int_eq(credential_file_read(path, CREDENTIAL_ANY, &secret, &err), 0);
    setenv("CREDENTIALS_DIRECTORY", "/tmp", 1);
    ck_assert_int_eq(credential_file_read(path, CREDENTIAL_ANY, &secret, &err), -EPERM);
    unsetenv("CREDENTIALS_DIRECTORY");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("credential_file");
    TCase *texts = tcase_create("texts"), *files = tcase_create("files");
    tcase_add_loop_test(texts, good_text_is_read, 0, sizeof(good) / sizeof(good[0]));
    tcase_add_loop_test(texts, bad_text_is_refused_without_showing_it, 0,
                        sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(texts, token_has_at_most_511_bytes);
    tcase_add_test(texts, type_names_go_both_ways);
    tcase_add_test(texts, what_renews_a_pair_is_read_with_it);
    suite_add_tcase(suite, texts);
    tcase_add_checked_fixture(files, set_up, tear_down);
    tcase_add_test(files, file_of_this_user_alone_is_read);
    tcase_add_test(files, file_that_others_can_read_is_refused);
    tcase_add_test(files, file_of_another_user_is_refused);
    tcase_add_test(files, what_is_no_file_is_refused);
    tcase_add_test(files, file_is_read_up_to_its_maximum);
    tcase_add_test(files, content_is_refused_by_the_name_of_its_file);
    tcase_add_test(files, files_that_systemd_brought_may_show_an_access_list);
    suite_add_tcase(suite, files);
    return suite_run(suite);
}
