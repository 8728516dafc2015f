// Tests of credential_control.c: who asks about a credential gets one answer, when it is there.
#include "credential_set_fixture.h"

#include "control.h"
#include "credential_control.h"
#include "suite_run.h"

#define PAIR                                                                                       \
    "{\"claudeAiOauth\":{\"accessToken\":\"A1\",\"refreshToken\":\"R1\",\"expiresAt\":"            \
    "4102444800000}}"

static struct credential_control *control;
static struct control_server *server;
static char socket_path[64];
static int gone;

static void on_received(struct control_peer *peer, const struct control_message *message,
                        void *context)
{
    (void)context;
    ck_assert_int_eq(message->type, CONTROL_CREDENTIAL);
    credential_control_receive(control, peer, &message->credential);
}

static void on_gone(struct control_peer *peer, void *context)
{
    (void)context;
    credential_control_peer_gone(control, peer);
    gone++;
}

static void begin(void)
{
    static const struct control_handlers handlers = {.received = on_received, .gone = on_gone};
    set_up();
    snprintf(socket_path, sizeof(socket_path), "%s/control.sock", directory);
    folder_make("credentials");
    file_put("credentials/key", KEY);
    file_put("credentials/pair", PAIR);
    ck_assert_int_eq(set_begin(NULL, NULL), 0);
    ck_assert_ptr_nonnull(control = credential_control_new(keeper, set));
    ck_assert_int_eq(control_server_new(&server, base, socket_path, -1, &handlers, &err), 0);
    gone = 0;
}

static void end(void)
{
    credential_control_free(control);
    control_server_free(server);
    tear_down();
}

// Asks on a connection of its own.
static struct control_client *ask(enum control_credential_verb verb, const char *name)
{
    struct control_client *client;
    struct control_message message = {.type = CONTROL_CREDENTIAL, .credential.verb = verb};
    snprintf(message.credential.name, sizeof(message.credential.name), "%s", name);
    ck_assert_int_eq(control_client_open(&client, socket_path, &err), 0);
    ck_assert_int_eq(control_client_send(client, &message, &err), 0);
    return client;
}

static bool has_answer(struct control_client *client, struct control_message *message, int *result)
{
    *result = control_client_receive(client, 0, message, &err);
    return *result != -ETIMEDOUT;
}

// Waits for the one answer, after which the daemon closes.
static void expect(struct control_client *client, bool good, const char *text)
{
    struct control_message message;
    int result;
    run_until(has_answer(client, &message, &result));
    ck_assert_int_eq(result, 0);
    ck_assert_int_eq(message.type, CONTROL_CREDENTIAL_DONE);
    ck_assert_int_eq(message.credential_done.good, good);
    ck_assert_ptr_nonnull(strstr(message.credential_done.text, text));
    control_message_done(&message);
    run_until(has_answer(client, &message, &result));
    ck_assert_int_eq(result, -ECONNRESET);
    control_client_close(client);
}

// The upstream answers the request that has come.
static void answer(const char *target, int status, const char *body)
{
    char text[512];
    run_until(strstr(received, target) != NULL &&
              (received[0] == 'G' || strstr(received, "}") != NULL));
    snprintf(text, sizeof(text),
             "HTTP/1.1 %d Status\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s", status,
             strlen(body), body);
    received[0] = '\0';
    say(text);
    hang_up();
}

START_TEST(a_reload_reads_the_files_first)
{
    file_put("credentials/later", KEY);
    expect(ask(CONTROL_CREDENTIAL_RELOAD, ""), true, "reloaded");
    ck_assert_ptr_nonnull(find("later"));
}
END_TEST

START_TEST(what_has_just_been_stored_can_be_asked_about)
{
    file_put("credentials/later", KEY);
    struct control_client *client = ask(CONTROL_CREDENTIAL_CHECK, "later");
    answer("GET /v1/models", 200, "{}");
    expect(client, true, "200");
}
END_TEST

