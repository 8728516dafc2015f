// Journal: the append-only local files that come first. One writer, the daemon.
//
// Appending is a write(2) into a preallocated segment; a helper thread does fdatasync by group and
// wakes the loop through an eventfd. Positions are logical byte offsets that only grow.
#pragma once

#include "error.h"
#include "journal_record.h"

#include <stdbool.h>
#include <stdint.h>

#define JOURNAL_SEGMENT_BYTES (INT64_C(16) << 20)

struct journal;

// A record of any type, by reference.
struct journal_record {
    enum journal_record_type type;
    union {
        const struct journal_run_open *run_open;
        const struct journal_reservation *reservation;
        const struct journal_settlement *settlement;
        const struct journal_run_close *run_close;
        const struct journal_alert *alert;
    };
};

// Somebody who waits until `position` is on the disk. Embedded in its owner; not copied.
struct journal_waiter {
    uint64_t position;
    // Called from journal_dispatch(); `result` 0, or a negative errno when fdatasync failed.
    void (*synced)(struct journal_waiter *waiter, int result);
    struct journal_waiter *next;
};

// Opens the journal in `directory` (made if missing, 0700) for appending after journal_replay() has
// cut it at its last whole record, and starts the helper thread.
int journal_open(struct journal **journal, const char *directory, int64_t segment_bytes,
                 struct error *err);

// Waits for what was written to be on the disk, stops the thread and frees. NULL is allowed.
void journal_close(struct journal *journal);

// Appends a record. *position (may be NULL) is its end. A reservation also books room for its
// settlement, so that a settlement never fails for want of space; -ENOSPC refuses reservations and
// run openings while the disk is full. Any other error means that the disk is failing.
int journal_append(struct journal *journal, const struct journal_record *record,
                   uint64_t *position, struct error *err);

// Starts fdatasync of what was appended, if it is not under way, and calls `waiter->synced` from a
// later journal_dispatch(). The waiter stays the caller's, until called or cancelled.
void journal_wait(struct journal *journal, struct journal_waiter *waiter);
void journal_wait_cancel(struct journal *journal, struct journal_waiter *waiter);

// True when everything up to `position` is on the disk.
bool journal_is_synced(const struct journal *journal, uint64_t position);

// The eventfd to poll for reading, and what to call then.
int journal_event_fd(const struct journal *journal);
void journal_dispatch(struct journal *journal);

// Deletes whole segments below `segment`, all of which the ledger has acknowledged.
int journal_delete_before(struct journal *journal, uint64_t segment, struct error *err);
