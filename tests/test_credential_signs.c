// Tests of credential_signs.c: what statuses, headers and bodies say about a credential.
#include "credential_signs.h"
#include "suite_run.h"

#include <check.h>
#include <stdlib.h>

#define NOW_MS INT64_C(1795400000000) // 2026-11-23T02:13:20Z
#define SECOND INT64_C(1000)
#define U "anthropic-ratelimit-unified-"
#define B "anthropic-ratelimit-"

static struct credential_signs read_signs(int status, const char *headers, const char *body)
{
    static char text[4096];
    struct http_head head;
    struct credential_signs signs;
    struct error err;
    size_t searched = 0;
    int refused_status;
    snprintf(text, sizeof(text), "HTTP/1.1 %d X\r\n%sContent-Length: 0\r\n\r\n", status, headers);
    ck_assert_int_eq(
        http_response_parse(&head, text, strlen(text), false, &searched, &refused_status, &err),
        HTTP_HEAD_COMPLETE);
    credential_signs_read(&signs, &head, slice_of(body), NOW_MS);
    return signs;
}

#define PERMISSION                                                                                 \
    "{\"type\":\"error\",\"error\":{\"type\":\"permission_error\",\"message\":\"no\"}}"

static const struct {
    int status;
    const char *body;
    enum credential_verdict verdict;
} verdicts[] = {
    {200, "", VERDICT_SERVED},
    {204, "", VERDICT_SERVED},
    {304, "", VERDICT_OF_REQUEST},
    {400, "", VERDICT_OF_REQUEST},
    {401, "", VERDICT_UNAUTHORIZED},
    {402, "", VERDICT_OF_REQUEST},
    {403, PERMISSION, VERDICT_FORBIDDEN},
    {403, "<html>Attention Required!</html>", VERDICT_OF_REQUEST},
    {403, "{\"error\":{\"type\":\"forbidden\",\"message\":\"Request not allowed\"}}",
     VERDICT_OF_REQUEST},
    {403, "", VERDICT_OF_REQUEST},
    {404, PERMISSION, VERDICT_OF_REQUEST},
    {409, "", VERDICT_OF_REQUEST},
    {413, "", VERDICT_OF_REQUEST},
    {429, "", VERDICT_LIMITED},
    {500, "", VERDICT_FAILED},
    {503, "", VERDICT_FAILED},
    {504, "", VERDICT_FAILED},
    {529, "", VERDICT_FAILED},
};

START_TEST(status_gives_the_verdict)
{
    struct credential_signs signs = read_signs(verdicts[_i].status, "", verdicts[_i].body);
    ck_assert_msg(signs.verdict == verdicts[_i].verdict, "%d %s: %d", verdicts[_i].status,
                  verdicts[_i].body, signs.verdict);
    ck_assert_int_eq(signs.http_status, verdicts[_i].status);
    ck_assert_int_eq(signs.retry_after_ms, -1);
    ck_assert_int_eq(signs.used_percent, -1);
    ck_assert(!signs.never_retry);
}
END_TEST

static const struct {
    const char *headers, *body;
    int64_t ends_in_ms;
    bool one_model;
} limits[] = {
    // Subscriptions name the end of the window, in seconds since 1970.
    {U "status: rejected\r\n" U "reset: 1795403600\r\n" U "representative-claim: five_hour\r\n", "",
     3600 * SECOND, false},
    {U "status: rejected\r\n" U "reset: 1795403600\r\nretry-after: 5\r\n", "", 3600 * SECOND,
     false},
    {U "status: rejected\r\n" U "reset: 1795403600\r\n" U
       "representative-claim: seven_day_opus\r\n",
     "", 3600 * SECOND, true},
    {U "status: rejected\r\n" U "reset: 1795403600\r\n" U
       "representative-claim: seven_day_overage_included\r\n",
     "", 3600 * SECOND, false},
    {U "status: rejected\r\n" U "representative-claim: five_hour\r\nretry-after: 90\r\n", "",
     90 * SECOND, false},
    // A 429 of a subscription that is not at its limit is one of too many at once.
    {U "status: allowed\r\n" U "reset: 1795403600\r\nretry-after: 7\r\n", "", 7 * SECOND, true},
    // API keys: of one model.
    {"retry-after: 30\r\n", "", 30 * SECOND, true},
    {"retry-after-ms: 1500\r\nretry-after: 30\r\n", "", 1500, true},
    {"retry-after: Mon, 23 Nov 2026 02:14:20 GMT\r\n", "", 60 * SECOND, true},
    {B "requests-remaining: 0\r\n" B "requests-reset: 2026-11-23T02:13:30Z\r\n" B
       "tokens-remaining: 0\r\n" B "tokens-reset: 2026-11-23T02:14:00.5Z\r\n" B
       "input-tokens-remaining: 9\r\n" B "input-tokens-reset: 2026-11-23T03:00:00Z\r\n",
     "", 40 * SECOND, true},
    // Nothing named, nonsense, or an end that cannot be true.
    {"", "", LIMIT_UNNAMED_MS, true},
    {"retry-after: soon\r\n", "", LIMIT_UNNAMED_MS, true},
    {"retry-after: -5\r\n", "", LIMIT_UNNAMED_MS, true},
    {"retry-after: 0\r\n", "", LIMIT_MIN_MS, true},
    {U "status: rejected\r\n" U "reset: 1795300000\r\n", "", LIMIT_MIN_MS, false},
    {U "status: rejected\r\n" U "reset: 99999999999\r\n", "", LIMIT_MAX_MS, false},
    {"retry-after: 999999999999\r\n", "", LIMIT_MAX_MS, true},
    // Spending limits hold for all models.
    {"", "{\"error\":{\"details\":{\"error_code\":\"enforced_spend_limit_reached\"}}}",
     LIMIT_SPEND_MS, false},
    {"", "{\"error\":{\"details\":{\"error_code\":\"ramp_limit_exceeded\"}}}", LIMIT_UNNAMED_MS,
     true},
    {"", "{\"error\":", LIMIT_UNNAMED_MS, true},
};

