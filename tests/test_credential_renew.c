// Tests of credential_renew.c: a new pair in both shapes, and not a byte more.
#include "credential_renew.h"
#include "suite_run.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct credential_renewal both = {
    .access = "sk-ant-oat01-A2",
    .refresh = "sk-ant-ort01-R2",
    .expires_at_ms = 1795428800123,
    .refresh_expires_at_ms = 1797900000456,
};
static const struct credential_renewal access_only = {
    .access = "sk-ant-oat01-A2", .expires_at_ms = 1795428800123, .refresh_expires_at_ms = -1};

static const struct {
    const char *text;
    const struct credential_renewal *renewal;
    const char *renewed;
} rows[] = {
    // Claude Code's shape: members in any order, spaces, members that we do not know, at any depth.
    {"{\"claudeAiOauth\":{\"accessToken\":\"A1\",\"refreshToken\":\"R1\",\"expiresAt\":1,"
     "\"refreshTokenExpiresAt\":2,\"scopes\":[\"user:inference\"],\"rateLimitTier\":\"x\"}}",
     &both,
     "{\"claudeAiOauth\":{\"accessToken\":\"sk-ant-oat01-A2\",\"refreshToken\":\"sk-ant-ort01-R2\","
     "\"expiresAt\":1795428800123,\"refreshTokenExpiresAt\":1797900000456,"
     "\"scopes\":[\"user:inference\"],\"rateLimitTier\":\"x\"}}"},
    {"\n{ \"mcpOAuth\" : {\"accessToken\":\"of a server\", \"big\": 1234567890123456789,"
     " \"real\": 0.1000 },\n  \"claudeAiOauth\" : { \"expiresAt\" : 1 ,\n\t\"new\": [ {\"deep\": "
     "\"\\u00fc\"} ], \"refreshToken\" : \"R1\" , \"accessToken\" : \"A1\" } }\n",
     &both,
     "\n{ \"mcpOAuth\" : {\"accessToken\":\"of a server\", \"big\": 1234567890123456789,"
     " \"real\": 0.1000 },\n  \"claudeAiOauth\" : { \"expiresAt\" : 1795428800123 ,\n\t\"new\": [ "
     "{\"deep\": \"\\u00fc\"} ], \"refreshToken\" : \"sk-ant-ort01-R2\" , \"accessToken\" : "
     "\"sk-ant-oat01-A2\" } }\n"},
    // The refresh token stays where the answer has none.
    {"{\"claudeAiOauth\":{\"accessToken\":\"A1\",\"refreshToken\":\"R1\",\"expiresAt\":1,"
     "\"refreshTokenExpiresAt\":2}}",
     &access_only,
     "{\"claudeAiOauth\":{\"accessToken\":\"sk-ant-oat01-A2\",\"refreshToken\":\"R1\","
     "\"expiresAt\":1795428800123,\"refreshTokenExpiresAt\":2}}"},
    // An expiry that is missing is added, null is replaced.
    {"{\"claudeAiOauth\":{\"accessToken\":\"A1\",\"refreshToken\":\"R1\"}}", &both,
     "{\"claudeAiOauth\":{\"accessToken\":\"sk-ant-oat01-A2\",\"expiresAt\":1795428800123,"
     "\"refreshToken\":\"sk-ant-ort01-R2\"}}"},
    {"{\"claudeAiOauth\":{\"accessToken\":\"A1\",\"refreshToken\":\"R1\",\"expiresAt\":null}}",
     &both,
     "{\"claudeAiOauth\":{\"accessToken\":\"sk-ant-oat01-A2\",\"refreshToken\":\"sk-ant-ort01-R2\","
     "\"expiresAt\":1795428800123}}"},
    // The SDK's shape: seconds.
    {"{\"version\":1,\"type\":\"oauth_token\",\"access_token\":\"A1\",\"expires_at\":1,"
     "\"refresh_token\":\"R1\",\"note\":\"mine\"}",
     &both,
     "{\"version\":1,\"type\":\"oauth_token\",\"access_token\":\"sk-ant-oat01-A2\","
     "\"expires_at\":1795428800,\"refresh_token\":\"sk-ant-ort01-R2\",\"note\":\"mine\"}"},
};

START_TEST(only_the_pair_changes)
{
    char *renewed = NULL;
    struct error err = {0};
    struct credential_secret secret;
    ck_assert_msg(credential_text_renew(rows[_i].text, rows[_i].renewal, &renewed, &err) == 0, "%s",
                  err.text);
    ck_assert_str_eq(renewed, rows[_i].renewed);
    ck_assert_int_eq(credential_text_read(renewed, "renewed", CREDENTIAL_OAUTH, &secret, &err), 0);
    ck_assert_str_eq(secret.access, rows[_i].renewal->access);
    ck_assert_int_eq(secret.expires_at_ms / 1000, 1795428800);
    credential_text_free(&renewed);
    ck_assert_ptr_null(renewed);
}
END_TEST

static const char *const pairless[] = {
    "",
    "sk-ant-api03-K",
    "{}",
    "{\"claudeAiOauth\":null}",
    "{\"claudeAiOauth\":{\"accessToken\":\"A1\"}}",
    "{\"access_token\":\"A1\"}",
};

START_TEST(a_text_without_a_pair_is_refused)
{
    char *renewed = NULL;
    struct error err;
    ck_assert_int_eq(credential_text_renew(pairless[_i], &both, &renewed, &err), -EINVAL);
    ck_assert_ptr_null(renewed);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("credential_renew");
    TCase *cases = tcase_create("credential_renew");
    tcase_add_loop_test(cases, only_the_pair_changes, 0, sizeof(rows) / sizeof(rows[0]));
    tcase_add_loop_test(cases, a_text_without_a_pair_is_refused, 0,
                        sizeof(pairless) / sizeof(pairless[0]));
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
