// Tests of run_place.c: whose socket it is, by directories that stand for cgroups.
#include "run_place.h"
#include "suite_run.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUN "20261125-160044-k3f9qx"

static char work[64];

static void set_up(void)
{
    snprintf(work, sizeof(work), "/tmp/reeve-place.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(work));
}

static void tear_down(void)
{
    char command[128];
    pid_t pid = fork();
    snprintf(command, sizeof(command), "%s", work);
    if (pid == 0)
        execlp("rm", "rm", "-rf", command, NULL);
    waitpid(pid, NULL, 0);
}

// Makes a directory below `work`; returns its inode.
static ino_t make_directory(const char *name)
{
    char path[128];
    struct stat status;
    snprintf(path, sizeof(path), "%s/%s", work, name);
    ck_assert_int_eq(mkdir(path, 0755), 0);
    ck_assert_int_eq(stat(path, &status), 0);
    return status.st_ino;
}

// Writes the pids, up to a 0, into NAME/cgroup.procs.
static void list_processes(const char *name, const pid_t *pids)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s/cgroup.procs", work, name);
    FILE *file = fopen(path, "w");
    for (; *pids != 0; pids++)
        fprintf(file, "%d\n", *pids);
    fclose(file);
}

static struct run_place place_of(enum run_place_kind kind, const char *name, ino_t id)
{
    struct run_place place = {.kind = kind, .uid = 1000, .cgroup_id = id};
    snprintf(place.directory, sizeof(place.directory), "%s/%s", work, name);
    return place;
}

static enum run_place_answer ask_cgroup(const struct run_place *place, ino_t id)
{
    return run_place_holds(place, &(struct socket_owner){.cgroup_id = id});
}

START_TEST(cgroup_of_the_run_and_those_below_it)
{
    struct run_place place = place_of(RUN_PLACE_CGROUP, "run", make_directory("run"));
    ino_t below = make_directory("run/a"), deeper = make_directory("run/a/b");
    ino_t beside = make_directory("beside"), below_beside = make_directory("beside/a");
    ck_assert_int_eq(ask_cgroup(&place, place.cgroup_id), RUN_PLACE_HOLDS);
    ck_assert_int_eq(ask_cgroup(&place, below), RUN_PLACE_HOLDS);
    ck_assert_int_eq(ask_cgroup(&place, deeper), RUN_PLACE_HOLDS);
    ck_assert_int_eq(ask_cgroup(&place, beside), RUN_PLACE_HOLDS_NOT);
    ck_assert_int_eq(ask_cgroup(&place, below_beside), RUN_PLACE_HOLDS_NOT);
    ck_assert_int_eq(ask_cgroup(&place, 0), RUN_PLACE_HOLDS_NOT);
    place = place_of(RUN_PLACE_CGROUP, "gone", 1);
    ck_assert_int_eq(ask_cgroup(&place, beside), RUN_PLACE_HOLDS_NOT);
}
END_TEST

// An agent may make cgroups below its own; they do not keep the daemon busy for long.
START_TEST(search_has_an_end)
{
    char name[128] = "deep";
    struct run_place place = place_of(RUN_PLACE_CGROUP, "run", make_directory("run"));
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof(name), "run/%d", i);
        make_directory(name);
    }
    ck_assert_int_eq(ask_cgroup(&place, 1), RUN_PLACE_CANNOT_TELL);
    place = place_of(RUN_PLACE_CGROUP, "deep", make_directory("deep"));
    snprintf(name, sizeof(name), "deep");
    for (int i = 0; i < 20; i++) {
        strncat(name, "/a", sizeof(name) - strlen(name) - 1);
        make_directory(name);
    }
    ck_assert_int_eq(ask_cgroup(&place, 1), RUN_PLACE_CANNOT_TELL);
}
END_TEST

// ---- open files

static uint32_t open_socket(int *fd)
{
    struct stat status;
    *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(fstat(*fd, &status), 0);
    return (uint32_t)status.st_ino;
}

static pid_t start_child(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    return pid;
}

