// Journal: the append-only local files that come first. One writer, the daemon.
//
// Appending is a write(2) into a preallocated segment; a helper thread does fdatasync by group and
// wakes the loop through an eventfd. A segment begins with a checkpoint, so that a start reads one
// segment only; those before it wait for the ledger.
#pragma once

#include "error.h"
#include "journal_live.h"
#include "journal_record.h"
#include "journal_replay.h"

#include <stdbool.h>
#include <stdint.h>

#define JOURNAL_SEGMENT_BYTES (INT64_C(16) << 20)
#define JOURNAL_SEGMENT_BYTES_MIN (INT64_C(32) << 10) // at most four exchanges in flight
#define JOURNAL_SEGMENT_BYTES_MAX (INT64_C(1) << 30)

struct journal;
struct journal_checkpoint;

struct journal_options {
    const char *directory; // made if missing, 0700
    int64_t segment_bytes; // 0: JOURNAL_SEGMENT_BYTES

    // Called by journal_open() for every record that a start has to know, accounts first: put them
    // back into the budget. What is open at the end is in journal_live(): every reservation there
    // is an orphan, every batch is not. May be NULL. A negative errno, with `err` set, ends
    // journal_open().
    int (*replay)(const struct journal_record *record, void *context, struct error *err);

    // Called when a segment begins, by journal_open(), journal_append() or journal_dispatch():
    // gives every account that has something settled to journal_checkpoint_account(), and what else
    // a start has to know to journal_checkpoint_record(). May be NULL.
    //
    // So what is settled in the budget must be what the journal holds: book a settlement in the
    // budget after its journal_append(), before anything else is appended.
    void (*checkpoint)(struct journal_checkpoint *checkpoint, void *context);
    void *context;
};

// A position grows with every record: its segment's number << 32, plus the offset of its end.
static inline uint32_t journal_position_segment(uint64_t position)
{
    return (uint32_t)(position >> 32);
}

static inline uint32_t journal_position_offset(uint64_t position)
{
    return (uint32_t)position;
}

// Somebody who waits until `position` is on the disk. Embedded in its owner; not copied.
struct journal_waiter {
    uint64_t position;
    // Called from journal_dispatch(); `result` 0, or a negative errno when fdatasync failed: the
    // record may be on the disk or not. It is in the next checkpoint all the same, if it opened
    // something.
    void (*synced)(struct journal_waiter *waiter, int result);
    struct journal_waiter *next;
};

// Opens the journal for appending, alone (-EBUSY: another process has it): replays it, cuts it at
// its last whole record, starts the helper thread. `found` (may be NULL) says what was there; its
// `live` is left empty. A disk that is full does not stop it: appends are refused until there is
// room.
int journal_open(struct journal **journal, const struct journal_options *options,
                 struct journal_replay *found, struct error *err);

// Waits for what was written to be on the disk, calls the waiters, stops the thread and frees. NULL
// is allowed.
void journal_close(struct journal *journal);

// Takes a record to whoever writes the journal now. 0, or a negative errno with `err` set.
typedef int journal_forward_function(const struct journal_record *record, void *context,
                                     struct error *err);

// Gives the journal up to another process, which may open it when this returns: what was written is
// on the disk. The waiters are still called by journal_dispatch(), to be called once. From now on
// the end of what has been begun (SETTLEMENT, BATCH, OWNED) goes to `forward`, at position 0;
// everything else is refused: -ESHUTDOWN. Nothing is waited for: what the successor does not hear
// of it finds open, and charges as an orphan. There is no event fd any more.
void journal_hand_over(struct journal *journal, journal_forward_function *forward, void *context);
bool journal_is_handed_over(const struct journal *journal);

// What is open now: reservations and runs. The pointers in it hold until the next append.
const struct journal_live *journal_live(const struct journal *journal);

// Appends a record. *position (may be NULL) is its end. A reservation also books room for its
// settlement, or for the batch that it becomes the reservation of, a batch for its end, a run
// opening for its close, so that these never fail for want of space; -ENOSPC refuses all others,
// the rows of a batch among them, while the disk is full. Any other error means that
// the disk is failing. What was appended goes to the disk within about one fdatasync, waited for or
// not.
int journal_append(struct journal *journal, const struct journal_record *record, uint64_t *position,
                   struct error *err);

// To be called from the checkpoint callback alone.
void journal_checkpoint_account(struct journal_checkpoint *checkpoint,
                                const struct journal_account *account);

// The same for a record of another type, which is repeated as it is now.
void journal_checkpoint_record(struct journal_checkpoint *checkpoint,
                               const struct journal_record *record);

// Calls `waiter->synced` from journal_dispatch(), never from here. The waiter stays the caller's,
// until called or cancelled. Waiters are called in the order of their positions.
void journal_wait(struct journal *journal, struct journal_waiter *waiter);
void journal_wait_cancel(struct journal *journal, struct journal_waiter *waiter);

// True when everything up to `position` is on the disk; always, once the journal is handed over.
bool journal_is_synced(const struct journal *journal, uint64_t position);

// The eventfd to poll for reading, and what to call then.
int journal_event_fd(const struct journal *journal);
void journal_dispatch(struct journal *journal);

// Has the helper delete the segments below that of the cursor, up to which the ledger has
// everything. A cursor that is not of this journal's past is ignored. What a start would need is
// kept in any case.
void journal_delete_before(struct journal *journal, const struct journal_cursor *acknowledged);

struct journal_status {
    uint64_t position;    // end of what is written
    uint64_t synced;      // end of what is on the disk
    bool full;            // the room left does not cover another reservation
    uint64_t losses;      // times that fdatasync failed, since the journal was opened
    struct error problem; // with making or deleting segments, while it lasts; code 0: none
};

void journal_read_status(const struct journal *journal, struct journal_status *status);
