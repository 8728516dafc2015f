// Tests of credential_keeper.c: one refresh at a time, whoever asks; which 401 calls for one; and
// whom answers that come late are about.
#include "credential_keeper.h"

#include "clock.h"
#include "curl_loop.h"
#include "raw_server.h"
#include "remove_tree.h"
#include "suite_run.h"
#include "upstream.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

static char directory[40], path[80], endpoint_url[96];
static struct curl_loop *loop;
static struct upstream *upstream;
static struct credential_keeper *keeper;
static struct credential *credential;
static int alerts;
static char alerted[32]; // the state that was told last
static struct error err;

#define KEY "sk-ant-api03-of-a-test"

static void text_put(const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void pair_put(int64_t lives_ms)
{
    char text[256];
    snprintf(
        text, sizeof(text),
        "{\"claudeAiOauth\":{\"accessToken\":\"A1\",\"refreshToken\":\"R1\",\"expiresAt\":%" PRId64
        "}}",
        clock_now_us() / 1000 + lives_ms);
    text_put(text);
}

static void on_changed(void *context)
{
    (void)context;
}

static void on_alert(const char *name, const char *state, const char *text, void *context)
{
    (void)context;
    ck_assert_str_eq(name, "main");
    ck_assert_ptr_null(strstr(text, "sk-ant"));
    snprintf(alerted, sizeof(alerted), "%s", state);
    alerts++;
}

static void set_up(void)
{
    server_start();
    snprintf(directory, sizeof(directory), "/tmp/reeve-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/main", directory);
    snprintf(endpoint_url, sizeof(endpoint_url), "%s/v1/oauth/token", url);
    ck_assert_int_eq(curl_loop_new(&loop, base, &err), 0);
    ck_assert_int_eq(
        upstream_new(&upstream, base, loop, &(struct upstream_options){.base_url = url}, &err), 0);
    ck_assert_int_eq(
        credential_keeper_new(
            &keeper,
            &(struct credential_keeper_options){
                .base = base,
                .curl = loop,
                .upstream = upstream,
                .endpoint = {.url = endpoint_url, .client_id = "client", .scope = "scope"},
                .changed = on_changed,
                .alert = on_alert,
            },
            &err),
        0);
    alerts = 0;
}

static void tear_down(void)
{
    credential_keeper_free(keeper);
    upstream_free(upstream);
    curl_loop_free(loop);
    server_stop_and_free();
    remove_tree(directory);
}

// Takes what is in the file.
static void fill(void)
{
    struct credential_pool *pool = credential_keeper_pool(keeper);
    credential_pool_begin(pool);
    ck_assert_int_ge(
        credential_pool_put(pool,
                            &(struct credential_options){
                                .name = "main", .path = path, .priority = 1, .switch_percent = 95},
                            0, clock_now_us() / 1000, &credential, &err),
        0);
    credential_keeper_filled(keeper);
}

static bool is_whole(const char *target)
{
    const char *body = strstr(received, "\r\n\r\n");
    return strstr(received, target) != NULL && body != NULL &&
           (strncmp(received, "GET", 3) == 0 || strchr(body, '}') != NULL);
}

// Waits for a request, and answers it.
static void answer(const char *target, int status, const char *body)
{
    char text[512];
    run_until(is_whole(target));
    snprintf(text, sizeof(text),
             "HTTP/1.1 %d Status\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s", status,
             strlen(body), body);
    received[0] = '\0';
    say(text);
    hang_up();
}

static void answer_refresh(void)
{
    answer("/v1/oauth/token", 200,
           "{\"access_token\":\"A2\",\"refresh_token\":\"R2\",\"expires_in\":3600}");
    run_until(credential->secret_number == 2);
    ck_assert_int_eq(credential->state, CREDENTIAL_READY);
}

static bool answered(uint32_t secret_number, enum credential_verdict verdict, int http_status)
{
    struct credential_signs signs = {
        .verdict = verdict, .http_status = http_status, .retry_after_ms = -1, .used_percent = -1};
    return credential_keeper_answered(keeper, credential, secret_number, &signs, slice_of("m"),
                                      false);
}

struct waiter {
    struct keeper_waiter waiter;
    int done;
    bool good;
};

static void on_done(struct keeper_waiter *waiter, bool good, const char *text)
{
    struct waiter *each = (struct waiter *)(void *)waiter;
    (void)text;
    each->done++;
    each->good = good;
}

START_TEST(one_refresh_serves_all_who_ask)
{
    struct waiter first = {.waiter.done = on_done}, second = first;
    pair_put(3600000);
    fill();
    ck_assert_int_eq(credential_keeper_refresh(keeper, credential, &first.waiter, &err), 0);
    ck_assert_int_eq(credential_keeper_refresh(keeper, credential, &second.waiter, &err), 0);
    ck_assert(credential_keeper_is_refreshing(keeper));
    ck_assert_int_eq(credential->state, CREDENTIAL_READY); // its access token is still good
    answer_refresh();
    ck_assert_int_eq(first.done + second.done, 2);
    ck_assert(first.good && second.good);
    turn();
    ck_assert_uint_eq(peer_count, 1);
    ck_assert_str_eq(credential->secret.access, "A2");
}
END_TEST

START_TEST(one_that_has_expired_is_refreshed_at_once)
{
    struct credential_wish wish = {.has_identity = true};
    pair_put(-1);
    fill();
    ck_assert_int_eq(credential_keeper_pick(keeper, &wish).choice, CHOICE_SOON);
    answer_refresh();
    ck_assert_int_eq(credential_keeper_pick(keeper, &wish).choice, CHOICE_MADE);
}
END_TEST

START_TEST(one_that_ends_soon_serves_while_it_is_refreshed)
{
    struct credential_wish wish = {.has_identity = true};
    pair_put(CREDENTIAL_AHEAD_MS / 2);
    fill();
    ck_assert_int_eq(credential_keeper_pick(keeper, &wish).choice, CHOICE_MADE);
    answer_refresh();
}
END_TEST

START_TEST(a_401_refreshes_once_for_all_in_flight)
{
    pair_put(3600000);
    fill();
    ck_assert(answered(1, VERDICT_SERVED, 200) == false);
    ck_assert(answered(1, VERDICT_UNAUTHORIZED, 401)); // worth another attempt
    ck_assert_int_eq(credential->state, CREDENTIAL_REFRESHING);
    ck_assert(answered(1, VERDICT_UNAUTHORIZED, 401));
    answer_refresh();
    ck_assert(answered(1, VERDICT_UNAUTHORIZED, 401)); // it went out before
    turn();
    ck_assert_int_eq(credential->state, CREDENTIAL_READY);
    ck_assert_uint_eq(peer_count, 1);
}
END_TEST

START_TEST(while_it_rests_nothing_is_begun)
{
    pair_put(-1);
    credential_keeper_rest(keeper);
    fill();
    ck_assert(!answered(1, VERDICT_UNAUTHORIZED, 401));
    ck_assert(!answered(1, VERDICT_FORBIDDEN, 403));
    turn();
    ck_assert_uint_eq(peer_count, 0);
    credential_keeper_wake(keeper);
    answer_refresh();
    ck_assert_uint_eq(peer_count, 1);
}
END_TEST

START_TEST(a_fresh_token_that_never_served_is_checked_and_not_refreshed)
{
    pair_put(-1);
    fill();
    answer_refresh();
    ck_assert(!answered(2, VERDICT_UNAUTHORIZED, 401));
    answer("GET /v1/models", 401, "{}");
    run_until(credential->state == CREDENTIAL_REFUSED);
    ck_assert_int_eq(alerts, 1);
    ck_assert_str_eq(alerted, "refused");
}
END_TEST

START_TEST(late_answers_of_an_older_secret_do_not_make_a_fresh_one_look_unused)
{
    pair_put(-1);
    fill();
    answer_refresh();
    answered(2, VERDICT_SERVED, 200);
    answered(1, VERDICT_SERVED, 200); // it was slow
    ck_assert(answered(2, VERDICT_UNAUTHORIZED, 401));
    ck_assert_int_eq(credential->state, CREDENTIAL_REFRESHING);
}
END_TEST

static const struct {
    int http_status;
    enum credential_state state;
    int alerts;
} checks[] = {{401, CREDENTIAL_REFUSED, 1},
              {403, CREDENTIAL_REFUSED, 1},
              {200, CREDENTIAL_READY, 0},
              {500, CREDENTIAL_READY, 0},
              {404, CREDENTIAL_READY, 0}};

START_TEST(a_key_is_refused_when_a_check_says_so)
{
    text_put(KEY);
    fill();
    ck_assert(!answered(1, VERDICT_UNAUTHORIZED, 401));
    ck_assert_int_eq(credential->state, CREDENTIAL_READY); // it may be the request
    answer("GET /v1/models", checks[_i].http_status, "{}");
    run_until(credential->checked_at_ms > 0);
    ck_assert_int_eq(credential->state, checks[_i].state);
    ck_assert_int_eq(alerts, checks[_i].alerts);
    ck_assert(!answered(1, VERDICT_UNAUTHORIZED, 401)); // checked a moment ago
    turn();
    ck_assert_uint_eq(peer_count, 1);
}
END_TEST

static const struct {
    int http_status;
    const char *body;
    enum credential_state state;
    const char *alerted;
} failures[] = {
    {400, "{\"error\":\"invalid_grant\"}", CREDENTIAL_NEEDS_LOGIN, "needs-login"},
    {429, "{}", CREDENTIAL_EXPIRED, "expired"},
    {503, "{}", CREDENTIAL_EXPIRED, "expired"},
};

START_TEST(a_person_hears_of_a_refresh_that_fails)
{
    pair_put(-1);
    fill();
    answer("/v1/oauth/token", failures[_i].http_status, failures[_i].body);
    run_until(alerts == 1);
    ck_assert_int_eq(credential->state, failures[_i].state);
    ck_assert_str_eq(alerted, failures[_i].alerted);
    turn();
    ck_assert_uint_eq(peer_count, 1); // later, or never
}
END_TEST

START_TEST(what_cannot_be_done_is_said)
{
    struct waiter waiter = {.waiter.done = on_done};
    text_put(KEY);
    fill();
    ck_assert_int_eq(credential_keeper_refresh(keeper, credential, &waiter.waiter, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "no refresh token"));
    ck_assert_int_eq(credential_keeper_check(keeper, credential, &waiter.waiter, &err), 0);
    credential_keeper_forget(keeper, &waiter.waiter);
    answer("GET /v1/models", 200, "{}");
    run_until(credential->checked_at_ms > 0);
    ck_assert_int_eq(waiter.done, 0); // it was called off
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("credential_keeper");
    TCase *tests = tcase_create("credential_keeper");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, one_refresh_serves_all_who_ask);
    tcase_add_test(tests, one_that_has_expired_is_refreshed_at_once);
    tcase_add_test(tests, one_that_ends_soon_serves_while_it_is_refreshed);
    tcase_add_test(tests, a_401_refreshes_once_for_all_in_flight);
    tcase_add_test(tests, while_it_rests_nothing_is_begun);
    tcase_add_test(tests, a_fresh_token_that_never_served_is_checked_and_not_refreshed);
    tcase_add_test(tests, late_answers_of_an_older_secret_do_not_make_a_fresh_one_look_unused);
    tcase_add_loop_test(tests, a_key_is_refused_when_a_check_says_so, 0,
                        (int)(sizeof(checks) / sizeof(checks[0])));
    tcase_add_loop_test(tests, a_person_hears_of_a_refresh_that_fails, 0,
                        (int)(sizeof(failures) / sizeof(failures[0])));
    tcase_add_test(tests, what_cannot_be_done_is_said);
    suite_add_tcase(suite, tests);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    return suite_run(suite);
}
