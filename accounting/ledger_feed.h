// Ledger feed: the process that follows the journal into Postgres, and serve's side of it.
//
// serve starts it by exec, holds one end of a SOCK_SEQPACKET pair and
//   - wakes it when records were written (any packet; it gathers, so wake as often as you like),
//   - reads its reports: how far the books are, and what stands in the way.
// Postgres slow or gone is the feed's problem alone. Whatever kills the feed, nothing is lost and
// nothing doubled: the cursor moves in the transaction that writes the rows.
#pragma once

#include "error.h"
#include "journal_follow.h"

#include <stdint.h>
#include <sys/types.h>

#define LEDGER_FEED_FD_ENV                                                                         \
    "REEVE_FEED_FD"                       // number of the inherited socket; absent when run by hand
#define LEDGER_DSN_ENV "REEVE_LEDGER_DSN" // never in argv: it can hold a password
#define LEDGER_FEED_ERROR_MAX 256
#define LEDGER_FEED_STOP_MAX_SEC 2 // from SIGTERM or the end of serve to its exit

enum ledger_feed_state {
    LEDGER_FEED_STARTING,  // not yet connected
    LEDGER_FEED_CONNECTED, // the last attempt to write succeeded
    LEDGER_FEED_RETRYING,  // the last attempt failed; the next one is due
};

const char *ledger_feed_state_name(enum ledger_feed_state state);

// One packet from the feed. Both ends are the same build, except while reeve is being upgraded.
struct ledger_feed_report {
    uint32_t version;                   // LEDGER_FEED_REPORT_VERSION
    uint32_t state;                     // enum ledger_feed_state
    struct journal_cursor acknowledged; // everything before it is committed; whole segments may go
    uint64_t lag_bytes;                 // of journal that is not yet in the ledger
    uint64_t rows;                      // written since the feed started
    uint64_t quarantined;               // since the feed started
    char last_error[LEDGER_FEED_ERROR_MAX]; // "" while there is none; never holds a password
};
#define LEDGER_FEED_REPORT_VERSION 1

struct ledger_feed_options {
    const char *state_directory;   // holds the private cluster, when there is no DSN
    const char *journal_directory; // what to follow
    const char *dsn;               // NULL or "": the private Postgres
    const char *prices_file;       // NULL: the built-in table
};

// Starts `reeve ledger feed` from the running executable. *fd is serve's end: non-blocking,
// close-on-exec, the caller's to close; closing it ends the feed within LEDGER_FEED_STOP_MAX_SEC.
// The caller reaps *pid and starts the feed anew when it ends.
int ledger_feed_start(const struct ledger_feed_options *options, pid_t *pid, int *fd,
                      struct error *err);

// Tells the feed that records were written. Never blocks; failure does not matter.
void ledger_feed_wake(int fd);

// Reads one report. -EAGAIN: none is there now; -EPIPE: the feed has ended; -EPROTO: not a report.
int ledger_feed_receive(int fd, struct ledger_feed_report *report, struct error *err);

// The process itself: follows until SIGTERM or until serve closes its end. `wake_fd` may be -1.
// Returns 0 at an orderly end.
int ledger_feed_run(const struct ledger_feed_options *options, int wake_fd, struct error *err);
