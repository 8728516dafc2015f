// Tests of upstream*.c and curl_loop.c: requests and responses on pooled connections, against a
// server in the same loop that says what the test wants, byte for byte.
#include "upstream.h"

#include "clock.h"
#include "curl_loop.h"
#include "raw_server.h"
#include "suite_run.h"

#include <stdlib.h>

#define BODY_MAX (2 << 20)
#define LONG_BYTES 40000000 // more than the kernel holds for a connection
#define LONG_BYTES_TEXT "40000000"

#define OK(length) "HTTP/1.1 200 OK\r\nContent-Length: " #length "\r\n\r\n"

static struct curl_loop *loop;
static struct upstream *upstream;

// ---- the client: one request and what came back

struct call {
    struct upstream_transfer *transfer;
    const char *body;
    size_t body_length;   // of what is there
    bool body_is_unknown; // its whole length
    bool body_ends;
    void (*in_head)(struct call *call);
    void (*in_body)(struct call *call);
    void (*in_done)(struct call *call);
    int status;
    char header[64]; // x-test
    char *answer;
    size_t answer_length;
    bool was_last; // the last piece was announced as such
    bool is_done;
    enum upstream_end end;
    struct error err;
};

static size_t on_body_peek(void *context, uint64_t offset, const char **bytes)
{
    struct call *call = context;
    ck_assert_uint_le(offset, call->body_length);
    *bytes = call->body + offset;
    if (call->body_is_unknown && call->body_ends && offset == call->body_length)
        return UPSTREAM_BODY_END;
    return call->body_length - (size_t)offset;
}

static void on_head(void *context, const struct http_head *head)
{
    struct call *call = context;
    const struct http_header *header = http_head_find(head, "x-test");
    ck_assert_int_eq(call->status, 0);
    call->status = head->status;
    if (header != NULL)
        slice_copy(header->value, call->header, sizeof(call->header));
    if (call->in_head != NULL)
        call->in_head(call);
}

static void on_body(void *context, const char *bytes, size_t length, bool last)
{
    struct call *call = context;
    ck_assert(!call->was_last);
    ck_assert_uint_gt(length, 0);
    ck_assert_uint_le(length, UPSTREAM_READ_BYTES);
    if (call->answer_length + length <= BODY_MAX)
        memcpy(call->answer + call->answer_length, bytes, length);
    call->answer_length += length;
    call->was_last = last;
    if (call->in_body != NULL)
        call->in_body(call);
}

static void on_done(void *context, enum upstream_end end, const struct error *err)
{
    struct call *call = context;
    ck_assert(!call->is_done);
    ck_assert((err == NULL) == (end == UPSTREAM_COMPLETE));
    call->is_done = true;
    call->end = end;
    if (err != NULL)
        call->err = *err;
    call->transfer = NULL;
    if (call->in_done != NULL)
        call->in_done(call);
}

static const struct upstream_receiver receiver = {on_body_peek, on_head, on_body, on_done};

static int open_call(struct call *call, const char *method, struct error *err)
{
    static const struct upstream_header headers[] = {{{"x-a", 3}, {"1", 1}}, {{"X-B", 3}, {"", 0}}};
    int64_t length = call->body_is_unknown ? UPSTREAM_LENGTH_UNKNOWN : (int64_t)call->body_length;
    if (call->answer == NULL)
        call->answer = calloc(1, BODY_MAX + 1);
    return upstream_open(upstream,
                         &(struct upstream_request){
                             .method = slice_of(method),
                             .target = slice_of("/v1/x?y=%20"),
                             .headers = headers,
                             .header_count = 2,
                             .body_length = length,
                         },
                         &receiver, call, &call->transfer, err);
}

static void start(struct call *call, const char *method)
{
    struct error err = {0};
    ck_assert_msg(open_call(call, method, &err) == 0, "%s", err.text);
    ck_assert(!call->is_done);
}

static void make_upstream(const char *path, int warm)
{
    char base_url[128];
    struct error err = {0};
    snprintf(base_url, sizeof(base_url), "%s%s", url, path);
    ck_assert_msg(
        upstream_new(&upstream, base, loop,
                     &(struct upstream_options){.base_url = base_url, .connections_warm = warm},
                     &err) == 0,
        "%s", err.text);
}

static void set_up(void)
{
    server_start();
    ck_assert_int_eq(curl_loop_new(&loop, base, NULL), 0);
    make_upstream("", 0);
}

