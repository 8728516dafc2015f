// Checks which runs have to wait, which can never start, and what the status says of it.
#include "guard_supervisor.h"
#include "suite_run.h"

static int64_t pressure;

static int64_t on_read_pressure(void *context)
{
    (void)context;
    return pressure;
}

static void setup(void)
{
    pressure = 0;
    guard_daemon_open(&daemon_,
                      "[Reeve]\nSlots=3\nPressureMax=10%\n"
                      "[Job small]\nMemoryMax=20M\n[Job large]\nMemoryMax=80M\n"
                      "[Job huge]\nMemoryMax=101M\n",
                      (struct run_registry_options){.memory_for_runs = 100 << 20,
                                                    .read_pressure = on_read_pressure});
}

static void teardown(void)
{
    guard_daemon_close(&daemon_);
}

static void assert_waits(size_t place, const char *why)
{
    struct status status = {0};
    run_registry_status(daemon_.registry, &status);
    ck_assert_uint_gt(status.waiting_count, place);
    ck_assert_str_eq(status.waiting[place].why, why);
    free(status.runs);
    free(status.waiting);
}

START_TEST(memory_is_never_promised_twice)
{
    struct control_client *first = ask("small", 0);
    expect(first, CONTROL_GRANTED);
    struct control_client *second = ask("small", 0);
    expect(second, CONTROL_GRANTED);
    struct control_client *large = ask("large", INT64_MAX);
    expect(large, CONTROL_QUEUED);
    assert_waits(0, "its MemoryMax=80.0M does not fit: running runs leave 60.0M");
    struct control_client *third = ask("small", INT64_MAX); // would fit
    expect(third, CONTROL_QUEUED);
    assert_waits(1, "others are before it");
    struct status status = {0};
    run_registry_status(daemon_.registry, &status);
    ck_assert_int_eq(status.memory_taken_bytes, 40 << 20);
    ck_assert_int_eq(status.memory_for_runs_bytes, 100 << 20);
    free(status.runs);
    free(status.waiting);
    expect_nothing(first);
    say_ended(first, RUN_EXITED, 0);
    expect(large, CONTROL_QUEUED);
    expect(large, CONTROL_GRANTED); // 80 and 20 are all of it
    expect(third, CONTROL_QUEUED);
    assert_waits(0, "its MemoryMax=20.0M does not fit: running runs leave 0B");
    say_ended(second, RUN_EXITED, 0);
    expect(third, CONTROL_GRANTED);
    control_client_close(first);
    control_client_close(second);
    control_client_close(third);
    control_client_close(large);
}
END_TEST

START_TEST(who_has_no_limit_is_not_counted)
{
    struct control_client *free_one = ask("other", 0);
    expect(free_one, CONTROL_GRANTED);
    struct control_client *large = ask("large", 0);
    expect(large, CONTROL_GRANTED);
    control_client_close(free_one);
    control_client_close(large);
}
END_TEST

START_TEST(what_can_never_fit_is_refused_at_once)
{
    struct control_client *huge = ask("huge", INT64_MAX);
    struct control_message refused = expect(huge, CONTROL_REFUSED);
    ck_assert_int_eq(refused.refused.code, CONTROL_INVALID);
    ck_assert_str_eq(refused.refused.text,
                     "MemoryMax=101.0M can never be had: MemoryReserve= leaves 100.0M of this "
                     "machine's memory to runs; ask for at most that");
    control_client_close(huge);
}
END_TEST

START_TEST(pressure_holds_new_runs_back)
{
    struct control_client *first = ask("small", 0);
    expect(first, CONTROL_GRANTED);
    pressure = 1001;
    struct control_client *hasty = ask("small", 0);
    struct control_message refused = expect(hasty, CONTROL_REFUSED);
    ck_assert_int_eq(refused.refused.code, CONTROL_NO_SLOT);
    ck_assert_str_eq(refused.refused.text, "memory pressure is 10.01%, above PressureMax=10%");
    struct control_client *patient = ask("small", INT64_MAX);
    expect(patient, CONTROL_QUEUED);
    assert_waits(0, "memory pressure is 10.01%, above PressureMax=10%");
    expect_nothing(first); // those that run are left alone
    pressure = 1000;
    while (run_registry_waiting(daemon_.registry) > 0) // it is looked at again
        event_base_loop(daemon_.base, EVLOOP_ONCE);
    expect(patient, CONTROL_GRANTED);
    control_client_close(first);
    control_client_close(hasty);
    control_client_close(patient);
}
END_TEST

START_TEST(a_kernel_that_does_not_tell_holds_nobody_back)
{
    pressure = -1;
    struct control_client *first = ask("small", 0);
    expect(first, CONTROL_GRANTED);
    control_client_close(first);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("run_registry_admission");
    TCase *tests = tcase_create("run_registry_admission");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, memory_is_never_promised_twice);
    tcase_add_test(tests, who_has_no_limit_is_not_counted);
    tcase_add_test(tests, what_can_never_fit_is_refused_at_once);
    tcase_add_test(tests, pressure_holds_new_runs_back);
    tcase_add_test(tests, a_kernel_that_does_not_tell_holds_nobody_back);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
