// Tests of exchange_attempt.c: what follows an attempt that failed, and what the agent is told in
// the end. Two API keys, first and second, serve; time stands still but for the waits returned.
#include "exchange_attempt.h"

#include "clock.h"
#include "exchange_state.h"
#include "suite_run.h"

#include "credential_set_fixture.h" // its names would be shadowed

#define SECOND_US INT64_C(1000000)
#define WAIT_MAX_S 60
#define BODY "{\"model\":\"m\",\"max_tokens\":1,\"messages\":[]}"
#define IDENTITY "You are Claude Code, Anthropic's official CLI for Claude."
#define CODE_BODY "{\"model\":\"m\",\"max_tokens\":1,\"system\":\"" IDENTITY "\",\"messages\":[]}"
#define BATCH_PATH "/v1/messages/batches/msgbatch_01AbC/results"

static struct proxy proxy;
static struct exchange exchange;
static struct http_head request;
static struct request_scan scan;
static int64_t wait_us;
static struct reply reply;
static char message[ATTEMPT_MESSAGE_MAX];

// A request under `body`, or with NULL one of what is free, for `path`.
static void request_begin(const char *body, const char *path)
{
    request = (struct http_head){.path = slice_of(path)};
    exchange = (struct exchange){
        .proxy = &proxy,
        .head = &request,
        .state = EXCHANGE_SENDING,
        .route = {.kind = body != NULL ? ROUTE_MESSAGES : ROUTE_FREE},
        .session_id = "session",
    };
    if (body == NULL)
        return;
    ck_assert_int_eq(request_scan(&scan, body, strlen(body), &err), 0);
    exchange.scan = &scan;
}

static void begin(void)
{
    set_up();
    proxy =
        (struct proxy){.base = base, .keeper = keeper, .sticky = sticky, .wait_max_s = WAIT_MAX_S};
    folder_make("credentials");
    request_begin(BODY, "/v1/messages");
}

static void end(void)
{
    attempt_done(&exchange);
    tear_down();
}

// Stores keys by these names, separated by spaces.
static void stock(const char *names)
{
    char list[64], *rest = list, *name, file[64], key[64];
    snprintf(list, sizeof(list), "%s", names);
    while ((name = strsep(&rest, " ")) != NULL && *name != '\0') {
        snprintf(file, sizeof(file), "credentials/%s", name);
        snprintf(key, sizeof(key), KEY "-%s", name);
        file_put(file, key);
    }
    ck_assert_int_eq(set_begin(NULL, NULL), 0);
}

static const char *chosen(void)
{
    ck_assert_int_eq(attempt_choose(&exchange, &wait_us), ATTEMPT_GO);
    return exchange.credential->name;
}

// The upstream's answer to an attempt: whether it is kept back.
static bool answer(int status, const char *headers)
{
    static char text[512];
    static struct http_head head;
    size_t searched = 0;
    int refused;
    snprintf(text, sizeof(text), "HTTP/1.1 %d Status\r\n%s\r\n", status, headers);
    ck_assert_int_eq(
        http_response_parse(&head, text, strlen(text), false, &searched, &refused, &err),
        HTTP_HEAD_COMPLETE);
    attempt_sent(&exchange);
    return attempt_answered(&exchange, &head);
}

// An attempt that is answered so, and kept back.
static enum attempt_step fails_with(int status, const char *headers, const char *body)
{
    ck_assert(answer(status, headers));
    ck_assert(attempt_keep(&exchange, body, strlen(body)));
    return attempt_failed(&exchange, "", &wait_us);
}

static int concluded_status(void)
{
    const struct http_head *head = attempt_conclude(&exchange, &reply, message);
    return head != NULL ? head->status : -reply.status;
}

