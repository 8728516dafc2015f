// Ledger local: see ledger_local.h.
#include "ledger_local.h"

#include "cleanup.h"
#include "clock.h"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PING_EVERY_MS 20

// Appends NAME='VALUE' to a connection string, quoted as libpq wants it.
static size_t append_setting(char *dsn, size_t used, const char *name, const char *value)
{
    used += (size_t)snprintf(dsn + used, LEDGER_DSN_MAX - used, "%s='", name);
    for (; *value != '\0' && used + 8 < LEDGER_DSN_MAX; value++) {
        if (*value == '\'' || *value == '\\')
            dsn[used++] = '\\';
        dsn[used++] = *value;
    }
    return used + (size_t)snprintf(dsn + used, LEDGER_DSN_MAX - used, "' ");
}

int ledger_local_init(struct ledger_local *local, const char *directory, struct error *err)
{
    struct ledger_local found = {0};
    int code = ledger_cluster_find(&found.cluster, directory, err);
    if (code != 0)
        return code;
    size_t used = append_setting(found.dsn, 0, "host", found.cluster.socket_directory);
    used = append_setting(found.dsn, used, "user", LEDGER_CLUSTER_ROLE);
    append_setting(found.dsn, used, "dbname", "postgres");
    *local = found;
    return 0;
}

bool ledger_local_is_running(const struct ledger_local *local)
{
    return PQping(local->dsn) == PQPING_OK;
}

// Waits until process `pid` has ended or `timeout_ms` are over. True: it has ended.
static bool wait_for_end(pid_t pid, int timeout_ms)
{
    cleanup_fd int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd ended = {.fd = fd, .events = POLLIN};
    return fd < 0 ? errno == ESRCH : poll(&ended, 1, timeout_ms) == 1;
}

// Reaps our server if it has ended.
static void reap(struct ledger_local *local)
{
    if (local->pid != 0 && waitpid(local->pid, NULL, WNOHANG) != 0)
        local->pid = 0;
}

// The process that postmaster.pid names, if it is this cluster's server: a postmaster's working
// directory is its cluster. 0 if it is gone; the file is removed then, as Postgres would take any
// process of the same user that has got the number since for the server, and refuse to start.
static pid_t find_predecessor(const struct ledger_local *local)
{
    char path[PATH_MAX + 32];
    char link[64];
    long pid = 0;
    struct stat process;
    struct stat data;
    snprintf(path, sizeof(path), "%s/postmaster.pid", local->cluster.data);
    cleanup_file FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%ld", &pid) != 1 || pid <= 1)
        pid = 0;
    snprintf(link, sizeof(link), "/proc/%ld/cwd", pid);
    if (pid != 0 && stat(link, &process) == 0 && stat(local->cluster.data, &data) == 0 &&
        process.st_dev == data.st_dev && process.st_ino == data.st_ino)
        return (pid_t)pid;
    unlink(path);
    return 0;
}

// Small: about 21 MB of memory in all processes, 39 MB on the disk.
static int launch(struct ledger_local *local, struct error *err)
{
    char socket_setting[PATH_MAX];
    snprintf(socket_setting, sizeof(socket_setting), "unix_socket_directories=%s",
             local->cluster.socket_directory);
    // clang-format off
    const char *const arguments[] = {
        "postgres", "-D", local->cluster.data,
        "-c", socket_setting,
        "-c", "unix_socket_permissions=0700",
        "-c", "listen_addresses=",
        "-c", "max_connections=20",
        "-c", "shared_buffers=8MB",
        "-c", "max_wal_size=64MB",
        "-c", "min_wal_size=32MB",
        "-c", "wal_level=minimal",
        "-c", "max_wal_senders=0",
        "-c", "max_worker_processes=0",
        "-c", "autovacuum_max_workers=1",
        "-c", "jit=off",
        "-c", "log_checkpoints=off",
        "-c", "TimeZone=UTC",
        NULL,
    };
    // clang-format on
    int code = ledger_cluster_make(&local->cluster, err);
    return code != 0 ? code : ledger_cluster_run(&local->cluster, arguments, &local->pid, err);
}

int ledger_local_start(struct ledger_local *local, struct error *err)
{
    int64_t deadline_us = clock_monotonic_us() + LEDGER_LOCAL_START_MAX_MS * INT64_C(1000);
    bool launched = false;
    char words[256];
    cleanup_fd int lock_fd = -1;
    reap(local);
    if (ledger_local_is_running(local))
        return 0;
    int code = ledger_cluster_lock(&local->cluster, &lock_fd, err);
    while (code == 0 && !ledger_local_is_running(local)) {
        if (clock_monotonic_us() > deadline_us)
            return error_set(err, -ETIMEDOUT, "the private Postgres in %s does not answer; see %s",
                             local->cluster.directory, local->cluster.log);
        pid_t predecessor = local->pid != 0 ? 0 : find_predecessor(local);
        if (predecessor != 0) { // it is on its way up or down
            wait_for_end(predecessor, PING_EVERY_MS);
        } else if (local->pid != 0) {
            wait_for_end(local->pid, PING_EVERY_MS);
            reap(local);
        } else if (launched) {
            ledger_cluster_last_words(&local->cluster, words, sizeof(words));
            return error_set(err, -EIO, "the private Postgres ended at its start: %s", words);
        } else {
            code = launch(local, err);
            launched = true;
        }
    }
    return code;
}

void ledger_local_stop(struct ledger_local *local)
{
    reap(local);
    if (local->pid == 0)
        return;
    kill(local->pid, SIGINT);
    if (!wait_for_end(local->pid, LEDGER_LOCAL_STOP_MAX_MS)) {
        kill(local->pid, SIGQUIT);
        wait_for_end(local->pid, LEDGER_LOCAL_STOP_MAX_MS);
    }
    reap(local);
}
