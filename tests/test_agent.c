// Tests of agent.c and reply.c: requests in, answers out, framing and time, on a real socket with
// an exchange that does as the test says.
#include "agent.h"
#include "agent_pass.h"
#include "agents.h"

#include "exchange.h"
#include "moved_clock.h"
#include "proxy.h"
#include "reply.h"
#include "request_body.h"
#include "suite_run.h"

#include <check.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"
#define POST(path, headers) "POST " path " HTTP/1.1\r\nHost: x\r\n" headers "\r\n"
#define READ_MAX (1 << 20)

// ---- an exchange that does as the test says

enum deed { ANSWER_AT_END, ANSWER_AT_HEAD, ANSWER_LATER, REFUSE_AT_HEAD, PAUSE_EACH_PIECE };

struct exchange {
    struct agent *agent;
    bool is_answering;
};

static struct exchange the_exchange;
static enum deed deed;
static char said[READ_MAX]; // what the agent's side has told: "/path body. " …
static size_t said_length;
static int drained, closed;
static int64_t body_bytes;

static void say(const char *bytes, size_t length)
{
    ck_assert_uint_lt(said_length + length, sizeof(said));
    memcpy(said + said_length, bytes, length);
    said_length += length;
    said[said_length] = '\0';
}

static void say_text(const char *text)
{
    say(text, strlen(text));
}

static void answer(bool keep_alive)
{
    struct agent *agent = the_exchange.agent;
    static char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n",
                close_line[] = "Connection: close\r\n", end[] = "\r\n";
    struct iovec parts[3] = {{head, sizeof(head) - 1}};
    int count = 1;
    if (!agent_keeps_alive(agent))
        parts[count++] = (struct iovec){close_line, sizeof(close_line) - 1};
    parts[count++] = (struct iovec){end, sizeof(end) - 1};
    agent_write(agent, parts, count);
    agent_answered(agent, keep_alive);
}

struct exchange *exchange_begin(struct proxy *proxy, struct agent *agent,
                                const struct http_head *head, char *bytes)
{
    (void)proxy;
    the_exchange = (struct exchange){.agent = agent};
    say(head->path.bytes, head->path.length);
    ck_assert(head->method.bytes >= bytes && head->method.bytes < bytes + head->length);
    free(bytes);
    if (deed == REFUSE_AT_HEAD) {
        reply_error(agent, 401, "no");
        return NULL;
    }
    agent_continue(agent);
    if (deed == ANSWER_AT_HEAD) {
        answer(true);
        return NULL;
    }
    say_text(" ");
    return &the_exchange;
}

void exchange_body(struct exchange *exchange, const char *bytes, size_t length)
{
    ck_assert_uint_le(length, AGENT_READ_BYTES);
    body_bytes += (int64_t)length;
    if (length <= 64)
        say(bytes, length);
    if (deed == PAUSE_EACH_PIECE)
        agent_pause(exchange->agent);
}

void exchange_body_end(struct exchange *exchange)
{
    ck_assert_ptr_eq(exchange, &the_exchange);
    say_text(". ");
    if (deed == ANSWER_AT_END || deed == PAUSE_EACH_PIECE)
        answer(true);
}

void exchange_agent_drained(struct exchange *exchange)
{
    ck_assert_ptr_eq(exchange, &the_exchange);
    drained++;
}

void exchange_agent_gone(struct exchange *exchange)
{
    ck_assert_ptr_eq(exchange, &the_exchange);
    say_text("gone ");
}

bool exchange_is_answering(const struct exchange *exchange)
{
    return exchange->is_answering;
}

// ---- the other end of the connection

static struct event_base *base;
static struct agents *agents;
static int client;

static void on_closed(void *context)
{
    (void)context;
    closed++;
}

static void turn(void)
{
    for (int i = 0; i < 20; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
}

static void connect_client(void)
{
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    client = ends[0];
    agents_accept(agents, ends[1]);
}

static void set_up(void)
{
    deed = ANSWER_AT_END;
    base = event_base_new();
    ck_assert_int_eq(agents_new(&agents, base, NULL, on_closed, NULL, NULL), 0);
    connect_client();
}

static void tear_down(void)
{
    close(client);
    agents_free(agents);
    event_base_free(base);
}

// Sends all, as fast as it is read.
static void send_bytes(const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(client, bytes, length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN)
            sent = 0;
        ck_assert_int_ge(sent, 0);
        bytes += sent;
        length -= (size_t)sent;
        turn();
    }
}

