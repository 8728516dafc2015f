// Checks what is written to and read from cgroup v2 files, in a tree of ordinary files, and the
// files that v1 and v2 share. Real cgroups are in test_run.c.
#include "cgroup_events.h"
#include "cgroup_place.h"
#include "run_limits.h"
#include "suite_run.h"

#include <check.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ID "20261125-160044-k3f9qx"

static char top[] = "/var/tmp/reeve-cgroup.XXXXXX";
static struct cgroup_v2_place place;
static struct run_limits limits;
static struct run_cgroup *group;
static struct error err;

static const char *path_of(const char *name)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", top, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(path_of(name), "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static void assert_file(const char *name, const char *text)
{
    char found[1024] = "";
    ck_assert_int_eq(cgroup_file_read(AT_FDCWD, path_of(name), found, sizeof(found)), 0);
    ck_assert_str_eq(found, text);
}

static bool exists(const char *name)
{
    return access(path_of(name), F_OK) == 0;
}

static void setup(void)
{
    ck_assert_ptr_nonnull(mkdtemp(top));
    snprintf(place.directory, sizeof(place.directory), "%s", top);
    place.holds_supervisor = true;
    limits = run_limits_none();
    // What the kernel would put there, as far as it is asked for.
    write_file("cgroup.controllers", "cpuset cpu io memory pids\n");
    ck_assert_int_eq(mkdir(path_of(ID), 0755), 0);
    write_file(ID "/memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n");
    write_file(ID "/cgroup.events", "populated 0\nfrozen 0\n");
}

static void teardown(void)
{
    char command[128];
    run_cgroup_free(group);
    snprintf(command, sizeof(command), "rm -r %s", top);
    pid_t pid = fork();
    if (pid == 0)
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    waitpid(pid, NULL, 0);
}

static void make(void)
{
    ck_assert_int_eq(cgroup_v2_new(&group, &place, ID, &limits, &err), 0);
}

START_TEST(limits_are_written)
{
    limits.memory_max_bytes = 512 << 20;
    limits.memory_high_bytes = 400 << 20;
    limits.memory_swap_max_bytes = 0;
    limits.tasks_max = 256;
    limits.cpu_quota_percent = 150;
    make();
    assert_file(ID "/memory.max", "536870912");
    assert_file(ID "/memory.high", "419430400");
    assert_file(ID "/memory.swap.max", "0");
    assert_file(ID "/memory.oom.group", "1");
    assert_file(ID "/pids.max", "256");
    assert_file(ID "/cpu.max", "150000 100000");
    assert_file("cgroup.subtree_control", "+memory +pids +cpu");
    ck_assert_str_eq(run_cgroup_path(group), path_of(ID));
    ck_assert_int_ge(run_cgroup_spawn_fd(group), 0);
}
END_TEST

START_TEST(no_limit_is_not_written)
{
    make();
    static const char *const names[] = {"memory.max", "memory.high", "memory.swap.max", "pids.max",
                                        "cpu.max"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char name[128];
        snprintf(name, sizeof(name), ID "/%s", names[i]);
        ck_assert_msg(!exists(name), "%s", name);
    }
    assert_file("cgroup.subtree_control", "+memory +pids");
}
END_TEST

START_TEST(the_supervisor_steps_aside_and_back)
{
    char pid[24];
    snprintf(pid, sizeof(pid), "%d", getpid());
    make();
    assert_file("supervisor/cgroup.procs", pid);
    // Files do not go with a directory here as they do in the kernel.
    unlink(path_of(ID "/memory.events"));
    unlink(path_of(ID "/cgroup.events"));
    unlink(path_of(ID "/memory.oom.group"));
    ck_assert_int_eq(run_cgroup_destroy(group, &err), -ENOTEMPTY); // supervisor/cgroup.procs
    ck_assert(!exists(ID));
    assert_file("cgroup.procs", pid);
    assert_file("cgroup.subtree_control", "-memory -pids -cpu");
    unlink(path_of("supervisor/cgroup.procs"));
    ck_assert_int_eq(run_cgroup_destroy(group, &err), 0);
    ck_assert(!exists("supervisor"));
    ck_assert_int_eq(run_cgroup_destroy(group, &err), 0); // once more changes nothing
}
END_TEST

