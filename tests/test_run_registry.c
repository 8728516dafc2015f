// Checks the daemon's side of a run's life: supervisors that say this and that, exchanges that
// settle late, connections that break. One process; the loop is turned by hand.
#include "guard_supervisor.h"
#include "money.h"
#include "suite_run.h"

static int opened, cancelled, overdue, closed;
static enum run_end closed_as;
static int64_t closed_at_bytes;
static bool may_open;

static bool on_may_open(const char *job, char why[static ERROR_TEXT_MAX], void *context)
{
    (void)context;
    if (!may_open)
        snprintf(why, ERROR_TEXT_MAX, "[Job %s] has spent its day", job);
    return may_open;
}

static void on_opened(struct live_run *run, void *context)
{
    (void)run;
    (void)context;
    opened++;
}

static void on_cancel(struct live_run *run, void *context)
{
    ck_assert(run->closing); // no new exchange can have slipped in
    (void)context;
    cancelled++;
}

static void on_overdue(struct live_run *run, void *context)
{
    (void)run;
    (void)context;
    overdue++;
}

static void on_closed(struct live_run *run, enum run_end end, int64_t memory_peak_bytes,
                      void *context)
{
    ck_assert_int_eq(run->exchanges_in_flight, 0);
    (void)context;
    closed++;
    closed_as = end;
    closed_at_bytes = memory_peak_bytes;
}

static void setup(void)
{
    may_open = true;
    guard_daemon_open(&daemon_,
                      "[Reeve]\nSlots=1\n"
                      "[Job tight]\nMemoryMax=64M\nCostMax=$1\nKillGrace=3s\nCacheTtl=1h\n"
                      "[Job hasty]\nKillGrace=0\n",
                      (struct run_registry_options){.adoption_grace_us = 1,
                                                    .may_open = on_may_open,
                                                    .opened = on_opened,
                                                    .cancel = on_cancel,
                                                    .overdue = on_overdue,
                                                    .closed = on_closed});
}

static void teardown(void)
{
    guard_daemon_close(&daemon_);
}

static void assert_journal(const struct control_message *granted, const char *end, int exit_code)
{
    char expected[256];
    snprintf(expected, sizeof(expected), "close %s %s %s %d\n", granted->granted.run_id,
             granted->granted.job, end, exit_code);
    ck_assert_msg(strstr(journal_lines, expected) != NULL, "%s lacks %s", journal_lines, expected);
}

START_TEST(a_whole_life)
{
    struct control_client *client = ask("tight", 0);
    struct control_message granted = expect(client, CONTROL_GRANTED);
    struct live_run *run = live(&granted);
    ck_assert_str_eq(granted.granted.job, "tight");
    ck_assert_str_eq(granted.granted.base_url, BASE_URL);
    ck_assert_int_eq(granted.granted.kill_grace_us, 3000000);
    ck_assert_int_eq(granted.granted.cache_ttl, CONFIG_CACHE_TTL_1H);
    ck_assert_int_eq(granted.granted.limits.memory_max_bytes, 64 << 20);
    ck_assert_int_eq(granted.granted.limits.cost_max_pico_usd, PICO_USD_PER_USD);
    ck_assert_ptr_eq(
        run_table_find_key(daemon_.table, granted.granted.run_key, strlen(granted.granted.run_key)),
        run);
    ck_assert_int_eq(run->limits.memory_max_bytes, 64 << 20);
    ck_assert_int_eq(opened, 1);
    ck_assert_ptr_nonnull(strstr(journal_lines, "open "));
    say_started(client);
    run->exchanges = 3;
    run->refused = 1;
    run->cost_pico_usd = 42;
    run->tokens.cache_read = 7;
    say_ended(client, RUN_EXITED, 9);
    struct control_message settled = expect(client, CONTROL_SETTLED);
    ck_assert_int_eq(settled.settled.end, RUN_EXITED);
    ck_assert_int_eq(settled.settled.exchanges, 3);
    ck_assert_int_eq(settled.settled.refused, 1);
    ck_assert_int_eq(settled.settled.cost_pico_usd, 42);
    ck_assert_int_eq(settled.settled.tokens.cache_read, 7);
    assert_journal(&granted, "exited", 9);
    ck_assert_ptr_null(live(&granted));
    ck_assert_uint_eq(run_registry_count(daemon_.registry), 0);
    ck_assert_int_eq(closed, 1);
    ck_assert_int_eq(closed_as, RUN_EXITED);
    ck_assert_int_eq(closed_at_bytes, 5);
    ck_assert_int_eq(cancelled, 0);
    control_client_close(client);
}
END_TEST

