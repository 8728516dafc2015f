// Ledger source: the ledger that a command reads, found as the daemon finds it.
//
// The first of: --ledger; $REEVE_LEDGER_DSN; Ledger=; the private Postgres of the state directory.
// A private one that does not run, since the daemon does not, is started for the time of the
// command.
#pragma once

#include "client_options.h"
#include "config.h"
#include "error.h"
#include "ledger.h"
#include "ledger_local.h"
#include "paths.h"

struct ledger_source_options {
    struct client_options client;
    const char *dsn; // NULL: as the daemon
};

// Their rows in a table of options.
#define LEDGER_SOURCE_OPTIONS(where)                                                               \
    {.name = "ledger",                                                                             \
     .value = "DSN",                                                                               \
     .help = "the books: postgresql://USER@HOST/DATABASE or 'host=… user=…'; without it\n"     \
             "$REEVE_LEDGER_DSN, Ledger=, or else the private Postgres of the state directory",    \
     .text = &(where)->dsn},                                                                       \
        CLIENT_OPTIONS(&(where)->client)

struct ledger_source {
    struct config config;
    struct paths paths;
    const char *dsn; // NULL: the private Postgres
    struct ledger_local local;
    struct ledger *ledger; // NULL until ledger_source_open()
};

// Finds the places. The caller ends with ledger_source_done() in every case.
int ledger_source_init(struct ledger_source *source, const struct ledger_source_options *options,
                       struct error *err);

// Connects; says on stderr if a server is started.
int ledger_source_open(struct ledger_source *source, struct error *err);

void ledger_source_done(struct ledger_source *source);