START_TEST(roots_own_place_needs_no_stepping_aside)
{
    place.holds_supervisor = false;
    make();
    ck_assert(!exists("supervisor"));
}
END_TEST

START_TEST(a_controller_that_is_missing_is_named)
{
    write_file("cgroup.controllers", "cpu memory\n");
    ck_assert_int_eq(cgroup_v2_new(&group, &place, ID, &limits, &err), -ENOTSUP);
    ck_assert_ptr_nonnull(strstr(err.text, "the cgroup controller pids is not available in"));
    write_file("cgroup.controllers", "memory pids\n");
    limits.cpu_quota_percent = 50;
    ck_assert_int_eq(cgroup_v2_new(&group, &place, ID, &limits, &err), -ENOTSUP);
    ck_assert_ptr_nonnull(strstr(err.text, "controller cpu "));
    ck_assert_ptr_null(group);
}
END_TEST

START_TEST(usage_is_read)
{
    struct run_cgroup_usage usage;
    make();
    run_cgroup_read_usage(group, &usage);
    ck_assert_int_eq(usage.memory_peak_bytes, -1); // an older kernel
    ck_assert_int_eq(usage.cpu_us, -1);
    ck_assert_int_eq(usage.oom_kills, 0);
    ck_assert_int_eq(usage.io_read_bytes, -1);   // the controller is not delegated
    ck_assert_int_eq(usage.memory_stall_us, -1); // nor does the kernel have PSI
    write_file(ID "/io.stat", "8:0 rbytes=4096 wbytes=512 rios=1 wios=1 dbytes=0 dios=0\n"
                              "8:16 rbytes=100 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n");
    write_file(ID "/memory.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=77\n"
                                      "full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n");
    write_file(ID "/memory.peak", "1048576\n");
    write_file(ID "/cpu.stat", "usage_usec 1234\nuser_usec 1000\n");
    // One out-of-memory of a group counts each of its processes in oom_kill.
    write_file(ID "/memory.events", "oom 1\noom_kill 3\noom_group_kill 1\n");
    run_cgroup_read_usage(group, &usage);
    ck_assert_int_eq(usage.memory_peak_bytes, 1048576);
    ck_assert_int_eq(usage.cpu_us, 1234);
    ck_assert_int_eq(usage.io_read_bytes, 4196);
    ck_assert_int_eq(usage.io_written_bytes, 512);
    ck_assert_int_eq(usage.memory_stall_us, 77);
    ck_assert_int_eq(usage.oom_kills, 1);
    write_file(ID "/memory.events", "oom 1\noom_kill 3\n"); // an older kernel
    run_cgroup_read_usage(group, &usage);
    ck_assert_int_eq(usage.oom_kills, 3);
}
END_TEST

static bool has_event(void)
{
    struct pollfd poller = {.fd = run_cgroup_event_fd(group), .events = POLLIN};
    return poll(&poller, 1, 0) == 1;
}

START_TEST(events_wake_us)
{
    make();
    ck_assert(!run_cgroup_is_populated(group));
    ck_assert(!has_event());
    write_file(ID "/cgroup.events", "populated 1\n");
    ck_assert(has_event());
    cgroup_events_drain(run_cgroup_event_fd(group));
    ck_assert(!has_event());
    ck_assert(run_cgroup_is_populated(group));
    write_file(ID "/memory.events", "oom_kill 1\n");
    ck_assert(has_event());
}
END_TEST

START_TEST(kill_is_one_write_where_the_kernel_can)
{
    make();
    write_file(ID "/cgroup.kill", "");
    run_cgroup_kill(group);
    assert_file(ID "/cgroup.kill", "1");
}
END_TEST

