// Checks who is found outside of a run's cgroup, and who is left alone, with real processes and,
// where this machine lets us make one, a real cgroup.
#include "cgroup.h"
#include "run_escape.h"
#include "run_limits.h"
#include "sleeper.h"
#include "suite_run.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEY "reeve-run-not-a-secret"

static char run_id[RUN_ID_MAX];
static struct run_cgroup *group;
static struct run_escape *escape;
static char told[1024];
static pid_t command;

static void on_found(const char *text, void *context)
{
    size_t used = strlen(told);
    (void)context;
    snprintf(told + used, sizeof(told) - used, "%s;", text);
}

static void begin(void)
{
    struct error err;
    ck_assert_int_eq(run_escape_new(&escape, run_id, KEY, on_found, NULL, &err), 0);
    command = sleeper_start("/bin/sleep", NULL);
    ck_assert_int_eq(run_cgroup_attach(group, command, &err), 0);
    run_escape_begin(escape, command, 0);
}

static void setup(void)
{
    struct run_limits limits = run_limits_none();
    struct error err;
    told[0] = '\0';
    snprintf(run_id, sizeof(run_id), "test-escape-%d", getpid());
    ck_assert_msg(run_cgroup_new(&group, RUN_CGROUP_AUTO, run_id, &limits, &err) == 0, "%s",
                  err.text);
}

static void teardown(void)
{
    sleeper_end(command);
    run_escape_free(escape);
    for (int i = 0; i < 1000 && run_cgroup_destroy(group, NULL) < 0; i++)
        poll(NULL, 0, 5);
    run_cgroup_free(group);
}

static void assert_killed(pid_t pid)
{
    char expected[64];
    snprintf(expected, sizeof(expected), "pid %d (sleep);", pid);
    ck_assert_uint_eq(run_escape_look(escape), 1);
    ck_assert_str_eq(told, ""); // it may be about to end
    ck_assert(sleeper_is_alive(pid));
    run_escape_look(escape);
    ck_assert_str_eq(told, expected);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ck_assert_uint_eq(run_escape_look(escape), 0);
    ck_assert_str_eq(told, expected); // once
    ck_assert(sleeper_is_alive(command));
}

START_TEST(who_is_inside_is_left_alone)
{
    begin();
    ck_assert_uint_eq(run_escape_look(escape), 0);
    ck_assert_uint_eq(run_escape_look(escape), 0);
    ck_assert(sleeper_is_alive(command));
    ck_assert_str_eq(told, "");
}
END_TEST

START_TEST(a_descendant_outside_is_killed)
{
    begin();
    assert_killed(sleeper_start("/bin/sleep", NULL));
}
END_TEST

START_TEST(of_another_run_it_is_left_alone)
{
    begin();
    pid_t other = sleeper_start("/bin/sleep", "REEVE_RUN=20261125-160044-k3f9qx");
    ck_assert_uint_eq(run_escape_look(escape), 0);
    ck_assert_uint_eq(run_escape_look(escape), 0);
    ck_assert(sleeper_is_alive(other));
    sleeper_end(other);
}
END_TEST

// As of `something & exec reeve run`: what descends from us may not be the run's.
START_TEST(with_children_of_before_its_environment_tells)
{
    char variable[64];
    pid_t before = sleeper_start("/bin/sleep", NULL);
    begin();
    pid_t after = sleeper_start("/bin/sleep", NULL);
    ck_assert_uint_eq(run_escape_look(escape), 0);
    snprintf(variable, sizeof(variable), "REEVE_RUN=%s", run_id);
    assert_killed(sleeper_start("/bin/sleep", variable));
    ck_assert(sleeper_is_alive(before));
    ck_assert(sleeper_is_alive(after));
    sleeper_end(after);
    sleeper_end(before);
}
END_TEST

START_TEST(or_the_run_key)
{
    pid_t before = sleeper_start("/bin/sleep", NULL);
    begin();
    assert_killed(sleeper_start("/bin/sleep", "ANTHROPIC_API_KEY=" KEY));
    sleeper_end(before);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("run_escape");
    TCase *tests = tcase_create("run_escape");
    struct run_limits limits = run_limits_none();
    struct error err;
    if (run_cgroup_new(&group, RUN_CGROUP_AUTO, "test-escape", &limits, &err) < 0) {
        printf("skipped run_escape: %s\n", err.text);
        return 0;
    }
    run_cgroup_destroy(group, NULL);
    run_cgroup_free(group);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, who_is_inside_is_left_alone);
    tcase_add_test(tests, a_descendant_outside_is_killed);
    tcase_add_test(tests, of_another_run_it_is_left_alone);
    tcase_add_test(tests, with_children_of_before_its_environment_tells);
    tcase_add_test(tests, or_the_run_key);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