START_TEST(a_credential_is_held_while_it_serves)
{
    stock("first second");
    ck_assert_str_eq(chosen(), "first");
    ck_assert_int_eq(find("first")->holds, 1);
    ck_assert_str_eq(chosen(), "first");
    ck_assert_int_eq(find("first")->holds, 1);
    attempt_done(&exchange);
    ck_assert_int_eq(find("first")->holds, 0);
}
END_TEST

static const struct {
    int status;
    const char *headers, *body;
} of_credential[] = {
    {401, "", ""},
    {403, "", "{\"error\":{\"type\":\"permission_error\"}}"},
    {429, "retry-after: 3600\r\n", ""},
};

START_TEST(another_credential_takes_over)
{
    stock("first second");
    chosen();
    ck_assert_int_eq(
        fails_with(of_credential[_i].status, of_credential[_i].headers, of_credential[_i].body),
        ATTEMPT_GO);
    ck_assert_str_eq(chosen(), "second");
    ck_assert(!answer(200, ""));
}
END_TEST

START_TEST(the_last_answer_is_given_when_nothing_is_left)
{
    stock("first second");
    for (int i = 0; i < 2; i++) {
        chosen();
        ck_assert_int_eq(fails_with(401, "request-id: req_1\r\n", "no"),
                         i == 0 ? ATTEMPT_GO : ATTEMPT_OVER);
    }
    ck_assert_int_eq(concluded_status(), 401);
    ck_assert(slice_is(kept_answer_body(exchange.attempts.kept), "no"));
}
END_TEST

static const struct {
    int status;
    const char *headers, *body;
} of_request[] = {
    {400, "", ""},
    {413, "", ""},
    {404, "", ""},
    {200, "", ""},
};

START_TEST(what_is_about_the_request_is_passed_on)
{
    stock("first second");
    chosen();
    ck_assert(!answer(of_request[_i].status, of_request[_i].headers));
    ck_assert_ptr_null(exchange.attempts.kept);
}
END_TEST

// Of a 403 only the body tells whether it is the credential's.
START_TEST(a_403_of_the_edge_is_not_repeated)
{
    stock("first second");
    chosen();
    ck_assert_int_eq(fails_with(403, "", "<html>your country</html>"), ATTEMPT_OVER);
    ck_assert_int_eq(concluded_status(), 403);
}
END_TEST

START_TEST(nothing_is_kept_back_once_it_is_relayed_or_streams_up)
{
    stock("first second");
    chosen();
    exchange.state = EXCHANGE_DRAINING;
    ck_assert(!answer(401, ""));
    exchange.state = EXCHANGE_SENDING;
    exchange.route.kind = ROUTE_UPLOAD;
    ck_assert(!answer(401, ""));
}
END_TEST

// ---- limits

START_TEST(a_short_limit_is_waited_for)
{
    stock("first");
    chosen();
    ck_assert_int_eq(fails_with(429, "retry-after: 90\r\n", ""), ATTEMPT_WAIT);
    ck_assert(wait_us > 25 * SECOND_US && wait_us <= 30 * SECOND_US); // 60 s may be the client's
    exchange.attempts.held_until_us -= (WAIT_MAX_S - 10) * SECOND_US;
    ck_assert_int_eq(attempt_choose(&exchange, &wait_us), ATTEMPT_WAIT);
    ck_assert(wait_us > 0 && wait_us <= 10 * SECOND_US); // no longer than WaitMax= in all
    exchange.attempts.held_until_us -= 10 * SECOND_US;
    ck_assert_int_eq(attempt_choose(&exchange, &wait_us), ATTEMPT_OVER);
}
END_TEST

// That is the end of the first limit to end, whose account the last answer need not be of.
START_TEST(a_limit_is_told_with_its_true_end)
{
    stock("first second");
    chosen();
    ck_assert_int_eq(fails_with(429, "retry-after: 30\r\n", ""), ATTEMPT_GO);
    chosen();
    ck_assert_int_eq(fails_with(429, "retry-after: 50\r\n", ""), ATTEMPT_OVER);
    const struct http_head *head = attempt_conclude(&exchange, &reply, message);
    ck_assert_ptr_nonnull(head);
    ck_assert_int_eq(head->status, 429);
    ck_assert(slice_is(http_head_find(head, "retry-after")->value, "30"));
}
END_TEST

