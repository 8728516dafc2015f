// Checks runs that outlive their supervisor's connection, or the daemon: who is taken up again,
// with what, and who is closed as lost.
#include "guard_supervisor.h"

#include "agent_key.h"
#include "suite_run.h"

#include <sys/wait.h>

#define CONFIG "[Reeve]\nSlots=1\n[Job tight]\nMemoryMax=64M\nCostMax=$1\nIdleSec=20ms\n"

static int opened, cancelled, closed;
static enum run_end closed_as;

static void on_opened(struct live_run *run, void *context)
{
    (void)context;
    ck_assert_str_eq(run->job, "tight");
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
    (void)memory_peak_bytes;
    (void)context;
    closed++;
    closed_as = end;
}

static const struct run_registry_options callbacks = {
    .opened = on_opened, .cancel = on_cancel, .closed = on_closed};

static void setup(void)
{
    guard_daemon_open(&daemon_, CONFIG, callbacks);
}

static void teardown(void)
{
    guard_daemon_close(&daemon_);
}

// A run as the journal of a daemon that is gone has it.
static struct journal_live_run known_run(const char *key, pid_t supervisor)
{
    struct journal_live_run run = {
        .open = {.run_id = "20261125-160044-k3f9qx",
                 .job = "tight",
                 .command = "claude",
                 .opened_at_us = 1795622444000000,
                 .limits = {.cost_max_pico_usd = 5, .memory_max_bytes = 7},
                 .supervisor_pid = supervisor},
        .totals = {.cost_pico_usd = 42, .exchanges = 3, .tokens = {.input = 9}},
    };
    agent_key_digest(key, strlen(key), run.open.key_digest);
    return run;
}

// The daemon starts again, with these runs in its journal.
static void restart(struct journal_live_run *runs, size_t count)
{
    struct journal_live known = {.runs = runs, .run_count = count};
    guard_daemon_close(&daemon_);
    guard_daemon_open(&daemon_, CONFIG, callbacks);
    ck_assert_int_eq(run_registry_restore(daemon_.registry, &known, &err), 0);
}

static void say_adopt(struct control_client *client, const char *run_id, const char *key)
{
    struct control_message message = {.type = CONTROL_RUN_ADOPT};
    snprintf(message.run_adopt.run_id, RUN_ID_MAX, "%s", run_id);
    snprintf(message.run_adopt.run_key, RUN_KEY_MAX, "%s", key);
    ck_assert_int_eq(control_client_send(client, &message, &err), 0);
    turn();
}

static struct control_client *come_back(const char *run_id, const char *key)
{
    struct control_client *client;
    ck_assert_int_eq(control_client_open(&client, daemon_.socket, &err), 0);
    say_adopt(client, run_id, key);
    return client;
}

static void assert_closed(enum run_end end)
{
    turn_until(&closed);
    ck_assert_int_eq(closed, 1);
    ck_assert_int_eq(closed_as, end);
}

START_TEST(a_restart_is_not_noticed)
{
    struct journal_live_run known = known_run("key", getpid());
    known.open.is_placed = true;
    restart(&known, 1);
    ck_assert_int_eq(opened, 1); // for its ceilings
    struct live_run *run = run_table_find_key(daemon_.table, "key", 3);
    ck_assert_ptr_nonnull(run); // before its supervisor is back
    ck_assert(!run->closing);
    ck_assert_int_eq(run->place.kind, RUN_PLACE_USER); // it has no cgroup
    ck_assert_int_eq(run->cost_pico_usd, 42);
    ck_assert_int_eq(run->exchanges, 3);
    ck_assert_int_eq(run->tokens.input, 9);
    ck_assert_int_eq(run->opened_at_us, 1795622444000000);
    ck_assert_int_eq(run->limits.memory_max_bytes, 7); // and not what the job says today
    struct control_client *client = come_back(run->id, "key");
    expect(client, CONTROL_RUN_ADOPTED);
    expect_nothing(client);
    struct control_client *other = ask("tight", INT64_MAX);
    expect(other, CONTROL_QUEUED); // the slot is the run's
    say_ended(client, RUN_EXITED, 3);
    struct control_message settled = expect(client, CONTROL_SETTLED);
    ck_assert_int_eq(settled.settled.exchanges, 3);
    ck_assert_int_eq(settled.settled.cost_pico_usd, 42);
    expect(other, CONTROL_GRANTED);
    ck_assert_int_eq(closed, 1);
    ck_assert_ptr_nonnull(strstr(journal_lines, "close 20261125-160044-k3f9qx tight exited 3\n"));
    control_client_close(client);
    control_client_close(other);
}
END_TEST