START_TEST(a_check_tells_what_the_upstream_has_said)
{
    static const int statuses[] = {200, 401};
    struct control_client *client = ask(CONTROL_CREDENTIAL_CHECK, "key");
    char status[8];
    answer("GET /v1/models", statuses[_i], "{}");
    snprintf(status, sizeof(status), "%d", statuses[_i]);
    expect(client, statuses[_i] == 200, status);
}
END_TEST

START_TEST(a_refresh_renews_the_pair)
{
    struct control_client *client = ask(CONTROL_CREDENTIAL_REFRESH, "pair");
    answer("/v1/oauth/token", 200,
           "{\"access_token\":\"A2\",\"refresh_token\":\"R2\",\"expires_in\":3600}");
    expect(client, true, "");
    ck_assert_str_eq(find("pair")->secret.access, "A2");
}
END_TEST

START_TEST(what_cannot_be_done_is_answered_at_once)
{
    expect(ask(CONTROL_CREDENTIAL_REFRESH, "key"), false, "no refresh token");
    ck_assert_uint_eq(peer_count, 0);
}
END_TEST

START_TEST(an_unknown_name_is_refused)
{
    struct control_message message;
    int result;
    struct control_client *client = ask(CONTROL_CREDENTIAL_CHECK, "nobody");
    run_until(has_answer(client, &message, &result));
    ck_assert_int_eq(result, 0);
    ck_assert_int_eq(message.type, CONTROL_REFUSED);
    ck_assert_int_eq(message.refused.code, CONTROL_INVALID);
    ck_assert_str_eq(message.refused.text, "there is no credential nobody");
    control_message_done(&message);
    control_client_close(client);
}
END_TEST

START_TEST(each_of_many_askers_is_answered)
{
    struct control_client *clients[3];
    for (size_t i = 0; i < 3; i++)
        clients[i] = ask(CONTROL_CREDENTIAL_REFRESH, "pair");
    answer("/v1/oauth/token", 200,
           "{\"access_token\":\"A2\",\"refresh_token\":\"R2\",\"expires_in\":3600}");
    for (size_t i = 0; i < 3; i++)
        expect(clients[i], true, "");
    ck_assert_uint_eq(peer_count, 1); // by one refresh
}
END_TEST

// What it has asked for goes on, and the others hear of it.
START_TEST(an_asker_may_go)
{
    struct control_client *goes = ask(CONTROL_CREDENTIAL_CHECK, "key");
    struct control_client *stays = ask(CONTROL_CREDENTIAL_CHECK, "key");
    run_until(strstr(received, "GET /v1/models") != NULL);
    control_client_close(goes);
    run_until(gone == 1);
    answer("GET /v1/models", 200, "{}");
    expect(stays, true, "200");
}
END_TEST

START_TEST(the_end_calls_everything_off)
{
    struct control_client *client = ask(CONTROL_CREDENTIAL_CHECK, "key");
    run_until(strstr(received, "GET /v1/models") != NULL);
    credential_control_free(control);
    control = NULL;
    answer("GET /v1/models", 200, "{}");
    run_until(find("key")->checked_at_ms > 0);
    control_client_close(client);
}
END_TEST

int main(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    TCase *cases = tcase_create("credential_control");
    tcase_set_timeout(cases, 60);
    tcase_add_checked_fixture(cases, begin, end);
    tcase_add_test(cases, a_reload_reads_the_files_first);
    tcase_add_test(cases, what_has_just_been_stored_can_be_asked_about);
    tcase_add_loop_test(cases, a_check_tells_what_the_upstream_has_said, 0, 2);
    tcase_add_test(cases, a_refresh_renews_the_pair);
    tcase_add_test(cases, what_cannot_be_done_is_answered_at_once);
    tcase_add_test(cases, an_unknown_name_is_refused);
    tcase_add_test(cases, each_of_many_askers_is_answered);
    tcase_add_test(cases, an_asker_may_go);
    tcase_add_test(cases, the_end_calls_everything_off);
    Suite *suite = suite_create("credential_control");
    suite_add_tcase(suite, cases);
    int code = suite_run(suite);
    curl_global_cleanup();
    return code;
}
