// Tests of alert_text.c: what each kind of alert says, and its JSON.
#include "alert_text.h"

#include "cleanup.h"
#include "money.h"
#include "suite_run.h"

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define NOON_US INT64_C(1795608000000000) // 2026-11-25T12:00:00Z

static struct live_run run = {
    .id = "20261125-120000-abcdef",
    .job = "outreach",
    .limits = {.cost_max_pico_usd = PICO_USD_PER_USD,
               .memory_max_bytes = 512 << 20,
               .runtime_max_us = 1200000000},
    .cost_pico_usd = 998765432109,
};

static struct journal_alert alert;

static void assert_alert(enum alert_kind kind, const char *subject, int64_t period_start_us,
                         const char *text)
{
    ck_assert_str_eq(alert.kind, alert_kind_name(kind));
    ck_assert_str_eq(alert.subject, subject);
    ck_assert_int_eq(alert.period_start_us, period_start_us);
    ck_assert_str_eq(alert.text, text);
    ck_assert_str_eq(alert.channels, "");
    ck_assert_int_eq(alert.raised_at_us, 0);
}

static void assert_amounts(enum alert_unit unit, int64_t amount, int64_t limit)
{
    ck_assert_int_eq(alert.unit, unit);
    ck_assert_int_eq(alert.amount, amount);
    ck_assert_int_eq(alert.limit, limit);
}

static const struct {
    struct budget_ceiling ceiling;
    const char *subject;
    const char *says; // that its text has to have
    enum alert_unit unit;
} ceilings[] = {
    {{.scope = BUDGET_RUN, .kind = BUDGET_COST, .resets_at_us = -1},
     "run 20261125-120000-abcdef cost",
     "spent by this run",
     ALERT_UNIT_PICO_USD},
    {{.scope = BUDGET_JOB_DAY, .kind = BUDGET_TOKENS, .period_start_us = NOON_US},
     "job outreach day tokens",
     "spent by this job today",
     ALERT_UNIT_TOKENS},
    {{.scope = BUDGET_JOB_MONTH, .kind = BUDGET_COST, .period_start_us = NOON_US},
     "job outreach month cost",
     "spent by this job this month",
     ALERT_UNIT_PICO_USD},
    {{.scope = BUDGET_BOX_DAY, .kind = BUDGET_OUTPUT_TOKENS, .period_start_us = NOON_US},
     "box day output_tokens",
     "spent by all jobs today",
     ALERT_UNIT_OUTPUT_TOKENS},
    {{.scope = BUDGET_BOX_MONTH, .kind = BUDGET_REQUESTS, .period_start_us = NOON_US},
     "box month requests",
     "spent by all jobs this month",
     ALERT_UNIT_REQUESTS},
};

START_TEST(ceilings_name_what_they_cover)
{
    struct budget_ceiling ceiling = ceilings[_i].ceiling;
    ceiling.settled = 7;
    ceiling.limit = 9;
    alert_of_ceiling(&alert, &run, &ceiling);
    ck_assert_str_eq(alert.kind, "ceiling");
    ck_assert_str_eq(alert.subject, ceilings[_i].subject);
    ck_assert_int_eq(alert.period_start_us, ceiling.period_start_us);
    ck_assert_ptr_nonnull(strstr(alert.text, ceilings[_i].says));
    ck_assert_int_eq(
        strncmp(alert.text,
                "run 20261125-120000-abcdef of job outreach is ended at a ceiling: ", 66),
        0);
    assert_amounts(ceilings[_i].unit, 7, 9);
    ck_assert_str_eq(alert.run_id, run.id);
    ck_assert_str_eq(alert.job, run.job);

    alert_of_soft_limit(&alert, &run, &ceiling);
    ck_assert_str_eq(alert.kind, "soft");
    ck_assert_str_eq(alert.subject, ceilings[_i].subject);
    ck_assert_int_eq(alert.period_start_us, ceiling.period_start_us);
    ck_assert_ptr_nonnull(strstr(alert.text, ceilings[_i].says));
    ck_assert_ptr_null(strstr(alert.text, "ended"));
    assert_amounts(ceilings[_i].unit, 7, 9);
}
END_TEST