static void send_text(const char *text)
{
    send_bytes(text, strlen(text));
}

static void skip(int64_t seconds)
{
    clock_moved_s += seconds;
    agents_sweep(agents);
    turn();
}

enum { END_OF_FILE = -1, NOTHING = 0 };

// What has come back since the last time, terminated; END_OF_FILE and NOTHING say what follows it.
static int receive(char text[static READ_MAX])
{
    size_t used = 0;
    ssize_t got;
    turn();
    while ((got = recv(client, text + used, READ_MAX - 1 - used, 0)) > 0) {
        used += (size_t)got;
        turn();
    }
    text[used] = '\0';
    return got == 0 ? END_OF_FILE : NOTHING;
}

static char received[READ_MAX];

static void assert_received(const char *expected, int then)
{
    int follows = receive(received);
    ck_assert_str_eq(received, expected);
    ck_assert_int_eq(follows, then);
}

// One of reply.c's answers, with this status and message, and the end of the connection.
static void assert_refused(const char *status, const char *type, const char *message)
{
    char expected[1024];
    ck_assert_int_eq(receive(received), END_OF_FILE);
    snprintf(expected, sizeof(expected), "HTTP/1.1 %s\r\nContent-Type: application/json\r\n",
             status);
    ck_assert_msg(strncmp(received, expected, strlen(expected)) == 0, "%s", received);
    ck_assert_ptr_nonnull(strstr(received, "\r\nConnection: close\r\n"));
    ck_assert_ptr_nonnull(strstr(received, "\r\nrequest-id: req_reeve_"));
    snprintf(expected, sizeof(expected),
             "\r\n\r\n{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":\"%s\"},"
             "\"request_id\":\"req_reeve_",
             type, message);
    ck_assert_msg(strstr(received, expected) != NULL, "%s", received);
}

// ---- requests

START_TEST(requests_are_served_in_turn)
{
    send_text(GET("/a"));
    assert_received(OK, NOTHING);
    send_text(POST("/b", "Content-Length: 5\r\n") "hello");
    assert_received(OK, NOTHING);
    send_text(POST("/c", "Transfer-Encoding: chunked\r\n") "3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n");
    assert_received(OK, NOTHING);
    ck_assert_str_eq(said, "/a . /b hello. /c hello. ");
    ck_assert_uint_eq(agents_count(agents), 1);
}
END_TEST

START_TEST(requests_sent_ahead_wait_for_their_turn)
{
    send_text(GET("/a") POST("/b", "Content-Length: 5\r\n") "hello" GET("/c"));
    assert_received(OK OK OK, NOTHING);
    ck_assert_str_eq(said, "/a . /b hello. /c . ");
    deed = ANSWER_LATER;
    send_text(GET("/d") GET("/e"));
    send_text(GET("/f"));
    assert_received("", NOTHING);
    answer(true);
    assert_received(OK, NOTHING);
    answer(true);
    assert_received(OK, NOTHING);
    ck_assert_ptr_nonnull(strstr(said, "/d . /e . /f . "));
}
END_TEST

START_TEST(requests_may_come_byte_by_byte)
{
    static const char text[] = "\r\n" GET("/a") POST("/b", "Content-Length: 3\r\n") "abc" POST(
        "/c", "Transfer-Encoding: chunked\r\n") "1\r\na\r\n2\r\nbc\r\n0\r\nx: y\r\n\r\n" GET("/d");
    for (size_t i = 0; i < sizeof(text) - 1; i++)
        send_bytes(text + i, 1);
    assert_received(OK OK OK OK, NOTHING);
    ck_assert_str_eq(said, "/a . /b abc. /c abc. /d . ");
}
END_TEST

