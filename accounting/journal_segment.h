// Journal segments: the files that records lie in, and a reader of one.
//
//     NNNNNNNN.journal    0  magic "reevejnl"          8
//                         8  u32 format version        4
//                        12  u32 segment number        4
//                        16  journal id, random       16
//                        32  i64 made at, us since 1970
//                        40  zero                     20
//                        60  u32 CRC-32C of the above  4
//                        64  records, one after the other; a length of zero ends them
//
// Little endian. A segment has its full size, filled with zeros, before it has its name; it is cut
// to what it holds once the next one is in use.
#pragma once

#include "error.h"
#include "journal_record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JOURNAL_FORMAT_VERSION 1
#define JOURNAL_SEGMENT_HEADER_BYTES 64
#define JOURNAL_SEGMENT_NUMBER_MAX 99999999 // eight digits: 1.6 PB of segments of 16 MB
#define JOURNAL_SEGMENT_NAME_MAX 24
#define JOURNAL_ID_BYTES 16

struct journal_header {
    uint32_t segment;
    uint8_t journal_id[JOURNAL_ID_BYTES];
    int64_t made_at_us;
    uint32_t crc; // of the header on the disk
};

// Writes "NNNNNNNN.journal". Returns `name`.
const char *journal_segment_name(uint32_t segment, char name[static JOURNAL_SEGMENT_NAME_MAX]);

// Puts the header of `segment` into `bytes`; sets header->crc.
void journal_header_encode(struct journal_header *header,
                           uint8_t bytes[static JOURNAL_SEGMENT_HEADER_BYTES]);

// Reads the header of the open segment. -EBADMSG: not a whole header; -ENOTSUP: of a newer reeve.
int journal_header_read(int fd, struct journal_header *header, struct error *err);

// Makes the segment that `header` (all but crc) describes, of `bytes` zeros after the header, and
// has it on the disk under its name; another one of that number is replaced. *fd is the caller's to
// close. On failure nothing is left but, at worst, a file without a number. Blocks for a disk's
// time.
int journal_segment_make(int directory_fd, struct journal_header *header, uint64_t bytes, int *fd,
                         struct error *err);

// Takes a segment that was made and never used, gives it the new `header`; *fd as above. -EBADMSG:
// it is not fit, being smaller than `bytes` or not empty.
int journal_segment_adopt(int directory_fd, struct journal_header *header, uint64_t bytes, int *fd,
                          struct error *err);

// Writes all of `bytes` at `offset`. A disk that is full, a quota and RLIMIT_FSIZE all give
// -ENOSPC.
int journal_segment_write(int fd, const void *bytes, size_t length, uint64_t offset,
                          struct error *err);

// Writes zeros to [offset, end).
int journal_segment_zero(int fd, uint64_t offset, uint64_t end, struct error *err);

// The numbers of the segments in the directory, ascending; the caller frees *segments.
// `directory_fd` stays the caller's.
int journal_segment_list(int directory_fd, uint32_t **segments, size_t *count, struct error *err);

// *begun: the segment at `fd` holds at least the start of a record, so the one before it is over.
int journal_segment_begun(int fd, bool *begun, struct error *err);

// *end: one past the last byte from `offset` on that is not zero; `offset` if all are.
int journal_segment_used(int fd, uint64_t offset, uint64_t *end, struct error *err);

// A place between two records. All zero: before everything.
struct journal_cursor {
    uint64_t segment;
    uint64_t offset; // bytes from the segment's start
    uint32_t check;  // fingerprint of the segment up to here; a cursor that does not match is lost
};

enum journal_frame {
    JOURNAL_FRAME_ERROR, // reading failed, see `err`
    JOURNAL_FRAME_NONE,  // end of what is written
    JOURNAL_FRAME_TORN,  // not a whole record, or one that is being written this moment
    JOURNAL_FRAME_WHOLE,
};

// Reads the records of one segment in order, with fixed memory.
struct journal_reader {
    int fd;               // not owned
    uint64_t offset;      // of the next record in the segment
    uint32_t check;       // over the header and the checksums of all records read: a fingerprint
    uint64_t buffer_from; // the part of the segment that `buffer` holds
    size_t buffer_length;
    uint8_t buffer[2 * JOURNAL_RECORD_BYTES_MAX];
};

// Begins after the header.
void journal_reader_init(struct journal_reader *reader, int fd,
                         const struct journal_header *header);

// Looks at the record at reader->offset and, if it is whole, goes past it. *payload points into the
// reader until the next call. After any other result the next call looks at the file anew.
enum journal_frame journal_reader_next(struct journal_reader *reader, const uint8_t **payload,
                                       size_t *length, struct error *err);

// Goes on from the head of the segment to the cursor. False: the cursor is not of this segment's
// past, or reading failed.
bool journal_reader_seek(struct journal_reader *reader, const struct journal_cursor *cursor,
                         struct error *err);
