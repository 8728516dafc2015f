// Checks the last line of a run, as text and as JSON, and the exit codes.
#include "control_samples.h"
#include "run_exit.h"
#include "run_summary.h"
#include "status.h"
#include "suite_run.h"

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static struct run_summary sample(void)
{
    return (struct run_summary){.run_id = "20261125-160044-k3f9qx",
                                .job = "outreach",
                                .end = RUN_CEILING,
                                .exit_code = 100,
                                .duration_us = 200000000,
                                .memory_peak_bytes = 537185485,
                                .cpu_us = 1234567,
                                .io_read_bytes = 4096,
                                .io_written_bytes = -1,
                                .memory_stall_us = 5678,
                                .is_settled = true,
                                .account = {.end = RUN_CEILING,
                                            .exchanges = 12,
                                            .free_calls = 1,
                                            .refused = 2,
                                            .cost_pico_usd = 23572000000,
                                            .tokens = {10, 20, 30, 40, 50}}};
}

static char *print(const struct run_summary *summary, bool json)
{
    char *text = NULL;
    size_t length;
    struct error err;
    FILE *stream = open_memstream(&text, &length);
    if (json)
        ck_assert_int_eq(run_summary_print_json(summary, stream, &err), 0);
    else
        run_summary_print(summary, stream);
    fclose(stream);
    ck_assert_ptr_eq(strchr(text, '\n'), text + length - 1); // one line
    return text;
}

START_TEST(as_text)
{
    struct run_summary summary = sample();
    char *text = print(&summary, false);
    ck_assert_str_eq(text, "reeve: run 20261125-160044-k3f9qx job outreach: ceiling, exit 100, "
                           "3min 20s, 12 exchanges, tokens in 10 out 20 cache read 50 write 70, "
                           "$0.0236, 2 refused, peak 512.3M\n");
    free(text);
    summary.account.exchanges = 1;
    summary.account.refused = 0;
    summary.memory_peak_bytes = -1;
    text = print(&summary, false);
    ck_assert_ptr_nonnull(strstr(text, " 1 exchange, "));
    ck_assert_ptr_nonnull(strstr(text, "$0.0236\n"));
    free(text);
    summary.is_settled = false;
    text = print(&summary, false);
    ck_assert_ptr_nonnull(strstr(text, "account unknown (the daemon went away)\n"));
    free(text);
}
END_TEST

START_TEST(as_json)
{
    struct run_summary summary = sample();
    char *text = print(&summary, true);
    json_t *object = json_loads(text, 0, NULL);
    const char *run, *end, *cost;
    json_int_t exit_code, duration, peak, cpu, exchanges, read;
    ck_assert_int_eq(json_unpack(object, "{s:s, s:s, s:I, s:I, s:I, s:I, s:{s:I, s:s, s:{s:I}}}",
                                 "run", &run, "end", &end, "exit_code", &exit_code, "duration_ms",
                                 &duration, "memory_peak_bytes", &peak, "cpu_ms", &cpu, "account",
                                 "exchanges", &exchanges, "cost_usd", &cost, "tokens", "cache_read",
                                 &read),
                     0);
    ck_assert_str_eq(run, "20261125-160044-k3f9qx");
    ck_assert_str_eq(end, "ceiling");
    ck_assert_str_eq(cost, "0.023572");
    ck_assert_int_eq(exit_code, 100);
    ck_assert_int_eq(duration, 200000);
    ck_assert_int_eq(peak, 537185485);
    ck_assert_int_eq(cpu, 1234);
    ck_assert_int_eq(exchanges, 12);
    ck_assert_int_eq(read, 50);
    ck_assert_int_eq(json_integer_value(json_object_get(object, "io_read_bytes")), 4096);
    ck_assert(json_is_null(json_object_get(object, "io_written_bytes")));
    ck_assert_int_eq(json_integer_value(json_object_get(object, "memory_stall_ms")), 5);
    json_decref(object);
    free(text);
    summary.is_settled = false;
    summary.cpu_us = -1;
    text = print(&summary, true);
    object = json_loads(text, 0, NULL);
    ck_assert(json_is_null(json_object_get(object, "account")));
    ck_assert(json_is_null(json_object_get(object, "cpu_ms")));
    json_decref(object);
    free(text);
}
END_TEST

