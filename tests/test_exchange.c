// Tests of exchange*.c: the spine with all of its real parts, an agent and an upstream on sockets,
// a journal whose news the test holds back, and a clock that it moves.
#include "exchange.h"

#include "agent.h"
#include "agents.h"
#include "ceiling_fixture.h"
#include "clock.h"
#include "credential_keeper.h"
#include "curl_loop.h"
#include "moved_clock.h"
#include "raw_server.h"
#include "run_table.h"
#include "sticky.h"
#include "suite_run.h"
#include "upstream.h"

#include <fcntl.h>

#define BODY                                                                                       \
    "{\"model\":\"claude-haiku-4-5\",\"max_tokens\":100,\"messages\":[{\"role\":\"user\","         \
    "\"content\":\"hello\"}]}"
#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
#define START                                                                                      \
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\","       \
    "\"model\":\"claude-haiku-4-5\",\"usage\":{\"input_tokens\":10,\"output_tokens\":1}}}\n\n"
#define END                                                                                        \
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{},\"usage\":{"             \
    "\"output_tokens\":7}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
#define COST (INT64_C(10) * 1000000 + INT64_C(7) * 5000000) // of these 10 and 7 tokens

static struct ceiling_fixture fixture;
static struct proxy *proxy = &fixture.proxy;
static struct curl_loop *loop;
static struct agents *agents;
static struct run_table *runs;
static struct live_run *run;
static char key[RUN_KEY_MAX];
static struct event *journal_ready;
static int runs_ended; // exchanges that have told so

static struct journal_settlement settled[600];
static size_t settled_count;

// ---- what the proxy is made of

static void on_run_exchange_ended(struct live_run *of, void *context)
{
    ck_assert_ptr_eq(of, run);
    ck_assert_ptr_eq(context, &fixture);
    runs_ended++;
}

static void on_settled(struct live_run *of, const struct journal_settlement *settlement,
                       const struct body_hash *body, void *context)
{
    (void)body;
    (void)context;
    ck_assert_ptr_eq(of, run);
    ck_assert_uint_lt(settled_count, sizeof(settled) / sizeof(settled[0]));
    settled[settled_count++] = *settlement;
}

static void on_agent_closed(void *context)
{
    (void)context;
}

static void on_journal_ready(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    (void)context;
    journal_dispatch(fixture.journal);
}

// Whether the news of the journal, which the spine waits for, get through.
static void hear_journal(bool is_heard)
{
    if (is_heard)
        event_add(journal_ready, NULL);
    else
        event_del(journal_ready);
}

static void on_credentials_changed(void *context)
{
    (void)context;
    exchange_wake_parked(proxy);
}

static void on_credential_alert(const char *name, const char *state, const char *text,
                                void *context)
{
    (void)name;
    (void)state;
    (void)text;
    (void)context;
}

