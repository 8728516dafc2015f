// Journal follower: reads the journal while it is being written, from another process, for good.
//
// Read-only, fixed memory. Every whole record is handed out at least once, in order; some may come
// again: a checkpoint repeats the runs and reservations that are open, and after a power cut took a
// part that had been read already, the follower begins anew at the oldest segment. So whatever is
// done with a record must be idempotent by its run or exchange id.
#pragma once

#include "error.h"
#include "journal_record.h"
#include "journal_segment.h"

#include <stdint.h>

enum journal_follow_result {
    JOURNAL_FOLLOW_ERROR,       // reading failed, see `err`; the same call may be made again
    JOURNAL_FOLLOW_NOTHING_YET, // all that is written has been handed out
    JOURNAL_FOLLOW_RECORD,
    JOURNAL_FOLLOW_UNREADABLE, // a record, whole, that is not understood, see `err`; it was passed
    JOURNAL_FOLLOW_GAP,        // something is missing before the next record, see follow->gap
};

enum journal_gap_kind {
    JOURNAL_GAP_SEGMENTS,    // `segments` of them were deleted before they were read
    JOURNAL_GAP_TORN,        // `bytes` at the end of a segment are not whole records
    JOURNAL_GAP_CURSOR_LOST, // the cursor given is not of this journal's past: all is read again
};

struct journal_gap {
    enum journal_gap_kind kind;
    uint64_t segment; // the first one missing, the torn one, the cursor's
    uint64_t segments;
    uint64_t bytes;
};

struct journal_follow {
    struct journal_record record; // JOURNAL_FOLLOW_RECORD: until the next call
    const uint8_t *payload;       // JOURNAL_FOLLOW_RECORD and _UNREADABLE: its bytes, until then
    size_t payload_length;
    struct journal_gap gap;
    struct journal_cursor cursor; // after the record: where to go on another time
};

struct journal_follower;

// Opens the journal in `directory`, which may not exist yet, to go on at `cursor` (NULL: at the
// oldest record). Nothing is read before the first journal_follow_next().
int journal_follow_open(struct journal_follower **follower, const char *directory,
                        const struct journal_cursor *cursor, struct error *err);
void journal_follow_close(struct journal_follower *follower); // NULL is allowed

// Goes one step on.
enum journal_follow_result journal_follow_next(struct journal_follower *follower,
                                               struct journal_follow *follow, struct error *err);

// *lag_bytes: what is written and not yet handed out, by the sizes of the segments.
int journal_follow_lag(struct journal_follower *follower, uint64_t *lag_bytes, struct error *err);

// The id that all segments of this journal bear. -EAGAIN: there is no segment yet.
int journal_follow_id(struct journal_follower *follower,
                      uint8_t journal_id[static JOURNAL_ID_BYTES], struct error *err);