// Before its command is started; what is no place of that run leaves the key good nowhere.
START_TEST(supervisor_says_where_the_run_is)
{
    struct control_client *client = ask("tight", 0);
    struct control_message granted = expect(client, CONTROL_GRANTED);
    struct control_message placed = {.type = CONTROL_RUN_PLACED, .run_placed.directory = "/etc"};
    struct live_run *run = live(&granted);
    ck_assert_int_eq(run->place.kind, RUN_PLACE_UNKNOWN);
    ck_assert_int_eq(control_client_send(client, &placed, &err), 0);
    turn();
    ck_assert_int_eq(run->place.kind, RUN_PLACE_UNKNOWN);
    placed.run_placed.directory[0] = '\0'; // --no-cgroup
    ck_assert_int_eq(control_client_send(client, &placed, &err), 0);
    turn();
    ck_assert_int_eq(run->place.kind, RUN_PLACE_USER);
    ck_assert_uint_eq(run->place.uid, geteuid());
    control_client_close(client);
}
END_TEST

START_TEST(ids_and_the_default_job)
{
    struct control_client *client = ask("", 0);
    struct control_message granted = expect(client, CONTROL_GRANTED);
    ck_assert_str_eq(granted.granted.job, "default");
    ck_assert_int_eq(granted.granted.limits.tasks_max, 1024);
    ck_assert_uint_eq(strlen(granted.granted.run_id), strlen("20261125-160044-k3f9qx"));
    ck_assert_uint_eq(strspn(granted.granted.run_id, "0123456789"), 8);
    control_client_close(client);
}
END_TEST

START_TEST(the_account_waits_for_the_last_exchange)
{
    struct control_client *client = ask("tight", 0);
    struct control_message granted = expect(client, CONTROL_GRANTED);
    struct live_run *run = live(&granted);
    say_started(client);
    run->exchanges_in_flight = 2;
    say_ended(client, RUN_EXITED, 0);
    expect_nothing(client);
    ck_assert(run->closing);
    run->exchanges_in_flight = 1;
    run_registry_exchange_settled(daemon_.registry, run);
    expect_nothing(client);
    ck_assert_int_eq(closed, 0);
    run->exchanges_in_flight = 0;
    run->cost_pico_usd = 11;
    run_registry_exchange_settled(daemon_.registry, run);
    struct control_message settled = expect(client, CONTROL_SETTLED);
    ck_assert_int_eq(settled.settled.cost_pico_usd, 11);
    control_client_close(client);
}
END_TEST

START_TEST(one_slot_one_after_the_other)
{
    struct control_client *first = ask("tight", 0);
    struct control_message granted = expect(first, CONTROL_GRANTED);
    struct control_client *second = ask("tight", INT64_MAX);
    struct control_client *third = ask("tight", INT64_MAX);
    ck_assert_int_eq(expect(second, CONTROL_QUEUED).queued.position, 1);
    while (true) { // told anew when somebody joins
        struct control_message message = expect(third, CONTROL_QUEUED);
        ck_assert_int_eq(message.queued.position, 2);
        break;
    }
    ck_assert_uint_eq(run_registry_waiting(daemon_.registry), 2);
    struct control_client *impatient = ask("tight", 0);
    ck_assert_int_eq(expect(impatient, CONTROL_REFUSED).refused.code, CONTROL_NO_SLOT);
    say_ended(first, RUN_EXITED, 0);
    assert_journal(&granted, "exited", 0);
    ck_assert_int_eq(expect(second, CONTROL_QUEUED).queued.position, 1);
    ck_assert_int_eq(expect(second, CONTROL_GRANTED).granted.limits.memory_max_bytes, 64 << 20);
    ck_assert_int_eq(expect(third, CONTROL_QUEUED).queued.position, 1);
    int closed_before = closed;
    control_client_close(second); // lost: its slot is handed on
    while (closed == closed_before)
        event_base_loop(daemon_.base, EVLOOP_ONCE);
    expect(third, CONTROL_GRANTED);
    ck_assert_uint_eq(run_registry_waiting(daemon_.registry), 0);
    control_client_close(first);
    control_client_close(third);
    control_client_close(impatient);
}
END_TEST

START_TEST(who_leaves_the_queue_is_forgotten)
{
    struct control_client *first = ask("tight", 0);
    struct control_client *second = ask("tight", INT64_MAX);
    ck_assert_uint_eq(run_registry_waiting(daemon_.registry), 1);
    control_client_close(second);
    turn();
    ck_assert_uint_eq(run_registry_waiting(daemon_.registry), 0);
    ck_assert_uint_eq(run_registry_count(daemon_.registry), 1);
    control_client_close(first);
}
END_TEST

START_TEST(waiting_ends_in_time)
{
    struct control_client *first = ask("tight", 0);
    struct control_client *second = ask("tight", 1000);
    while (run_registry_waiting(daemon_.registry) > 0)
        event_base_loop(daemon_.base, EVLOOP_ONCE);
    expect(second, CONTROL_QUEUED);
    ck_assert_int_eq(expect(second, CONTROL_REFUSED).refused.code, CONTROL_NO_SLOT);
    control_client_close(first);
    control_client_close(second);
}
END_TEST