static void tear_down(void)
{
    upstream_free(upstream);
    curl_loop_free(loop);
    server_stop_and_free();
}

// Runs a GET up to where the server has it.
static void start_get(struct call *call)
{
    size_t before = received_total;
    start(call, "GET");
    run_until(received_total > before);
}

static void assert_complete(struct call *call, int status, const char *answer)
{
    run_until(call->is_done);
    ck_assert_msg(call->end == UPSTREAM_COMPLETE, "%s", call->err.text);
    ck_assert_int_eq(call->status, status);
    ck_assert_str_eq(call->answer, answer);
    free(call->answer);
}

static void assert_failed(struct call *call, enum upstream_end end, const char *why)
{
    char expected[ERROR_TEXT_MAX];
    run_until(call->is_done);
    ck_assert_int_eq(call->end, end);
    snprintf(expected, sizeof(expected), "%s: %s", url, why);
    ck_assert_str_eq(call->err.text, expected);
    free(call->answer);
}

// ---- requests

START_TEST(request_is_written_as_it_is)
{
    struct call call = {0};
    char expected[512];
    upstream_free(upstream);
    make_upstream("/pre/fix/", 0);
    start_get(&call);
    snprintf(expected, sizeof(expected),
             "GET /pre/fix/v1/x?y=%%20 HTTP/1.1\r\nHost: %s\r\nx-a: 1\r\nX-B: \r\n\r\n", url + 7);
    ck_assert_str_eq(received, expected);
    ck_assert(upstream_has_sent(call.transfer));
    say(OK(2) "ok");
    assert_complete(&call, 200, "ok");
}
END_TEST

START_TEST(body_of_known_length_is_sent_whole)
{
    static const size_t lengths[] = {0, 1, 1000, 65536, 1 << 20, 3 << 20};
    static char body[3 << 20];
    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = (char)('a' + i % 23);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct call call = {.body = body, .body_length = lengths[i]};
        char length_line[64];
        const char *end;
        if (peer_count > 0)
            peers[0].length = 0;
        start(&call, "POST");
        run_until((end = strstr(received, "\r\n\r\n")) != NULL &&
                  peers[0].length == (size_t)(end + 4 - received) + lengths[i]);
        snprintf(length_line, sizeof(length_line), "\r\nContent-Length: %zu\r\n", lengths[i]);
        ck_assert_ptr_nonnull(strstr(received, length_line));
        ck_assert_int_eq(memcmp(end + 4, body, lengths[i]), 0);
        say(OK(0));
        assert_complete(&call, 200, "");
        ck_assert_uint_eq(peer_count, 1); // all on one connection
        received[0] = '\0';
    }
}
END_TEST

START_TEST(body_of_unknown_length_is_sent_in_chunks)
{
    struct call call = {.body = "hello world", .body_is_unknown = true};
    start(&call, "POST");
    run_until(peer_count > 0 && strstr(received, "\r\n\r\n") != NULL);
    ck_assert_ptr_nonnull(strstr(received, "\r\nTransfer-Encoding: chunked\r\n"));
    ck_assert_ptr_null(strstr(received, "Content-Length"));
    call.body_length = 5;
    upstream_body_ready(call.transfer);
    run_until(strstr(received, "\r\n\r\n5\r\nhello") != NULL);
    call.body_length = 11;
    upstream_body_ready(call.transfer);
    run_until(strstr(received, "hello\r\n6\r\n world") != NULL);
    call.body_ends = true;
    upstream_body_ready(call.transfer);
    run_until(strstr(received, " world\r\n0\r\n\r\n") != NULL);
    say(OK(0));
    assert_complete(&call, 200, "");
    ck_assert_uint_eq(upstream_count(upstream).idle, 1);
}
END_TEST

START_TEST(empty_body_of_unknown_length_is_sent)
{
    struct call call = {.body = "", .body_is_unknown = true, .body_ends = true};
    start(&call, "POST");
    run_until(peer_count > 0 && strstr(received, "\r\n\r\n0\r\n\r\n") != NULL);
    say(OK(0));
    assert_complete(&call, 200, "");
}
END_TEST

// ---- responses

