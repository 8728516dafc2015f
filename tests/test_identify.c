// Tests of identify.c: whose request it is, by its credential headers.
#include "identify.h"

#include "request_fixture.h"
#include "suite_run.h"

#include <stdlib.h>

// <ours>, <theirs> and <ended> in headers stand for the keys of these runs; the last has ended.
static const char *const names[] = {"ours", "theirs", "ended"};

static const struct {
    const char *headers;
    enum identify_outcome outcome;
    const char *run;
} requests[] = {
    {"Authorization: Bearer <ours>\r\n", IDENTIFY_RUN, "ours"},
    {"Authorization: Bearer <theirs>\r\n", IDENTIFY_RUN, "theirs"},
    {"x-api-key: <ours>\r\n", IDENTIFY_RUN, "ours"},
    {"X-API-KEY:<ours>\r\n", IDENTIFY_RUN, "ours"},
    {"authorization: bearer   <ours>\r\n", IDENTIFY_RUN, "ours"}, // RFC 9110, 11.1: any case
    // Claude Code sends both.
    {"Authorization: Bearer <ours>\r\nx-api-key: <ours>\r\n", IDENTIFY_RUN, "ours"},
    {"x-api-key: <theirs>\r\nAuthorization: Bearer <theirs>\r\n", IDENTIFY_RUN, "theirs"},
    // What is beside a run key is not used: both headers are taken off.
    {"Authorization: Bearer sk-ant-oat01-x\r\nx-api-key: <ours>\r\n", IDENTIFY_RUN, "ours"},
    {"x-api-key: sk-ant-api03-x\r\nAuthorization: Bearer <ours>\r\n", IDENTIFY_RUN, "ours"},
    {"x-api-key: other\r\nAuthorization: Bearer <ours>\r\n", IDENTIFY_RUN, "ours"},
    {"x-api-key:\r\nAuthorization: Bearer <ours>\r\n", IDENTIFY_RUN, "ours"},
    {"Authorization: Basic eDp5\r\nx-api-key: <ours>\r\n", IDENTIFY_RUN, "ours"},
    // Two runs: nobody's.
    {"Authorization: Bearer <ours>\r\nx-api-key: <theirs>\r\n", IDENTIFY_UNKNOWN, NULL},
    {"x-api-key: <theirs>\r\nx-api-key: <ours>\r\n", IDENTIFY_UNKNOWN, NULL},
    // Keys of no live run.
    {"Authorization: Bearer <ended>\r\n", IDENTIFY_UNKNOWN, NULL},
    {"x-api-key: <ended>\r\n", IDENTIFY_UNKNOWN, NULL},
    {"x-api-key: <ours><ours>\r\n", IDENTIFY_UNKNOWN, NULL},
    {"x-api-key: <ours>, <ours>\r\n", IDENTIFY_UNKNOWN, NULL},
    {"x-api-key: Bearer <ours>\r\n", IDENTIFY_UNKNOWN, NULL},
    {"x-api-key: reeve-run-\r\n", IDENTIFY_UNKNOWN, NULL},
    {"Authorization: Bearer reeve\r\n", IDENTIFY_UNKNOWN, NULL},
    // None at all.
    {"", IDENTIFY_NO_KEY, NULL},
    {"Authorization: Basic <ours>\r\n", IDENTIFY_NO_KEY, NULL},
    {"Authorization: <ours>\r\n", IDENTIFY_NO_KEY, NULL},
    {"Authorization: Bearer\r\n", IDENTIFY_NO_KEY, NULL},
    {"Authorization:\r\n", IDENTIFY_NO_KEY, NULL},
    {"x-api-key:\r\n", IDENTIFY_NO_KEY, NULL},
    {"Proxy-Authorization: Bearer <ours>\r\nCookie: <ours>\r\n", IDENTIFY_NO_KEY, NULL},
    // A credential of the agent's own is told apart, whatever is beside it.
    {"Authorization: Bearer sk-ant-oat01-x\r\n", IDENTIFY_CREDENTIAL, NULL},
    {"Authorization: Bearer sk-ant-api03-x\r\n", IDENTIFY_CREDENTIAL, NULL},
    {"x-api-key: sk-ant-api03-x\r\n", IDENTIFY_CREDENTIAL, NULL},
    {"x-api-key: sk-ant-ort01-x\r\n", IDENTIFY_CREDENTIAL, NULL},
    {"x-api-key: other\r\nAuthorization: Bearer sk-ant-oat01-x\r\n", IDENTIFY_CREDENTIAL, NULL},
    {"Authorization: Bearer sk-ant-oat01-x\r\nx-api-key: other\r\n", IDENTIFY_CREDENTIAL, NULL},
};

