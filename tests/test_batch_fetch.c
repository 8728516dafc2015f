// Tests of batch_fetch.c: what the upstream's answers about a batch come to.
#include "batch_fetch.h"

#include "credential_set_fixture.h"
#include "suite_run.h"

#define PAIR                                                                                       \
    "{\"claudeAiOauth\":{\"accessToken\":\"A1\",\"refreshToken\":\"R1\",\"expiresAt\":"            \
    "4102444800000}}"
#define ENDED "\"processing_status\":\"ended\""

static struct proxy proxy;
static struct batch_fetch *fetch;
static enum batch_fetch_end ended;
static struct error why;
static int done, refusals; // of lines, to come
static char lines[256];    // each ended by a bar

static bool on_line(void *context, struct slice line)
{
    ck_assert_ptr_eq(context, &done);
    if (refusals > 0 && refusals-- > 0)
        return false;
    size_t used = strlen(lines);
    snprintf(lines + used, sizeof(lines) - used, "%.*s|", line.bytes != NULL ? (int)line.length : 4,
             line.bytes != NULL ? line.bytes : "NULL");
    return true;
}

static void on_done(void *context, enum batch_fetch_end end, const struct error *error)
{
    ck_assert_ptr_eq(context, &done);
    ended = end;
    why = *error;
    done++;
}

static void begin(void)
{
    set_up();
    proxy = (struct proxy){.base = base, .keeper = keeper, .upstream = upstream};
    folder_make("credentials");
    file_put("credentials/key", KEY);
    file_put("credentials/pair", PAIR);
    ck_assert_int_eq(set_begin(NULL, NULL), 0);
    done = refusals = 0;
    lines[0] = '\0';
}

static int start(const char *credential, enum batch_fetch_kind kind)
{
    static const struct batch_fetch_receiver receiver = {.line = on_line, .done = on_done};
    struct journal_batch batch = {.batch_id = "msgbatch_1"};
    snprintf(batch.credential, sizeof(batch.credential), "%s", credential);
    return batch_fetch_start(&fetch, &proxy, &batch, kind, &receiver, &done, &err);
}

// The upstream answers what has come, and closes.
static void answer(const char *target, int status, const char *body)
{
    char text[1024];
    run_until(strstr(received, target) != NULL && strstr(received, "\r\n\r\n") != NULL);
    snprintf(text, sizeof(text),
             "HTTP/1.1 %d Status\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s", status,
             strlen(body), body);
    say(text);
    hang_up();
}

static const struct {
    int status;
    const char *body;
    enum batch_fetch_end end;
} statuses[] = {
    {200, "{\"processing_status\":\"in_progress\"}", BATCH_FETCH_PROCESSING},
    {200, "{" ENDED ",\"results_url\":\"https://x/results\"}", BATCH_FETCH_READY},
    {200, "{" ENDED ",\"results_url\":null}", BATCH_FETCH_GONE}, // archived
    {200, "{}", BATCH_FETCH_FAILED},
    {404, "{}", BATCH_FETCH_GONE},
    {500, "{" ENDED "}", BATCH_FETCH_FAILED},
};

START_TEST(a_status_is_read)
{
    ck_assert_int_eq(start("key", BATCH_FETCH_STATUS), 0);
    answer("GET /v1/messages/batches/msgbatch_1 ", statuses[_i].status, statuses[_i].body);
    run_until(done > 0);
    ck_assert_int_eq(ended, statuses[_i].end);
    ck_assert_int_eq(done, 1);
    ck_assert_int_eq(find("key")->holds, 0);
    ck_assert_ptr_nonnull(strcasestr(received, "x-api-key: " KEY));
}
END_TEST

START_TEST(results_come_line_by_line)
{
    ck_assert_int_eq(start("key", BATCH_FETCH_RESULTS), 0);
    answer("GET /v1/messages/batches/msgbatch_1/results ", 200, "one\ntwo\n\nlast");
    run_until(done > 0);
    ck_assert_int_eq(ended, BATCH_FETCH_READ);
    ck_assert_str_eq(lines, "one|two||last|");
}
END_TEST

START_TEST(a_line_that_is_not_taken_is_offered_again)
{
    refusals = 2;
    ck_assert_int_eq(start("key", BATCH_FETCH_RESULTS), 0);
    run_until(strstr(received, "/results ") != NULL);
    say("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\none\n");
    run_until(strcmp(lines, "one|") == 0);
    say("two\n");
    run_until(done > 0);
    ck_assert_str_eq(lines, "one|two|");
}
END_TEST