static const struct {
    const char *text;
    int status;
    const char *answer;
    bool reusable; // the connection, afterwards
} responses[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", true},
    {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", true},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;e\r\nlo\r\n0\r\n\r\n", 200,
     "hello", true},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx: trailer\r\n\r\n", 200, "", true},
    {"HTTP/1.1 204 No Content\r\n\r\n", 204, "", true},
    {"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", 304, "", true},
    {"HTTP/1.1 429 Too Many\r\nx-test: v\r\nContent-Length: 4\r\n\r\nslow", 429, "slow", true},
    {"HTTP/1.1 103 Early Hints\r\nx-test: no\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
     "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
     200, "x", true},
    {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", 200, "x", false},
    {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, "x", false},
    // More than was asked for: what follows belongs to nobody.
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n", 200, "x", false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\nmore", 200, "x",
     false},
};

static void assert_response(const char *text, size_t piece_bytes, size_t i)
{
    struct call call = {0}, next = {0};
    size_t length = strlen(text), before;
    start_get(&call);
    for (size_t at = 0; at < length && !call.is_done; at += piece_bytes) {
        size_t size = at + piece_bytes <= length ? piece_bytes : length - at;
        peer_say(&peers[peer_count - 1], text + at, size);
        turn();
    }
    assert_complete(&call, responses[i].status, responses[i].answer);
    ck_assert_str_eq(call.header, responses[i].status == 429 ? "v" : "");
    turn();
    before = peer_count;
    start_get(&next);
    if (piece_bytes >= length)
        ck_assert_uint_eq(peer_count, responses[i].reusable ? before : before + 1);
    say(OK(0));
    assert_complete(&next, 200, "");
}

START_TEST(response_is_delivered)
{
    assert_response(responses[_i].text, SIZE_MAX / 2, (size_t)_i);
    assert_response(responses[_i].text, 1, (size_t)_i);
    assert_response(responses[_i].text, 7, (size_t)_i);
}
END_TEST

START_TEST(response_may_end_with_the_connection)
{
    struct call call = {0};
    start_get(&call);
    say("HTTP/1.1 200 OK\r\n\r\nhello");
    run_until(call.answer_length == 5);
    ck_assert(!call.is_done);
    hang_up();
    assert_complete(&call, 200, "hello");
}
END_TEST

START_TEST(response_to_head_has_no_body)
{
    struct call call = {0}, next = {0};
    start(&call, "HEAD");
    run_until(peer_count > 0 && peers[0].length > 0);
    say("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    assert_complete(&call, 200, "");
    start_get(&next);
    ck_assert_uint_eq(peer_count, 1);
    say(OK(1) "x");
    assert_complete(&next, 200, "x");
}
END_TEST

START_TEST(last_piece_is_announced_where_it_can_be)
{
    struct call call = {0};
    start_get(&call);
    say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
    run_until(call.answer_length == 3);
    ck_assert(!call.was_last);
    say("lo");
    run_until(call.is_done);
    ck_assert(call.was_last);
    free(call.answer);
}
END_TEST

START_TEST(answer_before_the_request_is_out_ends_the_connection)
{
    static char body[LONG_BYTES];
    struct call call = {.body = body, .body_length = sizeof(body)};
    start(&call, "POST");
    run_until(peer_count > 0);
    event_del(peers[0].readable); // does not read on
    say("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig");
    assert_complete(&call, 413, "big");
    ck_assert_uint_eq(upstream_count(upstream).connections, 0);
}
END_TEST

START_TEST(answer_counts_though_the_request_broke_off)
{
    static char body[LONG_BYTES];
    struct call call = {.body = body, .body_length = sizeof(body)};
    start(&call, "POST");
    run_until(peer_count > 0);
    event_del(peers[0].readable);
    say("HTTP/1.1 401 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
    hang_up(); // with unread input: a reset
    run_until(call.is_done);
    if (call.end == UPSTREAM_COMPLETE) // or the reset came first
        ck_assert_int_eq(call.status, 401);
    else
        ck_assert_int_eq(call.end, UPSTREAM_CUT);
    free(call.answer);
}
END_TEST

// ---- what goes wrong

static const struct {
    const char *text, *why;
    bool hangs_up;
} failures[] = {
    {"", "closed before a response came", true},
    {"HTTP/1.1 200 O", "closed before a response came", true},
    {"HTTP/1.1 100 Continue\r\n\r\n", "closed before a response came", true},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "closed before the response was whole", true},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "closed before the response was whole",
     true},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
     "closed before the response was whole", true},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello",
     "a chunk of the response is malformed", false},
    {"SSH-2.0-OpenSSH\r\n", "line 1 of the head: this is not HTTP/1.1", false},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
     "line 3 of the head: Content-Length occurs twice", false},
    {"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n", "switched protocols", false},
};

