// Journal follower: from segment to segment, past what is missing, never past what is being
// written.
#include "journal_follow.h"

#include "cleanup.h"

#include <endian.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum follower_state {
    FOLLOWER_UNPLACED, // has not looked at the segments yet
    FOLLOWER_READING,
};

struct journal_follower {
    enum follower_state state;
    char *directory;
    int directory_fd; // -1 while there is no directory
    struct journal_cursor start;
    uint32_t segment; // that is read
    int fd;           // of it; -1 if it cannot be read
    struct journal_reader reader;
    union journal_record_fields fields;
    uint32_t end_segment; // the end of what is written, as far as it was seen
    uint64_t end_offset;
};

// A list of segments for the time of one call.
struct segment_list {
    uint32_t *numbers;
    size_t count;
};

static void segment_list_done(struct segment_list *list)
{
    free(list->numbers);
}

int journal_follow_open(struct journal_follower **follower, const char *directory,
                        const struct journal_cursor *cursor, struct error *err)
{
    struct journal_follower *opened = calloc(1, sizeof(*opened));
    char *copy = strdup(directory);
    if (opened == NULL || copy == NULL) {
        free(opened);
        free(copy);
        return error_set(err, -ENOMEM, "out of memory for following the journal");
    }
    opened->directory = copy;
    opened->directory_fd = -1;
    opened->fd = -1;
    if (cursor != NULL)
        opened->start = *cursor;
    *follower = opened;
    return 0;
}

void journal_follow_close(struct journal_follower *follower)
{
    if (follower == NULL)
        return;
    if (follower->fd >= 0)
        close(follower->fd);
    if (follower->directory_fd >= 0)
        close(follower->directory_fd);
    free(follower->directory);
    free(follower);
}

// Lists what there is; no directory is no segments.
static int follower_list(struct journal_follower *follower, struct segment_list *list,
                         struct error *err)
{
    if (follower->directory_fd < 0) {
        int fd = open(follower->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT)
            return 0;
        if (fd < 0)
            return error_set_errno(err, -errno, "opening %s", follower->directory);
        follower->directory_fd = fd;
    }
    return journal_segment_list(follower->directory_fd, &list->numbers, &list->count, err);
}

static int follower_open_segment(struct journal_follower *follower, uint32_t segment, int *fd,
                                 struct error *err)
{
    char name[JOURNAL_SEGMENT_NAME_MAX];
    int opened =
        openat(follower->directory_fd, journal_segment_name(segment, name), O_RDONLY | O_CLOEXEC);
    if (opened < 0)
        return error_set_errno(err, -errno, "opening %s/%s", follower->directory, name);
    *fd = opened;
    return 0;
}

// Opens a segment and looks whether it is in use. -ENOENT: it was deleted since it was listed.
static int follower_open_begun(struct journal_follower *follower, uint32_t segment, int *fd,
                               bool *begun, struct error *err)
{
    int result = follower_open_segment(follower, segment, fd, err);
    return result < 0 ? result : journal_segment_begun(*fd, begun, err);
}

// Goes to the head of `segment`. Returns 1 if its header is rotten: nothing in it can be read.
static int follower_enter(struct journal_follower *follower, uint32_t segment, struct error *err)
{
    cleanup_fd int fd = -1;
    struct journal_header header;
    int result = follower_open_segment(follower, segment, &fd, err);
    if (result < 0)
        return result;
    result = journal_header_read(fd, &header, err);
    bool rotten = result == -EBADMSG || (result == 0 && header.segment != segment);
    if (result < 0 && !rotten)
        return error_wrap(err, "segment %u in %s", segment, follower->directory);
    if (follower->fd >= 0)
        close(follower->fd);
    follower->fd = -1;
    follower->segment = segment;
    follower->state = FOLLOWER_READING;
    if (rotten)
        return 1;
    follower->fd = take_fd(&fd);
    journal_reader_init(&follower->reader, follower->fd, &header);
    return 0;
}

// *number: the first segment after the present one that holds anything, 0 if there is none;
// *missing: how many before it are gone.
static int follower_find_next(struct journal_follower *follower, uint32_t *number,
                              uint64_t *missing, struct error *err)
{
    cleanup_with(segment_list_done) struct segment_list list = {0};
    int result = follower_list(follower, &list, err);
    if (result < 0)
        return result;
    uint64_t present = 0;
    *number = 0;
    for (size_t i = 0; i < list.count; i++) {
        if (list.numbers[i] <= follower->segment)
            continue;
        cleanup_fd int fd = -1;
        bool begun = false;
        result = follower_open_begun(follower, list.numbers[i], &fd, &begun, err);
        if (result == -ENOENT)
            continue;
        if (result < 0)
            return result;
        if (begun) {
            *number = list.numbers[i];
            *missing = list.numbers[i] - follower->segment - 1 - present;
            return 0;
        }
        present++;
    }
    return 0;
}