// More than is kept: reading rests, and must go on with the next request.
START_TEST(much_may_be_sent_ahead)
{
    static char body[400000];
    deed = ANSWER_LATER;
    send_text(GET("/a"));
    send_text(POST("/b", "Content-Length: 400000\r\n"));
    size_t sent = 0;
    ssize_t got;
    while (sent < sizeof(body) &&
           (got = send(client, body + sent, sizeof(body) - sent, MSG_NOSIGNAL)) > 0) {
        sent += (size_t)got;
        turn();
    }
    ck_assert_uint_lt(sent, sizeof(body)); // it rests
    ck_assert_int_eq(body_bytes, 0);
    answer(true);
    send_bytes(body + sent, sizeof(body) - sent);
    ck_assert_int_eq(body_bytes, sizeof(body));
    answer(true);
    assert_received(OK OK, NOTHING);
}
END_TEST

START_TEST(paused_body_waits)
{
    static char body[200000];
    deed = PAUSE_EACH_PIECE;
    send_text(POST("/a", "Content-Length: 200000\r\n"));
    ssize_t sent = send(client, body, sizeof(body), 0);
    ck_assert_int_gt(sent, 100000);
    turn();
    int64_t first = body_bytes;
    ck_assert_int_gt(first, 0);
    ck_assert_int_le(first, AGENT_READ_BYTES);
    skip(1000); // it is not the agent that is slow
    ck_assert_int_eq(body_bytes, first);
    agent_resume(the_exchange.agent);
    turn();
    ck_assert_int_gt(body_bytes, first);
    size_t left = sizeof(body) - (size_t)sent;
    while (body_bytes < (int64_t)sizeof(body)) {
        if (left > 0 && (sent = send(client, body, left, 0)) > 0)
            left -= (size_t)sent;
        agent_resume(the_exchange.agent);
        turn();
    }
    assert_received(OK, NOTHING);
}
END_TEST

