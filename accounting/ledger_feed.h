// Ledger feed: the process that follows the journal into Postgres, and the daemon's side of it.
//
// The daemon starts it by exec and holds one end each of two SOCK_SEQPACKET pairs. Over the first,
// it
//   - wakes the feed when records were written (the feed gathers: wake as often as you like),
//   - reads its reports: how far the books are, and what stands in the way.
// Over the second it asks about state (source_state_link.h), which another thread answers.
// Postgres slow or gone is the feed's problem alone. Whatever kills the feed, nothing is lost and
// nothing doubled: see ledger_catch_up.h.
#pragma once

#include "error.h"
#include "journal_follow.h"
#include "ledger_catch_up.h"

#include <stdint.h>
#include <sys/types.h>

#define LEDGER_DSN_ENV "REEVE_LEDGER_DSN" // never an argument: it can hold a password
#define LEDGER_FEED_ERROR_MAX 256
#define LEDGER_FEED_STOP_MAX_SEC 2 // from SIGTERM, or the daemon's end, to the feed's
#define LEDGER_FEED_REPORT_VERSION 1

enum ledger_feed_state {
    LEDGER_FEED_STARTING, // has not tried yet
    LEDGER_FEED_LEVEL,    // all that was written is in the ledger
    LEDGER_FEED_WRITING,  // a batch was committed, more are to come
    LEDGER_FEED_RETRYING, // the last attempt failed, see last_error; the next one is due
    LEDGER_FEED_STATES,
};

const char *ledger_feed_state_name(enum ledger_feed_state state);

// One packet from the feed. Both ends are of the same build, except while reeve is being upgraded.
struct ledger_feed_report {
    uint32_t version;                       // LEDGER_FEED_REPORT_VERSION
    uint32_t state;                         // enum ledger_feed_state
    struct journal_cursor acknowledged;     // all before it is committed: segments below may go
    uint64_t lag_bytes;                     // of journal that is not in the ledger yet
    uint64_t rows;                          // written since the feed started
    uint64_t quarantined;                   // since the feed started
    char last_error[LEDGER_FEED_ERROR_MAX]; // "" while there is none; never holds a password
};

// The daemon's ends: non-blocking, close-on-exec.
struct ledger_feed_link {
    int fd;       // wakes and reports; closing it ends the feed
    int state_fd; // questions and answers about state
};

// Starts `reeve ledger feed` from the running executable. The ends are the caller's, who also reaps
// *pid, and starts the feed anew when it ends.
int ledger_feed_start(const struct ledger_catch_up_options *options, pid_t *pid,
                      struct ledger_feed_link *link, struct error *err);

// Tells the feed that records were written. Never blocks, and may fail: the feed looks by itself
// now and then.
void ledger_feed_wake(int fd);

// Reads one report. -EAGAIN: none is there now; -EPIPE: the feed has ended; -EPROTO: not a report.
int ledger_feed_receive(int fd, struct ledger_feed_report *report, struct error *err);

// The process itself, on its ends of the pairs (-1: there is no daemon). Returns 0 after SIGTERM,
// SIGINT or the daemon's end; LEDGER_FEED_STOP_MAX_SEC later it is killed by SIGALRM in the middle
// of what it does, which is safe. To be called by a process with a single thread.
int ledger_feed_run(const struct ledger_catch_up_options *options,
                    const struct ledger_feed_link *link, struct error *err);
