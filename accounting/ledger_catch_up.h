// Ledger catch-up: brings the ledger level with the journal, batch by batch.
//
//     connect ▶ cursor ▶ [ read a batch ▶ write it and the cursor ] until nothing is left
//
// After any failure the connection and the place in the journal are forgotten; the next call begins
// with the cursor that the ledger has. So a commit whose answer was lost is not written twice.
#pragma once

#include "error.h"
#include "journal_follow.h"
#include "ledger.h"
#include "ledger_local.h"
#include "ledger_rows.h"

#include <stdint.h>

struct ledger_catch_up_options {
    const char *journal_directory;
    const char *postgres_directory; // of the private Postgres, which is used without a DSN
    const char *dsn;                // NULL or "": the private Postgres
    const char *prices_file;        // NULL: the built-in table
};

enum ledger_catch_up_state {
    CATCH_UP_NEW,    // the place in the journal is not known
    CATCH_UP_PLACED, // the follower stands behind what is committed; no connection
    CATCH_UP_CONNECTED,
};

struct ledger_catch_up {
    struct ledger_catch_up_options options; // not owned
    enum ledger_catch_up_state state;
    char host[256];
    struct ledger_local local; // the private Postgres, once it was needed
    struct ledger *ledger;
    struct ledger_journal journal;
    struct journal_follower *follower;
    struct ledger_rows rows;
    struct journal_cursor acknowledged; // all before it is committed
    uint64_t written;                   // rows, since the start
    uint64_t quarantined;

    // Called after each committed batch. May be NULL.
    void (*progress)(void *context);
    void *context;
};

int ledger_catch_up_init(struct ledger_catch_up *catch_up,
                         const struct ledger_catch_up_options *options, struct error *err);
void ledger_catch_up_done(struct ledger_catch_up *catch_up); // stops a private Postgres of ours

// Writes all that there is. 0: the ledger is level. Connects only if there is something to write.
int ledger_catch_up(struct ledger_catch_up *catch_up, struct error *err);

// Closes the connection, which nothing has used for a while; the place is kept.
void ledger_catch_up_rest(struct ledger_catch_up *catch_up);

// Bytes of journal that are not committed yet; 0 if even that cannot be read.
uint64_t ledger_catch_up_lag(struct ledger_catch_up *catch_up);