START_TEST(a_limit_is_told_even_if_the_last_answer_was_another)
{
    stock("first second");
    chosen();
    ck_assert_int_eq(fails_with(429, "retry-after: 40\r\n", ""), ATTEMPT_GO);
    chosen();
    ck_assert_int_eq(fails_with(401, "", ""), ATTEMPT_OVER);
    ck_assert_int_eq(concluded_status(), -429);
    ck_assert_int_eq(reply.retry_after_s, 40);
    ck_assert_ptr_nonnull(strstr(message, "is at a limit"));
}
END_TEST

// ---- the upstream's own failures

static const struct {
    int status;
    const char *headers;
    int64_t least_us, most_us; // to wait
} overloads[] = {
    {529, "", BREAKER_DELAY_FIRST_US * 3 / 4, BREAKER_DELAY_FIRST_US * 5 / 4},
    {500, "retry-after: 7\r\n", 7 * SECOND_US, 7 * SECOND_US},
    {503, "retry-after: 11\r\n", -1, -1}, // it is left to the client
    {500, "x-should-retry: false\r\n", -1, -1},
};

START_TEST(a_failing_upstream_is_asked_again_after_a_while)
{
    stock("first");
    chosen();
    enum attempt_step step = fails_with(overloads[_i].status, overloads[_i].headers, "");
    if (overloads[_i].most_us < 0) {
        ck_assert_int_eq(step, ATTEMPT_OVER);
        ck_assert_int_eq(concluded_status(), overloads[_i].status);
        return;
    }
    ck_assert_int_eq(step, ATTEMPT_WAIT);
    ck_assert(wait_us >= overloads[_i].least_us && wait_us <= overloads[_i].most_us);
    ck_assert_int_eq(attempt_choose(&exchange, &wait_us), ATTEMPT_WAIT); // not before
    exchange.attempts.not_before_us = 1;
    ck_assert_str_eq(chosen(), "first");
    ck_assert_int_eq(exchange.attempts.not_before_us, 0);
}
END_TEST

START_TEST(a_failing_upstream_is_asked_only_so_often)
{
    stock("first");
    for (int i = 1; i <= ATTEMPT_FAILURES_MAX; i++) {
        chosen();
        ck_assert_int_eq(fails_with(529, "", ""), ATTEMPT_WAIT);
        exchange.attempts.not_before_us = 1;
    }
    chosen();
    ck_assert_int_eq(fails_with(529, "", ""), ATTEMPT_OVER);
    ck_assert_int_eq(proxy.breaker.failures, ATTEMPT_FAILURES_MAX + 1);
    ck_assert_int_eq(concluded_status(), 529);
}
END_TEST

START_TEST(late_attempts_are_the_clients)
{
    stock("first");
    chosen();
    ck_assert(answer(529, ""));
    exchange.attempts.first_sent_us -= ATTEMPT_WINDOW_US;
    ck_assert_int_eq(attempt_failed(&exchange, "", &wait_us), ATTEMPT_OVER);
}
END_TEST

// Other exchanges have opened it meanwhile.
START_TEST(the_breaker_is_waited_for_as_long_as_there_is_time)
{
    stock("first");
    chosen();
    ck_assert_int_eq(fails_with(529, "", ""), ATTEMPT_WAIT);
    for (int i = 0; i < BREAKER_FAILURES_MAX; i++)
        breaker_failed(&proxy.breaker, clock_monotonic_us());
    exchange.attempts.not_before_us = 1;
    ck_assert_int_eq(attempt_choose(&exchange, &wait_us), ATTEMPT_WAIT);
    ck_assert_int_gt(wait_us, 0);
    exchange.attempts.not_before_us = 1;
    exchange.attempts.first_sent_us -= ATTEMPT_WINDOW_US;
    ck_assert_int_eq(attempt_choose(&exchange, &wait_us), ATTEMPT_OVER);
}
END_TEST