// Its supervisor had said where it is, but nobody heard.
START_TEST(a_place_that_is_not_known_is_told_again)
{
    struct journal_live_run known = known_run("key", getpid());
    restart(&known, 1);
    const struct live_run *run = run_table_find_key(daemon_.table, "key", 3);
    ck_assert_int_eq(run->place.kind, RUN_PLACE_ANYWHERE); // not refused meanwhile
    struct control_client *client = come_back(run->id, "key");
    expect(client, CONTROL_RUN_ADOPTED);
    ck_assert_int_eq(run->place.kind, RUN_PLACE_USER);
    ck_assert_ptr_nonnull(strstr(journal_lines, "placed 20261125-160044-k3f9qx\n"));
    control_client_close(client);
}
END_TEST

START_TEST(no_supervisor_no_run)
{
    pid_t dead = fork();
    if (dead == 0)
        _exit(0);
    ck_assert_int_eq(waitpid(dead, NULL, 0), dead);
    struct journal_live_run known = known_run("key", dead);
    restart(&known, 1);
    ck_assert_int_eq(cancelled, 1);
    assert_closed(RUN_LOST);
    ck_assert_uint_eq(run_registry_count(daemon_.registry), 0);
    struct control_client *client = come_back(known.open.run_id, "key");
    ck_assert_int_eq(expect(client, CONTROL_REFUSED).refused.code, CONTROL_UNKNOWN_RUN);
    control_client_close(client);
}
END_TEST

START_TEST(a_supervisor_that_is_killed_is_noticed)
{
    int channels[2];
    ck_assert_int_eq(pipe(channels), 0);
    pid_t supervisor = fork();
    if (supervisor == 0) {
        char end;
        close(channels[1]);
        _exit((int)read(channels[0], &end, 1));
    }
    struct journal_live_run known = known_run("key", supervisor);
    restart(&known, 1);
    turn();
    ck_assert_int_eq(closed, 0);
    close(channels[1]);
    assert_closed(RUN_LOST);
    close(channels[0]);
    waitpid(supervisor, NULL, 0);
}
END_TEST

START_TEST(of_another_boot_or_an_older_journal)
{
    struct journal_live_run known = known_run("key", getpid());
    snprintf(known.open.boot_id, sizeof(known.open.boot_id), "another");
    restart(&known, 1);
    assert_closed(RUN_LOST);
    closed = 0;
    known = known_run("key", getpid());
    memset(known.open.key_digest, 0, sizeof(known.open.key_digest));
    restart(&known, 1);
    assert_closed(RUN_LOST);
}
END_TEST

START_TEST(nobody_else_adopts_it)
{
    struct journal_live_run known = known_run("key", getppid());
    restart(&known, 1);
    struct control_client *early = ask("tight", 0);
    ck_assert_int_eq(expect(early, CONTROL_REFUSED).refused.code, CONTROL_NO_SLOT);
    control_client_close(early);
    struct control_client *agent = come_back(known.open.run_id, "key"); // has its key
    ck_assert_int_eq(expect(agent, CONTROL_REFUSED).refused.code, CONTROL_INVALID);
    control_client_close(agent);
    known = known_run("key", getpid());
    restart(&known, 1);
    struct control_client *client = come_back(known.open.run_id, "another key");
    ck_assert_int_eq(expect(client, CONTROL_REFUSED).refused.code, CONTROL_UNKNOWN_RUN);
    control_client_close(client);
    client = come_back("20261125-160044-000000", "key");
    ck_assert_int_eq(expect(client, CONTROL_REFUSED).refused.code, CONTROL_UNKNOWN_RUN);
    control_client_close(client);
    ck_assert_int_eq(closed, 0);
}
END_TEST

