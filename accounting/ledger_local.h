// Ledger local: the private Postgres, for a machine that has no other. Started on demand, adopted
// if it runs, stopped by who started it.
//
// The server gets SIGINT, a fast shutdown, if the process that started it dies, however it dies.
// The next start waits for that shutdown, or clears away what a power cut left.
#pragma once

#include "error.h"
#include "ledger.h"
#include "ledger_cluster.h"

#include <stdbool.h>
#include <sys/types.h>

#define LEDGER_LOCAL_START_MAX_MS 60000 // recovery after a power cut takes a while
#define LEDGER_LOCAL_STOP_MAX_MS 10000

struct ledger_local {
    struct ledger_cluster cluster;
    char dsn[LEDGER_DSN_MAX];
    pid_t pid; // of the server, if it is ours; else 0
};

// Finds the cluster in `directory`; changes nothing. See ledger_cluster_find().
int ledger_local_init(struct ledger_local *local, const char *directory, struct error *err);

// Whether a server answers at local->dsn.
bool ledger_local_is_running(const struct ledger_local *local);

// Returns once a server answers: one that runs already, whoever's it is, or a new one of ours.
// Safe to call at any time, so before each connection.
int ledger_local_start(struct ledger_local *local, struct error *err);

// Stops the server if it is ours and waits until it is gone; does nothing otherwise.
void ledger_local_stop(struct ledger_local *local);