START_TEST(broken_response_is_cut)
{
    struct call call = {0};
    start_get(&call);
    if (failures[_i].text[0] != '\0')
        say(failures[_i].text);
    turn();
    if (failures[_i].hangs_up)
        hang_up();
    assert_failed(&call, UPSTREAM_CUT, failures[_i].why);
    ck_assert_uint_eq(upstream_count(upstream).connections, 0);
}
END_TEST

START_TEST(head_without_end_is_cut)
{
    static char line[1000];
    struct call call = {0};
    start_get(&call);
    say("HTTP/1.1 200 OK\r\n");
    memset(line, 'x', sizeof(line));
    memcpy(line, "x:", 2);
    memcpy(line + sizeof(line) - 2, "\r\n", 2);
    for (int i = 0; i < 70 && !call.is_done; i++) {
        peer_say(&peers[0], line, sizeof(line));
        turn();
    }
    assert_failed(&call, UPSTREAM_CUT, "line 1 of the head: the head is longer than 65536 bytes");
}
END_TEST

START_TEST(nobody_there_is_told_to_everybody_who_waits)
{
    struct call calls[3] = {{0}};
    event_del(acceptable);
    close(listener);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    for (size_t i = 0; i < 3; i++)
        start(&calls[i], "POST");
    for (size_t i = 0; i < 3; i++) {
        run_until(calls[i].is_done);
        ck_assert_int_eq(calls[i].end, UPSTREAM_NOT_SENT);
        ck_assert_ptr_nonnull(strstr(calls[i].err.text, "connecting to http://127.0.0.1:"));
        free(calls[i].answer);
    }
    ck_assert_uint_eq(upstream_count(upstream).connections, 0);
}
END_TEST

// ---- the pool

START_TEST(connections_are_used_again)
{
    for (int i = 0; i < 5; i++) {
        struct call call = {0};
        start_get(&call);
        say(OK(1) "x");
        assert_complete(&call, 200, "x");
        struct upstream_counts counts = upstream_count(upstream);
        ck_assert_uint_eq(counts.connections, 1);
        ck_assert_uint_eq(counts.idle, 1);
    }
    ck_assert_uint_eq(peer_count, 1);
}
END_TEST

START_TEST(pool_is_warmed_before_anybody_asks)
{
    upstream_free(upstream);
    make_upstream("", 2);
    run_until(peer_count == 2 && upstream_count(upstream).idle == 2);
}
END_TEST

START_TEST(connection_that_was_closed_meanwhile_is_not_used)
{
    struct call first = {0}, second = {0};
    start_get(&first);
    say(OK(0));
    assert_complete(&first, 200, "");
    hang_up();
    // Without a turn of the loop: the news has come, and nobody has read it.
    start(&second, "POST");
    run_until(peer_count == 2 && peers[1].length > 0);
    say(OK(1) "y");
    assert_complete(&second, 200, "y");
}
END_TEST