static void keys_put_in(char *text, size_t size, const char *headers, char keys[][RUN_KEY_MAX])
{
    size_t used = 0;
    while (*headers != '\0') {
        const char *key = NULL;
        for (size_t i = 0; *headers == '<' && key == NULL && i < 3; i++)
            if (strncmp(headers + 1, names[i], strlen(names[i])) == 0)
                key = keys[i];
        ck_assert_uint_lt(used + RUN_KEY_MAX, size);
        if (key != NULL) {
            used += (size_t)snprintf(text + used, size - used, "%s", key);
            headers = strchr(headers, '>') + 1;
        } else {
            text[used++] = *headers++;
        }
    }
    text[used] = '\0';
}

START_TEST(request_belongs_to_the_run_of_its_key)
{
    static struct request_fixture request;
    static const struct run_limits limits;
    char keys[3][RUN_KEY_MAX], headers[1024];
    struct live_run *added = NULL, *run = NULL;
    struct run_table *runs = run_table_new();
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(run_table_add(runs, names[i], "j", &limits, keys[i], &added, NULL), 0);
    run_table_remove(runs, added);
    keys_put_in(headers, sizeof(headers), requests[_i].headers, keys);
    const struct identify_keys by = {.runs = runs};
    enum identify_outcome outcome = identify(&by, request_make(&request, headers), &run);
    ck_assert_msg(outcome == requests[_i].outcome, "%d, not %d: %s", outcome, requests[_i].outcome,
                  requests[_i].headers);
    if (requests[_i].run == NULL)
        ck_assert_ptr_null(run);
    else
        ck_assert_str_eq(run->id, requests[_i].run);
    run_table_free(runs);
}
END_TEST

START_TEST(refusal_says_what_to_do)
{
    ck_assert_ptr_null(identify_refusal(IDENTIFY_RUN));
    ck_assert_ptr_nonnull(strstr(identify_refusal(IDENTIFY_NO_KEY), "`reeve run`"));
    ck_assert_ptr_nonnull(strstr(identify_refusal(IDENTIFY_UNKNOWN), "`reeve run`"));
    ck_assert_ptr_nonnull(strstr(identify_refusal(IDENTIFY_CREDENTIAL), "`reeve credential add`"));
}
END_TEST

// Job keys lead to implicit runs, which somebody else opens.
static enum identify_outcome on_job_key(struct slice key, struct live_run **run, void *context)
{
    static struct live_run implicit;
    (void)context;
    if (slice_is(key, "reeve-job-full"))
        return IDENTIFY_NO_RUN;
    if (!slice_is(key, "reeve-job-good"))
        return IDENTIFY_UNKNOWN;
    *run = &implicit;
    return IDENTIFY_RUN;
}

static const struct {
    const char *headers;
    enum identify_outcome outcome;
} job_keys[] = {
    {"Authorization: Bearer reeve-job-good\r\n", IDENTIFY_RUN},
    {"x-api-key: reeve-job-good\r\n", IDENTIFY_RUN},
    {"Authorization: Bearer reeve-job-good\r\nx-api-key: reeve-job-good\r\n", IDENTIFY_RUN},
    {"Authorization: Bearer sk-ant-oat01-x\r\nx-api-key: reeve-job-good\r\n", IDENTIFY_RUN},
    {"x-api-key: reeve-job-bad\r\n", IDENTIFY_UNKNOWN},
    {"x-api-key: reeve-job-\r\n", IDENTIFY_UNKNOWN},
    {"x-api-key: reeve-job-full\r\n", IDENTIFY_NO_RUN},
    {"x-api-key: reeve-job-full\r\nAuthorization: Bearer other\r\n", IDENTIFY_NO_RUN},
};

START_TEST(job_key_belongs_to_an_implicit_run)
{
    static struct request_fixture request;
    struct run_table *runs = run_table_new();
    struct live_run *run = NULL;
    struct identify_keys keys = {.runs = runs, .find_job_key = on_job_key};
    const struct http_head *head = request_make(&request, job_keys[_i].headers);
    ck_assert_int_eq(identify(&keys, head, &run), job_keys[_i].outcome);
    ck_assert((run != NULL) == (job_keys[_i].outcome == IDENTIFY_RUN));
    keys.find_job_key = NULL; // nobody knows job keys
    ck_assert_int_eq(identify(&keys, head, &run), strstr(job_keys[_i].headers, "sk-ant") != NULL
                                                      ? IDENTIFY_CREDENTIAL
                                                      : IDENTIFY_UNKNOWN);
    run_table_free(runs);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("identify");
    TCase *cases = tcase_create("identify");
    tcase_add_loop_test(cases, request_belongs_to_the_run_of_its_key, 0,
                        sizeof(requests) / sizeof(requests[0]));
    tcase_add_test(cases, refusal_says_what_to_do);
    tcase_add_loop_test(cases, job_key_belongs_to_an_implicit_run, 0,
                        sizeof(job_keys) / sizeof(job_keys[0]));
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