START_TEST(kill_is_one_by_one_where_it_cannot)
{
    char pid[24];
    int status;
    make();
    pid_t child = fork();
    if (child == 0)
        for (;;)
            pause();
    snprintf(pid, sizeof(pid), "0\n%d\n", child); // 0: of another pid namespace
    write_file(ID "/cgroup.procs", pid);
    run_cgroup_kill(group);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    ck_assert(!exists(ID "/cgroup.kill"));
}
END_TEST

// As its processes can make them.
START_TEST(cgroups_below_are_the_runs)
{
    char pid[24];
    int status;
    make();
    ck_assert_int_eq(mkdir(path_of(ID "/a"), 0755), 0);
    ck_assert_int_eq(mkdir(path_of(ID "/a/b"), 0755), 0);
    ck_assert_int_eq(mkdir(path_of(ID "/c"), 0755), 0);
    pid_t child = fork();
    if (child == 0)
        for (;;)
            pause();
    snprintf(pid, sizeof(pid), "%d\n", child);
    write_file(ID "/a/b/cgroup.procs", pid);
    run_cgroup_signal(group, SIGUSR1);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
    unlink(path_of(ID "/a/b/cgroup.procs")); // files go with their directory in the kernel
    unlink(path_of(ID "/memory.events"));
    unlink(path_of(ID "/cgroup.events"));
    unlink(path_of(ID "/memory.oom.group"));
    unlink(path_of("supervisor/cgroup.procs"));
    ck_assert_int_eq(run_cgroup_destroy(group, &err), 0);
    ck_assert(!exists(ID));
}
END_TEST

// Delegates the cgroup ID to this user. False: this file system cannot tell.
static bool delegate(void)
{
    if (setxattr(path_of(ID), "user.delegate", "1", 1, 0) == 0)
        return true;
    ck_assert_int_eq(errno, ENOTSUP);
    return false;
}

START_TEST(a_delegated_cgroup_is_ours)
{
    enum cgroup_own own;
    write_file(ID "/cgroup.procs", "123\n");
    if (!delegate())
        return;
    ck_assert_int_eq(cgroup_place_look(&place, &own, top, "/" ID, &err), 0);
    ck_assert_int_eq(own, CGROUP_OWN_USABLE);
    ck_assert_str_eq(place.directory, path_of(ID));
    ck_assert(place.holds_supervisor);
}
END_TEST

START_TEST(one_with_other_processes_is_shared)
{
    enum cgroup_own own;
    write_file(ID "/cgroup.procs", "123\n124\n");
    if (!delegate())
        return;
    ck_assert_int_eq(cgroup_place_look(&place, &own, top, "/" ID, &err), 0);
    ck_assert_int_eq(own, CGROUP_OWN_SHARED);
}
END_TEST

START_TEST(one_that_is_not_delegated_is_foreign)
{
    enum cgroup_own own;
    write_file(ID "/cgroup.procs", "123\n");
    ck_assert_int_eq(cgroup_place_look(&place, &own, top, "/" ID, &err), 0);
    ck_assert_int_eq(own, CGROUP_OWN_FOREIGN);
}
END_TEST

