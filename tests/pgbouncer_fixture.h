// A PgBouncer in transaction mode before the test's private Postgres, run as the same user.
#pragma once

#include "ledger_fixture.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>

#define PGBOUNCER_PROGRAM "/usr/sbin/pgbouncer"

struct pgbouncer_fixture {
    char directory[96];
    char dsn[256];
    pid_t pid;
};

static inline bool pgbouncer_fixture_is_possible(void)
{
    return access(PGBOUNCER_PROGRAM, X_OK) == 0;
}

// Starts it and waits until it answers. One server connection only: whatever is left behind on it
// would be met by the next client.
static inline void pgbouncer_fixture_start(struct pgbouncer_fixture *pgbouncer,
                                           const struct ledger_fixture *fixture)
{
    const struct ledger_cluster *cluster = &fixture->local.cluster;
    char path[128];
    snprintf(pgbouncer->directory, sizeof(pgbouncer->directory), "%s/pgbouncer",
             fixture->directory);
    snprintf(path, sizeof(path), "%s/pgbouncer.ini", pgbouncer->directory);
    if (mkdir(pgbouncer->directory, 0700) == 0)
        ck_assert_int_eq(chown(pgbouncer->directory, cluster->uid, cluster->gid), 0);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fprintf(file,
            "[databases]\nbooks = host=%s dbname=postgres user=%s pool_size=1\n"
            "[pgbouncer]\npool_mode = transaction\nauth_type = any\nlisten_addr =\n"
            "unix_socket_dir = %s\nlogfile = %s/log\nverbose = 0\n",
            cluster->socket_directory, LEDGER_CLUSTER_ROLE, pgbouncer->directory,
            pgbouncer->directory);
    fclose(file);
    ck_assert_int_eq(chown(path, cluster->uid, cluster->gid), 0);
    snprintf(pgbouncer->dsn, sizeof(pgbouncer->dsn), "host=%s port=6432 dbname=books user=anyone",
             pgbouncer->directory);
    pgbouncer->pid = fork();
    if (pgbouncer->pid == 0) {
        execl(PGBOUNCER_PROGRAM, "pgbouncer", "-q", "-u", cluster->user, path, NULL);
        _exit(127);
    }
    for (int i = 0; PQping(pgbouncer->dsn) != PQPING_OK; i++) {
        ck_assert_int_lt(i, 500);
        ck_assert_int_eq(waitpid(pgbouncer->pid, NULL, WNOHANG), 0);
        usleep(20000);
    }
}

static inline void pgbouncer_fixture_stop(struct pgbouncer_fixture *pgbouncer)
{
    if (pgbouncer->pid == 0)
        return;
    kill(pgbouncer->pid, SIGKILL);
    waitpid(pgbouncer->pid, NULL, 0);
    pgbouncer->pid = 0;
}
