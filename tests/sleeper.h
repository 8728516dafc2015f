// Sleeper: children that sleep until they are ended, to be looked for.
#pragma once

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

// With this in its environment, or nothing (NULL), from `program`, which is sleep(1). In its own
// program by the time this returns.
static inline pid_t sleeper_start(const char *program, const char *variable)
{
    int channels[2];
    char end;
    ck_assert_int_eq(pipe2(channels, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char *environment[] = {(char *)variable, NULL};
        execve(program, (char *[]){(char *)"sleep", (char *)"1000", NULL}, environment);
        _exit(1);
    }
    close(channels[1]);
    ck_assert_int_eq(read(channels[0], &end, 1), 0); // closed by its execve
    close(channels[0]);
    return pid;
}

static inline bool sleeper_is_alive(pid_t pid)
{
    return waitpid(pid, NULL, WNOHANG) == 0;
}

static inline void sleeper_end(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}
