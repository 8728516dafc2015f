// Tests of credential_refresh.c: what each answer of the token endpoint, and each state of the
// file, makes of a refresh; and that a refresh token goes out no oftener than it may.
#include "credential_refresh.h"

#include "clock.h"
#include "credential_lock.h"
#include "credential_store.h"
#include "curl_loop.h"
#include "off_loop.h"
#include "raw_server.h"
#include "remove_tree.h"
#include "suite_run.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <stdlib.h>

#define ASKS_MAX 2

static char directory[40], path[80], endpoint_url[96];
static struct refresh_tools tools;
static struct credential_secret held;
static struct refresh_result result;
static struct credential_secret renewed; // of the result
static int results;
static struct error err;

static void text_put(const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void text_get(char text[static 512])
{
    FILE *file = fopen(path, "re");
    size_t length = file != NULL ? fread(text, 1, 511, file) : 0;
    text[length] = '\0';
    if (file != NULL)
        fclose(file);
}

#define PAIR(access, refresh)                                                                      \
    "{\"claudeAiOauth\":{\"accessToken\":\"" access "\",\"refreshToken\":\"" refresh               \
    "\",\"expiresAt\":1},\"kept\":1}"

static void set_up(void)
{
    server_start();
    snprintf(directory, sizeof(directory), "/tmp/reeve-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/main.json", directory);
    snprintf(endpoint_url, sizeof(endpoint_url), "%s/v1/oauth/token", url);
    tools = (struct refresh_tools){
        .base = base,
        .endpoint = {.url = endpoint_url, .client_id = "the-client", .scope = "a-scope"}};
    ck_assert_int_eq(curl_loop_new(&tools.curl, base, &err), 0);
    ck_assert_int_eq(off_loop_new(&tools.off_loop, base, &err), 0);
    text_put(PAIR("A1", "R1"));
    ck_assert_int_eq(credential_file_read(path, CREDENTIAL_OAUTH, &held, &err), 0);
    results = 0;
}

static void tear_down(void)
{
    off_loop_free(tools.off_loop);
    curl_loop_free(tools.curl);
    server_stop_and_free();
    remove_tree(directory);
}

static void on_result(void *context, const struct refresh_result *given)
{
    (void)context;
    result = *given;
    renewed = given->secret != NULL ? *given->secret : (struct credential_secret){0};
    results++;
}

static struct credential_refresh *start(bool shared)
{
    struct credential_refresh *refresh;
    ck_assert_int_eq(
        credential_refresh_start(&refresh, &tools, path, shared, &held, on_result, NULL, &err), 0);
    ck_assert_int_eq(results, 0); // never from within the call
    return refresh;
}

static bool is_whole(void)
{
    const char *body = strstr(received, "\r\n\r\n");
    return body != NULL && strchr(body, '}') != NULL;
}

// The n-th request to the endpoint, in full. False: the refresh has ended without it.
static bool is_asked(size_t number)
{
    run_until(results > 0 || (peer_count == number && is_whole()));
    return results == 0;
}

// What the endpoint answers: a status line's end, headers, and a body. "": it closes instead.
#define NEW_PAIR "200 OK\n{\"access_token\":\"A2\",\"refresh_token\":\"R2\",\"expires_in\":3600}"
#define NEW_ACCESS "200 OK\n{\"access_token\":\"A2\",\"expires_in\":3600}"
#define DEAD "400 Bad Request\n{\"error\":\"invalid_grant\"}"
#define WRONG "400 Bad Request\n{\"error\":\"invalid_client\"}"
#define BUSY "429 Too Many\r\nRetry-After: 7\n{}"
#define DOWN "503 Down\n{}"
#define LOST ""

static void answer(const char *text)
{
    char bytes[512];
    const char *body = strchr(text, '\n');
    while (body != NULL && body[-1] == '\r')
        body = strchr(body + 1, '\n');
    if (body != NULL) {
        snprintf(bytes, sizeof(bytes), "HTTP/1.1 %.*s\r\nContent-Length: %zu\r\n\r\n%s",
                 (int)(body - text), text, strlen(body + 1), body + 1);
        say(bytes);
    }
    hang_up();
}

enum before { NOTHING, OTHER_PAIR, NO_FILE, LOGGED_OUT, SUCCESSOR_EMPTY, SUCCESSOR_WHOLE };

static const struct {
    enum before before;
    const char *answers[ASKS_MAX + 1]; // NULL at the end
    enum refresh_outcome outcome;
    int64_t retry_after_s;
    const char *says;             // a part of the text
    const char *access, *refresh; // in the file afterwards
} cases[] = {
    {NOTHING, {NEW_PAIR}, REFRESH_RENEWED, 0, "renewed", "A2", "R2"},
    {NOTHING, {NEW_ACCESS}, REFRESH_RENEWED, 0, "renewed", "A2", "R1"},
    {NOTHING, {DEAD}, REFRESH_DEAD, 0, "invalid_grant", "A1", "R1"},
    {NOTHING, {WRONG}, REFRESH_POSTPONED, 0, "invalid_client", "A1", "R1"},
    {NOTHING, {BUSY}, REFRESH_POSTPONED, 7, "429", "A1", "R1"},
    {NOTHING, {DOWN}, REFRESH_POSTPONED, 0, "503", "A1", "R1"},
    {NOTHING, {LOST, NEW_PAIR}, REFRESH_RENEWED, 0, "renewed", "A2", "R2"},
    {NOTHING, {LOST, LOST}, REFRESH_LOST, 0, "got lost", "A1", "R1"},
    {NOTHING, {LOST, DEAD}, REFRESH_DEAD, 0, "earlier refresh had got lost", "A1", "R1"},
    {NOTHING, {LOST, DOWN}, REFRESH_POSTPONED, 0, "503", "A1", "R1"},
    {OTHER_PAIR, {NULL}, REFRESH_ADOPTED, 0, "another pair", "A9", "R9"},
    {NO_FILE, {NULL}, REFRESH_POSTPONED, 0, "No such file", NULL, NULL},
    {LOGGED_OUT, {NULL}, REFRESH_POSTPONED, 0, "no token", NULL, NULL},
    {SUCCESSOR_EMPTY, {NEW_PAIR}, REFRESH_RENEWED, 0, "renewed", "A2", "R2"},
    {SUCCESSOR_EMPTY, {LOST}, REFRESH_LOST, 0, "got lost", "A1", "R1"},
    {SUCCESSOR_EMPTY, {DEAD}, REFRESH_DEAD, 0, "earlier refresh had got lost", "A1", "R1"},
    {SUCCESSOR_WHOLE, {NULL}, REFRESH_ADOPTED, 0, "before a kill", "A2", "R2"},
};

// What an earlier refresh, which was killed, has left beside the file.
static void successor_leave(bool whole)
{
    char fingerprint[CREDENTIAL_FINGERPRINT_MAX], successor[160];
    ck_assert_int_eq(credential_store_prepare(path, "R1", &err), 0);
    if (!whole)
        return;
    credential_fingerprint("R1", fingerprint);
    snprintf(successor, sizeof(successor), "%s/.main.json.next-%s", directory,
             strchr(fingerprint, ':') + 1);
    int fd = open(successor, O_WRONLY | O_TRUNC | O_CLOEXEC);
    ck_assert_int_gt(write(fd, PAIR("A2", "R2"), strlen(PAIR("A2", "R2"))), 0);
    close(fd);
}

static void before_make(enum before before)
{
    switch (before) {
    case NOTHING:
        break;
    case OTHER_PAIR:
        text_put(PAIR("A9", "R9"));
        break;
    case NO_FILE:
        unlink(path);
        break;
    case LOGGED_OUT:
        text_put("{\"kept\":1}");
        break;
    case SUCCESSOR_EMPTY:
    case SUCCESSOR_WHOLE:
        successor_leave(before == SUCCESSOR_WHOLE);
        break;
    }
}

START_TEST(outcomes)
{
    char text[512], expected[512] = "";
    size_t asked = 0;
    before_make(cases[_i].before);
    start(false);
    for (; cases[_i].answers[asked] != NULL; asked++) {
        ck_assert(is_asked(asked + 1));
        ck_assert_ptr_nonnull(strstr(received, "\"refresh_token\":\"R1\""));
        ck_assert_ptr_nonnull(strstr(received, "\"client_id\":\"the-client\""));
        received[0] = '\0';
        answer(cases[_i].answers[asked]);
    }
    run_until(results == 1);
    ck_assert_uint_eq(peer_count, asked); // and not once more
    ck_assert_int_eq(result.outcome, cases[_i].outcome);
    ck_assert_int_eq(result.retry_after_s, cases[_i].retry_after_s);
    ck_assert_msg(strstr(result.text, cases[_i].says) != NULL, "%s", result.text);
    if (cases[_i].access == NULL)
        return;
    text_get(text);
    snprintf(expected, sizeof(expected), "\"accessToken\":\"%s\",\"refreshToken\":\"%s\"",
             cases[_i].access, cases[_i].refresh);
    ck_assert_msg(strstr(text, expected) != NULL, "%s", text);
    ck_assert_ptr_nonnull(strstr(text, "\"kept\":1"));
    if (result.secret != NULL)
        ck_assert_str_eq(renewed.access, cases[_i].access);
}
END_TEST

START_TEST(a_login_meanwhile_is_not_overwritten)
{
    char text[512];
    start(false);
    ck_assert(is_asked(1));
    text_put(PAIR("A9", "R9"));
    answer(NEW_PAIR);
    run_until(results == 1);
    ck_assert_int_eq(result.outcome, REFRESH_ADOPTED);
    ck_assert_str_eq(renewed.access, "A9");
    text_get(text);
    ck_assert_ptr_nonnull(strstr(text, "\"refreshToken\":\"R9\""));
}
END_TEST

START_TEST(it_waits_for_claude_codes_lock)
{
    struct credential_lock lock = {0};
    ck_assert_int_eq(credential_lock_take(&lock, path, &err), 0);
    start(true);
    for (int64_t end_us = clock_monotonic_us() + 1000000; clock_monotonic_us() < end_us;)
        turn();
    ck_assert_uint_eq(peer_count, 0);
    text_put(PAIR("A9", "R9")); // as whoever has the lock does
    credential_lock_release(&lock);
    run_until(results == 1);
    ck_assert_int_eq(result.outcome, REFRESH_ADOPTED);
    ck_assert_uint_eq(peer_count, 0);
    ck_assert_int_eq(credential_lock_take(&lock, path, &err), 0); // it has let go of it
    credential_lock_release(&lock);
}
END_TEST

START_TEST(a_cancelled_one_says_nothing)
{
    struct credential_refresh *refresh = start(false);
    ck_assert(is_asked(1));
    credential_refresh_cancel(refresh);
    run_until(peers[0].gone);
    ck_assert_int_eq(results, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("credential_refresh");
    TCase *tests = tcase_create("credential_refresh");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, outcomes, 0, (int)(sizeof(cases) / sizeof(cases[0])));
    tcase_add_test(tests, a_login_meanwhile_is_not_overwritten);
    tcase_add_test(tests, it_waits_for_claude_codes_lock);
    tcase_add_test(tests, a_cancelled_one_says_nothing);
    suite_add_tcase(suite, tests);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    return suite_run(suite);
}
