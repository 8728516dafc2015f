// Tests of page_stream.c: who looks is told, at the others' cost never.
#include "page_stream.h"

#include "agent.h"
#include "clock.h"
#include "page_fixture.h"
#include "suite_run.h"

#define INTERVAL_US 2000
#define ASK "GET /reeve/events HTTP/1.1\r\n" PAGE_FIXTURE_HOST "\r\n"

static struct page_fixture fixture;
static struct page_streams *streams;
static int snapshots;
static size_t snapshot_length;
static int64_t expires_at_us;
static int refused;

static char *on_snapshot(void *context)
{
    char *text = malloc(snapshot_length + 16);
    (void)context;
    snprintf(text, 16, "{%d}", ++snapshots);
    size_t used = strlen(text);
    memset(text + used, ' ', snapshot_length);
    text[used + snapshot_length] = '\0';
    return text;
}

static void on_request(struct agent *agent, const struct http_head *head, void *context)
{
    (void)head;
    (void)context;
    if (page_streams_add(streams, agent, expires_at_us))
        return;
    refused++;
    agent_abort(agent);
}

static void set_up(void)
{
    page_fixture_open(&fixture, on_request);
    snapshots = refused = 0;
    snapshot_length = 10;
    expires_at_us = INT64_MAX;
    ck_assert_int_eq(page_streams_new(&streams, fixture.base, INTERVAL_US, on_snapshot, NULL, NULL),
                     0);
}

static void tear_down(void)
{
    page_streams_free(streams);
    page_fixture_close(&fixture);
}

// Runs the loop until `count` snapshots were made.
static void run_until(int count)
{
    while (snapshots < count)
        event_base_loop(fixture.base, EVLOOP_ONCE);
}

START_TEST(the_first_event_comes_at_once_and_others_follow)
{
    static char text[65536];
    text[0] = '\0';
    int fd = page_send(&fixture, ASK);
    page_receive(fd, text, sizeof(text));
    ck_assert_msg(strncmp(text, "HTTP/1.1 200 ", 13) == 0, "%s", text);
    ck_assert_ptr_nonnull(strstr(text, "\r\nContent-Type: text/event-stream\r\n"));
    ck_assert_ptr_nonnull(strstr(text, "\r\n\r\nretry: 2000\n\ndata: {1}          \n\n"));
    run_until(3);
    event_base_loop(fixture.base, EVLOOP_NONBLOCK);
    page_receive(fd, text, sizeof(text));
    ck_assert_ptr_nonnull(strstr(text, "\n\ndata: {2}          \n\ndata: {3}          \n\n"));
    close(fd);
}
END_TEST

START_TEST(nothing_is_made_while_nobody_looks)
{
    int fd = page_send(&fixture, ASK);
    run_until(2);
    close(fd);
    while (page_streams_count(streams) > 0)
        event_base_loop(fixture.base, EVLOOP_ONCE);
    int before = snapshots;
    // The timer has ended: an empty loop returns at once.
    while (event_base_loop(fixture.base, EVLOOP_ONCE) == 0)
        ;
    ck_assert_int_le(snapshots, before + 1);
}
END_TEST

START_TEST(all_are_told_the_same)
{
    static char texts[3][65536];
    int fds[3];
    for (int i = 0; i < 3; i++) {
        texts[i][0] = '\0';
        fds[i] = page_send(&fixture, ASK);
    }
    run_until(5);
    event_base_loop(fixture.base, EVLOOP_NONBLOCK);
    for (int i = 0; i < 3; i++) {
        page_receive(fds[i], texts[i], sizeof(texts[i]));
        ck_assert_msg(strstr(texts[i], "data: {5}") != NULL, "%s", texts[i]);
        close(fds[i]);
    }
}
END_TEST

START_TEST(so_many_may_look_at_once)
{
    int fds[PAGE_STREAMS_MAX + 2];
    for (int i = 0; i <= PAGE_STREAMS_MAX; i++)
        fds[i] = page_send(&fixture, ASK);
    ck_assert_int_eq(page_streams_count(streams), PAGE_STREAMS_MAX);
    ck_assert_int_eq(refused, 1);
    close(fds[3]);
    event_base_loop(fixture.base, EVLOOP_NONBLOCK);
    ck_assert_int_eq(page_streams_count(streams), PAGE_STREAMS_MAX - 1);
    fds[3] = page_send(&fixture, ASK);
    ck_assert_int_eq(page_streams_count(streams), PAGE_STREAMS_MAX);
    for (int i = 0; i <= PAGE_STREAMS_MAX; i++)
        close(fds[i]);
}
END_TEST

START_TEST(one_that_does_not_read_is_dropped_and_the_others_go_on)
{
    static char text[1 << 20];
    text[0] = '\0';
    snapshot_length = 30000;
    int slow = page_send(&fixture, ASK), quick = page_send(&fixture, ASK);
    while (page_streams_count(streams) == 2) {
        event_base_loop(fixture.base, EVLOOP_ONCE);
        page_receive(quick, text, sizeof(text));
        ck_assert_uint_lt(strlen(text), sizeof(text) - 1);
    }
    ck_assert_int_ge(snapshots, PAGE_STREAM_BEHIND_MAX);
    ck_assert_int_eq(page_streams_count(streams), 1);
    int before = snapshots;
    text[0] = '\0';
    while (snapshots < before + 5) {
        event_base_loop(fixture.base, EVLOOP_ONCE);
        ck_assert_int_ge(page_receive(quick, text, sizeof(text)), 0);
    }
    ck_assert_ptr_nonnull(strstr(text, "data: {"));
    close(slow);
    close(quick);
}
END_TEST

START_TEST(a_stream_ends_with_its_session)
{
    static char text[65536];
    text[0] = '\0';
    expires_at_us = clock_monotonic_us() + 3 * INTERVAL_US;
    int fd = page_send(&fixture, ASK);
    while (page_streams_count(streams) > 0)
        event_base_loop(fixture.base, EVLOOP_ONCE);
    ck_assert_int_ge(clock_monotonic_us(), expires_at_us);
    while (page_receive(fd, text, sizeof(text)) > 0)
        ;
    ck_assert_int_eq(page_receive(fd, text, sizeof(text)), -1);
    close(fd);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("page_stream");
    TCase *cases = tcase_create("page_stream");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, the_first_event_comes_at_once_and_others_follow);
    tcase_add_test(cases, nothing_is_made_while_nobody_looks);
    tcase_add_test(cases, all_are_told_the_same);
    tcase_add_test(cases, so_many_may_look_at_once);
    tcase_add_test(cases, one_that_does_not_read_is_dropped_and_the_others_go_on);
    tcase_add_test(cases, a_stream_ends_with_its_session);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
