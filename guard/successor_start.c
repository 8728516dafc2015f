// Successor start: a daemon starts the program that succeeds it, and that finds its predecessor.

#include "successor_start.h"

#include "cleanup.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define VARIABLE "REEVE_PREDECESSOR_FD"
#define CHILD_FD 3
#define CHILD_TEXT "3"
#define CHILD_SETTING VARIABLE "=" CHILD_TEXT

void successor_find_program(char program[static PATH_MAX])
{
    ssize_t length = readlink("/proc/self/exe", program, PATH_MAX - 1);
    program[length < 0 ? 0 : length] = '\0';
}

// Our environment, with where the socket is. The array is the caller's.
static char **make_environment(void)
{
    size_t count = 0, kept = 0;
    while (environ[count] != NULL)
        count++;
    char **environment = calloc(count + 2, sizeof(*environment));
    for (size_t i = 0; environment != NULL && i < count; i++)
        if (strncmp(environ[i], VARIABLE "=", strlen(VARIABLE "=")) != 0)
            environment[kept++] = environ[i];
    if (environment != NULL)
        environment[kept] = (char *)(uintptr_t)CHILD_SETTING;
    return environment;
}

// posix_spawn, as this process has threads: between a fork and the exec hardly anything is allowed.
// libcurl does not have its sockets closed at an exec: the successor must not hold them open.
static int spawn(const char *program, char *const *arguments, char *const *environment, int fd,
                 pid_t *child)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    if (posix_spawn_file_actions_init(&actions) != 0)
        return -ENOMEM;
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return -ENOMEM;
    }
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int code = posix_spawn_file_actions_adddup2(&actions, fd, CHILD_FD);
    if (code == 0)
        code = posix_spawn_file_actions_addclosefrom_np(&actions, CHILD_FD + 1);
    if (code == 0)
        code = posix_spawn(child, program, &actions, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return -code;
}

int successor_start(const char *program, char *const *arguments, int *fd, pid_t *child,
                    struct error *err)
{
    int pair[2];
    cleanup_free char **environment = make_environment();
    if (environment == NULL)
        return error_set(err, -ENOMEM, "out of memory for a new daemon");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return error_set_errno(err, -errno, "making a socket for a new daemon");
    cleanup_fd int own = pair[0], theirs = pair[1];
    int result = spawn(program, arguments, environment, theirs, child);
    if (result < 0)
        return error_set_errno(err, result, "starting %s", program);
    *fd = take_fd(&own);
    return 0;
}

int successor_find_predecessor(void)
{
    const char *text = getenv(VARIABLE);
    int type = 0;
    socklen_t length = sizeof(type);
    bool is_told = text != NULL && strcmp(text, CHILD_TEXT) == 0;
    unsetenv(VARIABLE);
    if (!is_told || getsockopt(CHILD_FD, SOL_SOCKET, SO_TYPE, &type, &length) != 0 ||
        type != SOCK_SEQPACKET || fcntl(CHILD_FD, F_SETFD, FD_CLOEXEC) < 0)
        return -1;
    if (fork() > 0) // where that fails it stays a child, which works as well
        _exit(0);
    alarm(SUCCESSOR_PREPARE_MAX_S);
    return CHILD_FD;
}