START_TEST(what_never_got_out_is_told)
{
    stock("first");
    chosen();
    attempt_sent(&exchange);
    ck_assert_int_eq(attempt_failed(&exchange, "connecting: refused", &wait_us), ATTEMPT_WAIT);
    exchange.attempts.failures = ATTEMPT_FAILURES_MAX;
    ck_assert_int_eq(attempt_failed(&exchange, "connecting: refused", &wait_us), ATTEMPT_OVER);
    ck_assert_int_eq(concluded_status(), -502);
    ck_assert_str_eq(message, "connecting: refused");
}
END_TEST

// Whatever happens, and however many credentials there are.
START_TEST(attempts_are_bounded)
{
    stock("a b c d e f g h i j");
    for (int i = 1; i <= ATTEMPTS_MAX; i++) {
        chosen();
        ck_assert_int_eq(answer(401, ""), i < ATTEMPTS_MAX);
        if (i < ATTEMPTS_MAX)
            ck_assert_int_eq(attempt_failed(&exchange, "", &wait_us), ATTEMPT_GO);
    }
}
END_TEST

// ---- who has served before

START_TEST(a_session_stays_with_its_credential)
{
    stock("first second");
    sticky_put(sticky, slice_of("session"), find("second")->number);
    ck_assert_str_eq(chosen(), "second");
    ck_assert_int_eq(fails_with(401, "", ""), ATTEMPT_GO);
    ck_assert_str_eq(chosen(), "first");
    ck_assert(!answer(200, ""));
    attempt_done(&exchange);
    request_begin(BODY, "/v1/messages");
    ck_assert_str_eq(chosen(), "first"); // which has the cache now
}
END_TEST

START_TEST(an_unknown_id_is_looked_for_in_every_account)
{
    stock("first second");
    request_begin(NULL, BATCH_PATH);
    ck_assert_str_eq(chosen(), "first");
    ck_assert_int_eq(fails_with(404, "", ""), ATTEMPT_GO);
    ck_assert_str_eq(chosen(), "second");
    ck_assert(!answer(200, ""));
    attempt_done(&exchange);
    request_begin(NULL, BATCH_PATH);
    ck_assert_str_eq(chosen(), "second"); // whose it is
    ck_assert(!answer(404, ""));          // it has been deleted
}
END_TEST

START_TEST(what_has_been_made_belongs_to_its_maker)
{
    stock("first second");
    sticky_put(sticky, slice_of("session"), find("second")->number);
    chosen();
    attempt_owns(&exchange, slice_of("msgbatch_01AbC"));
    attempt_done(&exchange);
    request_begin(NULL, BATCH_PATH);
    exchange.session_id[0] = '\0';
    ck_assert_str_eq(chosen(), "second");
}
END_TEST

// ---- counts

START_TEST(a_count_is_tried_under_another_credential)
{
    stock("first second");
    chosen();
    exchange.attempts.secret_number = exchange.credential->secret_number;
    ck_assert(!attempt_count_failed(&exchange, 500));
    ck_assert(!attempt_count_failed(&exchange, 0));
    ck_assert(attempt_count_failed(&exchange, 401));
    ck_assert_str_eq(chosen(), "second");
    exchange.attempts.secret_number = exchange.credential->secret_number;
    ck_assert(!attempt_count_failed(&exchange, 401)); // but the message may be served
    ck_assert_str_eq(chosen(), "second");
}
END_TEST

// ---- none

