// Alert exec: hands an alert to a command, once, on the daemon's loop.
#include "alert_exec.h"

#include "cleanup.h"
#include "clock.h"

#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct alert_exec {
    pid_t pid; // and process group; 0 once it is reaped
    int pid_fd;
    struct event *ended;
    int64_t timeout_us;
    struct alert_exec_receiver receiver;
};

// Ends the command and all of its group. The command is not reaped before, so that the number of
// the group cannot be another's.
static int exec_reap(struct alert_exec *exec)
{
    int status = 0;
    kill(-exec->pid, SIGKILL);
    while (waitpid(exec->pid, &status, 0) < 0 && errno == EINTR)
        ;
    exec->pid = 0;
    return status;
}

void alert_exec_cancel(struct alert_exec *exec)
{
    if (exec == NULL)
        return;
    if (exec->pid > 0)
        exec_reap(exec);
    if (exec->ended != NULL)
        event_free(exec->ended);
    if (exec->pid_fd >= 0)
        close(exec->pid_fd);
    free(exec);
}

static void on_ended(evutil_socket_t fd, short what, void *context)
{
    struct alert_exec *exec = context;
    struct alert_exec_receiver receiver = exec->receiver;
    struct error failure = {0};
    char lasted[CLOCK_TEXT_MAX];
    (void)fd;
    int status = exec_reap(exec);
    if ((what & EV_TIMEOUT) != 0)
        error_set(&failure, -ETIMEDOUT, "killed after %s",
                  clock_format_duration(exec->timeout_us, lasted));
    else if (WIFSIGNALED(status))
        error_set(&failure, -EPROTO, "ended by signal %d", WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0)
        error_set(&failure, -EPROTO, "exit code %d", WEXITSTATUS(status));
    alert_exec_cancel(exec);
    receiver.done(receiver.context, failure.code < 0 ? &failure : NULL);
}

// Splits `words` at blanks, in place. False: too many, or none.
static bool arguments_split(char *words, char *argv[static ALERT_EXEC_ARGUMENTS_MAX + 1])
{
    size_t count = 0;
    char *rest = words;
    for (char *word; (word = strsep(&rest, " \t")) != NULL;) {
        if (*word == '\0')
            continue;
        if (count == ALERT_EXEC_ARGUMENTS_MAX)
            return false;
        argv[count++] = word;
    }
    argv[count] = NULL;
    return count > 0;
}

// A file in memory with the body, to be read from its beginning; or a negative errno.
static int body_open(const char *body, struct error *err)
{
    size_t length = strlen(body);
    cleanup_fd int fd = memfd_create("alert", MFD_CLOEXEC);
    if (fd < 0 || write(fd, body, length) != (ssize_t)length || lseek(fd, 0, SEEK_SET) != 0)
        return error_set_errno(err, errno != 0 ? -errno : -EIO, "a file in memory for an alert");
    return take_fd(&fd);
}

static int spawn(pid_t *pid, char *const argv[], int body_fd)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t all, none;
    char path[1024];
    const char *own_path = getenv("PATH");
    snprintf(path, sizeof(path), "PATH=%s", own_path != NULL ? own_path : PATH_DEFAULT);
    char *const environment[] = {path, (char[]){"LANG=C.UTF-8"}, NULL};
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setsigmask(&attributes, &none);
    int code = posix_spawn_file_actions_adddup2(&actions, body_fd, STDIN_FILENO);
    if (code == 0)
        code = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (code == 0)
        code = posix_spawn_file_actions_addchdir_np(&actions, "/");
    if (code == 0)
        code = posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    if (code == 0)
        code = posix_spawnp(pid, argv[0], &actions, &attributes, argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return -code;
}

static int exec_watch(struct alert_exec *exec, struct event_base *base, struct error *err)
{
    exec->pid_fd = (int)syscall(SYS_pidfd_open, exec->pid, 0);
    if (exec->pid_fd < 0)
        return error_set_errno(err, -errno, "watching a command (it takes Linux 5.3)");
    exec->ended = event_new(base, exec->pid_fd, EV_READ, on_ended, exec);
    struct timeval timeout = {exec->timeout_us / 1000000, exec->timeout_us % 1000000};
    if (exec->ended == NULL || event_add(exec->ended, &timeout) < 0)
        return error_set(err, -ENOMEM, "out of memory for watching a command");
    return 0;
}

static int exec_spawn(struct alert_exec *exec, const char *command, const char *body,
                      struct error *err)
{
    char *argv[ALERT_EXEC_ARGUMENTS_MAX + 1];
    cleanup_free char *words = strdup(command);
    if (words == NULL)
        return error_set(err, -ENOMEM, "out of memory for a command");
    if (!arguments_split(words, argv))
        return error_set(err, -E2BIG, "a command has 1 to %d words", ALERT_EXEC_ARGUMENTS_MAX);
    cleanup_fd int body_fd = body_open(body, err);
    if (body_fd < 0)
        return body_fd;
    pid_t pid = 0;
    int result = spawn(&pid, argv, body_fd);
    if (result < 0)
        return error_set_errno(err, result, "executing %s", argv[0]);
    exec->pid = pid;
    return 0;
}

int alert_exec_start(struct alert_exec **exec, struct event_base *base, const char *command,
                     int64_t timeout_us, const char *body,
                     const struct alert_exec_receiver *receiver, struct error *err)
{
    struct alert_exec *started = calloc(1, sizeof(*started));
    if (started == NULL)
        return error_set(err, -ENOMEM, "out of memory for a command");
    started->pid_fd = -1;
    started->timeout_us = timeout_us;
    started->receiver = *receiver;
    int result = exec_spawn(started, command, body, err);
    if (result == 0)
        result = exec_watch(started, base, err);
    if (result < 0) {
        alert_exec_cancel(started);
        return result;
    }
    *exec = started;
    return 0;
}
