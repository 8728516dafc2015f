// Ledger feed, the daemon's side: start it, wake it, read its reports.
#include "ledger_feed.h"

#include "cleanup.h"

#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FEED_FD 3 // of the feed's end, in the feed
#define FEED_FD_TEXT "3"

const char *ledger_feed_state_name(enum ledger_feed_state state)
{
    static const char *const names[] = {"starting", "level", "writing", "retrying"};
    assert(state < LEDGER_FEED_STATES);
    return names[state];
}

// The environment with the DSN in it, made before fork: the child may not allocate. The array and
// its first string, *setting, are the caller's.
static char **make_environment(const char *dsn, char **setting)
{
    size_t count = 0;
    size_t kept = 1;
    while (environ[count] != NULL)
        count++;
    char **environment = calloc(count + 2, sizeof(*environment));
    if (environment == NULL ||
        asprintf(setting, LEDGER_DSN_ENV "=%s", dsn == NULL ? "" : dsn) < 0) {
        free(environment);
        return NULL;
    }
    environment[0] = *setting;
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], LEDGER_DSN_ENV "=", strlen(LEDGER_DSN_ENV "=")) != 0)
            environment[kept++] = environ[i];
    return environment;
}

// In the child of a process with several threads: nothing but system calls.
static void become_feed(char *const *arguments, char *const *environment, int fd)
{
    sigset_t none;
    sigemptyset(&none);
    if (fd == FEED_FD ? fcntl(fd, F_SETFD, 0) < 0 : dup2(fd, FEED_FD) < 0)
        return;
    close_range(FEED_FD + 1, ~0U, 0);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve("/proc/self/exe", arguments, environment);
}

int ledger_feed_start(const struct ledger_catch_up_options *options, pid_t *pid, int *fd,
                      struct error *err)
{
    const char *const arguments[] = {"reeve",
                                     "ledger",
                                     "feed",
                                     "--fd",
                                     FEED_FD_TEXT,
                                     "--journal-dir",
                                     options->journal_directory,
                                     "--postgres-dir",
                                     options->postgres_directory,
                                     options->prices_file == NULL ? NULL : "--prices",
                                     options->prices_file,
                                     NULL};
    cleanup_free char *setting = NULL;
    cleanup_free char **environment = make_environment(options->dsn, &setting);
    int pair[2];
    if (environment == NULL)
        return error_set(err, -ENOMEM, "no memory to start the ledger's feed");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return error_set_errno(err, -errno, "making a socket pair for the ledger's feed");
    cleanup_fd int own = pair[0];
    cleanup_fd int theirs = pair[1];
    if (fcntl(own, F_SETFL, O_NONBLOCK) < 0)
        return error_set_errno(err, -errno, "preparing the socket of the ledger's feed");
    pid_t child = fork();
    if (child < 0)
        return error_set_errno(err, -errno, "starting the ledger's feed");
    if (child == 0) {
        become_feed((char *const *)arguments, environment, theirs);
        _exit(127);
    }
    *pid = child;
    *fd = take_fd(&own);
    return 0;
}

void ledger_feed_wake(int fd)
{
    send(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL); // with a full queue the feed is awake
}

int ledger_feed_receive(int fd, struct ledger_feed_report *report, struct error *err)
{
    struct ledger_feed_report received;
    ssize_t length = recv(fd, &received, sizeof(received), MSG_DONTWAIT | MSG_TRUNC);
    if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return error_set(err, -EAGAIN, "no report from the ledger's feed yet");
    if (length == 0 || (length < 0 && errno == ECONNRESET))
        return error_set(err, -EPIPE, "the ledger's feed has ended");
    if (length < 0)
        return error_set_errno(err, -errno, "reading a report of the ledger's feed");
    if (length != sizeof(received) || received.version != LEDGER_FEED_REPORT_VERSION ||
        received.state >= LEDGER_FEED_STATES)
        return error_set(err, -EPROTO, "not a report of the ledger's feed: %zd bytes", length);
    received.last_error[LEDGER_FEED_ERROR_MAX - 1] = '\0';
    *report = received;
    return 0;
}