START_TEST(no_credential_is_told)
{
    stock("");
    ck_assert_int_eq(attempt_choose(&exchange, &wait_us), ATTEMPT_OVER);
    ck_assert_int_eq(concluded_status(), -503);
    ck_assert(reply.never_retry);
    ck_assert_ptr_nonnull(strstr(message, "reeve credential add"));
}
END_TEST

START_TEST(a_subscription_serves_claude_code_alone)
{
    file_put("credentials/subscription", TOKEN);
    stock("");
    ck_assert_int_eq(attempt_choose(&exchange, &wait_us), ATTEMPT_OVER);
    ck_assert_int_eq(concluded_status(), -503);
    ck_assert_ptr_nonnull(strstr(message, "neither Claude Code's nor the Agent SDK's"));
    request_begin(CODE_BODY, "/v1/messages");
    ck_assert_str_eq(chosen(), "subscription");
}
END_TEST

START_TEST(a_refresh_is_waited_for)
{
    file_put("credentials/pair", "{\"claudeAiOauth\":{\"accessToken\":\"A1\",\"refreshToken\":"
                                 "\"R1\",\"expiresAt\":4102444800000}}");
    stock("");
    request_begin(CODE_BODY, "/v1/messages");
    ck_assert_str_eq(chosen(), "pair");
    ck_assert_int_eq(fails_with(401, "", ""), ATTEMPT_WAIT);
    ck_assert_int_eq(find("pair")->state, CREDENTIAL_REFRESHING);
    ck_assert(wait_us > (WAIT_MAX_S - 10) * SECOND_US && wait_us <= WAIT_MAX_S * SECOND_US);
    ck_assert_uint_eq(exchange.attempts.excluded_count, 0); // it is worth another attempt
    exchange.attempts.held_until_us = 1;
    ck_assert_int_eq(attempt_choose(&exchange, &wait_us), ATTEMPT_OVER);
    ck_assert_int_eq(concluded_status(), 401);
}
END_TEST

int main(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    TCase *cases = tcase_create("exchange_attempt");
    tcase_set_timeout(cases, 60);
    tcase_add_checked_fixture(cases, begin, end);
    tcase_add_test(cases, a_credential_is_held_while_it_serves);
    tcase_add_loop_test(cases, another_credential_takes_over, 0, 3);
    tcase_add_test(cases, the_last_answer_is_given_when_nothing_is_left);
    tcase_add_loop_test(cases, what_is_about_the_request_is_passed_on, 0, 4);
    tcase_add_test(cases, a_403_of_the_edge_is_not_repeated);
    tcase_add_test(cases, nothing_is_kept_back_once_it_is_relayed_or_streams_up);
    tcase_add_test(cases, a_short_limit_is_waited_for);
    tcase_add_test(cases, a_limit_is_told_with_its_true_end);
    tcase_add_test(cases, a_limit_is_told_even_if_the_last_answer_was_another);
    tcase_add_loop_test(cases, a_failing_upstream_is_asked_again_after_a_while, 0, 4);
    tcase_add_test(cases, a_failing_upstream_is_asked_only_so_often);
    tcase_add_test(cases, late_attempts_are_the_clients);
    tcase_add_test(cases, the_breaker_is_waited_for_as_long_as_there_is_time);
    tcase_add_test(cases, what_never_got_out_is_told);
    tcase_add_test(cases, attempts_are_bounded);
    tcase_add_test(cases, a_session_stays_with_its_credential);
    tcase_add_test(cases, an_unknown_id_is_looked_for_in_every_account);
    tcase_add_test(cases, what_has_been_made_belongs_to_its_maker);
    tcase_add_test(cases, a_count_is_tried_under_another_credential);
    tcase_add_test(cases, no_credential_is_told);
    tcase_add_test(cases, a_subscription_serves_claude_code_alone);
    tcase_add_test(cases, a_refresh_is_waited_for);
    Suite *suite = suite_create("exchange_attempt");
    suite_add_tcase(suite, cases);
    int code = suite_run(suite);
    curl_global_cleanup();
    return code;
}