// Bytes at the end of the present segment that are no whole records.
static int follower_torn_bytes(struct journal_follower *follower, uint64_t *bytes,
                               struct error *err)
{
    uint64_t end = 0;
    *bytes = 0;
    if (follower->fd < 0)
        return 0;
    int result = journal_segment_used(follower->fd, follower->reader.offset, &end, err);
    if (result == 0)
        *bytes = end - follower->reader.offset;
    return result;
}

static enum journal_follow_result follow_enter(struct journal_follower *follower, uint32_t segment,
                                               enum journal_follow_result otherwise,
                                               struct journal_follow *follow, struct error *err)
{
    int result = follower_enter(follower, segment, err);
    if (result < 0)
        return JOURNAL_FOLLOW_ERROR;
    if (result == 0)
        return otherwise;
    struct stat status = {0};
    char name[JOURNAL_SEGMENT_NAME_MAX];
    fstatat(follower->directory_fd, journal_segment_name(segment, name), &status, 0);
    follow->gap = (struct journal_gap){
        .kind = JOURNAL_GAP_TORN, .segment = segment, .bytes = (uint64_t)status.st_size};
    return JOURNAL_FOLLOW_GAP;
}

// The present segment holds no more whole records: goes to the next one, if that is in use. Returns
// JOURNAL_FOLLOW_RECORD for "read on".
static enum journal_follow_result follow_leave(struct journal_follower *follower, uint32_t next,
                                               uint64_t missing, struct journal_follow *follow,
                                               struct error *err)
{
    struct journal_gap gap = {.kind = JOURNAL_GAP_TORN, .segment = follower->segment};
    if (follower_torn_bytes(follower, &gap.bytes, err) < 0)
        return JOURNAL_FOLLOW_ERROR;
    if (missing > 0)
        gap = (struct journal_gap){.kind = JOURNAL_GAP_SEGMENTS,
                                   .segment = follower->segment + 1,
                                   .segments = missing,
                                   .bytes = gap.bytes};
    bool whole = gap.bytes == 0 && missing == 0;
    if (!whole)
        follow->gap = gap;
    return follow_enter(follower, next, whole ? JOURNAL_FOLLOW_RECORD : JOURNAL_FOLLOW_GAP, follow,
                        err);
}

// Goes to where the cursor says, or to the oldest segment. JOURNAL_FOLLOW_RECORD for "read on".
static enum journal_follow_result follow_place(struct journal_follower *follower,
                                               struct journal_follow *follow, struct error *err)
{
    const struct journal_cursor *start = &follower->start;
    cleanup_with(segment_list_done) struct segment_list list = {0};
    if (follower_list(follower, &list, err) < 0)
        return JOURNAL_FOLLOW_ERROR;
    if (list.count == 0)
        return JOURNAL_FOLLOW_NOTHING_YET;

    for (size_t i = 0; i < list.count; i++) {
        if (list.numbers[i] != start->segment)
            continue;
        int entered = follower_enter(follower, list.numbers[i], err);
        if (entered < 0)
            return JOURNAL_FOLLOW_ERROR;
        if (entered == 0 && journal_reader_seek(&follower->reader, start, err))
            return JOURNAL_FOLLOW_RECORD;
    }

    uint32_t oldest = list.numbers[0];
    if (oldest == 1 && start->segment == 0)
        return follow_enter(follower, oldest, JOURNAL_FOLLOW_RECORD, follow, err);
    follow->gap = (struct journal_gap){.kind = JOURNAL_GAP_CURSOR_LOST, .segment = start->segment};
    if (oldest > start->segment) {
        uint64_t first = start->segment > 0 ? start->segment : 1;
        follow->gap = (struct journal_gap){
            .kind = JOURNAL_GAP_SEGMENTS, .segment = first, .segments = oldest - first};
    }
    return follow_enter(follower, oldest, JOURNAL_FOLLOW_GAP, follow, err);
}

// The next whole record. Where there is none, looks whether the segment is over, and goes on in the
// next one.
static enum journal_follow_result follow_read(struct journal_follower *follower,
                                              struct journal_follow *follow, struct error *err)
{
    uint32_t next = 0; // the segment after this one was seen in use
    uint64_t missing = 0;
    for (;;) {
        enum journal_frame frame = JOURNAL_FRAME_NONE;
        if (follower->fd >= 0)
            frame = journal_reader_next(&follower->reader, &follow->payload,
                                        &follow->payload_length, err);
        if (frame == JOURNAL_FRAME_ERROR)
            return JOURNAL_FOLLOW_ERROR;
        if (frame == JOURNAL_FRAME_WHOLE)
            return JOURNAL_FOLLOW_RECORD;
        if (next == 0) {
            if (follower_find_next(follower, &next, &missing, err) < 0)
                return JOURNAL_FOLLOW_ERROR;
            if (next == 0)
                return JOURNAL_FOLLOW_NOTHING_YET;
            continue; // what was written before the next segment began is there by now: look again
        }
        enum journal_follow_result result = follow_leave(follower, next, missing, follow, err);
        if (result != JOURNAL_FOLLOW_RECORD)
            return result;
        next = 0;
    }
}