START_TEST(results_that_are_cut_off_are_not_read)
{
    ck_assert_int_eq(start("key", BATCH_FETCH_RESULTS), 0);
    run_until(strstr(received, "/results ") != NULL);
    say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\none\ntw");
    hang_up();
    run_until(done > 0);
    ck_assert_int_eq(ended, BATCH_FETCH_FAILED);
    ck_assert_str_ne(why.text, "");
    ck_assert_str_eq(lines, "one|"); // and no part of one
}
END_TEST

// The token has died before its time: the next fetch has another one.
START_TEST(a_401_has_the_pair_refreshed)
{
    ck_assert_int_eq(start("pair", BATCH_FETCH_STATUS), 0);
    find("pair")->secret_served_number = find("pair")->secret_number;
    answer("GET /v1/messages/batches/msgbatch_1 ", 401, "{}");
    run_until(done > 0);
    ck_assert_int_eq(ended, BATCH_FETCH_FAILED);
    ck_assert_str_eq(why.text, "the upstream answered 401");
    ck_assert_int_eq(find("pair")->state, CREDENTIAL_REFRESHING);
    answer("POST /v1/oauth/token ", 200,
           "{\"access_token\":\"A2\",\"refresh_token\":\"R2\",\"expires_in\":3600}");
    run_until(find("pair")->state == CREDENTIAL_READY);
    ck_assert_int_eq(start("pair", BATCH_FETCH_STATUS), 0);
    answer("GET /v1/messages/batches/msgbatch_1 ", 200, "{\"processing_status\":\"canceling\"}");
    run_until(done > 1);
    ck_assert_int_eq(ended, BATCH_FETCH_PROCESSING);
    ck_assert_ptr_nonnull(strstr(received, "Bearer A2"));
}
END_TEST

// Somebody else has refreshed it while the answer was on its way.
START_TEST(a_late_401_is_not_of_the_fresh_token)
{
    ck_assert_int_eq(start("pair", BATCH_FETCH_STATUS), 0);
    find("pair")->secret_number++;
    answer("GET /v1/messages/batches/msgbatch_1 ", 401, "{}");
    run_until(done > 0);
    ck_assert_int_eq(find("pair")->state, CREDENTIAL_READY);
    ck_assert_uint_eq(peer_count, 1);
}
END_TEST

START_TEST(a_401_has_the_key_checked)
{
    ck_assert_int_eq(start("key", BATCH_FETCH_RESULTS), 0);
    answer("/results ", 401, "{}\n");
    run_until(done > 0);
    ck_assert_int_eq(ended, BATCH_FETCH_FAILED);
    ck_assert_str_eq(lines, "");
    answer("GET /v1/models", 401, "{}");
    run_until(find("key")->state == CREDENTIAL_REFUSED);
}
END_TEST

START_TEST(a_credential_that_is_gone_is_said)
{
    ck_assert_int_eq(start("other", BATCH_FETCH_STATUS), -ENOENT);
    ck_assert_ptr_nonnull(strstr(err.text, "other"));
}
END_TEST

START_TEST(nothing_follows_a_cancel)
{
    ck_assert_int_eq(start("key", BATCH_FETCH_STATUS), 0);
    run_until(strstr(received, "msgbatch_1") != NULL);
    batch_fetch_cancel(fetch);
    ck_assert_int_eq(find("key")->holds, 0);
    run_until(peers[0].gone);
    ck_assert_int_eq(done, 0);
}
END_TEST

int main(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    TCase *cases = tcase_create("batch_fetch");
    tcase_set_timeout(cases, 60);
    tcase_add_checked_fixture(cases, begin, tear_down);
    tcase_add_loop_test(cases, a_status_is_read, 0, sizeof(statuses) / sizeof(statuses[0]));
    tcase_add_test(cases, results_come_line_by_line);
    tcase_add_test(cases, a_line_that_is_not_taken_is_offered_again);
    tcase_add_test(cases, results_that_are_cut_off_are_not_read);
    tcase_add_test(cases, a_401_has_the_pair_refreshed);
    tcase_add_test(cases, a_late_401_is_not_of_the_fresh_token);
    tcase_add_test(cases, a_401_has_the_key_checked);
    tcase_add_test(cases, a_credential_that_is_gone_is_said);
    tcase_add_test(cases, nothing_follows_a_cancel);
    Suite *suite = suite_create("batch_fetch");
    suite_add_tcase(suite, cases);
    int code = suite_run(suite);
    curl_global_cleanup();
    return code;
}
