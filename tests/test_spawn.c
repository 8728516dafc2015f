// Checks how a command is started, in a real cgroup where this machine lets us make one, and
// without: where it is and what it has done when its caller hears of it, and what is told if it
// cannot start.
#include "run_limits.h"
#include "spawn.h"
#include "suite_run.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const enum run_cgroup_choice choices[] = {RUN_CGROUP_NONE, RUN_CGROUP_AUTO};
static struct run_cgroup *group;
static struct terminal terminal = {.fd = -1};
static char mark[32]; // a file that the command removes
static bool was_placed;

static int make_group(enum run_cgroup_choice choice, struct error *err)
{
    struct run_limits limits = run_limits_none();
    char run_id[RUN_ID_MAX];
    snprintf(run_id, sizeof(run_id), "test-spawn-%d", getpid());
    return run_cgroup_new(&group, choice, run_id, &limits, err);
}

static int start(const char *program, void (*placed)(pid_t, void *), pid_t *pid, struct error *err)
{
    char *argv[] = {(char *)program, mark, NULL};
    char *environment[] = {(char *)"PATH=/usr/bin:/bin", NULL};
    struct spawn_options options = {.argv = argv,
                                    .environment = environment,
                                    .group = group,
                                    .terminal = &terminal,
                                    .placed = placed};
    return spawn_command(&options, pid, err);
}

// In its cgroup already, and it has not begun.
static void on_placed(pid_t pid, void *context)
{
    (void)context;
    was_placed = true;
    ck_assert_int_eq(kill(pid, 0), 0);
    ck_assert_int_eq(access(mark, F_OK), 0);
    if (*run_cgroup_directory(group) != '\0')
        ck_assert(run_cgroup_is_populated(group));
}

START_TEST(it_is_in_its_place_before_it_begins)
{
    struct error err;
    pid_t pid;
    int status, fd;
    ck_assert_msg(make_group(choices[_i], &err) == 0, "%s", err.text);
    snprintf(mark, sizeof(mark), "/tmp/reeve-spawn.XXXXXX");
    ck_assert_int_ge(fd = mkstemp(mark), 0);
    close(fd);
    was_placed = false;
    ck_assert_msg(start("rm", on_placed, &pid, &err) == 0, "%s", err.text);
    ck_assert(was_placed);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_int_ne(access(mark, F_OK), 0);
    ck_assert_int_eq(run_cgroup_destroy(group, &err), 0);
    run_cgroup_free(group);
}
END_TEST

START_TEST(what_cannot_be_executed_is_named)
{
    struct error err;
    pid_t pid;
    ck_assert_msg(make_group(choices[_i], &err) == 0, "%s", err.text);
    ck_assert_int_eq(start("no-such-program", NULL, &pid, &err), -ENOENT);
    ck_assert_str_eq(err.text, "executing no-such-program: No such file or directory");
    ck_assert_int_eq(start("/etc/passwd", NULL, &pid, &err), -EACCES);
    ck_assert_int_eq(run_cgroup_destroy(group, &err), 0); // nothing of them is in it
    run_cgroup_free(group);
}
END_TEST

START_TEST(without_its_cgroup_it_does_not_begin)
{
    struct error err;
    pid_t pid;
    ck_assert_int_eq(make_group(RUN_CGROUP_AUTO, &err), 0);
    ck_assert_int_eq(run_cgroup_destroy(group, &err), 0);
    err = (struct error){0};
    ck_assert_int_lt(start("true", on_placed, &pid, &err), 0);
    ck_assert_str_ne(err.text, "");
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
    run_cgroup_free(group);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spawn");
    TCase *tests = tcase_create("spawn");
    struct error err;
    int choice_count = make_group(RUN_CGROUP_AUTO, &err) == 0 ? 2 : 1; // the last may not be had
    if (choice_count == 2) {
        run_cgroup_destroy(group, NULL);
        run_cgroup_free(group);
        tcase_add_test(tests, without_its_cgroup_it_does_not_begin);
    } else {
        printf("spawn without a cgroup only: %s\n", err.text);
    }
    tcase_add_loop_test(tests, it_is_in_its_place_before_it_begins, 0, choice_count);
    tcase_add_loop_test(tests, what_cannot_be_executed_is_named, 0, choice_count);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