// Records that the journal writes for itself.
static bool record_is_internal(enum journal_record_type type)
{
    return type >= JOURNAL_ACCOUNT;
}

static enum journal_follow_result follow_step(struct journal_follower *follower,
                                              struct journal_follow *follow, struct error *err)
{
    enum journal_follow_result result = JOURNAL_FOLLOW_RECORD;
    if (follower->state == FOLLOWER_UNPLACED)
        result = follow_place(follower, follow, err);
    while (result == JOURNAL_FOLLOW_RECORD) {
        result = follow_read(follower, follow, err);
        if (result != JOURNAL_FOLLOW_RECORD)
            return result;
        if (journal_record_decode(follow->payload, follow->payload_length, &follower->fields,
                                  &follow->record, err) < 0)
            return JOURNAL_FOLLOW_UNREADABLE;
        if (!record_is_internal(follow->record.type))
            return result;
    }
    return result;
}

enum journal_follow_result journal_follow_next(struct journal_follower *follower,
                                               struct journal_follow *follow, struct error *err)
{
    enum journal_follow_result result = follow_step(follower, follow, err);
    follow->cursor = follower->start;
    if (follower->state == FOLLOWER_READING)
        follow->cursor = (struct journal_cursor){.segment = follower->segment};
    if (follower->fd >= 0) {
        follow->cursor.offset = follower->reader.offset;
        follow->cursor.check = follower->reader.check;
    }
    return result;
}

// Moves the end that was seen to the end of what is written in the newest segment, by lengths
// alone.
static int follower_see_end(struct journal_follower *follower, uint32_t segment, int fd,
                            struct error *err)
{
    if (follower->end_segment != segment) {
        follower->end_segment = segment;
        follower->end_offset = JOURNAL_SEGMENT_HEADER_BYTES;
    }
    for (;;) {
        uint32_t length = 0;
        if (pread(fd, &length, sizeof(length), (off_t)follower->end_offset) < 0)
            return error_set_errno(err, -errno, "reading a journal segment");
        length = le32toh(length);
        if (length == 0 || length > JOURNAL_PAYLOAD_MAX)
            return 0;
        follower->end_offset += JOURNAL_FRAME_BYTES + length;
    }
}

int journal_follow_lag(struct journal_follower *follower, uint64_t *lag_bytes, struct error *err)
{
    cleanup_with(segment_list_done) struct segment_list list = {0};
    int result = follower_list(follower, &list, err);
    if (result < 0)
        return result;
    bool placed = follower->state == FOLLOWER_READING;
    uint64_t current = placed ? follower->segment : follower->start.segment;
    uint64_t offset = placed ? follower->reader.offset : follower->start.offset;
    uint64_t lag = 0;
    bool newest = true;
    for (size_t i = list.count; i > 0 && list.numbers[i - 1] >= current; i--) {
        uint32_t segment = list.numbers[i - 1];
        cleanup_fd int fd = -1;
        struct stat status;
        bool begun = false;
        result = follower_open_begun(follower, segment, &fd, &begun, err);
        if (result < 0 && result != -ENOENT)
            return result;
        if (!begun)
            continue;
        if (fstat(fd, &status) < 0)
            return error_set_errno(err, -errno, "reading the size of a journal segment");
        uint64_t end = (uint64_t)status.st_size;
        if (newest) {
            if ((result = follower_see_end(follower, segment, fd, err)) < 0)
                return result;
            end = follower->end_offset;
        }
        newest = false;
        uint64_t from = segment == current ? offset : JOURNAL_SEGMENT_HEADER_BYTES;
        lag += end > from ? end - from : 0;
    }
    *lag_bytes = lag;
    return 0;
}

int journal_follow_id(struct journal_follower *follower,
                      uint8_t journal_id[static JOURNAL_ID_BYTES], struct error *err)
{
    cleanup_with(segment_list_done) struct segment_list list = {0};
    int result = follower_list(follower, &list, err);
    if (result < 0)
        return result;
    for (size_t i = list.count; i > 0; i--) {
        cleanup_fd int fd = -1;
        struct journal_header header;
        if ((result = follower_open_segment(follower, list.numbers[i - 1], &fd, err)) < 0)
            return result;
        result = journal_header_read(fd, &header, err);
        if (result == 0)
            memcpy(journal_id, header.journal_id, JOURNAL_ID_BYTES);
        if (result != -EBADMSG)
            return result;
    }
    return error_set(err, -EAGAIN, "no journal segment in %s yet", follower->directory);
}
