// Spawn: starts a command inside a cgroup, before the command's own first instruction.
//
//     parent                         child
//     clone3 (v2: into the cgroup) ▶
//     reads that it is in          ◀ goes into its cgroup (v1), waits at the gate
//     opens the gate               ▶ process group, terminal, execve
//     reads end of file, or why    ◀ channel closed by execve, or what went wrong

#include "spawn.h"

#include "cleanup.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

// Our handlers are the default ones in the child; what was ignored when we came (nohup) stays
// ignored.
static pid_t clone_into(int cgroup_fd)
{
    struct clone_args arguments = {.flags = CLONE_CLEAR_SIGHAND, .exit_signal = (__u64)SIGCHLD};
    if (cgroup_fd >= 0) {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = (__u64)cgroup_fd;
    }
    return (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
}

// Nothing reaches the child before it is a process group of its own.
static void block_signals(sigset_t *before)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, before);
}

static bool is_born_inside(const struct spawn_options *options)
{
    return run_cgroup_spawn_fd(options->group) >= 0;
}

// In the child. `said`: what went wrong, or nothing has, yet.
static void say(int channel, const struct error *said)
{
    ssize_t written = write(channel, said, sizeof(*said));
    if (written < 0 || said->code < 0)
        _exit(EXIT_FAILURE);
}

// Returns 0 if all is well, or if the child is silent: it executes its command, or is dead.
static int hear(int channel, struct error *err)
{
    struct error said;
    ssize_t length;
    do
        length = read(channel, &said, sizeof(said));
    while (length < 0 && errno == EINTR);
    if (length != sizeof(said) || said.code == 0)
        return 0;
    if (err != NULL)
        *err = said;
    return said.code;
}

// In the child: at the gate, then the command. Async-signal-safe as far as a single thread cares.
static void run_child(const struct spawn_options *options, pid_t parent, int channel,
                      const sigset_t *mask)
{
    char go;
    struct error err = {0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_FAILURE);
    if (!is_born_inside(options)) {
        run_cgroup_attach(options->group, 0, &err);
        say(channel, &err);
    }
    if (read(channel, &go, 1) != 1)
        _exit(EXIT_FAILURE);
    setpgid(0, 0);
    terminal_lend(options->terminal, getpid());
    sigprocmask(SIG_SETMASK, mask, NULL);
    environ = (char **)(void *)options->environment; // execvp looks for PATH there
    execvp(options->argv[0], options->argv);
    error_set_errno(&err, -errno, "executing %s", options->argv[0]);
    say(channel, &err);
}

// Opens the gate and waits until the child has executed its command.
static int let_go(pid_t pid, int channel, const struct spawn_options *options, struct error *err)
{
    setpgid(pid, pid); // whoever is first: it is true for both afterwards
    int result = is_born_inside(options) ? 0 : hear(channel, err);
    if (result < 0)
        return result;
    if (options->placed != NULL)
        options->placed(pid, options->context);
    if (send(channel, "g", 1, MSG_NOSIGNAL) != 1)
        return error_set_errno(err, -errno, "starting %s", options->argv[0]);
    return hear(channel, err);
}

int spawn_command(const struct spawn_options *options, pid_t *pid, struct error *err)
{
    int channels[2];
    sigset_t before;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channels) != 0)
        return error_set_errno(err, -errno, "starting %s", options->argv[0]);
    cleanup_fd int ours = channels[0];
    cleanup_fd int theirs = channels[1];
    pid_t parent = getpid();
    block_signals(&before);
    pid_t child = clone_into(run_cgroup_spawn_fd(options->group));
    if (child == 0)
        run_child(options, parent, theirs, &before);
    int code = -errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (child < 0)
        return error_set_errno(err, code, "starting %s", options->argv[0]);
    close(take_fd(&theirs));
    int result = let_go(child, ours, options, err);
    if (result < 0) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        return result;
    }
    *pid = child;
    return 0;
}
