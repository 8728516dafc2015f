// Tests of relay.c: what the agent gets of a response, with an agent that writes it all down.
#include "relay.h"

#include "agent.h"
#include "suite_run.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

// ---- an agent that writes it all down

struct agent {
    char text[2 * HTTP_HEAD_BYTES_MAX];
    size_t length;
    int writes;
    size_t unsent;
    bool keeps_alive;
    int minor_version;
    enum { OPEN, ANSWERED_KEPT, ANSWERED_CLOSED, ABORTED } end;
};

static struct agent agent;

void agent_write(struct agent *to, const struct iovec *parts, int part_count)
{
    to->writes++;
    for (int i = 0; i < part_count; i++) {
        ck_assert_uint_lt(to->length + parts[i].iov_len, sizeof(to->text));
        memcpy(to->text + to->length, parts[i].iov_base, parts[i].iov_len);
        to->length += parts[i].iov_len;
    }
    to->text[to->length] = '\0';
}

size_t agent_unsent(const struct agent *of)
{
    return of->unsent;
}

bool agent_keeps_alive(const struct agent *of)
{
    return of->keeps_alive;
}

int agent_minor_version(const struct agent *of)
{
    return of->minor_version;
}

void agent_answered(struct agent *by, bool keep_alive)
{
    by->end = keep_alive ? ANSWERED_KEPT : ANSWERED_CLOSED;
}

void agent_abort(struct agent *by)
{
    by->end = ABORTED;
}

static void set_up(void)
{
    memset(&agent, 0, sizeof(agent));
    agent.keeps_alive = true;
    agent.minor_version = 1;
}

// ---- heads

static const struct http_head *head_make(const char *text)
{
    static struct http_head head;
    size_t searched = 0;
    int status = 0;
    struct error err = {0};
    ck_assert_msg(http_response_parse(&head, text, strlen(text), false, &searched, &status, &err) ==
                      HTTP_HEAD_COMPLETE,
                  "%s", err.text);
    return &head;
}

static void start(struct relay *relay, const char *head)
{
    struct error err = {0};
    *relay = (struct relay){0};
    ck_assert_msg(relay_head(relay, &agent, head_make(head), &err) == 0, "%s", err.text);
}

// A head of the upstream, and the head and body "ab", "c" as the agent gets them.
static const struct {
    const char *from;
    bool keeps_alive;
    int minor_version;
    const char *to;
    int end;
} responses[] = {
    // With a length: as it is.
    {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nrequest-id: r\r\n\r\n", true, 1,
     "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nrequest-id: r\r\n\r\nabc", ANSWERED_KEPT},
    {"HTTP/1.1 529 Overloaded\r\nContent-Length: 3\r\nretry-after: 7\r\nx-should-retry: "
     "true\r\n\r\n",
     true, 1,
     "HTTP/1.1 529 Overloaded\r\nContent-Length: 3\r\nretry-after: 7\r\nx-should-retry: true\r\n"
     "\r\nabc",
     ANSWERED_KEPT},
    // Without one: in chunks.
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nx: 1\r\n\r\n", true, 1,
     "HTTP/1.1 200 OK\r\nx: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
     "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
     ANSWERED_KEPT},
    {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", true, 1,
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
     ANSWERED_KEPT},
    // For HTTP/1.0: up to the end of the connection.
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true, 0,
     "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc", ANSWERED_CLOSED},
    {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", true, 0,
     "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nabc", ANSWERED_KEPT},
    {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", false, 1,
     "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc", ANSWERED_KEPT},
    // What concerns the hop behind stays there, and what Connection names.
    {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nKeep-Alive: timeout=5\r\nConnection: keep-alive, "
     "x-hop\r\n"
     "X-Hop: 1\r\nProxy-Authenticate: x\r\nUpgrade: h2c\r\nTrailer: x\r\nSet-Cookie: a\r\n"
     "Set-Cookie: b\r\nanthropic-ratelimit-unified-status: allowed\r\n\r\n",
     true, 1,
     "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n"
     "anthropic-ratelimit-unified-status: allowed\r\n\r\nabc",
     ANSWERED_KEPT},
};