START_TEST(http_1_0_ends_with_the_answer_unless_it_asks)
{
    send_text("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_received(OK, NOTHING);
    ck_assert_int_eq(agent_minor_version(the_exchange.agent), 0);
    send_text("GET /b HTTP/1.0\r\n\r\n");
    assert_received("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                    END_OF_FILE);
}
END_TEST

START_TEST(continue_is_said_once_and_only_if_asked)
{
    deed = ANSWER_LATER;
    send_text(POST("/a", "Content-Length: 2\r\nExpect: 100-continue\r\n"));
    assert_received("HTTP/1.1 100 Continue\r\n\r\n", NOTHING);
    send_text("ab");
    agent_continue(the_exchange.agent);
    answer(true);
    assert_received(OK, NOTHING);
    send_text(POST("/b", "Content-Length: 2\r\n") "ab");
    answer(true);
    assert_received(OK, NOTHING);
    deed = REFUSE_AT_HEAD;
    send_text(POST("/c", "Content-Length: 2\r\nExpect: 100-continue\r\n"));
    assert_refused("401 Unauthorized", "authentication_error", "no");
}
END_TEST

// ---- the end of a connection

START_TEST(early_answer_ends_the_connection_in_sync)
{
    static char body[100000];
    deed = ANSWER_AT_HEAD;
    send_text(POST("/a", "Content-Length: 300000\r\n"));
    for (int i = 0; i < 3; i++) // on and on, and never a reset
        send_bytes(body, sizeof(body));
    assert_received("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                    END_OF_FILE);
    ck_assert_int_eq(closed, 0);
    close(client);
    turn();
    ck_assert_int_eq(closed, 1);
    connect_client();
}
END_TEST

START_TEST(lingering_ends_after_a_while)
{
    deed = ANSWER_AT_HEAD;
    send_text(POST("/a", "Content-Length: 10\r\n"));
    skip(1);
    ck_assert_int_eq(closed, 0);
    skip(1);
    ck_assert_int_eq(closed, 1);
}
END_TEST

START_TEST(leaving_is_told_once)
{
    static const char *const requests[] = {POST("/a", "Content-Length: 10\r\n") "abc", GET("/a"),
                                           GET("/a") GET("/b"),
                                           POST("/a", "Transfer-Encoding: chunked\r\n") "5\r\nab"};
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        deed = ANSWER_LATER;
        said_length = 0;
        send_text(requests[i]);
        ck_assert_ptr_null(strstr(said, "gone"));
        close(client);
        turn();
        const char *gone = strstr(said, "gone ");
        ck_assert_ptr_nonnull(gone);
        ck_assert_ptr_null(strstr(gone + 1, "gone"));
        ck_assert_int_eq(closed, (int)i + 1);
        connect_client();
    }
}
END_TEST

START_TEST(aborted_answer_is_cut_off)
{
    deed = ANSWER_LATER;
    send_text(GET("/a"));
    agent_abort(the_exchange.agent);
    assert_received("", END_OF_FILE);
    ck_assert_str_eq(said, "/a . "); // who aborts knows
    ck_assert_int_eq(closed, 1);
}
END_TEST

START_TEST(stopping_ends_idle_connections_at_once_and_others_after_the_answer)
{
    int idle = client;
    deed = ANSWER_AT_END;
    send_text(GET("/idle"));
    assert_received("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", NOTHING);
    connect_client();
    deed = ANSWER_LATER;
    send_text(GET("/a"));
    agents_stop(agents);
    turn();
    ck_assert_int_eq(closed, 1);
    ck_assert_int_eq(recv(idle, received, 1, 0), 0);
    close(idle);
    ck_assert(!agent_keeps_alive(the_exchange.agent));
    answer(true);
    assert_received("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                    END_OF_FILE);
}
END_TEST

// ---- a successor

static struct proxy proxy;
static struct agents *successors;
static int passed;
static bool successor_has_gone;

// As the other process does, once they have got there.
static bool pass_agent(const struct agent_parts *parts, void *context)
{
    struct agent_parts arrived = {fcntl(parts->fd, F_DUPFD_CLOEXEC, 0), parts->bytes, -1};
    ck_assert_ptr_eq(context, &passed);
    if (parts->rest_fd >= 0)
        arrived.rest_fd = fcntl(parts->rest_fd, F_DUPFD_CLOEXEC, 0);
    passed++;
    if (successor_has_gone) {
        close(arrived.fd);
        return false;
    }
    agents_adopt(successors, &arrived);
    return true;
}

static void hand_over(void)
{
    ck_assert_int_eq(agents_new(&successors, base, NULL, on_closed, NULL, NULL), 0);
    proxy.context = &passed;
    proxy.pass_agent = pass_agent;
    agents_pass(agents);
    turn();
}

static void connect_with_proxy(void)
{
    close(client);
    agents_free(agents);
    ck_assert_int_eq(agents_new(&agents, base, &proxy, on_closed, NULL, NULL), 0);
    connect_client();
}

START_TEST(idle_connection_goes_on_at_the_successor)
{
    connect_with_proxy();
    send_text(GET("/a"));
    assert_received(OK, NOTHING);
    hand_over();
    ck_assert_int_eq(passed, 1);
    ck_assert_uint_eq(agents_count(agents), 0);
    ck_assert_uint_eq(agents_count(successors), 1);
    send_text(GET("/b"));
    assert_received(OK, NOTHING);
    ck_assert_str_eq(said, "/a . /b . ");
    agents_free(successors);
}
END_TEST

START_TEST(idle_connection_is_kept_as_long_at_the_successor)
{
    connect_with_proxy();
    send_text(GET("/a"));
    assert_received(OK, NOTHING);
    hand_over();
    clock_moved_s += 590;
    agents_sweep(successors);
    ck_assert_uint_eq(agents_count(successors), 1);
    clock_moved_s += 20;
    agents_sweep(successors);
    ck_assert_uint_eq(agents_count(successors), 0);
    agents_free(successors);
}
END_TEST

START_TEST(half_a_head_goes_with_its_connection)
{
    connect_with_proxy();
    send_text("GET /a HTTP/1.1\r\nHo");
    hand_over();
    ck_assert_uint_eq(agents_count(agents), 0);
    send_text("st: x\r\n\r\n");
    assert_received(OK, NOTHING);
    ck_assert_str_eq(said, "/a . ");
    agents_free(successors);
}
END_TEST

START_TEST(answered_connection_goes_with_what_was_sent_ahead)
{
    connect_with_proxy();
    deed = ANSWER_LATER;
    send_text(GET("/a") GET("/b"));
    hand_over();
    ck_assert_int_eq(passed, 0);
    answer(true);
    deed = ANSWER_AT_END;
    turn();
    ck_assert_int_eq(passed, 1);
    assert_received(OK OK, NOTHING);
    ck_assert_str_eq(said, "/a . /b . ");
    agents_free(successors);
}
END_TEST

static const struct {
    const char *headers, *sent;
    enum http_framing framing;
} whole_requests[] = {
    {"Content-Length: 4\r\n", "body", HTTP_BODY_LENGTH},
    {"Transfer-Encoding: chunked\r\n", "3\r\nbod\r\n1\r\ny\r\n0\r\n\r\n", HTTP_BODY_CHUNKED},
};

START_TEST(whole_request_goes_on_at_the_successor)
{
    char head[256];
    int64_t held = 0;
    struct request_body body;
    connect_with_proxy();
    deed = ANSWER_LATER;
    snprintf(head, sizeof(head), POST("/a", "%s"), whole_requests[_i].headers);
    send_text(head);
    send_text(whole_requests[_i].sent);
    send_text(GET("/b"));
    ck_assert_str_eq(said, "/a body. ");
    request_body_init(&body, -1, 1 << 20, &held, "/tmp");
    ck_assert_int_eq(request_body_append(&body, "body", 4, NULL), 0);
    hand_over();
    ck_assert_int_eq(passed, 0);
    deed = ANSWER_AT_END;
    said_length = 0;
    successor_has_gone = true;
    ck_assert(
        !agent_pass_request(the_exchange.agent, slice_of(head), whole_requests[_i].framing, &body));
    successor_has_gone = false;
    ck_assert(
        agent_pass_request(the_exchange.agent, slice_of(head), whole_requests[_i].framing, &body));
    assert_received(OK OK, NOTHING);
    ck_assert_str_eq(said, "/a body. /b . ");
    ck_assert_uint_eq(agents_count(agents), 0);
    request_body_done(&body);
    agents_free(successors);
}
END_TEST

START_TEST(connection_ends_when_its_successor_has_gone)
{
    connect_with_proxy();
    deed = ANSWER_LATER;
    send_text(GET("/a"));
    successor_has_gone = true;
    hand_over();
    answer(true);
    assert_received(OK, END_OF_FILE);
    agents_free(successors);
}
END_TEST

START_TEST(idle_connection_that_comes_to_a_stopping_successor_ends)
{
    connect_with_proxy();
    send_text(GET("/a"));
    assert_received(OK, NOTHING);
    ck_assert_int_eq(agents_new(&successors, base, NULL, on_closed, NULL, NULL), 0);
    agents_stop(successors);
    proxy.context = &passed;
    proxy.pass_agent = pass_agent;
    agents_pass(agents);
    assert_received("", END_OF_FILE);
    agents_free(successors);
}
END_TEST

START_TEST(stopping_serves_a_request_that_is_on_its_way)
{
    static const char last[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    int kept = client;
    deed = ANSWER_AT_END;
    send_text(GET("/kept"));
    assert_received("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", NOTHING);
    ck_assert_int_eq(send(kept, GET("/sent"), strlen(GET("/sent")), 0), (int)strlen(GET("/sent")));
    connect_client(); // and nothing is sent yet
    agents_stop(agents);
    turn();
    ck_assert_int_eq(closed, 0);
    send_text(GET("/new"));
    assert_received(last, END_OF_FILE);
    close(client);
    client = kept;
    assert_received(last, END_OF_FILE);
}
END_TEST

START_TEST(stopping_does_not_wait_for_a_new_connection_for_ever)
{
    agents_stop(agents);
    skip(0);
    ck_assert_int_eq(closed, 0);
    skip(1);
    ck_assert_int_eq(closed, 1);
}
END_TEST

// ---- bad requests

static const struct {
    const char *text, *status, *type, *message;
} broken[] = {
    {"GET /a HTTP/1.1\r\n\r\n", "400 Bad Request", "invalid_request_error",
     "line 2 of the head: there is no Host header"},
    {"GET /a HTTP/2.0\r\nHost: x\r\n\r\n", "505 HTTP Version Not Supported", "api_error",
     "line 1 of the head: only HTTP/1.1 and HTTP/1.0 are spoken here"},
    {"\x16\x03\x01", "400 Bad Request", "invalid_request_error",
     "line 1 of the head: this is not HTTP/1.1"},
    {POST("/a", "Content-Length: 1\r\nContent-Length: 1\r\n"), "400 Bad Request",
     "invalid_request_error", "line 4 of the head: Content-Length occurs twice"},
    {POST("/a", "Transfer-Encoding: chunked\r\n") "x", "400 Bad Request", "invalid_request_error",
     "a chunk of the request's body is malformed"},
    {POST("/a", "Transfer-Encoding: chunked\r\n") "2\r\nabc", "400 Bad Request",
     "invalid_request_error", "a chunk of the request's body is malformed"},
};

START_TEST(broken_request_is_refused_and_the_connection_ends)
{
    deed = ANSWER_LATER;
    send_text(broken[_i].text);
    assert_refused(broken[_i].status, broken[_i].type, broken[_i].message);
    send_text(GET("/b")); // nobody listens any more, but it is no reset either
    ck_assert_ptr_null(strstr(said, "/b"));
    if (strncmp(said, "/a", 2) == 0)
        ck_assert_ptr_nonnull(strstr(said, "gone"));
}
END_TEST

START_TEST(it_is_too_late_to_refuse_once_the_answer_has_begun)
{
    deed = ANSWER_LATER;
    send_text(POST("/a", "Transfer-Encoding: chunked\r\n") "1\r\na\r\n");
    struct iovec part = {(char[]){"HTTP/1.1 200 OK\r\n"}, 17};
    agent_write(the_exchange.agent, &part, 1);
    the_exchange.is_answering = true;
    send_text("broken");
    assert_received("HTTP/1.1 200 OK\r\n", END_OF_FILE);
    ck_assert_str_eq(said, "/a agone ");
}
END_TEST

// ---- time

START_TEST(head_has_30_seconds_from_its_first_byte)
{
    send_text(GET("/a"));
    assert_received(OK, NOTHING);
    skip(500);
    send_text("GET");
    for (int i = 0; i < 29; i++) {
        skip(1);
        send_text("x");
    }
    assert_received("", NOTHING);
    skip(1);
    assert_refused("408 Request Timeout", "invalid_request_error",
                   "the request's head has stopped arriving");
}
END_TEST

START_TEST(idle_connection_has_10_minutes)
{
    send_text(GET("/a"));
    skip(599);
    assert_received(OK, NOTHING);
    skip(1);
    assert_received("", END_OF_FILE);
}
END_TEST

START_TEST(connection_that_never_says_anything_has_30_seconds)
{
    skip(29);
    assert_received("", NOTHING);
    skip(1);
    assert_received("", END_OF_FILE);
}
END_TEST

START_TEST(body_has_60_seconds_from_byte_to_byte)
{
    deed = ANSWER_LATER;
    send_text(POST("/a", "Content-Length: 10\r\n"));
    for (int i = 0; i < 3; i++) {
        skip(59);
        send_text("x");
    }
    assert_received("", NOTHING);
    skip(60);
    assert_refused("408 Request Timeout", "invalid_request_error",
                   "the request's body has stopped arriving");
    ck_assert_str_eq(said, "/a xxxgone ");
}
END_TEST

START_TEST(answer_may_take_its_time)
{
    deed = ANSWER_LATER;
    send_text(GET("/a"));
    skip(2000);
    answer(true);
    assert_received(OK, NOTHING);
}
END_TEST

// ---- an agent that does not read

static char piece[65536];

static void write_piece(void)
{
    struct iovec part = {piece, sizeof(piece)};
    agent_write(the_exchange.agent, &part, 1);
}

static size_t write_until_it_is_full(void)
{
    size_t written = 0;
    memset(piece, 'x', sizeof(piece));
    while (agent_unsent(the_exchange.agent) == 0) {
        write_piece();
        written += sizeof(piece);
    }
    return written;
}

START_TEST(what_is_not_taken_is_kept_and_then_drained)
{
    deed = ANSWER_LATER;
    send_text(GET("/a"));
    size_t written = write_until_it_is_full();
    ck_assert_uint_le(agent_unsent(the_exchange.agent), sizeof(piece));
    turn();
    ck_assert_int_eq(drained, 0);
    size_t taken = 0;
    while (taken < written) {
        ssize_t got = recv(client, received, sizeof(received), 0);
        ck_assert_int_gt(got, 0);
        taken += (size_t)got;
        turn();
    }
    ck_assert_int_eq(drained, 1);
    ck_assert_uint_eq(agent_unsent(the_exchange.agent), 0);
    answer(true);
    assert_received(OK, NOTHING);
}
END_TEST

START_TEST(answer_that_is_not_taken_has_10_minutes)
{
    deed = ANSWER_LATER;
    send_text(GET("/a"));
    write_until_it_is_full();
    skip(599);
    ck_assert_int_eq(closed, 0);
    skip(1);
    ck_assert_int_eq(closed, 1);
    ck_assert_str_eq(said, "/a . gone ");
}
END_TEST

START_TEST(answered_connection_goes_on_once_all_is_taken)
{
    deed = ANSWER_LATER;
    send_text(GET("/a") GET("/b"));
    write_until_it_is_full();
    answer(true);
    turn();
    ck_assert_str_eq(said, "/a . ");
    receive(received);
    ck_assert_str_eq(said, "/a . /b . ");
}
END_TEST

START_TEST(nothing_leaves_while_it_is_corked)
{
    deed = ANSWER_LATER;
    send_text(GET("/a"));
    agent_cork(the_exchange.agent);
    struct iovec parts[] = {{(char[]){"one "}, 4}, {(char[]){"two "}, 4}};
    agent_write(the_exchange.agent, parts, 2);
    agent_write(the_exchange.agent, parts, 1);
    assert_received("", NOTHING);
    ck_assert_uint_eq(agent_unsent(the_exchange.agent), 12);
    agent_uncork(the_exchange.agent);
    assert_received("one two one ", NOTHING);
    ck_assert_int_eq(drained, 1);
    agent_cork(the_exchange.agent);
    answer(true); // uncorks
    assert_received(OK, NOTHING);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("agent");
    TCase *cases = tcase_create("agent");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, requests_are_served_in_turn);
    tcase_add_test(cases, requests_sent_ahead_wait_for_their_turn);
    tcase_add_test(cases, requests_may_come_byte_by_byte);
    tcase_add_test(cases, much_may_be_sent_ahead);
    tcase_add_test(cases, paused_body_waits);
    tcase_add_test(cases, http_1_0_ends_with_the_answer_unless_it_asks);
    tcase_add_test(cases, continue_is_said_once_and_only_if_asked);
    tcase_add_test(cases, early_answer_ends_the_connection_in_sync);
    tcase_add_test(cases, lingering_ends_after_a_while);
    tcase_add_test(cases, leaving_is_told_once);
    tcase_add_test(cases, aborted_answer_is_cut_off);
    tcase_add_test(cases, stopping_ends_idle_connections_at_once_and_others_after_the_answer);
    tcase_add_test(cases, idle_connection_goes_on_at_the_successor);
    tcase_add_test(cases, idle_connection_is_kept_as_long_at_the_successor);
    tcase_add_test(cases, half_a_head_goes_with_its_connection);
    tcase_add_test(cases, answered_connection_goes_with_what_was_sent_ahead);
    tcase_add_loop_test(cases, whole_request_goes_on_at_the_successor, 0,
                        sizeof(whole_requests) / sizeof(whole_requests[0]));
    tcase_add_test(cases, connection_ends_when_its_successor_has_gone);
    tcase_add_test(cases, idle_connection_that_comes_to_a_stopping_successor_ends);
    tcase_add_test(cases, stopping_serves_a_request_that_is_on_its_way);
    tcase_add_test(cases, stopping_does_not_wait_for_a_new_connection_for_ever);
    tcase_add_loop_test(cases, broken_request_is_refused_and_the_connection_ends, 0,
                        sizeof(broken) / sizeof(broken[0]));
    tcase_add_test(cases, it_is_too_late_to_refuse_once_the_answer_has_begun);
    tcase_add_test(cases, head_has_30_seconds_from_its_first_byte);
    tcase_add_test(cases, idle_connection_has_10_minutes);
    tcase_add_test(cases, connection_that_never_says_anything_has_30_seconds);
    tcase_add_test(cases, body_has_60_seconds_from_byte_to_byte);
    tcase_add_test(cases, answer_may_take_its_time);
    tcase_add_test(cases, what_is_not_taken_is_kept_and_then_drained);
    tcase_add_test(cases, answer_that_is_not_taken_has_10_minutes);
    tcase_add_test(cases, answered_connection_goes_on_once_all_is_taken);
    tcase_add_test(cases, nothing_leaves_while_it_is_corked);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