START_TEST(ends_of_runs)
{
    alert_of_oom(&alert, &run, 511 << 20);
    assert_alert(ALERT_OOM, "run 20261125-120000-abcdef", 0,
                 "run 20261125-120000-abcdef of job outreach ran out of memory: it had 511 MiB");
    assert_amounts(ALERT_UNIT_BYTES, 511 << 20, 512 << 20);
    alert_of_oom(&alert, &run, -1);
    assert_alert(ALERT_OOM, "run 20261125-120000-abcdef", 0,
                 "run 20261125-120000-abcdef of job outreach ran out of memory");
    assert_amounts(ALERT_UNIT_NONE, 0, 0);
    alert_of_timeout(&alert, &run, 1205000000);
    assert_alert(ALERT_TIMEOUT, "run 20261125-120000-abcdef", 0,
                 "run 20261125-120000-abcdef of job outreach was ended, as its time was over: it "
                 "lasted 20min 5s");
    assert_amounts(ALERT_UNIT_US, 1205000000, 1200000000);
    alert_of_escape(&alert, &run, "pid 4711 (node)");
    assert_alert(ALERT_ESCAPE, "run 20261125-120000-abcdef", 0,
                 "pid 4711 (node) got out of the cgroup of run 20261125-120000-abcdef of job "
                 "outreach");
    alert_of_caller(&alert, &run, CALLER_STRANGER, 1000, true);
    assert_alert(ALERT_CALLER, "run 20261125-120000-abcdef", 0,
                 "the key of run 20261125-120000-abcdef of job outreach was used by a process of "
                 "uid 1000 outside of it: refused");
    alert_of_caller(&alert, &run, CALLER_UNTOLD, (uid_t)-1, false);
    assert_alert(ALERT_CALLER, "run 20261125-120000-abcdef", 0,
                 "the key of run 20261125-120000-abcdef of job outreach was used by somebody who "
                 "cannot be told: let pass");
}
END_TEST

START_TEST(no_limit_is_no_amount)
{
    struct live_run unlimited = run;
    unlimited.limits.memory_max_bytes = LIMIT_NONE;
    alert_of_oom(&alert, &unlimited, 5);
    assert_amounts(ALERT_UNIT_BYTES, 5, 0);
}
END_TEST

START_TEST(what_is_told_once_a_day)
{
    alert_of_credential(&alert, "main", "needs-login", "", NOON_US);
    assert_alert(ALERT_CREDENTIAL, "main needs-login", NOON_US, "credential main: needs-login");
    alert_of_credential(&alert, "main", "refused", "HTTP 401", NOON_US);
    assert_alert(ALERT_CREDENTIAL, "main refused", NOON_US, "credential main: refused: HTTP 401");
    alert_of_price(&alert, &run, "claude-x", 5, NOON_US);
    assert_alert(ALERT_PRICE, "claude-x", NOON_US,
                 "there is no price for model claude-x, which run 20261125-120000-abcdef of job "
                 "outreach uses: it is charged as the dearest one known");
    assert_amounts(ALERT_UNIT_PICO_USD, 5, 0);
    struct cache_fall fall = {
        .lost_pico_usd = 340000000000, .percent = 12, .percent_before = 91, .runs_before = 10};
    alert_of_cache(&alert, &run, &fall, NOON_US);
    assert_alert(ALERT_CACHE, "job outreach", NOON_US,
                 "the prompt cache saved job outreach 12% of what it could in run "
                 "20261125-120000-abcdef, and 91% in its 10 runs before: $0.3400 lost");
    assert_amounts(ALERT_UNIT_PICO_USD, 340000000000, 0);
}
END_TEST

START_TEST(duplicates_say_what_they_cost)
{
    alert_of_duplicate(&alert, &run, 13499, 120000000000);
    assert_alert(ALERT_DUPLICATE, "run 20261125-120000-abcdef", 0,
                 "run 20261125-120000-abcdef of job outreach sent the same request twice within "
                 "14 ms and both were billed: $0.1200 for the second one");
    assert_amounts(ALERT_UNIT_PICO_USD, 120000000000, 0);
}
END_TEST