START_TEST(a_lost_supervisor_is_a_lost_run)
{
    struct control_client *client = ask("tight", 0);
    struct control_message granted = expect(client, CONTROL_GRANTED);
    struct live_run *run = live(&granted);
    say_started(client);
    run->exchanges_in_flight = 1;
    control_client_close(client);
    turn_until(&cancelled);
    turn();
    ck_assert_int_eq(cancelled, 1);
    ck_assert_int_eq(closed, 0);
    run->exchanges_in_flight = 0;
    run_registry_exchange_settled(daemon_.registry, run);
    ck_assert_int_eq(closed, 1);
    ck_assert_int_eq(closed_as, RUN_LOST);
    ck_assert_int_eq(closed_at_bytes, -1);
    assert_journal(&granted, "lost", -1);
}
END_TEST

START_TEST(ended_by_force)
{
    struct control_client *client = ask("tight", 0);
    struct control_message granted = expect(client, CONTROL_GRANTED);
    struct live_run *run = live(&granted);
    say_started(client);
    run_registry_end(daemon_.registry, run, RUN_CEILING, "the run's $1.00 are spent");
    run_registry_end(daemon_.registry, run, RUN_KILLED, "too late");
    ck_assert_int_eq(cancelled, 1);
    struct control_message kill = expect(client, CONTROL_RUN_KILL);
    ck_assert_int_eq(kill.run_kill.reason, RUN_CEILING);
    ck_assert_str_eq(kill.run_kill.text, "the run's $1.00 are spent");
    expect_nothing(client);
    say_ended(client, RUN_EXITED,
              1); // it was faster than the signal: the ceiling is why all the same
    ck_assert_int_eq(expect(client, CONTROL_SETTLED).settled.end, RUN_CEILING);
    assert_journal(&granted, "ceiling", 1);
    control_client_close(client);
}
END_TEST

START_TEST(a_supervisor_that_does_not_kill_is_overdue)
{
    struct control_client *client = ask("hasty", 0);
    struct control_message granted = expect(client, CONTROL_GRANTED);
    say_started(client);
    run_registry_end(daemon_.registry, live(&granted), RUN_CEILING, "it is spent");
    expect(client, CONTROL_RUN_KILL);
    ck_assert_int_eq(overdue, 0);
    while (overdue == 0)
        event_base_loop(daemon_.base, EVLOOP_ONCE);
    ck_assert_int_eq(cancelled, 1); // that was done long ago
    say_ended(client, RUN_EXITED, 0);
    ck_assert_int_eq(expect(client, CONTROL_SETTLED).settled.end, RUN_CEILING);
    control_client_close(client);
}
END_TEST

START_TEST(reeve_kill)
{
    struct control_client *client = ask("tight", 0);
    struct control_message granted = expect(client, CONTROL_GRANTED);
    struct control_client *killer;
    struct control_message message = {.type = CONTROL_KILL};
    ck_assert_int_eq(control_client_open(&killer, daemon_.socket, &err), 0);
    ck_assert_int_eq(control_client_send(killer, &message, &err), 0);
    ck_assert_int_eq(expect(killer, CONTROL_REFUSED).refused.code, CONTROL_UNKNOWN_RUN);
    control_client_close(killer);
    memcpy(message.kill.run_id, granted.granted.run_id, RUN_ID_MAX);
    ck_assert_int_eq(control_client_open(&killer, daemon_.socket, &err), 0);
    ck_assert_int_eq(control_client_send(killer, &message, &err), 0);
    expect(killer, CONTROL_DONE);
    ck_assert_int_eq(expect(client, CONTROL_RUN_KILL).run_kill.reason, RUN_KILLED);
    say_started(client); // it had not been heard yet
    say_ended(client, RUN_KILLED, 143);
    ck_assert_int_eq(expect(client, CONTROL_SETTLED).settled.end, RUN_KILLED);
    control_client_close(killer);
    control_client_close(client);
}
END_TEST

START_TEST(an_exhausted_ceiling_starts_nothing)
{
    may_open = false;
    struct control_client *client = ask("tight", INT64_MAX);
    struct control_message refused = expect(client, CONTROL_REFUSED);
    ck_assert_int_eq(refused.refused.code, CONTROL_CEILING);
    ck_assert_str_eq(refused.refused.text, "[Job tight] has spent its day");
    ck_assert_int_eq(opened, 0);
    ck_assert_str_eq(journal_lines, "");
    control_client_close(client);
    // And one that was exhausted while another waited.
    may_open = true;
    struct control_client *first = ask("tight", 0);
    expect(first, CONTROL_GRANTED);
    struct control_client *second = ask("tight", INT64_MAX);
    expect(second, CONTROL_QUEUED);
    may_open = false;
    say_ended(first, RUN_EXITED, 0);
    ck_assert_int_eq(expect(second, CONTROL_REFUSED).refused.code, CONTROL_CEILING);
    may_open = true;
    struct control_client *third = ask("tight", 0); // its slot is free
    expect(third, CONTROL_GRANTED);
    control_client_close(first);
    control_client_close(second);
    control_client_close(third);
}
END_TEST

