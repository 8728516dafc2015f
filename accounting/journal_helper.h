// Journal helper: the thread that does for the journal what would block the loop: fdatasync by
// group, making the next segment ahead of time, ending the last one, deleting old ones.
//
// All functions but the thread's own are the loop's. An fd is the helper's from
// journal_helper_use() on; the loop may write to it until the next journal_helper_use().
#pragma once

#include "error.h"
#include "journal_segment.h"

#include <stdbool.h>
#include <stdint.h>

// A segment that is open for writing; number 0: none.
struct journal_open_segment {
    uint32_t number;
    int fd;
    uint64_t bytes; // its size
};

// The records of a segment, from a position on, whose fdatasync failed: nobody knows whether they
// are on the disk.
struct journal_loss {
    uint32_t segment; // 0: no loss
    uint64_t from;
    int result; // negative errno
};

struct journal_progress {
    uint64_t synced; // position
    struct journal_loss loss;
    struct error problem; // with making or deleting segments, while it lasts; code 0: none
};

struct journal_helper;

struct journal_helper_options {
    int directory_fd; // stays the caller's, who keeps it open
    uint8_t journal_id[JOURNAL_ID_BYTES];
    uint64_t segment_bytes;
};

// Starts the thread.
int journal_helper_start(struct journal_helper **helper,
                         const struct journal_helper_options *options, struct error *err);

// Syncs what is left and ends the thread; *progress is the last.
void journal_helper_stop(struct journal_helper *helper, struct journal_progress *progress);

// Readable after every step of the helper. journal_helper_read() clears it.
int journal_helper_event_fd(const struct journal_helper *helper);

// Makes the event fd readable.
void journal_helper_ring(struct journal_helper *helper);

// `segment` is in use from now on, written up to `position`. The one before it is over at position
// `end`: what it holds is synced first, then it is cut to its end and closed, all by the helper.
// At most one is being ended at a time: the next one is made after that.
void journal_helper_use(struct journal_helper *helper, const struct journal_open_segment *segment,
                        uint64_t position, uint64_t end);

// Everything up to `position` in the segment in use has been written: syncs it within about a
// millisecond, so that what is written meanwhile shares the fdatasync.
void journal_helper_written(struct journal_helper *helper, uint64_t position);

// Somebody waits for what has been written up to `position`: syncs it now.
void journal_helper_hurry(struct journal_helper *helper, uint64_t position);

// Makes segment `number` in advance, once the last one that was made has been taken and used; tries
// again every second while that fails.
void journal_helper_make(struct journal_helper *helper, uint32_t number);

// Tries again at once.
void journal_helper_retry(struct journal_helper *helper);

// Takes the segment that was made. False: it is not there yet.
bool journal_helper_take(struct journal_helper *helper, struct journal_open_segment *segment);

// The ledger has everything up to the cursor: the segments below its own may go. A cursor that is
// not of this journal's past is ignored.
void journal_helper_acknowledge(struct journal_helper *helper, const struct journal_cursor *cursor);

// Segments from `number` on stay, whatever is acknowledged.
void journal_helper_keep(struct journal_helper *helper, uint32_t number);

// How far it is. A loss is told once; until it is told nothing after it is synced.
void journal_helper_read(struct journal_helper *helper, struct journal_progress *progress);