START_TEST(names_are_nothing_but_text)
{
    alert_of_price(&alert, &run, "<!channel> @everyone `rm`\x1b[2J\n\xc3\xa9\xff", 5, 0);
    ck_assert_str_eq(alert.subject, "?!channel? ?everyone ?rm??[2J????");
    ck_assert_int_eq(
        strncmp(alert.text, "there is no price for model ?!channel? ?everyone ?rm??[2J????, ", 63),
        0);
}
END_TEST

START_TEST(long_texts_are_cut)
{
    char text[2000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    alert_of_ledger(&alert, text, 1, text);
    ck_assert_uint_eq(strlen(alert.text), JOURNAL_TEXT_MAX - 1);
    ck_assert_uint_eq(strlen(alert.subject), ALERT_SUBJECT_MAX - 1);
}
END_TEST

static void assert_json(const char *expected)
{
    cleanup_free char *made = alert_to_json(&alert, "box");
    ck_assert_ptr_nonnull(made);
    json_t *json = json_loads(made, 0, NULL);
    json_t *wanted = json_loads(expected, 0, NULL);
    ck_assert_ptr_nonnull(wanted);
    ck_assert_msg(json_equal(json, wanted) == 1, "%s", made);
    json_decref(json);
    json_decref(wanted);
}

START_TEST(json_has_exact_amounts_as_text)
{
    struct budget_ceiling ceiling = {.scope = BUDGET_RUN,
                                     .kind = BUDGET_COST,
                                     .limit = PICO_USD_PER_USD,
                                     .settled = 998765432109,
                                     .resets_at_us = -1};
    alert_of_ceiling(&alert, &run, &ceiling);
    snprintf(alert.text, sizeof(alert.text), "a \"text\" \\ of it");
    alert.raised_at_us = NOON_US + 1;
    assert_json("{\"text\": \"reeve on box: ceiling: a \\\"text\\\" \\\\ of it\","
                " \"content\": \"reeve on box: ceiling: a \\\"text\\\" \\\\ of it\","
                " \"kind\": \"ceiling\", \"id\": \"1795608000000001\","
                " \"time\": \"2026-11-25T12:00:00Z\", \"host\": \"box\","
                " \"run\": \"20261125-120000-abcdef\", \"job\": \"outreach\","
                " \"amount\": \"0.998765432109\", \"limit\": \"1.00\", \"unit\": \"usd\"}");
}
END_TEST

START_TEST(json_leaves_out_what_there_is_not)
{
    alert_of_test(&alert, NOON_US);
    alert.raised_at_us = NOON_US;
    ck_assert_str_eq(alert.text, "this is a test of 2026-11-25T12:00:00Z; all is well");
    assert_json("{\"text\": \"reeve on box: test: this is a test of 2026-11-25T12:00:00Z; all is "
                "well\", \"content\": \"reeve on box: test: this is a test of "
                "2026-11-25T12:00:00Z; all is well\", \"kind\": \"test\","
                " \"id\": \"1795608000000000\", \"time\": \"2026-11-25T12:00:00Z\","
                " \"host\": \"box\"}");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("alert_text");
    TCase *cases = tcase_create("alert_text");
    tcase_add_loop_test(cases, ceilings_name_what_they_cover, 0,
                        sizeof(ceilings) / sizeof(ceilings[0]));
    tcase_add_test(cases, ends_of_runs);
    tcase_add_test(cases, no_limit_is_no_amount);
    tcase_add_test(cases, what_is_told_once_a_day);
    tcase_add_test(cases, duplicates_say_what_they_cost);
    tcase_add_test(cases, names_are_nothing_but_text);
    tcase_add_test(cases, long_texts_are_cut);
    tcase_add_test(cases, json_has_exact_amounts_as_text);
    tcase_add_test(cases, json_leaves_out_what_there_is_not);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