START_TEST(a_journal_that_fails_starts_nothing)
{
    journal_failure = -ENOSPC;
    struct control_client *client = ask("tight", 0);
    ck_assert_int_eq(expect(client, CONTROL_REFUSED).refused.code, CONTROL_UNAVAILABLE);
    ck_assert_uint_eq(run_registry_count(daemon_.registry), 0);
    ck_assert_int_eq(opened, 0);
    control_client_close(client);
    journal_failure = 0;
    client = ask("tight", 0); // the slot did not leak
    expect(client, CONTROL_GRANTED);
    control_client_close(client);
}
END_TEST

START_TEST(requests_that_make_no_sense)
{
    static const struct control_run_open wrong[] = {
        {.job = "../x"},
        {.job = "tight", .wait_us = -1},
        {.job = "tight", .limits.memory_max_bytes = INT64_C(65) << 20},
        {.job = "other", .limits.tokens_max = -1},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct control_message message = {.type = CONTROL_RUN_OPEN, .run_open = wrong[i]};
        struct control_client *client;
        ck_assert_int_eq(control_client_open(&client, daemon_.socket, &err), 0);
        ck_assert_int_eq(control_client_send(client, &message, &err), 0);
        ck_assert_int_eq(expect(client, CONTROL_REFUSED).refused.code, CONTROL_INVALID);
        control_client_close(client);
    }
    ck_assert_str_eq(journal_lines, "");
    // A second run on one connection.
    struct control_client *client = ask("tight", 0);
    struct control_message granted = expect(client, CONTROL_GRANTED);
    struct control_message again = {.type = CONTROL_RUN_OPEN, .run_open.job = "tight"};
    ck_assert_int_eq(control_client_send(client, &again, &err), 0);
    ck_assert_int_eq(expect(client, CONTROL_REFUSED).refused.code, CONTROL_INVALID);
    turn_until(&closed);
    assert_journal(&granted, "lost", -1);
    control_client_close(client);
    // Started and ended without a run.
    ck_assert_int_eq(control_client_open(&client, daemon_.socket, &err), 0);
    say_started(client);
    say_ended(client, RUN_EXITED, 0);
    expect_nothing(client);
    control_client_close(client);
}
END_TEST

START_TEST(status_shows_both)
{
    struct control_client *first = ask("tight", 0);
    struct control_message granted = expect(first, CONTROL_GRANTED);
    struct control_client *second = ask("other", INT64_MAX);
    struct status status = {0};
    live(&granted)->tokens = (struct token_counts){1, 2, 4, 8, 16};
    run_registry_status(daemon_.registry, &status);
    ck_assert_int_eq(status.slots, 1);
    ck_assert_uint_eq(status.run_count, 1);
    ck_assert_str_eq(status.runs[0].id, granted.granted.run_id);
    ck_assert_str_eq(status.runs[0].state, "starting");
    ck_assert_int_eq(status.runs[0].counted_tokens, 1 + 2 + 4 + 8); // uncached
    ck_assert_int_eq(status.runs[0].cost_max_pico_usd, PICO_USD_PER_USD);
    ck_assert_uint_eq(status.waiting_count, 1);
    ck_assert_str_eq(status.waiting[0].job, "other");
    free(status.runs);
    free(status.waiting);
    control_client_close(first);
    control_client_close(second);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("run_registry");
    TCase *tests = tcase_create("run_registry");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_whole_life);
    tcase_add_test(tests, supervisor_says_where_the_run_is);
    tcase_add_test(tests, ids_and_the_default_job);
    tcase_add_test(tests, the_account_waits_for_the_last_exchange);
    tcase_add_test(tests, one_slot_one_after_the_other);
    tcase_add_test(tests, who_leaves_the_queue_is_forgotten);
    tcase_add_test(tests, waiting_ends_in_time);
    tcase_add_test(tests, a_lost_supervisor_is_a_lost_run);
    tcase_add_test(tests, ended_by_force);
    tcase_add_test(tests, a_supervisor_that_does_not_kill_is_overdue);
    tcase_add_test(tests, reeve_kill);
    tcase_add_test(tests, an_exhausted_ceiling_starts_nothing);
    tcase_add_test(tests, a_journal_that_fails_starts_nothing);
    tcase_add_test(tests, requests_that_make_no_sense);
    tcase_add_test(tests, status_shows_both);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
