// Journal replay: from the newest whole checkpoint to the last whole record, at a start.
#pragma once

#include "error.h"
#include "journal_live.h"
#include "journal_record.h"
#include "journal_segment.h"

#include <stdbool.h>
#include <stdint.h>

// What a replay found.
struct journal_replay {
    uint32_t segment;  // that was replayed; 0: there is none with a whole checkpoint
    uint64_t offset;   // of the end of its last whole record
    bool segment_over; // SEGMENT_END was read: nothing more belongs into this segment
    uint32_t newest;   // the newest segment that holds anything; 0 none
    uint8_t journal_id[JOURNAL_ID_BYTES]; // of the newest; zero when `newest` is 0
    uint64_t records;                     // handed out
    uint64_t unknown;                     // records of a newer reeve, passed over
    uint64_t torn_bytes;                  // after `offset` in `segment`, to be cut
    uint64_t skipped;                     // newer segments whose checkpoint is torn, passed over
    uint64_t skipped_bytes;               // what they hold
    struct journal_live live;             // what is still open; journal_live_done() it
};

// Reads the journal in `directory_fd` and calls `visit` for every record from the newest whole
// checkpoint on: accounts come first, and CHECKPOINT_END is handed out too. Changes nothing on the
// disk. `visit` returns 0 or a negative errno, with `err` set, that ends the replay.
// -EBADMSG: a record that is whole but makes no sense: nothing is to be written after it.
int journal_replay(int directory_fd,
                   int (*visit)(const struct journal_record *record, void *context,
                                struct error *err),
                   void *context, struct journal_replay *replay, struct error *err);