START_TEST(connection_that_says_something_unasked_is_not_used)
{
    struct call first = {0}, second = {0};
    start_get(&first);
    say(OK(0));
    assert_complete(&first, 200, "");
    say("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
    start(&second, "GET");
    run_until(peer_count == 2 && peers[1].length > 0);
    say(OK(1) "y");
    assert_complete(&second, 200, "y");
}
END_TEST

static struct call *following;

static void start_following(struct call *call)
{
    (void)call;
    start(following, "GET");
}

START_TEST(next_request_may_start_as_one_ends)
{
    struct call call = {.in_done = start_following}, next = {0};
    following = &next;
    start_get(&call);
    say(OK(1) "a");
    assert_complete(&call, 200, "a");
    run_until(strstr(received + 10, "GET") != NULL);
    ck_assert_uint_eq(peer_count, 1);
    say(OK(1) "b");
    assert_complete(&next, 200, "b");
}
END_TEST

START_TEST(line_is_bounded_and_served_in_order)
{
    static struct call calls[UPSTREAM_CONNECTIONS_MAX + UPSTREAM_WAITING_MAX + 1];
    const size_t most = UPSTREAM_CONNECTIONS_MAX + UPSTREAM_WAITING_MAX;
    struct error err = {0};
    for (size_t i = 0; i < UPSTREAM_CONNECTIONS_MAX; i++)
        start(&calls[i], "GET");
    run_until(upstream_count(upstream).waiting == 0);
    for (size_t i = UPSTREAM_CONNECTIONS_MAX; i < most; i++)
        start(&calls[i], "GET");
    ck_assert_uint_eq(upstream_count(upstream).connections, UPSTREAM_CONNECTIONS_MAX);
    ck_assert_uint_eq(upstream_count(upstream).waiting, UPSTREAM_WAITING_MAX);
    ck_assert_int_eq(open_call(&calls[most], "GET", &err), -EAGAIN);
    ck_assert_ptr_nonnull(strstr(err.text, "1024 requests wait for a connection to http://"));
    run_until(peer_count == UPSTREAM_CONNECTIONS_MAX && peers[0].length > 0);
    peer_say(&peers[0], OK(0), sizeof(OK(0)) - 1);
    run_until(upstream_count(upstream).waiting == UPSTREAM_WAITING_MAX - 1);
    ck_assert(upstream_has_sent(calls[UPSTREAM_CONNECTIONS_MAX].transfer) ||
              !upstream_has_sent(calls[UPSTREAM_CONNECTIONS_MAX + 1].transfer));
    for (size_t i = 0; i <= most; i++) {
        if (calls[i].transfer != NULL)
            upstream_cancel(calls[i].transfer);
        free(calls[i].answer);
    }
    ck_assert_uint_eq(upstream_count(upstream).waiting, 0);
    turn();
}
END_TEST

// ---- pause, resume, cancel

// Sends more of a long body, if the other end takes it. Returns whether it has taken any.
static bool say_more(size_t *sent)
{
    static char piece[65536];
    size_t size = LONG_BYTES - *sent < sizeof(piece) ? LONG_BYTES - *sent : sizeof(piece);
    ssize_t result = size > 0 ? send(peers[0].fd, piece, size, MSG_NOSIGNAL) : 0;
    turn();
    if (result <= 0)
        return false;
    *sent += (size_t)result;
    return true;
}

START_TEST(paused_response_is_not_read)
{
    struct call call = {0};
    size_t sent = 0, taken;
    start_get(&call);
    say("HTTP/1.1 200 OK\r\nContent-Length: " LONG_BYTES_TEXT "\r\n\r\n");
    run_until(call.status == 200);
    upstream_pause(call.transfer);
    upstream_pause(call.transfer);
    while (say_more(&sent))
        ;
    ck_assert_uint_lt(sent, LONG_BYTES); // the kernel's buffers are full
    ck_assert_uint_eq(call.answer_length, 0);
    upstream_resume(call.transfer);
    run_until(call.answer_length > 0);
    taken = call.answer_length;
    upstream_pause(call.transfer);
    turn();
    ck_assert_uint_eq(call.answer_length, taken);
    upstream_resume(call.transfer);
    upstream_resume(call.transfer);
    while (sent < LONG_BYTES)
        say_more(&sent);
    run_until(call.is_done);
    ck_assert_uint_eq(call.answer_length, LONG_BYTES);
    free(call.answer);
}
END_TEST

// Others are to have their turn while much is there for one.
START_TEST(one_turn_takes_a_bounded_share)
{
    struct call call = {0};
    size_t sent = 0;
    start_get(&call);
    say("HTTP/1.1 200 OK\r\nContent-Length: " LONG_BYTES_TEXT "\r\n\r\n");
    run_until(call.status == 200);
    upstream_pause(call.transfer);
    while (say_more(&sent))
        ;
    ck_assert_uint_gt(sent, 16 * UPSTREAM_READ_BYTES);
    upstream_resume(call.transfer);
    event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    ck_assert_uint_gt(call.answer_length, 0);
    ck_assert_uint_le(call.answer_length, 8 * UPSTREAM_READ_BYTES);
    run_until(call.answer_length >= sent); // without anything new coming in
    upstream_cancel(call.transfer);
    free(call.answer);
}
END_TEST

static void pause_call(struct call *call)
{
    upstream_pause(call->transfer);
}

START_TEST(pause_before_the_end_holds_for_that_response_alone)
{
    struct call call = {.in_head = pause_call}, next = {0};
    start_get(&call);
    say(OK(1) "a"); // what one read has brought is delivered
    assert_complete(&call, 200, "a");
    start_get(&next);
    ck_assert_uint_eq(peer_count, 1);
    say(OK(1) "b");
    assert_complete(&next, 200, "b");
}
END_TEST

START_TEST(pause_stops_between_two_reads)
{
    struct call call = {.in_body = pause_call};
    start_get(&call);
    say("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na");
    run_until(call.answer_length == 1);
    say("b");
    turn();
    ck_assert_uint_eq(call.answer_length, 1);
    upstream_resume(call.transfer);
    run_until(call.answer_length == 2);
    say("c");
    turn();
    ck_assert_uint_eq(call.answer_length, 2);
    upstream_resume(call.transfer);
    assert_complete(&call, 200, "abc");
}
END_TEST

static void cancel_call(struct call *call)
{
    upstream_cancel(call->transfer);
    call->transfer = NULL;
}

static void assert_cancelled(struct call *call, int status, const char *answer)
{
    turn();
    ck_assert(!call->is_done);
    ck_assert_int_eq(call->status, status);
    ck_assert_str_eq(call->answer, answer);
    ck_assert_uint_eq(upstream_count(upstream).idle, 0);
    if (peer_count > 0)
        run_until(peers[peer_count - 1].gone);
    free(call->answer);
}

START_TEST(cancelled_request_tells_nothing_more)
{
    struct call waiting = {0}, sent = {0}, headed = {.in_head = cancel_call},
                bodied = {.in_body = cancel_call};
    start(&waiting, "GET");
    ck_assert(!upstream_has_sent(waiting.transfer));
    cancel_call(&waiting);
    ck_assert_uint_eq(upstream_count(upstream).waiting, 0);
    free(waiting.answer);

    start(&sent, "GET");
    run_until(peer_count > 0 && peers[peer_count - 1].length > 0);
    cancel_call(&sent);
    assert_cancelled(&sent, 0, "");

    start(&headed, "GET");
    run_until(peers[peer_count - 1].length > 0 && !peers[peer_count - 1].gone);
    say(OK(5) "hello");
    run_until(headed.status == 200);
    assert_cancelled(&headed, 200, "");

    start(&bodied, "GET");
    run_until(peers[peer_count - 1].length > 0 && !peers[peer_count - 1].gone);
    say(OK(5) "hello");
    run_until(bodied.answer_length == 5);
    assert_cancelled(&bodied, 200, "hello");
}
END_TEST

START_TEST(cancelled_while_it_is_paused)
{
    struct call call = {0};
    start_get(&call);
    say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    run_until(call.status == 200);
    upstream_pause(call.transfer);
    say("hello");
    upstream_resume(call.transfer);
    cancel_call(&call);
    assert_cancelled(&call, 200, "");
}
END_TEST

// ---- its address

// Another upstream in place of the fixture's.
static void make_other(const char *base_url, int warm, int64_t silence_max_us)
{
    struct error err = {0};
    upstream_free(upstream);
    ck_assert_msg(upstream_new(&upstream, base, loop,
                               &(struct upstream_options){.base_url = base_url,
                                                          .connections_warm = warm,
                                                          .silence_max_us = silence_max_us},
                               &err) == 0,
                  "%s", err.text);
}

static const char *const beginnings[] = {"", "HTTP/1.1 200 OK\r\n",
                                         "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"};

START_TEST(silent_upstream_is_given_up)
{
    struct call call = {0};
    make_other(url, 0, 100000);
    start_get(&call);
    say(beginnings[_i]);
    assert_failed(&call, UPSTREAM_CUT, "silent for 100ms");
    ck_assert_uint_eq(upstream_count(upstream).connections, 0);
}
END_TEST

START_TEST(silence_of_the_agent_is_not_the_upstreams)
{
    struct call call = {0};
    make_other(url, 0, 50000);
    start_get(&call);
    upstream_pause(call.transfer);
    for (int64_t end_us = clock_monotonic_us() + 300000; clock_monotonic_us() < end_us;)
        turn();
    ck_assert(!call.is_done);
    say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    upstream_resume(call.transfer);
    run_until(call.is_done);
    assert_complete(&call, 200, "ok");
}
END_TEST

START_TEST(spare_that_fails_costs_the_one_in_line_nothing)
{
    struct call call = {0};
    char tls_url[80];
    snprintf(tls_url, sizeof(tls_url), "https%s", url + 4);
    make_other(tls_url, 1, 0);
    run_until(peer_count == 1);
    start(&call, "GET"); // it relies on the spare connection
    hang_up();
    run_until(peer_count == 2 || call.is_done);
    ck_assert(!call.is_done); // it gets a try of its own
    hang_up();
    run_until(call.is_done);
    ck_assert_int_eq(call.end, UPSTREAM_NOT_SENT);
    free(call.answer);
}
END_TEST

START_TEST(bad_address_is_refused)
{
    static const char *const bad[] = {"",         "api.anthropic.com", "ftp://x",
                                      "https://", "http://:",          "file:///etc/passwd"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct upstream *made = NULL;
        struct error err = {0};
        char says[128];
        ck_assert_int_eq(
            upstream_new(&made, base, loop, &(struct upstream_options){.base_url = bad[i]}, &err),
            -EINVAL);
        ck_assert_ptr_null(made);
        snprintf(says, sizeof(says),
                 "upstream '%s': accepted is https://HOST[:PORT][/PATH], or http://", bad[i]);
        ck_assert_str_eq(err.text, says);
    }
}
END_TEST

START_TEST(missing_ca_file_is_refused)
{
    struct upstream *made = NULL;
    struct error err = {0};
    ck_assert_int_eq(
        upstream_new(&made, base, loop,
                     &(struct upstream_options){.base_url = url, .ca_file = "/nonexistent"}, &err),
        -ENOENT);
    ck_assert_str_eq(err.text, "reading CA file /nonexistent: No such file or directory");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("upstream");
    TCase *cases = tcase_create("upstream");
    curl_global_init(CURL_GLOBAL_DEFAULT);
    tcase_set_timeout(cases, 2 * PATIENCE_S);
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, request_is_written_as_it_is);
    tcase_add_test(cases, body_of_known_length_is_sent_whole);
    tcase_add_test(cases, body_of_unknown_length_is_sent_in_chunks);
    tcase_add_test(cases, empty_body_of_unknown_length_is_sent);
    tcase_add_loop_test(cases, response_is_delivered, 0, sizeof(responses) / sizeof(responses[0]));
    tcase_add_test(cases, response_may_end_with_the_connection);
    tcase_add_test(cases, response_to_head_has_no_body);
    tcase_add_test(cases, last_piece_is_announced_where_it_can_be);
    tcase_add_test(cases, answer_before_the_request_is_out_ends_the_connection);
    tcase_add_test(cases, answer_counts_though_the_request_broke_off);
    tcase_add_loop_test(cases, broken_response_is_cut, 0, sizeof(failures) / sizeof(failures[0]));
    tcase_add_test(cases, head_without_end_is_cut);
    tcase_add_test(cases, nobody_there_is_told_to_everybody_who_waits);
    tcase_add_test(cases, connections_are_used_again);
    tcase_add_test(cases, pool_is_warmed_before_anybody_asks);
    tcase_add_test(cases, connection_that_was_closed_meanwhile_is_not_used);
    tcase_add_test(cases, connection_that_says_something_unasked_is_not_used);
    tcase_add_test(cases, next_request_may_start_as_one_ends);
    tcase_add_test(cases, line_is_bounded_and_served_in_order);
    tcase_add_test(cases, paused_response_is_not_read);
    tcase_add_test(cases, one_turn_takes_a_bounded_share);
    tcase_add_test(cases, pause_before_the_end_holds_for_that_response_alone);
    tcase_add_test(cases, pause_stops_between_two_reads);
    tcase_add_test(cases, cancelled_request_tells_nothing_more);
    tcase_add_test(cases, cancelled_while_it_is_paused);
    tcase_add_loop_test(cases, silent_upstream_is_given_up, 0,
                        (int)(sizeof(beginnings) / sizeof(beginnings[0])));
    tcase_add_test(cases, silence_of_the_agent_is_not_the_upstreams);
    tcase_add_test(cases, spare_that_fails_costs_the_one_in_line_nothing);
    tcase_add_test(cases, bad_address_is_refused);
    tcase_add_test(cases, missing_ca_file_is_refused);
    suite_add_tcase(suite, cases);
    int code = suite_run(suite);
    curl_global_cleanup();
    return code;
}
