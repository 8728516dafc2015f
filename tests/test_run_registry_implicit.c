// Tests of run_registry_implicit.c: runs that a job key opens, and nobody supervises.
#include "guard_daemon.h"
#include "money.h"
#include "moved_clock.h"
#include "run_limits.h"
#include "suite_run.h"

static struct guard_daemon daemon_;
static int opened, cancelled, closed;
static const unsigned char key_1[AGENT_KEY_DIGEST_BYTES] = {1}, key_2[AGENT_KEY_DIGEST_BYTES] = {2};

static void on_opened(struct live_run *run, void *context)
{
    (void)run;
    (void)context;
    opened++;
}

static void on_cancel(struct live_run *run, void *context)
{
    ck_assert(run->closing);
    (void)context;
    cancelled++;
}

static void on_closed(struct live_run *run, enum run_end end, int64_t memory_peak_bytes,
                      void *context)
{
    (void)run;
    (void)end;
    ck_assert_int_eq(memory_peak_bytes, -1); // it has no cgroup
    (void)context;
    closed++;
}

static void set_up(void)
{
    opened = cancelled = closed = 0;
    guard_daemon_open(&daemon_,
                      "[Reeve]\nSlots=1\n[Job j]\nCostMax=$2\nIdleSec=1000s\nKillGrace=1s\n",
                      (struct run_registry_options){
                          .opened = on_opened, .cancel = on_cancel, .closed = on_closed});
}

static void tear_down(void)
{
    guard_daemon_close(&daemon_);
}

static void turn_after_s(int64_t seconds)
{
    clock_moved_s += seconds;
    for (int i = 0; i < 8; i++)
        event_base_loop(daemon_.base, EVLOOP_NONBLOCK);
}

static struct live_run *ask(const unsigned char *key)
{
    struct live_run *run = run_registry_find_implicit(daemon_.registry, "j", key);
    ck_assert_ptr_nonnull(run);
    ck_assert_int_eq(run->place.kind, RUN_PLACE_ANYWHERE); // its key is good everywhere
    return run;
}

static void assert_closed(const char *end)
{
    char expected[128];
    snprintf(expected, sizeof(expected), " j %s -1\n", end);
    ck_assert_int_eq(closed, 1);
    ck_assert_msg(strstr(journal_lines, expected) != NULL, "%s lacks %s", journal_lines, expected);
    ck_assert_uint_eq(run_registry_count(daemon_.registry), 0);
}

START_TEST(first_request_opens_a_run_of_the_job)
{
    struct live_run *run = ask(key_1);
    ck_assert_int_eq(opened, 1);
    ck_assert_str_eq(run->job, "j");
    ck_assert_int_eq(run->limits.cost_max_pico_usd, 2 * PICO_USD_PER_USD);
    ck_assert_ptr_nonnull(strstr(journal_lines, "open "));
    ck_assert_ptr_eq(ask(key_1), run);
    ck_assert_ptr_ne(ask(key_2), run); // another agent's
    ck_assert_int_eq(opened, 2);
}
END_TEST

START_TEST(run_ends_when_nothing_has_come_for_a_while)
{
    ask(key_1);
    turn_after_s(600);
    ask(key_1);
    turn_after_s(600); // 1,200 s after the first request
    ck_assert_int_eq(closed, 0);
    turn_after_s(500);
    assert_closed("exited");
    ask(key_1);
    ck_assert_int_eq(opened, 2);
}
END_TEST

START_TEST(run_does_not_end_while_an_exchange_is_in_flight)
{
    struct live_run *run = ask(key_1);
    run->exchanges_in_flight = 1;
    turn_after_s(1001);
    ck_assert_int_eq(closed, 0);
    run->exchanges_in_flight = 0;
    run_registry_exchange_settled(daemon_.registry, run);
    turn_after_s(999);
    ck_assert_int_eq(closed, 0); // its time began with the end of the exchange
}
END_TEST

START_TEST(at_a_ceiling_it_is_refused_and_not_killed)
{
    struct live_run *run = ask(key_1);
    run_registry_end_later(daemon_.registry, run, RUN_CEILING, "enough");
    ck_assert(run->closing);
    turn_after_s(600); // long after KillGrace=
    ck_assert_int_eq(cancelled, 0);
    // It stays what it is for as long as somebody asks.
    ck_assert_ptr_eq(ask(key_1), run);
    turn_after_s(600);
    ck_assert_ptr_eq(ask(key_1), run);
    ck_assert_int_eq(opened, 1);
    ck_assert_int_eq(closed, 0);
    turn_after_s(800);
    ck_assert_int_eq(closed, 0);
    turn_after_s(0);
}
END_TEST

START_TEST(row_tells_the_ceiling)
{
    run_registry_end_later(daemon_.registry, ask(key_1), RUN_CEILING, "enough");
    turn_after_s(1001);
    assert_closed("ceiling");
}
END_TEST

START_TEST(reeve_kill_ends_its_streams)
{
    struct live_run *run = ask(key_1);
    run_registry_end(daemon_.registry, run, RUN_KILLED, "by hand");
    ck_assert_int_eq(cancelled, 1);
    ck_assert_ptr_eq(ask(key_1), run); // refused until it is quiet
    turn_after_s(1001);
    assert_closed("killed");
}
END_TEST

START_TEST(it_takes_no_slot)
{
    struct control_client *client;
    struct control_message message = {.type = CONTROL_RUN_OPEN,
                                      .run_open = {.command = "true", .pid = 1, .job = "other"}};
    struct error err;
    message.run_open.limits = run_limits_none();
    ask(key_1);
    ask(key_2);
    ck_assert_int_eq(control_client_open(&client, daemon_.socket, &err), 0);
    ck_assert_int_eq(control_client_send(client, &message, &err), 0);
    turn_after_s(0);
    ck_assert_int_eq(control_client_receive(client, 0, &message, &err), 0);
    ck_assert_int_eq(message.type, CONTROL_GRANTED);
    control_message_done(&message);
    control_client_close(client);
    turn_after_s(0);
}
END_TEST

START_TEST(journal_that_takes_nothing_opens_nothing)
{
    journal_failure = -ENOSPC;
    ck_assert_ptr_null(run_registry_find_implicit(daemon_.registry, "j", key_1));
    ck_assert_uint_eq(run_registry_count(daemon_.registry), 0);
    journal_failure = 0;
    ask(key_1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("run_registry_implicit");
    TCase *cases = tcase_create("run_registry_implicit");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, first_request_opens_a_run_of_the_job);
    tcase_add_test(cases, run_ends_when_nothing_has_come_for_a_while);
    tcase_add_test(cases, run_does_not_end_while_an_exchange_is_in_flight);
    tcase_add_test(cases, at_a_ceiling_it_is_refused_and_not_killed);
    tcase_add_test(cases, row_tells_the_ceiling);
    tcase_add_test(cases, reeve_kill_ends_its_streams);
    tcase_add_test(cases, it_takes_no_slot);
    tcase_add_test(cases, journal_that_takes_nothing_opens_nothing);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
