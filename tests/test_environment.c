// Checks what a command finds in its environment: its identity, and no way around the proxy.
#include "environment.h"
#include "suite_run.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct control_granted granted = {.run_id = "20261125-160044-k3f9qx",
                                               .run_key = "reeve-run-KEY",
                                               .base_url = "http://127.0.0.1:8377"};
static char **made;

static void make(char *const *base)
{
    struct error err;
    ck_assert_int_eq(environment_new(&made, base, &granted, "outreach", &err), 0);
}

static void teardown(void)
{
    environment_free(made);
    made = NULL;
}

// The value of a variable, NULL if it is not there. It is there once at most.
static const char *value(const char *name)
{
    const char *found = NULL;
    size_t length = strlen(name);
    for (char **each = made; *each != NULL; each++)
        if (strncmp(*each, name, length) == 0 && (*each)[length] == '=') {
            ck_assert_ptr_null(found);
            found = *each + length + 1;
        }
    return found;
}

START_TEST(identity_is_set)
{
    make((char *const[]){(char *)"ANTHROPIC_API_KEY=sk-ant-api03-x", (char *)"REEVE_RUN=old",
                         (char *)"ANTHROPIC_BASE_URL=https://elsewhere", NULL});
    ck_assert_str_eq(value("ANTHROPIC_BASE_URL"), "http://127.0.0.1:8377");
    ck_assert_str_eq(value("ANTHROPIC_AUTH_TOKEN"), "reeve-run-KEY");
    ck_assert_str_eq(value("ANTHROPIC_API_KEY"), "reeve-run-KEY");
    ck_assert_str_eq(value("REEVE_RUN"), "20261125-160044-k3f9qx");
    ck_assert_str_eq(value("REEVE_JOB"), "outreach");
}
END_TEST

static const char *const ways_out[] = {
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_OAUTH_REFRESH_TOKEN",
    "CLAUDE_CODE_OAUTH_SCOPES",
    "CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR",
    "CLAUDE_CODE_OAUTH_TOKEN_FILE_DESCRIPTOR",
    "CLAUDE_CODE_SESSION_ACCESS_TOKEN",
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
    "CLAUDE_CODE_USE_FOUNDRY",
    "CLAUDE_CODE_USE_GATEWAY",
    "CLAUDE_CODE_API_BASE_URL",
    "ANTHROPIC_BEDROCK_BASE_URL",
    "ANTHROPIC_VERTEX_BASE_URL",
    "ANTHROPIC_FOUNDRY_API_KEY",
    "ANTHROPIC_FOUNDRY_BASE_URL",
    "ANTHROPIC_ADMIN_KEY",
    "ANTHROPIC_IDENTITY_TOKEN_FILE",
    "ANTHROPIC_PROFILE",
    "ANTHROPIC_UNIX_SOCKET",
    "AWS_BEARER_TOKEN_BEDROCK",
};

START_TEST(ways_out_are_removed)
{
    char variable[128];
    snprintf(variable, sizeof(variable), "%s=secret", ways_out[_i]);
    make((char *const[]){variable, NULL});
    ck_assert_ptr_null(value(ways_out[_i]));
    for (char **each = made; *each != NULL; each++)
        ck_assert_ptr_null(strstr(*each, "secret"));
}
END_TEST

START_TEST(everything_else_stays)
{
    static const char *const kept[] = {
        "PATH=/bin",
        "HOME=/root",
        "ANTHROPIC_MODEL=claude-haiku-4-5",
        "ANTHROPIC_BETAS=x",
        "AWS_ACCESS_KEY_ID=x",
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS=9",
        "REEVE_STATE_DIR=/x",
        "EMPTY=",
        "ANTHROPIC_CUSTOM_HEADERS=A: b",
        "CLAUDE_CONFIG_DIR=x",
        "HTTPS_PROXY=http://p",
        "NOT_A_PAIR",
    };
    size_t count = sizeof(kept) / sizeof(kept[0]);
    char *base[16] = {NULL};
    memcpy(base, kept, sizeof(kept));
    make(base);
    for (size_t i = 0; i < count; i++)
        ck_assert_str_eq(made[i], kept[i]);
}
END_TEST

START_TEST(the_way_to_the_proxy_is_direct)
{
    make((char *const[]){(char *)"NO_PROXY=a.example,b", (char *)"no_proxy=", NULL});
    ck_assert_str_eq(value("NO_PROXY"), "a.example,b,127.0.0.1");
    ck_assert_str_eq(value("no_proxy"), "127.0.0.1");
    environment_free(made);
    struct control_granted other = granted;
    snprintf(other.base_url, sizeof(other.base_url), "http://[::1]:1");
    struct error err;
    ck_assert_int_eq(environment_new(&made, (char *const[]){NULL}, &other, "j", &err), 0);
    ck_assert_str_eq(value("NO_PROXY"), "::1");
}
END_TEST

static const struct {
    enum config_cache_ttl asked;
    const char *ttl, *force_5m;
} cache_ttls[] = {
    {CONFIG_CACHE_TTL_CLIENT, "mine", "mine"},
    {CONFIG_CACHE_TTL_5M, NULL, "1"},
    {CONFIG_CACHE_TTL_1H, "1h", NULL},
};

START_TEST(cache_ttl_is_the_jobs)
{
    struct control_granted other = granted;
    struct error err;
    char *base[] = {(char *)"CLAUDE_CODE_PROMPT_CACHE_TTL=mine",
                    (char *)"FORCE_PROMPT_CACHING_5M=mine", NULL};
    other.cache_ttl = cache_ttls[_i].asked;
    ck_assert_int_eq(environment_new(&made, base, &other, "j", &err), 0);
    ck_assert_pstr_eq(value("CLAUDE_CODE_PROMPT_CACHE_TTL"), cache_ttls[_i].ttl);
    ck_assert_pstr_eq(value("FORCE_PROMPT_CACHING_5M"), cache_ttls[_i].force_5m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("environment");
    TCase *tests = tcase_create("environment");
    tcase_add_checked_fixture(tests, NULL, teardown);
    tcase_add_test(tests, identity_is_set);
    tcase_add_loop_test(tests, ways_out_are_removed, 0,
                        (int)(sizeof(ways_out) / sizeof(ways_out[0])));
    tcase_add_test(tests, everything_else_stays);
    tcase_add_test(tests, the_way_to_the_proxy_is_direct);
    tcase_add_loop_test(tests, cache_ttl_is_the_jobs, 0, 3);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
