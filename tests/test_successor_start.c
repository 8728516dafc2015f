// Tests of successor_start.c: what a program that succeeds a daemon finds, and why one is not
// started.
#include "successor_start.h"
#include "suite_run.h"

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define VARIABLE "REEVE_PREDECESSOR_FD"

static struct error err;

// Starts a shell on `script`; returns our end of the socket.
static int start_shell(const char *script, pid_t *child)
{
    char *const arguments[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
                               (char *)(uintptr_t)script, NULL};
    int fd = -1;
    ck_assert_msg(successor_start("/bin/sh", arguments, &fd, child, &err) == 0, "%s", err.text);
    return fd;
}

static void assert_hears(int fd, const char *expected)
{
    char text[64] = "";
    ck_assert_int_ge(recv(fd, text, sizeof(text) - 1, 0), 0);
    ck_assert_str_eq(text, expected);
}

START_TEST(program_finds_the_socket)
{
    int status = 0;
    pid_t child;
    setenv(VARIABLE, "9", 1); // of a daemon that was a successor itself
    setenv("OTHER", "value", 1);
    int fd = start_shell("printf \"$" VARIABLE " $OTHER $(env | grep -c ^" VARIABLE ")\" >&3; "
                         "exit 7",
                         &child);
    assert_hears(fd, "3 value 1");
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(WEXITSTATUS(status), 7);
    assert_hears(fd, ""); // it had the other end, and nobody has it now
    close(fd);
}
END_TEST

// As libcurl's sockets are: not closed at an exec.
START_TEST(program_inherits_nothing_else)
{
    pid_t child;
    int left_open = dup2(STDERR_FILENO, 20);
    ck_assert_int_eq(left_open, 20);
    int fd = start_shell("test -e /proc/self/fd/20 && printf open >&3", &child);
    assert_hears(fd, "");
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    close(left_open);
    close(fd);
}
END_TEST

static const struct {
    const char *program, *text;
    int code;
} failures[] = {
    {"/nonexistent/reeve", "/nonexistent/reeve", -ENOENT},
    {"/etc", "/etc", -EACCES},
};

START_TEST(why_it_is_not_started_is_said)
{
    char *const arguments[] = {(char *)(uintptr_t) "reeve", NULL};
    int fd = -1;
    pid_t child = 0;
    ck_assert_int_eq(successor_start(failures[_i].program, arguments, &fd, &child, &err),
                     failures[_i].code);
    ck_assert_ptr_nonnull(strstr(err.text, failures[_i].text));
    ck_assert_int_eq(fd, -1);
}
END_TEST

START_TEST(program_is_found_where_it_was_started_from)
{
    char program[PATH_MAX];
    successor_find_program(program);
    ck_assert_ptr_nonnull(strstr(program, "/test_successor_start"));
    ck_assert_int_eq(access(program, X_OK), 0);
}
END_TEST

START_TEST(without_a_predecessor_there_is_none)
{
    unsetenv(VARIABLE);
    ck_assert_int_eq(successor_find_predecessor(), -1);
    setenv(VARIABLE, "3", 1);
    close(3);
    ck_assert_int_eq(successor_find_predecessor(), -1); // whatever the variable says
    ck_assert_ptr_null(getenv(VARIABLE));
}
END_TEST

// Becomes a successor as a daemon would, and tells by the socket.
static void succeed(int theirs, pid_t parent)
{
    dup2(theirs, 3);
    setenv(VARIABLE, "3", 1);
    int fd = successor_find_predecessor();
    bool is_good = fd == 3 && getenv(VARIABLE) == NULL && getppid() != parent &&
                   alarm(0) > 0; // it would be ended if it hung
    send(fd, is_good ? "good" : "bad", 4, 0);
    _exit(0);
}

START_TEST(a_successor_is_nobodys_child)
{
    int ends[2], status = 1;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    pid_t parent = getpid();
    pid_t child = fork();
    if (child == 0)
        succeed(ends[1], parent);
    ck_assert_int_eq(waitpid(child, &status, 0), child); // it has left
    ck_assert_int_eq(status, 0);
    assert_hears(ends[0], "good");
    close(ends[0]);
    close(ends[1]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("successor_start");
    TCase *cases = tcase_create("successor_start");
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, program_finds_the_socket);
    tcase_add_test(cases, program_inherits_nothing_else);
    tcase_add_loop_test(cases, why_it_is_not_started_is_said, 0,
                        sizeof(failures) / sizeof(failures[0]));
    tcase_add_test(cases, program_is_found_where_it_was_started_from);
    tcase_add_test(cases, without_a_predecessor_there_is_none);
    tcase_add_test(cases, a_successor_is_nobodys_child);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
