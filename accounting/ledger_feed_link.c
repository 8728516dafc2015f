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

// The feed's ends, in the feed.
#define FEED_FD 3
#define FEED_FD_TEXT "3"
#define STATE_FD 4
#define STATE_FD_TEXT "4"

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
static void become_feed(char *const *arguments, char *const *environment,
                        const struct ledger_feed_link *ends)
{
    sigset_t none;
    sigemptyset(&none);
    int fd = fcntl(ends->fd, F_DUPFD, STATE_FD + 1); // out of the way of both
    int state_fd = fcntl(ends->state_fd, F_DUPFD, STATE_FD + 1);
    if (fd < 0 || state_fd < 0 || dup2(fd, FEED_FD) < 0 || dup2(state_fd, STATE_FD) < 0)
        return;
    close_range(STATE_FD + 1, ~0U, 0);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve("/proc/self/exe", arguments, environment);
}

static int make_pair(int *own, int *theirs, struct error *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return error_set_errno(err, -errno, "making a socket pair for the ledger's feed");
    *own = pair[0];
    *theirs = pair[1];
    if (fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0)
        return error_set_errno(err, -errno, "preparing the socket of the ledger's feed");
    return 0;
}

static void close_link(struct ledger_feed_link *link)
{
    cleanup_close_fd(&link->fd);
    cleanup_close_fd(&link->state_fd);
}

int ledger_feed_start(const struct ledger_catch_up_options *options, pid_t *pid,
                      struct ledger_feed_link *link, struct error *err)
{
    const char *const arguments[] = {"reeve",
                                     "ledger",
                                     "feed",
                                     "--fd",
                                     FEED_FD_TEXT,
                                     "--state-fd",
                                     STATE_FD_TEXT,
                                     "--journal-dir",
                                     options->journal_directory,
                                     "--postgres-dir",
                                     options->postgres_directory,
                                     options->prices_file == NULL ? NULL : "--prices",
                                     options->prices_file,
                                     NULL};
    cleanup_free char *setting = NULL;
    cleanup_free char **environment = make_environment(options->dsn, &setting);
    cleanup_with(close_link) struct ledger_feed_link own = {-1, -1};
    cleanup_with(close_link) struct ledger_feed_link theirs = {-1, -1};
    if (environment == NULL)
        return error_set(err, -ENOMEM, "no memory to start the ledger's feed");
    int code = make_pair(&own.fd, &theirs.fd, err);
    if (code == 0)
        code = make_pair(&own.state_fd, &theirs.state_fd, err);
    if (code != 0)
        return code;
    pid_t child = fork();
    if (child < 0)
        return error_set_errno(err, -errno, "starting the ledger's feed");
    if (child == 0) {
        become_feed((char *const *)arguments, environment, &theirs);
        _exit(127);
    }
    *pid = child;
    *link = (struct ledger_feed_link){take_fd(&own.fd), take_fd(&own.state_fd)};
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