START_TEST(exit_codes)
{
    ck_assert_int_eq(run_exit_code(RUN_EXITED, 3), 3);
    ck_assert_int_eq(run_exit_code(RUN_SIGNALED, 139), 139);
    ck_assert_int_eq(run_exit_code(RUN_CEILING, 0), 100);
    ck_assert_int_eq(run_exit_code(RUN_OUT_OF_MEMORY, 137), 101);
    ck_assert_int_eq(run_exit_code(RUN_TIMEOUT, 143), 102);
    ck_assert_int_eq(run_exit_code(RUN_KILLED, 143), 103);
}
END_TEST

START_TEST(status_as_text)
{
    struct control_message message;
    char *text = NULL;
    size_t length;
    sample_message(CONTROL_STATUS_REPLY, &message);
    FILE *stream = open_memstream(&text, &length);
    status_print(&message.status, stream);
    fclose(stream);
    static const char *const expected[] = {
        "reeve 1.2.3, pid 4711, up 1min 0s, 127.0.0.1:8377 -> https://api.anthropic.com\n",
        "slots: 1 of 2 taken, 1 waiting; 1 exchanges in flight\n",
        "memory: 1.0G of 7.0G taken by MemoryMax= of runs\n",
        "ledger: behind: connection refused, 4096 bytes behind\n",
        "20261125-160044-k3f9qx  outreach         running",
        "$0.1234 of $0.5000",
        " 1500         4\n",
        "nightly                13       -2      10.0s  all 2 slots are taken\n",
        "main             oauth        expired   2026-11-25T16:00:44Z invalid_grant\n",
        "$2.50 of $10.00          $1.00 2026-11-26T00:00:00Z\n",
        "2500000000000 of 10000000000000",
    };
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        ck_assert_msg(strstr(text, expected[i]) != NULL, "%s\nlacks %s", text, expected[i]);
    free(text);
    control_message_done(&message);
}
END_TEST

START_TEST(status_as_json)
{
    struct control_message message;
    struct error err;
    char *text = NULL;
    size_t length;
    sample_message(CONTROL_STATUS_REPLY, &message);
    FILE *stream = open_memstream(&text, &length);
    ck_assert_int_eq(status_print_json(&message.status, stream, &err), 0);
    fclose(stream);
    json_t *object = json_loads(text, 0, NULL);
    const char *cost, *opened, *job, *credential, *limit;
    json_int_t slots, lag, tokens;
    ck_assert_int_eq(json_unpack(object,
                                 "{s:I, s:I, s:[{s:s, s:s}], s:[{s:s}], s:[{s:s}], "
                                 "s:[{s:s}, {s:I}]}",
                                 "slots", &slots, "ledger_lag_bytes", &lag, "runs", "cost_usd",
                                 &cost, "opened_at", &opened, "waiting", "job", &job, "credentials",
                                 "name", &credential, "ceilings", "limit", &limit, "limit",
                                 &tokens),
                     0);
    ck_assert_int_eq(slots, 2);
    ck_assert_int_eq(lag, 4096);
    ck_assert_str_eq(cost, "0.1234");
    ck_assert_str_eq(opened, "2026-11-25T16:00:44Z");
    ck_assert_str_eq(job, "nightly");
    ck_assert_str_eq(credential, "main");
    ck_assert_str_eq(limit, "10.00");
    ck_assert_int_eq(tokens, 10000000000000);
    ck_assert(json_is_null(
        json_object_get(json_array_get(json_object_get(object, "runs"), 0), "tokens_max")));
    json_decref(object);
    free(text);
    control_message_done(&message);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("run_summary");
    TCase *tests = tcase_create("run_summary");
    tcase_add_test(tests, as_text);
    tcase_add_test(tests, as_json);
    tcase_add_test(tests, exit_codes);
    tcase_add_test(tests, status_as_text);
    tcase_add_test(tests, status_as_json);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