static void end_child(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static enum run_place_answer ask_files(const char *name, uint32_t inode)
{
    struct run_place place = place_of(RUN_PLACE_PROCESSES, name, 0);
    return run_place_holds(&place, &(struct socket_owner){.inode = inode});
}

START_TEST(process_that_has_the_socket_open)
{
    int fd;
    pid_t without = start_child();
    uint32_t inode = open_socket(&fd);
    pid_t with = start_child();
    make_directory("run");
    make_directory("run/below");
    list_processes("run/below", (const pid_t[]){0});
    list_processes("run", (const pid_t[]){without, 0});
    ck_assert_int_eq(ask_files("run", inode), RUN_PLACE_HOLDS_NOT);
    list_processes("run", (const pid_t[]){without, with, 0});
    ck_assert_int_eq(ask_files("run", inode), RUN_PLACE_HOLDS);
    list_processes("run", (const pid_t[]){without, 0});
    list_processes("run/below", (const pid_t[]){with, 0});
    ck_assert_int_eq(ask_files("run", inode), RUN_PLACE_HOLDS);
    ck_assert_int_eq(ask_files("run", inode + 1), RUN_PLACE_HOLDS_NOT);
    ck_assert_int_eq(ask_files("run", 0), RUN_PLACE_CANNOT_TELL); // nobody has it open
    ck_assert_int_eq(ask_files("gone", inode), RUN_PLACE_HOLDS_NOT);
    end_child(with);
    close(fd);
    ck_assert_int_eq(ask_files("run", inode), RUN_PLACE_HOLDS_NOT);
    end_child(without);
}
END_TEST

// What cannot be looked at is not taken for somebody else's.
START_TEST(process_of_somebody_else)
{
    if (geteuid() != 0)
        return;
    pid_t roots = getpid();
    make_directory("run");
    list_processes("run", (const pid_t[]){roots, 0});
    chmod(work, 0755);
    pid_t pid = fork();
    if (pid == 0) {
        int code = setuid(65534) == 0 ? (int)ask_files("run", 1) : -1;
        _exit(code == RUN_PLACE_CANNOT_TELL ? 0 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

// ---- without a cgroup, and what a supervisor says

START_TEST(user_is_all_that_is_known)
{
    struct run_place place = {.kind = RUN_PLACE_USER, .uid = 1000};
    const struct socket_owner own = {.uid = 1000, .inode = 1}, other = {.uid = 1001, .inode = 1},
                              closed = {.uid = 0, .inode = 0};
    ck_assert_int_eq(run_place_holds(&place, &own), RUN_PLACE_HOLDS);
    ck_assert_int_eq(run_place_holds(&place, &other), RUN_PLACE_HOLDS_NOT);
    ck_assert_int_eq(run_place_holds(&place, &closed), RUN_PLACE_CANNOT_TELL);
    place.uid = 0;
    ck_assert_int_eq(run_place_holds(&place, &other), RUN_PLACE_HOLDS);
    place.kind = RUN_PLACE_UNKNOWN;
    ck_assert_int_eq(run_place_holds(&place, &own), RUN_PLACE_CANNOT_TELL);
    place.kind = RUN_PLACE_ANYWHERE;
    ck_assert_int_eq(run_place_holds(&place, &other), RUN_PLACE_HOLDS);
}
END_TEST

static const struct {
    const char *directory;
    int result;
} claims[] = {
    {"", 0},
    {RUN, -EINVAL},              // relative
    {"/sys/fs/cgroup", -EINVAL}, // of no run
    {"/sys/fs/cgroup/other-run", -EINVAL},
    {"/sys/fs/cgroup/no/" RUN, -ENOENT},
    {"<work>/" RUN, -EINVAL}, // a directory, no cgroup
};

START_TEST(supervisor_says_where_its_run_is)
{
    struct run_place place = {.kind = RUN_PLACE_UNKNOWN};
    struct error err;
    char directory[128];
    const char *claim = claims[_i].directory;
    make_directory(RUN);
    snprintf(directory, sizeof(directory), "%s%s", *claim == '<' ? work : "",
             *claim == '<' ? claim + strlen("<work>") : claim);
    int result = run_place_set(&place, directory, RUN, 1000, true, &err);
    ck_assert_msg(result == claims[_i].result, "%s: %d", directory, result);
    ck_assert_int_eq(place.kind, result == 0 ? RUN_PLACE_USER : RUN_PLACE_UNKNOWN);
}
END_TEST

// In a real cgroup, where this process may make one.
START_TEST(real_cgroup_is_taken)
{
    static const struct {
        const char *parent;
        enum run_place_kind told, untold;
    } kinds[] = {{"/sys/fs/cgroup/pids", RUN_PLACE_PROCESSES, RUN_PLACE_PROCESSES},
                 {"/sys/fs/cgroup/unified", RUN_PLACE_CGROUP, RUN_PLACE_PROCESSES},
                 {"/sys/fs/cgroup", RUN_PLACE_CGROUP, RUN_PLACE_PROCESSES}};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct run_place place;
        struct stat status;
        char directory[128];
        snprintf(directory, sizeof(directory), "%s/cgroup.procs", kinds[i].parent);
        if (access(directory, W_OK) != 0)
            continue;
        snprintf(directory, sizeof(directory), "%s/reeve-test-%d", kinds[i].parent, getpid());
        if (mkdir(directory, 0755) != 0)
            continue;
        ck_assert_int_eq(stat(directory, &status), 0);
        const char *name = strrchr(directory, '/') + 1;
        ck_assert_int_eq(run_place_set(&place, directory, name, 0, true, NULL), 0);
        ck_assert_int_eq(place.kind, kinds[i].told);
        ck_assert_uint_eq(place.cgroup_id, status.st_ino);
        ck_assert_int_eq(run_place_set(&place, directory, name, 0, false, NULL), 0);
        ck_assert_int_eq(place.kind, kinds[i].untold);
        ck_assert_int_eq(rmdir(directory), 0);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("run_place");
    TCase *cases = tcase_create("run_place");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, cgroup_of_the_run_and_those_below_it);
    tcase_add_test(cases, search_has_an_end);
    tcase_add_test(cases, process_that_has_the_socket_open);
    tcase_add_test(cases, process_of_somebody_else);
    tcase_add_test(cases, user_is_all_that_is_known);
    tcase_add_loop_test(cases, supervisor_says_where_its_run_is, 0,
                        sizeof(claims) / sizeof(claims[0]));
    tcase_add_test(cases, real_cgroup_is_taken);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