START_TEST(a_connection_that_breaks_is_mended)
{
    struct control_client *client = ask("tight", 0);
    struct control_message granted = expect(client, CONTROL_GRANTED);
    say_started(client);
    struct control_client *second = come_back(granted.granted.run_id, granted.granted.run_key);
    expect(second, CONTROL_RUN_ADOPTED); // before the loss of the first was seen
    control_client_close(client);
    turn();
    ck_assert_int_eq(cancelled, 0);
    control_client_close(second);
    turn();
    struct status status = {0};
    run_registry_status(daemon_.registry, &status);
    ck_assert_str_eq(status.runs[0].state, "adrift");
    free(status.runs);
    run_registry_end(daemon_.registry, live(&granted), RUN_KILLED, "while it was away");
    ck_assert_int_eq(cancelled, 1);
    client = come_back(granted.granted.run_id, granted.granted.run_key);
    expect(client, CONTROL_RUN_ADOPTED);
    ck_assert_str_eq(expect(client, CONTROL_RUN_KILL).run_kill.text, "while it was away");
    say_adopt(client, granted.granted.run_id, granted.granted.run_key);
    ck_assert_int_eq(expect(client, CONTROL_REFUSED).refused.code, CONTROL_INVALID); // twice
    control_client_close(client);
    client = come_back(granted.granted.run_id, granted.granted.run_key);
    expect(client, CONTROL_RUN_ADOPTED);
    expect(client, CONTROL_RUN_KILL); // it may not have heard it
    say_ended(client, RUN_KILLED, 143);
    ck_assert_int_eq(expect(client, CONTROL_SETTLED).settled.end, RUN_KILLED);
    control_client_close(client);
}
END_TEST

START_TEST(the_account_is_there_for_who_comes_back_late)
{
    struct control_client *client = ask("tight", 0);
    struct control_message granted = expect(client, CONTROL_GRANTED);
    struct live_run *run = live(&granted);
    run->exchanges_in_flight = 1;
    say_ended(client, RUN_EXITED, 0);
    control_client_close(client);
    turn();
    client = come_back(granted.granted.run_id, granted.granted.run_key);
    expect(client, CONTROL_RUN_ADOPTED);
    say_ended(client, RUN_EXITED, 0);
    run->exchanges_in_flight = 0;
    run->cost_pico_usd = 8;
    run_registry_exchange_settled(daemon_.registry, run);
    ck_assert_int_eq(expect(client, CONTROL_SETTLED).settled.cost_pico_usd, 8);
    ck_assert_int_eq(closed, 1);
    control_client_close(client);
}
END_TEST

// The daemon had opened it, and was killed before it could say so.
START_TEST(who_asks_again_does_not_know_of_its_run)
{
    struct journal_live_run known = known_run("key", getpid());
    restart(&known, 1);
    struct control_client *client = ask("tight", INT64_MAX);
    expect(client, CONTROL_QUEUED);
    assert_closed(RUN_LOST);
    expect(client, CONTROL_GRANTED);
    control_client_close(client);
}
END_TEST

START_TEST(a_job_key_leads_to_the_same_run)
{
    unsigned char digest[AGENT_KEY_DIGEST_BYTES];
    struct journal_live_run known = known_run("job key", 0);
    snprintf(known.open.command, sizeof(known.open.command), "(job key)");
    restart(&known, 1);
    agent_key_digest("job key", 7, digest);
    struct live_run *run = run_registry_find_implicit(daemon_.registry, "tight", digest);
    ck_assert_str_eq(run->id, known.open.run_id);
    ck_assert_int_eq(run->cost_pico_usd, 42);
    struct control_client *client = ask("tight", 0);
    expect(client, CONTROL_GRANTED); // it has no slot
    control_client_close(client);
    assert_closed(RUN_EXITED);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("run_registry_adopt");
    TCase *tests = tcase_create("run_registry_adopt");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_restart_is_not_noticed);
    tcase_add_test(tests, a_place_that_is_not_known_is_told_again);
    tcase_add_test(tests, no_supervisor_no_run);
    tcase_add_test(tests, a_supervisor_that_is_killed_is_noticed);
    tcase_add_test(tests, of_another_boot_or_an_older_journal);
    tcase_add_test(tests, nobody_else_adopts_it);
    tcase_add_test(tests, a_connection_that_breaks_is_mended);
    tcase_add_test(tests, the_account_is_there_for_who_comes_back_late);
    tcase_add_test(tests, who_asks_again_does_not_know_of_its_run);
    tcase_add_test(tests, a_job_key_leads_to_the_same_run);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
