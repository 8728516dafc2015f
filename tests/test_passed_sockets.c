// Tests of passed_sockets.c.
#include "passed_sockets.h"
#include "suite_run.h"

#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_FD 3
#define SOCKETS_MAX 3

enum kind { NOTHING, TCP, TCP6, UNIX, CONNECTED, DATAGRAM };

static int make_socket(enum kind kind)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_un local = {.sun_family = AF_UNIX}; // the kernel finds a name
    const struct {
        int family, type;
        const void *address;
        socklen_t length;
    } kinds[] = {
        [TCP] = {AF_INET, SOCK_STREAM, &v4, sizeof(v4)},
        [TCP6] = {AF_INET6, SOCK_STREAM, &v6, sizeof(v6)},
        [UNIX] = {AF_UNIX, SOCK_STREAM, &local, sizeof(sa_family_t)},
        [CONNECTED] = {AF_INET, SOCK_STREAM, &v4, sizeof(v4)},
        [DATAGRAM] = {AF_UNIX, SOCK_DGRAM, &local, sizeof(sa_family_t)},
    };
    int fd = socket(kinds[kind].family, kinds[kind].type, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, kinds[kind].address, kinds[kind].length), 0);
    if (kind != CONNECTED && kind != DATAGRAM)
        ck_assert_int_eq(listen(fd, 1), 0);
    return fd;
}

// Passes the sockets as systemd does: from descriptor 3 on, said in the environment.
static void pass(const enum kind kinds[static SOCKETS_MAX], pid_t pid)
{
    int made[SOCKETS_MAX], count = 0;
    char text[16];
    for (; count < SOCKETS_MAX && kinds[count] != NOTHING; count++)
        made[count] = fcntl(make_socket(kinds[count]), F_DUPFD, FIRST_FD + SOCKETS_MAX);
    for (int i = 0; i < count; i++)
        dup2(made[i], FIRST_FD + i);
    snprintf(text, sizeof(text), "%d", count);
    if (count > 0)
        setenv("LISTEN_FDS", text, 1);
    snprintf(text, sizeof(text), "%d", pid);
    setenv("LISTEN_PID", text, 1);
}

struct outcome {
    struct passed_sockets sockets;
    int result;
    bool are_prepared; // non-blocking, closed on exec
    bool is_hidden;    // from processes that are started later
};

static void take(struct outcome *outcome)
{
    struct error err;
    outcome->result = passed_sockets_take(&outcome->sockets, &err);
    outcome->are_prepared = true;
    for (int fd = FIRST_FD; fd <= outcome->sockets.agents_fd || fd <= outcome->sockets.control_fd;
         fd++)
        if ((fcntl(fd, F_GETFL) & O_NONBLOCK) == 0 || (fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0)
            outcome->are_prepared = false;
    outcome->is_hidden = getenv("LISTEN_FDS") == NULL;
}

// In a process of its own: descriptor 3 is check's here. `pid` 0: the process itself is meant.
static struct outcome take_in_child(const enum kind kinds[static SOCKETS_MAX], pid_t pid)
{
    struct outcome outcome = {.sockets = {0, 0}};
    int channel[2];
    ck_assert_int_eq(pipe(channel), 0);
    pid_t child = fork();
    if (child == 0) {
        int out = fcntl(channel[1], F_DUPFD, 100);
        pass(kinds, pid != 0 ? pid : getpid());
        take(&outcome);
        _exit(write(out, &outcome, sizeof(outcome)) == sizeof(outcome) ? 0 : 1);
    }
    ck_assert_int_eq(read(channel[0], &outcome, sizeof(outcome)), sizeof(outcome));
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    close(channel[0]);
    close(channel[1]);
    return outcome;
}

static const struct {
    enum kind kinds[SOCKETS_MAX];
    int result, agents_fd, control_fd;
} cases[] = {
    {{NOTHING}, 0, -1, -1},       {{TCP}, 0, 3, -1},
    {{TCP6}, 0, 3, -1},           {{UNIX}, 0, -1, 3},
    {{TCP, UNIX}, 0, 3, 4},       {{UNIX, TCP6}, 0, 4, 3},
    {{TCP, TCP6}, -EINVAL, 0, 0}, {{UNIX, TCP, UNIX}, -EINVAL, 0, 0},
    {{CONNECTED}, -EINVAL, 0, 0}, {{TCP, DATAGRAM}, -EINVAL, 0, 0},
};

START_TEST(sockets_are_told_apart)
{
    struct outcome outcome = take_in_child(cases[_i].kinds, 0);
    ck_assert_int_eq(outcome.result, cases[_i].result);
    ck_assert_int_eq(outcome.sockets.agents_fd, cases[_i].agents_fd);
    ck_assert_int_eq(outcome.sockets.control_fd, cases[_i].control_fd);
    ck_assert(outcome.are_prepared);
    ck_assert(outcome.is_hidden);
}
END_TEST

START_TEST(what_is_meant_for_another_process_is_left)
{
    struct outcome outcome = take_in_child((const enum kind[SOCKETS_MAX]){TCP}, 1);
    ck_assert_int_eq(outcome.result, 0);
    ck_assert_int_eq(outcome.sockets.agents_fd, -1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("passed_sockets");
    TCase *tests = tcase_create("passed_sockets");
    tcase_add_loop_test(tests, sockets_are_told_apart, 0, sizeof(cases) / sizeof(cases[0]));
    tcase_add_test(tests, what_is_meant_for_another_process_is_left);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
