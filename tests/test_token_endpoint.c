// Tests of token_endpoint.c: what the answers of a token endpoint mean.
#include "suite_run.h"
#include "token_endpoint.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define A "sk-ant-oat01-A2"
#define R "sk-ant-ort01-R2"

static const struct {
    int http_status;
    const char *body;
    enum token_outcome outcome;
    const char *access, *refresh, *text;
    int64_t lifetime_s, refresh_lifetime_s;
} answers[] = {
    {200,
     "{\"token_type\":\"Bearer\",\"access_token\":\"" A "\",\"expires_in\":28800,"
     "\"refresh_token\":\"" R "\",\"refresh_token_expires_in\":2592000,\"scope\":\"x\","
     "\"account\":{\"uuid\":\"u\"}}",
     TOKEN_RENEWED, A, R, "status 200", 28800, 2592000},
    // The old refresh token stays.
    {200, "{\"access_token\":\"" A "\",\"expires_in\":28800}", TOKEN_RENEWED, A, "", "status 200",
     28800, -1},
    {200, "{\"access_token\":\"" A "\",\"refresh_token\":null}", TOKEN_RENEWED, A, "", "status 200",
     TOKEN_LIFETIME_UNSAID_S, -1},
    {200, "{\"access_token\":\"" A "\",\"expires_in\":-5}", TOKEN_RENEWED, A, "", "status 200",
     TOKEN_LIFETIME_UNSAID_S, -1},
    {200, "{\"access_token\":\"" A "\",\"expires_in\":9e99}", TOKEN_RENEWED, A, "", "status 200",
     TOKEN_LIFETIME_UNSAID_S, -1},
    // Spent, and nobody can say for what.
    {200, "", TOKEN_LOST, "", "", "its answer has no access_token", 0, -1},
    {200, "{\"access_token\":\"" A, TOKEN_LOST, "", "", "its answer has no access_token", 0, -1},
    {200, "{\"access_token\":7}", TOKEN_LOST, "", "", "its answer has no access_token", 0, -1},
    {200, "{\"access_token\":\"a b\"}", TOKEN_LOST, "", "", "its answer has no access_token", 0,
     -1},
    {200, "{\"access_token\":\"a\\\"b\"}", TOKEN_LOST, "", "", "its answer has no access_token", 0,
     -1},
    {200, "{\"access_token\":\"" A "\",\"refresh_token\":\"\"}", TOKEN_LOST, A, "",
     "its answer has no usable refresh_token", 0, -1},
    // Refusals.
    {400, "{\"error\":\"invalid_grant\",\"error_description\":\"" R " was used\"}", TOKEN_DEAD, "",
     "", "status 400, invalid_grant", 0, -1},
    {401, "{\"error\":\"invalid_grant\"}", TOKEN_DEAD, "", "", "status 401, invalid_grant", 0, -1},
    {400, "{\"error\":\"invalid_client\"}", TOKEN_REFUSED, "", "", "status 400, invalid_client", 0,
     -1},
    {403, "<html>", TOKEN_REFUSED, "", "", "status 403", 0, -1},
    {404, "{\"type\":\"error\",\"error\":{\"type\":\"not_found_error\",\"message\":\"" R "\"}}",
     TOKEN_REFUSED, "", "", "status 404, not_found_error", 0, -1},
    {400, "{\"error\":\"" R "\"}", TOKEN_REFUSED, "", "", "status 400", 0, -1}, // no word
    // Not now.
    {429, "{\"error\":\"rate_limited\"}", TOKEN_BUSY, "", "", "status 429, rate_limited", 0, -1},
    {500, "", TOKEN_BUSY, "", "", "status 500", 0, -1},
    {503, "{\"error\":\"invalid_grant\"}", TOKEN_BUSY, "", "", "status 503, invalid_grant", 0, -1},
    {302, "", TOKEN_BUSY, "", "", "status 302", 0, -1},
};

START_TEST(answer_is_told_by_status_and_body)
{
    struct token_answer answer;
    memset(&answer, 'x', sizeof(answer));
    token_answer_read(&answer, answers[_i].http_status, answers[_i].body, strlen(answers[_i].body));
    ck_assert_int_eq(answer.outcome, answers[_i].outcome);
    ck_assert_str_eq(answer.text, answers[_i].text);
    ck_assert_str_eq(answer.access, answers[_i].access);
    ck_assert_str_eq(answer.refresh, answers[_i].refresh);
    ck_assert_int_eq(answer.lifetime_s, answers[_i].lifetime_s);
    ck_assert_int_eq(answer.refresh_lifetime_s, answers[_i].refresh_lifetime_s);
}
END_TEST

START_TEST(a_token_of_the_longest_length_is_taken)
{
    char body[2 * CREDENTIAL_SECRET_MAX], token[CREDENTIAL_SECRET_MAX + 1];
    struct token_answer answer;
    memset(token, 'a', sizeof(token) - 1);
    token[sizeof(token) - 1] = '\0';
    snprintf(body, sizeof(body), "{\"access_token\":\"%s\"}", token);
    token_answer_read(&answer, 200, body, strlen(body));
    ck_assert_int_eq(answer.outcome, TOKEN_LOST); // 512 bytes
    token[CREDENTIAL_SECRET_MAX - 1] = '\0';
    snprintf(body, sizeof(body), "{\"access_token\":\"%s\"}", token);
    token_answer_read(&answer, 200, body, strlen(body));
    ck_assert_int_eq(answer.outcome, TOKEN_RENEWED);
    ck_assert_str_eq(answer.access, token);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("token_endpoint");
    TCase *cases = tcase_create("token_endpoint");
    tcase_add_loop_test(cases, answer_is_told_by_status_and_body, 0,
                        sizeof(answers) / sizeof(answers[0]));
    tcase_add_test(cases, a_token_of_the_longest_length_is_taken);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
