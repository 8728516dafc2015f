// Checks that the cgroups of a run are found where they can be, in a tree of ordinary files.
#include "run_remains.h"
#include "suite_run.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUN "20261125-160044-k3f9qx"

static char mount[] = "/tmp/reeve-remains.XXXXXX";

static void make(const char *path)
{
    char whole[256];
    snprintf(whole, sizeof(whole), "%s/%s", mount, path);
    ck_assert_int_eq(mkdir(whole, 0700), 0);
}

static void write_file(const char *path, const char *text)
{
    char whole[256];
    snprintf(whole, sizeof(whole), "%s/%s", mount, path);
    FILE *file = fopen(whole, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
}

static bool exists(const char *path)
{
    char whole[256];
    snprintf(whole, sizeof(whole), "%s/%s", mount, path);
    return access(whole, F_OK) == 0;
}

static void setup(void)
{
    ck_assert_ptr_nonnull(mkdtemp(mount));
}

static void teardown(void)
{
    pid_t pid = fork();
    if (pid == 0)
        execlp("rm", "rm", "-r", mount, (char *)NULL);
    waitpid(pid, NULL, 0);
}

START_TEST(v1_in_each_hierarchy)
{
    make("memory");
    make("memory/reeve");
    make("memory/reeve/" RUN);
    make("pids");
    make("pids/reeve");
    make("pids/reeve/" RUN);
    make("pids/reeve/20261125-160044-000000");
    make("freezer");
    write_file("memory/reeve/" RUN "/cgroup.procs", "");
    write_file("pids/reeve/" RUN "/cgroup.procs", "4000000\n");
    struct run_remains *remains = run_remains_find(mount, RUN);
    ck_assert(run_remains_are_populated(remains)); // in one of them is enough
    write_file("pids/reeve/" RUN "/cgroup.procs", "");
    ck_assert(!run_remains_are_populated(remains));
    run_remains_free(remains);
}
END_TEST

START_TEST(v2_wherever_it_is)
{
    write_file("cgroup.controllers", "memory pids\n");
    make("system.slice");
    make("system.slice/reeve-job.service");
    make("system.slice/reeve-job.service/supervisor");
    make("system.slice/reeve-job.service/" RUN);
    write_file("system.slice/reeve-job.service/" RUN "/cgroup.events", "populated 1\nfrozen 0\n");
    write_file("system.slice/reeve-job.service/" RUN "/cgroup.kill", "");
    struct run_remains *remains = run_remains_find(mount, RUN);
    ck_assert(run_remains_are_populated(remains)); // below it, perhaps
    run_remains_kill(remains);
    char text[8] = "";
    char path[256];
    snprintf(path, sizeof(path), "%s/system.slice/reeve-job.service/" RUN "/cgroup.kill", mount);
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(fgets(text, sizeof(text), file));
    fclose(file);
    ck_assert_str_eq(text, "1");
    run_remains_free(remains);
}
END_TEST

START_TEST(empty_ones_are_removed)
{
    write_file("cgroup.controllers", "memory pids\n");
    make("reeve");
    make("reeve/" RUN);
    make("reeve/" RUN "/below");
    make("reeve/" RUN "/below/deeper");
    struct run_remains *remains = run_remains_find(mount, RUN);
    ck_assert(!run_remains_are_populated(remains));
    ck_assert(run_remains_exist(remains));
    run_remains_remove(remains);
    ck_assert(!run_remains_exist(remains));
    ck_assert(!exists("reeve/" RUN));
    ck_assert(exists("reeve"));
    run_remains_free(remains);
}
END_TEST

START_TEST(nothing_is_left)
{
    struct run_remains *remains = run_remains_find(mount, RUN);
    ck_assert(!run_remains_are_populated(remains));
    run_remains_kill(remains);
    run_remains_remove(remains);
    run_remains_free(remains);
    ck_assert(!run_remains_are_populated(NULL));
    ck_assert(!run_remains_exist(NULL));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("run_remains");
    TCase *tests = tcase_create("run_remains");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, v1_in_each_hierarchy);
    tcase_add_test(tests, v2_wherever_it_is);
    tcase_add_test(tests, empty_ones_are_removed);
    tcase_add_test(tests, nothing_is_left);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