START_TEST(one_that_is_delegated_to_another_user_is_foreign)
{
    enum cgroup_own own;
    write_file(ID "/cgroup.procs", "123\n");
    if (geteuid() != 0 || !delegate())
        return;
    ck_assert_int_eq(chmod(top, 0755), 0);
    pid_t pid = fork(); // teardown needs its rights
    if (pid == 0)
        _exit(setuid(65534) == 0 && cgroup_place_look(&place, &own, top, "/" ID, &err) == 0 &&
                      own == CGROUP_OWN_FOREIGN
                  ? 0
                  : 1);
    int status;
    waitpid(pid, &status, 0);
    ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(root_has_a_place_of_its_own)
{
    if (geteuid() != 0)
        return;
    ck_assert_int_eq(cgroup_place_of_root(&place, top, &err), 0);
    ck_assert_str_eq(place.directory, path_of("reeve"));
    ck_assert(!place.holds_supervisor);
    ck_assert(exists("reeve"));
    assert_file("cgroup.subtree_control", "+memory +pids +cpu");
}
END_TEST

START_TEST(others_are_told_what_to_do)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (geteuid() == 0 && setuid(65534) != 0)
            _exit(1);
        int result = cgroup_place_of_root(&place, top, &err);
        _exit(result == -EPERM && strstr(err.text, "--no-cgroup") != NULL ? 0 : 1);
    }
    int status;
    waitpid(pid, &status, 0);
    ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(the_path_of_a_process_is_read)
{
    char found[RUN_CGROUP_PATH_MAX] = "untouched";
    int fd = open(top, O_RDONLY | O_DIRECTORY);
    ck_assert_int_eq(cgroup_read_path(fd, found, &err), -ENOENT);
    write_file("cgroup", "12:memory:/x\n1:name=systemd:/y\n");
    ck_assert_int_eq(cgroup_read_path(fd, found, &err), -ENOENT);
    ck_assert_str_eq(found, "untouched");
    write_file("cgroup", "1:name=systemd:/y\n0::/system.slice/a b.service\n");
    ck_assert_int_eq(cgroup_read_path(fd, found, &err), 0);
    ck_assert_str_eq(found, "/system.slice/a b.service");
    close(fd);
}
END_TEST

START_TEST(files)
{
    char text[8];
    int fd = open(top, O_RDONLY | O_DIRECTORY);
    write_file("number", "123\n");
    write_file("max", "max\n");
    write_file("members", "oom 1\noom_kill 22\n");
    ck_assert_int_eq(cgroup_file_number(fd, "number"), 123);
    ck_assert_int_eq(cgroup_file_number(fd, "max"), -1);
    ck_assert_int_eq(cgroup_file_number(fd, "missing"), -1);
    ck_assert_int_eq(cgroup_file_member(fd, "members", "oom"), 1);
    ck_assert_int_eq(cgroup_file_member(fd, "members", "oom_kill"), 22);
    ck_assert_int_eq(cgroup_file_member(fd, "members", "oom_kil"), -1);
    ck_assert_int_eq(cgroup_file_member(fd, "missing", "oom"), -1);
    ck_assert_int_eq(cgroup_file_read(fd, "members", text, sizeof(text)), 0);
    ck_assert_str_eq(text, "oom 1\no"); // cut
    ck_assert_int_eq(cgroup_file_write(fd, "no/such", "x", &err), -ENOENT);
    ck_assert_uint_eq(cgroup_file_signal(fd, 0), 0); // no cgroup.procs
    close(fd);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cgroup");
    TCase *tests = tcase_create("cgroup");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, limits_are_written);
    tcase_add_test(tests, no_limit_is_not_written);
    tcase_add_test(tests, the_supervisor_steps_aside_and_back);
    tcase_add_test(tests, roots_own_place_needs_no_stepping_aside);
    tcase_add_test(tests, a_controller_that_is_missing_is_named);
    tcase_add_test(tests, usage_is_read);
    tcase_add_test(tests, events_wake_us);
    tcase_add_test(tests, kill_is_one_write_where_the_kernel_can);
    tcase_add_test(tests, kill_is_one_by_one_where_it_cannot);
    tcase_add_test(tests, cgroups_below_are_the_runs);
    tcase_add_test(tests, a_delegated_cgroup_is_ours);
    tcase_add_test(tests, one_with_other_processes_is_shared);
    tcase_add_test(tests, one_that_is_not_delegated_is_foreign);
    tcase_add_test(tests, one_that_is_delegated_to_another_user_is_foreign);
    tcase_add_test(tests, root_has_a_place_of_its_own);
    tcase_add_test(tests, others_are_told_what_to_do);
    tcase_add_test(tests, the_path_of_a_process_is_read);
    tcase_add_test(tests, files);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