static void add_credential(const char *name, const char *secret, int priority)
{
    char path[128];
    struct credential *credential;
    struct error err = {0};
    snprintf(path, sizeof(path), "%s/%s", fixture.directory, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_eq(write(fd, secret, strlen(secret)), (ssize_t)strlen(secret));
    close(fd);
    ck_assert_msg(credential_pool_put(credential_keeper_pool(proxy->keeper),
                                      &(struct credential_options){.name = name,
                                                                   .path = path,
                                                                   .serves = CREDENTIAL_SERVES_ANY,
                                                                   .priority = priority},
                                      0, clock_now_us() / 1000, &credential, &err) > 0,
                  "%s", err.text);
    unlink(path);
}

static void set_up(void)
{
    static const struct run_limits limits;
    struct error err = {0};
    fixture_init(&fixture);
    server_start();
    ck_assert_int_eq(curl_loop_new(&loop, base, NULL), 0);
    ck_assert_msg(upstream_new(&proxy->upstream, base, loop,
                               &(struct upstream_options){.base_url = url}, &err) == 0,
                  "%s", err.text);
    proxy->base = base;
    proxy->spool_directory = fixture.directory;
    proxy->free_refusals = "";
    proxy->wait_max_s = 60;
    proxy->run_exchange_ended = on_run_exchange_ended;
    proxy->exchange_settled = on_settled;
    ck_assert_int_eq(credential_keeper_new(&proxy->keeper,
                                           &(struct credential_keeper_options){
                                               .base = base,
                                               .curl = loop,
                                               .upstream = proxy->upstream,
                                               .changed = on_credentials_changed,
                                               .alert = on_credential_alert,
                                           },
                                           NULL),
                     0);
    proxy->sticky = sticky_new(1);
    TAILQ_INIT(&proxy->exchanges);
    TAILQ_INIT(&proxy->waiting);
    add_credential("main", "sk-ant-api03-x", 1);
    proxy->runs = runs = run_table_new();
    ck_assert_int_eq(run_table_add(runs, "r1", "j", &limits, key, &run, NULL), 0);
    run->policy = fixture.run.policy;
    ck_assert_int_eq(agents_new(&agents, base, proxy, on_agent_closed, NULL, NULL), 0);
    journal_ready = event_new(base, journal_event_fd(fixture.journal), EV_READ | EV_PERSIST,
                              on_journal_ready, NULL);
    hear_journal(true);
}

static void tear_down(void)
{
    exchange_cancel_run(proxy, NULL);
    ck_assert_int_eq(run->exchanges_in_flight, 0);
    ck_assert_uint_eq(proxy->exchange_count, 0);
    ck_assert_uint_eq(proxy->draining_count, 0);
    ck_assert_int_eq(proxy->body_bytes_held, 0);
    agents_free(agents);
    credential_keeper_free(proxy->keeper);
    sticky_free(proxy->sticky);
    upstream_free(proxy->upstream);
    curl_loop_free(loop);
    run_table_free(runs);
    event_free(journal_ready);
    server_stop_and_free();
    fixture_done(&fixture);
}

// ---- the agent's end

static char answer[1 << 16];
static size_t answer_length;

static int connect_agent(void)
{
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    agents_accept(agents, ends[1]);
    answer_length = 0;
    return ends[0];
}

static void send_text(int agent, const char *text)
{
    ck_assert_int_eq(send(agent, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

// Starts a request whose body is not sent yet.
static int start_request(const char *target, size_t body_length)
{
    char head[512];
    int agent = connect_agent();
    snprintf(head, sizeof(head),
             "POST %s HTTP/1.1\r\nHost: x\r\nx-api-key: %s\r\nContent-Length: %zu\r\n\r\n", target,
             key, body_length);
    send_text(agent, head);
    return agent;
}

static int ask(void)
{
    size_t before = received_total;
    int agent = start_request("/v1/messages", sizeof(BODY) - 1);
    send_text(agent, BODY);
    run_until(received_total > before);
    return agent;
}

// What the agent has got by now. Returns false once its connection has ended.
static bool receive(int agent)
{
    ssize_t got;
    turn();
    while ((got = recv(agent, answer + answer_length, sizeof(answer) - 1 - answer_length, 0)) > 0) {
        answer_length += (size_t)got;
        turn();
    }
    answer[answer_length] = '\0';
    return got != 0;
}

static bool has_answer(int agent, const char *text)
{
    receive(agent);
    return strstr(answer, text) != NULL;
}

static int64_t cost_held(void)
{
    int64_t total, held, limit;
    budget_read(fixture.budget, BUDGET_BOX_DAY, "", clock_now_us(), BUDGET_COST, &total, &held,
                &limit);
    return held;
}

static void assert_settled_as(enum exchange_end end, int64_t cost, bool estimated)
{
    run_until(settled_count > 0);
    ck_assert_uint_eq(settled_count, 1);
    ck_assert_int_eq(settled[0].end, end);
    if (cost >= 0)
        ck_assert_int_eq(settled[0].cost_pico_usd, cost);
    else
        ck_assert_int_gt(settled[0].cost_pico_usd, 0);
    ck_assert_int_eq(settled[0].estimated, estimated);
    ck_assert_int_eq(cost_held(), 0);
    settled_count = 0;
}

// ---- on the disk first

// The answers, in the two forms that the hold has to do with: whole before the news, and not.
START_TEST(nothing_reaches_the_agent_before_its_reservation_is_on_the_disk)
{
    bool whole = _i == 0;
    hear_journal(false);
    int agent = ask();
    say(whole ? HEAD "Content-Length: 16\r\n\r\nevent: ping\n\n..." : HEAD "\r\nevent: ping\n\n");
    for (int i = 0; i < 10; i++)
        receive(agent);
    ck_assert_uint_eq(answer_length, 0);
    ck_assert_int_eq(run->exchanges_in_flight, 1);
    hear_journal(true);
    run_until(has_answer(agent, "event: ping\n\n"));
    ck_assert_int_eq(strncmp(answer, "HTTP/1.1 200 OK\r\n", 17), 0);
    if (whole)
        ck_assert_int_eq(run->exchanges_in_flight, 0);
    close(agent);
}
END_TEST

START_TEST(agent_may_leave_while_its_answer_is_held)
{
    bool whole = _i == 0;
    hear_journal(false);
    int agent = ask();
    say(HEAD);
    say(whole ? "Content-Length: 13\r\n\r\nevent: ping\n\n" : "\r\n" START);
    turn();
    close(agent);
    turn();
    if (!whole) {
        say(END);
        hang_up();
        assert_settled_as(EXCHANGE_COMPLETE, COST, false);
    }
    turn();
    ck_assert_int_eq(run->exchanges_in_flight, 0);
    hear_journal(true);
    turn();
}
END_TEST

// Cut by what comes along with the head, and by what would be read later.
START_TEST(cut_answer_that_was_held_is_cut_off)
{
    bool at_once = _i == 0;
    hear_journal(false);
    int agent = ask();
    say(at_once ? HEAD "Transfer-Encoding: chunked\r\n\r\nbroken"
                : HEAD "Content-Length: 100\r\n\r\nevent: ping\n\n");
    turn();
    hang_up();
    if (at_once)
        assert_settled_as(EXCHANGE_CUT, -1, true);
    ck_assert(receive(agent));
    ck_assert_uint_eq(answer_length, 0);
    hear_journal(true);
    run_until(!receive(agent));
    if (!at_once)
        assert_settled_as(EXCHANGE_CUT, -1, true);
    close(agent);
}
END_TEST

// ---- an agent that leaves

START_TEST(upstream_is_drained_for_its_usage)
{
    int agent = ask();
    say(HEAD "\r\n" START);
    run_until(has_answer(agent, "message_start"));
    close(agent);
    turn();
    ck_assert_uint_eq(proxy->draining_count, 1);
    say(END);
    assert_settled_as(EXCHANGE_COMPLETE, COST, false);
    hang_up();
    run_until(proxy->exchange_count == 0);
}
END_TEST

START_TEST(draining_ends_after_a_minute)
{
    int agent = ask();
    say(HEAD "\r\n" START);
    run_until(has_answer(agent, "message_start"));
    close(agent);
    turn();
    clock_moved_s += 59;
    turn();
    ck_assert_uint_eq(settled_count, 0);
    clock_moved_s += 2;
    assert_settled_as(EXCHANGE_CLIENT_GONE, -1, true);
    run_until(peers[0].gone);
}
END_TEST

START_TEST(draining_ends_after_8_mb)
{
    static char piece[65536];
    size_t sent = 0;
    int agent = ask();
    say(HEAD "\r\n" START);
    run_until(has_answer(agent, "message_start"));
    close(agent);
    turn();
    memset(piece, '\n', sizeof(piece));
    while (settled_count == 0 && sent < 64 << 20) {
        ssize_t result = send(peers[0].fd, piece, sizeof(piece), MSG_NOSIGNAL);
        sent += result > 0 ? (size_t)result : 0;
        turn();
    }
    ck_assert_uint_ge(sent, 8 << 20);
    assert_settled_as(EXCHANGE_CLIENT_GONE, -1, true);
    run_until(peers[0].gone);
}
END_TEST

START_TEST(so_many_are_drained_and_no_more)
{
    enum { MOST = 256 };
    int left[MOST + 1];
    for (int i = 0; i <= MOST; i++)
        left[i] = ask();
    for (int i = 0; i <= MOST; i++) {
        close(left[i]);
        turn();
    }
    ck_assert_uint_eq(proxy->draining_count, MOST);
    ck_assert_uint_eq(settled_count, 1);
    ck_assert_int_eq(settled[0].end, EXCHANGE_CLIENT_GONE);
    ck_assert(settled[0].estimated);
}
END_TEST

START_TEST(agent_may_leave_at_any_time)
{
    int agent = connect_agent(); // before its head is whole
    send_text(agent, "POST /v1");
    turn();
    close(agent);
    turn();
    close(start_request("/v1/messages", 100)); // its body
    turn();
    ck_assert_int_eq(run->exchanges_in_flight, 0);
    agent = start_request("/v1/messages", sizeof(BODY) - 1); // before there is a connection
    send_text(agent, BODY);
    event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    close(agent);
    run_until(run->exchanges_in_flight == 0 || proxy->draining_count == 1);
    agent = ask(); // in between two answers on the same connection
    say(HEAD "Content-Length: 0\r\n\r\n");
    run_until(has_answer(agent, "200 OK"));
    close(agent);
    agent = start_request("/v1/files", 100); // an upload
    send_text(agent, "abc");
    run_until(strstr(received, "/v1/files") != NULL);
    close(agent);
    run_until(peers[peer_count - 1].gone);
}
END_TEST

// ---- a run that is killed

static const struct {
    const char *target, *body;
    size_t length;
    bool goes_upstream;
    const char *says; // the upstream
    bool is_heard;    // the journal
    int end;          // of what is settled; -1: nothing is
} cancelled[] = {
    {"/v1/messages", "", 100, false, "", true, -1},
    {"/v1/messages", BODY, sizeof(BODY) - 1, true, "", true, EXCHANGE_CANCELLED},
    {"/v1/messages", BODY, sizeof(BODY) - 1, true, HEAD "\r\n" START, true, EXCHANGE_CANCELLED},
    {"/v1/messages", BODY, sizeof(BODY) - 1, true, HEAD "\r\n" START, false, EXCHANGE_CANCELLED},
    {"/v1/messages", BODY, sizeof(BODY) - 1, true, HEAD "Content-Length: 1\r\n\r\nx", false,
     EXCHANGE_CUT},
    {"/v1/models", "", 0, true, "", true, -1},
    {"/v1/models", "", 0, true, "HTTP/1.1 200 OK\r\n\r\nx", true, -1},
    {"/v1/files", "abc", 100, true, "", true, -1},
};

START_TEST(run_that_is_killed_loses_its_exchanges_at_once)
{
    hear_journal(cancelled[_i].is_heard);
    int agent = start_request(cancelled[_i].target, cancelled[_i].length);
    send_text(agent, cancelled[_i].body);
    turn();
    if (cancelled[_i].goes_upstream)
        run_until(received_total > 0);
    if (cancelled[_i].says[0] != '\0')
        say(cancelled[_i].says);
    turn();
    ck_assert_int_eq(run->exchanges_in_flight, 1);
    exchange_cancel_run(proxy, NULL);
    ck_assert_int_eq(run->exchanges_in_flight, 0);
    ck_assert_int_eq(runs_ended, 1);
    if (cancelled[_i].end >= 0)
        assert_settled_as((enum exchange_end)cancelled[_i].end, -1, true);
    ck_assert_uint_eq(settled_count, 0);
    run_until(!receive(agent));
    if (cancelled[_i].goes_upstream && cancelled[_i].end != EXCHANGE_CUT)
        run_until(peers[0].gone);
    close(agent);
}
END_TEST

START_TEST(other_runs_go_on)
{
    static const struct run_limits limits;
    struct live_run *other;
    char other_key[RUN_KEY_MAX];
    ck_assert_int_eq(run_table_add(runs, "r2", "j", &limits, other_key, &other, NULL), 0);
    int agent = ask();
    exchange_cancel_run(proxy, other);
    say(HEAD "Content-Length: 2\r\n\r\nok");
    run_until(has_answer(agent, "\r\n\r\nok"));
    close(agent);
}
END_TEST

// ---- limits

START_TEST(so_many_exchanges_and_no_more)
{
    proxy->exchange_count += PROXY_EXCHANGES_MAX;
    int agent = start_request("/v1/messages", 100);
    run_until(has_answer(agent, "overloaded_error"));
    ck_assert_int_eq(strncmp(answer, "HTTP/1.1 529 Overloaded\r\n", 25), 0);
    ck_assert_int_eq(run->exchanges_in_flight, 0);
    proxy->exchange_count -= PROXY_EXCHANGES_MAX;
    close(agent);
}
END_TEST

START_TEST(so_many_bytes_of_bodies_and_no_more)
{
    proxy->body_bytes_held += (1 << 30) - 10;
    int agent = start_request("/v1/messages", 100);
    send_text(agent, "{\"model\":\"m\"}");
    run_until(has_answer(agent, "overloaded_error"));
    proxy->body_bytes_held -= (1 << 30) - 10;
    close(agent);
}
END_TEST

START_TEST(headers_that_do_not_fit_are_the_agents_fault)
{
    static char beta[9000];
    add_credential("token", "sk-ant-oat01-x", -1);
    int agent = connect_agent();
    snprintf(beta, sizeof(beta),
             "GET /v1/models HTTP/1.1\r\nHost: x\r\nx-api-key: %s\r\nanthropic-beta: %0*d\r\n\r\n",
             key, 8500, 1);
    send_text(agent, beta);
    run_until(has_answer(agent, "invalid_request_error"));
    ck_assert_ptr_nonnull(strstr(answer, "anthropic-beta: more than 8191 bytes"));
    close(agent);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("exchange");
    TCase *cases = tcase_create("exchange");
    curl_global_init(CURL_GLOBAL_DEFAULT);
    tcase_set_timeout(cases, 2 * PATIENCE_S);
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_loop_test(cases, nothing_reaches_the_agent_before_its_reservation_is_on_the_disk, 0,
                        2);
    tcase_add_loop_test(cases, agent_may_leave_while_its_answer_is_held, 0, 2);
    tcase_add_loop_test(cases, cut_answer_that_was_held_is_cut_off, 0, 2);
    tcase_add_test(cases, upstream_is_drained_for_its_usage);
    tcase_add_test(cases, draining_ends_after_a_minute);
    tcase_add_test(cases, draining_ends_after_8_mb);
    tcase_add_test(cases, so_many_are_drained_and_no_more);
    tcase_add_test(cases, agent_may_leave_at_any_time);
    tcase_add_loop_test(cases, run_that_is_killed_loses_its_exchanges_at_once, 0,
                        sizeof(cancelled) / sizeof(cancelled[0]));
    tcase_add_test(cases, other_runs_go_on);
    tcase_add_test(cases, so_many_exchanges_and_no_more);
    tcase_add_test(cases, so_many_bytes_of_bodies_and_no_more);
    tcase_add_test(cases, headers_that_do_not_fit_are_the_agents_fault);
    suite_add_tcase(suite, cases);
    int code = suite_run(suite);
    curl_global_cleanup();
    return code;
}
