// Ledger cluster: the files of the private Postgres, and programs of Postgres run on them.
//
//     DIRECTORY/           0700, the owner's
//         data/            the cluster, made by initdb
//         log              what initdb and the server said since the last start
//         .s.PGSQL.5432    the socket, unless its path would be too long
//
// Postgres refuses to run as root, so root gives the cluster to an unprivileged owner. Whoever owns
// it and root may connect, as the role "reeve"; peer authentication, no TCP, no password.
#pragma once

#include "error.h"

#include <limits.h>
#include <sys/types.h>
#include <sys/un.h>

#define LEDGER_CLUSTER_ROLE "reeve"
#define LEDGER_CLUSTER_USER_MAX 64
#define LEDGER_CLUSTER_SOCKET_MAX sizeof(((struct sockaddr_un *)NULL)->sun_path)

struct ledger_cluster {
    char directory[PATH_MAX - 64]; // absolute; room for the names in it
    char data[PATH_MAX];
    char log[PATH_MAX];
    char socket_directory[LEDGER_CLUSTER_SOCKET_MAX];
    char binaries[PATH_MAX]; // the server's programs, of the cluster's version
    char user[LEDGER_CLUSTER_USER_MAX];
    uid_t uid; // the owner
    gid_t gid;
};

// Fills in the places and the owner. Makes and changes nothing. -ENOENT: there are no server
// programs (of the cluster's version) on this machine; the error says what to install.
int ledger_cluster_find(struct ledger_cluster *cluster, const char *directory, struct error *err);

// Makes the directories if they are missing and waits until no other process makes or starts this
// cluster. Closing *lock_fd lets the next one go on.
int ledger_cluster_lock(const struct ledger_cluster *cluster, int *lock_fd, struct error *err);

// Makes the cluster if there is none yet, and writes who may connect. A cluster is there whole or
// not at all, whenever this is interrupted. The caller holds the lock.
int ledger_cluster_make(const struct ledger_cluster *cluster, struct error *err);

// Runs `arguments` (the first one a program of the cluster's binaries) as the owner, without the
// caller's environment; output goes to the log. The child gets SIGINT if its parent dies.
int ledger_cluster_run(const struct ledger_cluster *cluster, const char *const *arguments,
                       pid_t *pid, struct error *err);

// The last line of the log that says something, for errors.
void ledger_cluster_last_words(const struct ledger_cluster *cluster, char *text, size_t size);
