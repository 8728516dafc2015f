// Journal state: what the one writer keeps of the journal; for journal.c, which appends, and
// journal_handover.c, which gives it up.
#pragma once

#include "journal.h"
#include "journal_helper.h"

enum journal_state {
    JOURNAL_OPENING,
    JOURNAL_WRITING,
    JOURNAL_STRANDED,    // there is no segment that can be written to; waits for the next one
    JOURNAL_HANDED_OVER, // a successor writes it
};

struct journal {
    enum journal_state state;
    int stranded_code; // why, negative errno
    struct journal_options options;
    int directory_fd; // locked
    uint8_t journal_id[JOURNAL_ID_BYTES];
    struct journal_helper *helper;
    struct journal_open_segment current; // its fd is the helper's to close
    uint64_t offset;                     // of the end of what is written in it
    struct journal_open_segment next;    // made in advance; number 0: not yet
    struct journal_live live;
    uint64_t synced;                   // position
    uint64_t checkpoint_end;           // position, of the segment in use
    uint32_t acknowledged;             // segments below it may go
    uint64_t losses;                   // failed fdatasyncs
    struct error problem;              // the helper's
    struct journal_waiter *waiters;    // by position, ascending
    uint64_t settlement_bytes;         // at most, raw usage apart
    uint64_t batch_end_bytes;          // at most
    uint64_t run_close_bytes;          // at most
    uint64_t segment_end_bytes;        // at most
    journal_forward_function *forward; // once it is handed over
    void *forward_context;
    struct journal_loss last_loss; // what the handover could not sync
    uint8_t buffer[JOURNAL_RECORD_BYTES_MAX];
};

// Asserts that the edge is legal.
void journal_enter(struct journal *journal, enum journal_state state);

// Waits for what was written to be on the disk, stops the thread and closes the files, the
// directory's lock among them.
void journal_stop(struct journal *journal, struct journal_loss *loss);

// Calls the waiters whose wait is over. They may append, wait and cancel.
void journal_call_waiters(struct journal *journal, const struct journal_loss *loss);

// Appends to a journal that is handed over, as journal_append() does.
int journal_forward(struct journal *journal, const struct journal_record *record,
                    uint64_t *position, struct error *err);
