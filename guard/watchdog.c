// Watchdog: a small process that outlives a killed supervisor, to end what it has left behind.

#include "watchdog.h"

#include "cleanup.h"
#include "run_sweep.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define TRIES_MAX 1000
#define TRY_INTERVAL_MS 20

// Nothing that the user types or closes is meant for the watchdog, and its streams are not its own.
static void detach(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    setsid();
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; fd >= 0 && i <= STDERR_FILENO; i++)
        dup2(fd, i);
}

// The kernel tells nobody that a v1 cgroup is empty, nor when a process that is no child has ended.
static void rest(void)
{
    poll(NULL, 0, TRY_INTERVAL_MS);
}

// Only then who has the run's marks is outside.
static void remove_cgroup(struct run_cgroup *group)
{
    for (int i = 0; i < TRIES_MAX; i++, rest()) {
        if (run_cgroup_is_populated(group))
            run_cgroup_kill(group);
        if (run_cgroup_destroy(group, NULL) == 0)
            return;
    }
}

static void clean_up(const struct watchdog_options *options)
{
    struct run_sweep sweep;
    run_sweep_init(&sweep, options->run_id, run_cgroup_directory(options->group), options->escaped,
                   options->context);
    remove_cgroup(options->group);
    for (int i = 0; i < TRIES_MAX && run_sweep(&sweep) > 0; i++)
        rest();
}

static void watch(const struct watchdog_options *options, int channel)
{
    char farewell;
    ssize_t length;
    do
        length = read(channel, &farewell, 1);
    while (length < 0 && errno == EINTR);
    if (length == 0) // the supervisor has died
        clean_up(options);
    _exit(EXIT_SUCCESS);
}

int watchdog_start(const struct watchdog_options *options, struct error *err)
{
    int channels[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channels) != 0)
        return error_set_errno(err, -errno, "starting the watchdog");
    cleanup_fd int ours = channels[0];
    cleanup_fd int theirs = channels[1];
    // Its end raises no signal, and to wait for all children is not to wait for it: clone(2).
    struct clone_args arguments = {.exit_signal = 0};
    long child = syscall(SYS_clone3, &arguments, sizeof(arguments));
    if (child < 0)
        return error_set_errno(err, -errno, "starting the watchdog");
    if (child == 0) {
        explicit_bzero(options->secret, options->secret_length);
        close(ours);
        detach();
        watch(options, theirs);
    }
    run_cgroup_set_watchdog(options->group, (pid_t)child);
    return take_fd(&ours);
}

void watchdog_stop(int watchdog_fd)
{
    char end;
    if (send(watchdog_fd, "q", 1, MSG_NOSIGNAL) == 1)
        while (read(watchdog_fd, &end, 1) < 0 && errno == EINTR)
            ;
    close(watchdog_fd);
}