START_TEST(limit_names_its_end)
{
    struct credential_signs signs = read_signs(429, limits[_i].headers, limits[_i].body);
    ck_assert_int_eq(signs.verdict, VERDICT_LIMITED);
    ck_assert_int_eq(signs.ends_at_ms - NOW_MS, limits[_i].ends_in_ms);
    ck_assert_int_eq(signs.limits_one_model, limits[_i].one_model);
}
END_TEST

static const struct {
    const char *headers;
    int used_percent;
    int64_t until_s;
} utilizations[] = {
    {"", -1, 0},
    {U "5h-utilization: 0.25\r\n" U "5h-reset: 1795401000\r\n", 25, 1795401000},
    {U "5h-utilization: 0.25\r\n" U "5h-reset: 1795401000\r\n" U "7d-utilization: 0.96\r\n" U
       "7d-reset: 1795900000\r\n",
     96, 1795900000},
    {U "5h-utilization: 1\r\n" U "5h-reset: 1795401000\r\n" U "7d-utilization: 0.96\r\n" U
       "7d-reset: 1795900000\r\n",
     100, 1795401000},
    {U "5h-utilization: 1e9\r\n" U "5h-reset: 1795401000\r\n", 1000, 1795401000},
    {U "5h-utilization: 0.5\r\n", -1, 0}, // without an end it would hold for ever
    {U "5h-utilization: full\r\n" U "5h-reset: 1795401000\r\n", -1, 0},
    {U "5h-utilization: nan\r\n" U "5h-reset: 1795401000\r\n", -1, 0},
};

START_TEST(utilization_is_that_of_the_fullest_window)
{
    struct credential_signs signs = read_signs(200, utilizations[_i].headers, "");
    ck_assert_int_eq(signs.verdict, VERDICT_SERVED);
    ck_assert_int_eq(signs.used_percent, utilizations[_i].used_percent);
    ck_assert_int_eq(signs.used_until_ms, utilizations[_i].until_s * SECOND);
}
END_TEST

START_TEST(what_the_upstream_asks_of_retries_is_read)
{
    struct credential_signs signs =
        read_signs(529, "x-should-retry: false\r\nretry-after: 2\r\n", "");
    ck_assert(signs.never_retry);
    ck_assert_int_eq(signs.retry_after_ms, 2 * SECOND);
    signs = read_signs(529, "x-should-retry: true\r\nretry-after: 1.5\r\n", "");
    ck_assert(!signs.never_retry);
    ck_assert_int_eq(signs.retry_after_ms, 1500);
    signs = read_signs(503, "retry-after: Mon, 23 Nov 2026 02:00:00 GMT\r\n", "");
    ck_assert_int_eq(signs.retry_after_ms, 0); // it has passed
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("credential_signs");
    TCase *cases = tcase_create("credential_signs");
    tcase_add_loop_test(cases, status_gives_the_verdict, 0, sizeof(verdicts) / sizeof(*verdicts));
    tcase_add_loop_test(cases, limit_names_its_end, 0, sizeof(limits) / sizeof(*limits));
    tcase_add_loop_test(cases, utilization_is_that_of_the_fullest_window, 0,
                        sizeof(utilizations) / sizeof(*utilizations));
    tcase_add_test(cases, what_the_upstream_asks_of_retries_is_read);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
