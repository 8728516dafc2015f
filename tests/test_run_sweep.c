// Checks whom a sweep kills, and whom it leaves alone, with real processes. What it finds by cgroup
// v2 is in tests/vm/escape.sh.
#include "process_stat.h"
#include "run_sweep.h"
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

#define RUN "20261125-160044-k3f9qx"

static char told[1024];

static void on_found(const char *text, void *context)
{
    size_t used = strlen(told);
    snprintf(told + used, sizeof(told) - used, "%s%s;", (const char *)context, text);
}

static void sweep_until_clean(struct run_sweep *sweep)
{
    for (int i = 0; run_sweep(sweep) > 0; i++) {
        ck_assert_int_lt(i, 1000);
        poll(NULL, 0, 5);
    }
}

// The one that sweeps is younger than nobody but the run.
static void sweep_in_child(void (*test)(struct run_sweep *sweep))
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        struct run_sweep sweep;
        run_sweep_init(&sweep, RUN, "", on_found, (void *)(uintptr_t) "found ");
        test(&sweep);
        _exit(EXIT_SUCCESS);
    }
    waitpid(pid, &status, 0);
    ck_assert_int_eq(status, 0);
}

static void kill_the_marked(struct run_sweep *sweep)
{
    char expected[64];
    pid_t marked = sleeper_start("/bin/sleep", "REEVE_RUN=" RUN);
    pid_t others = sleeper_start("/bin/sleep", "REEVE_RUN=20261125-160044-000000");
    pid_t unmarked = sleeper_start("/bin/sleep", "REEVE_RUNNER=" RUN);
    snprintf(expected, sizeof(expected), "found pid %d (sleep);", marked);
    sweep_until_clean(sweep);
    if (sleeper_is_alive(marked) || !sleeper_is_alive(others) || !sleeper_is_alive(unmarked) ||
        strcmp(told, expected) != 0)
        _exit(EXIT_FAILURE);
    sleeper_end(others);
    sleeper_end(unmarked);
}

START_TEST(who_has_the_mark_is_killed_and_told_of_once)
{
    sweep_in_child(kill_the_marked);
}
END_TEST

static pid_t before;

static void leave_the_older(struct run_sweep *sweep)
{
    if (run_sweep(sweep) != 0 || told[0] != '\0')
        _exit(EXIT_FAILURE);
}

// Such as who starts a run inside of a run: its own supervisor is not the run's.
START_TEST(who_is_older_is_left_alone)
{
    struct process_stat stat, own;
    before = sleeper_start("/bin/sleep", "REEVE_RUN=" RUN);
    ck_assert(process_stat_read(before, &stat));
    do { // until the clock of /proc has gone on
        poll(NULL, 0, 5);
        pid_t pid = sleeper_start("/bin/sleep", "");
        ck_assert(process_stat_read(pid, &own));
        sleeper_end(pid);
    } while (own.started == stat.started);
    sweep_in_child(leave_the_older);
    ck_assert(sleeper_is_alive(before));
    sleeper_end(before);
}
END_TEST

START_TEST(a_name_may_hold_anything)
{
    char program[] = "/tmp/reeve) S 1 (.XXXXXX", expected[PROCESS_NAME_MAX], command[128];
    struct process_stat stat;
    int fd = mkstemp(program);
    ck_assert_int_ge(fd, 0);
    close(fd); // or it could not be executed
    snprintf(command, sizeof(command), "cp -p /bin/sleep '%s'", program);
    pid_t copier = fork();
    if (copier == 0)
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    waitpid(copier, NULL, 0);
    pid_t pid = sleeper_start(program, "");
    unlink(program);
    ck_assert(process_stat_read(pid, &stat));
    // Cut as by the kernel.
    snprintf(expected, sizeof(expected), "%.15s", program + strlen("/tmp/"));
    ck_assert_str_eq(stat.name, expected);
    ck_assert_int_eq(stat.parent, getpid());
    sleeper_end(pid);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("run_sweep");
    TCase *tests = tcase_create("run_sweep");
    tcase_add_test(tests, who_has_the_mark_is_killed_and_told_of_once);
    tcase_add_test(tests, who_is_older_is_left_alone);
    tcase_add_test(tests, a_name_may_hold_anything);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