START_TEST(response_reaches_the_agent)
{
    struct relay relay;
    agent.keeps_alive = responses[_i].keeps_alive;
    agent.minor_version = responses[_i].minor_version;
    start(&relay, responses[_i].from);
    ck_assert_int_eq(agent.writes, 0); // the head waits for the first piece
    ck_assert(!relay_body(&relay, "ab", 2, false));
    ck_assert_int_eq(agent.writes, 1);
    ck_assert(!relay_body(&relay, "c", 1, true));
    ck_assert_int_eq(agent.writes, 2); // the end goes along with the last piece
    ck_assert_int_eq(agent.end, OPEN);
    relay_end(&relay);
    ck_assert_int_eq(agent.writes, 2);
    ck_assert_str_eq(agent.text, responses[_i].to);
    ck_assert_int_eq(agent.end, responses[_i].end);
    relay_done(&relay);
}
END_TEST

START_TEST(end_that_was_not_announced_is_written)
{
    struct relay relay;
    start(&relay, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    relay_body(&relay, "ab", 2, false);
    relay_end(&relay);
    ck_assert_str_eq(agent.text,
                     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n");
    ck_assert_int_eq(agent.end, ANSWERED_KEPT);
}
END_TEST

START_TEST(head_goes_alone_if_it_has_to)
{
    static const char *const heads[] = {
        "HTTP/1.1 204 Nothing to Say\r\nx: 1\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        struct relay relay;
        set_up();
        start(&relay, heads[i]);
        relay_flush(&relay);
        relay_flush(&relay);
        ck_assert_int_eq(agent.writes, 1);
        ck_assert_str_eq(agent.text, heads[i]);
        relay_end(&relay);
        ck_assert_str_eq(agent.text, heads[i]);
        ck_assert_int_eq(agent.end, ANSWERED_KEPT);
    }
}
END_TEST

START_TEST(agent_that_does_not_take_all_asks_for_a_pause)
{
    struct relay relay;
    start(&relay, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n");
    agent.unsent = 1;
    ck_assert(relay_body(&relay, "ab", 2, false));
    agent.unsent = 0;
    ck_assert(!relay_body(&relay, "cd", 2, true));
    relay_end(&relay);
}
END_TEST

START_TEST(agent_that_has_left_is_not_touched)
{
    struct relay relay;
    start(&relay, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    relay_done(&relay);
    ck_assert(!relay_body(&relay, "ab", 2, false));
    relay_flush(&relay);
    relay_end(&relay);
    relay_abort(&relay);
    relay_done(&relay);
    ck_assert_int_eq(agent.writes, 0);
    ck_assert_int_eq(agent.end, OPEN);
}
END_TEST

START_TEST(cut_response_breaks_the_connection_off)
{
    struct relay relay;
    start(&relay, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    relay_body(&relay, "ab", 2, false);
    relay_abort(&relay);
    ck_assert_int_eq(agent.end, ABORTED);
    ck_assert_ptr_null(strstr(agent.text, "0\r\n\r\n"));
    relay_abort(&relay);
}
END_TEST

// The head that is written can be longer than the one that was read.
START_TEST(every_head_that_is_read_can_be_written)
{
    static char text[HTTP_HEAD_BYTES_MAX + 1];
    struct relay relay;
    size_t length = (size_t)snprintf(text, sizeof(text), "HTTP/1.1 431\r\n");
    for (int i = 0; i < HTTP_HEADERS_MAX; i++)
        length += (size_t)snprintf(text + length, sizeof(text) - length, "a:\r\n");
    snprintf(text + length, sizeof(text) - length, "\r\n");
    agent.keeps_alive = false;
    start(&relay, text);
    relay_end(&relay);
    ck_assert_ptr_nonnull(strstr(agent.text, "a: \r\nTransfer-Encoding: chunked\r\n"
                                             "Connection: close\r\n\r\n0\r\n\r\n"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("relay");
    TCase *cases = tcase_create("relay");
    tcase_add_checked_fixture(cases, set_up, NULL);
    tcase_add_loop_test(cases, response_reaches_the_agent, 0,
                        sizeof(responses) / sizeof(responses[0]));
    tcase_add_test(cases, end_that_was_not_announced_is_written);
    tcase_add_test(cases, head_goes_alone_if_it_has_to);
    tcase_add_test(cases, agent_that_does_not_take_all_asks_for_a_pause);
    tcase_add_test(cases, agent_that_has_left_is_not_touched);
    tcase_add_test(cases, cut_response_breaks_the_connection_off);
    tcase_add_test(cases, every_head_that_is_read_can_be_written);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
