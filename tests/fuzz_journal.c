// Fuzzes what a start and a follower make of two segments of any content.
//
// The first byte says how the rest is used: as it is, or as payloads that get a right header, a
// checkpoint and right frames, so that what is behind the checksums is reached too. The second says
// where the second segment begins.
#include "crc32c.h"
#include "journal_follow.h"
#include "journal_replay.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEGMENT_MAX (1 << 20)

struct segment {
    size_t length;
    uint8_t bytes[SEGMENT_MAX];
};

static struct segment segments[2];

// Made once and kept for all inputs.
static char directory[64];
static int directory_fd = -1;

static void remove_directory(void)
{
    unlinkat(directory_fd, "00000001.journal", 0);
    unlinkat(directory_fd, "00000002.journal", 0);
    rmdir(directory);
}

static void open_directory(void)
{
    if (directory_fd >= 0)
        return;
    const char *parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(directory, sizeof(directory), "%s/reeve-fuzz-journal-XXXXXX", parent);
    if (mkdtemp(directory) == NULL)
        abort();
    directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory_fd < 0)
        abort();
    atexit(remove_directory);
}

static void put(struct segment *segment, const void *bytes, size_t length)
{
    if (length > SEGMENT_MAX - segment->length)
        length = SEGMENT_MAX - segment->length;
    memcpy(segment->bytes + segment->length, bytes, length);
    segment->length += length;
}

static void put_record(struct segment *segment, const uint8_t *payload, uint32_t length)
{
    uint32_t crc = crc32c(crc32c(0, &length, sizeof(length)), payload, length);
    put(segment, &length, sizeof(length));
    put(segment, &crc, sizeof(crc));
    put(segment, payload, length);
}

// A right header and checkpoint, and the input cut into payloads by lengths of two bytes.
static void make_framed(struct segment *segment, uint32_t number, const uint8_t *data, size_t size)
{
    struct journal_header header = {.segment = number};
    static const uint8_t checkpoint_end[] = {0x93, JOURNAL_CHECKPOINT_END, 1, 1};
    segment->length = JOURNAL_SEGMENT_HEADER_BYTES;
    journal_header_encode(&header, segment->bytes);
    put_record(segment, checkpoint_end, sizeof(checkpoint_end));
    while (size > 2) {
        uint32_t length = data[0] | (uint32_t)data[1] << 8;
        if (length > size - 2)
            length = (uint32_t)(size - 2);
        if (length > 0)
            put_record(segment, data + 2, length);
        data += 2 + length;
        size -= 2 + length;
    }
}

static void write_segment(const struct segment *segment, uint32_t number)
{
    char name[JOURNAL_SEGMENT_NAME_MAX];
    int fd = openat(directory_fd, journal_segment_name(number, name),
                    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, segment->bytes, segment->length) != (ssize_t)segment->length)
        abort();
    close(fd);
}

// Whether a whole record ends at `end` of the segment, by its own looking.
static void expect_whole(const struct segment *segment, uint64_t end, size_t payload_length)
{
    uint32_t stored[2];
    assert(end <= segment->length && payload_length > 0);
    assert(end >= JOURNAL_SEGMENT_HEADER_BYTES + JOURNAL_FRAME_BYTES + payload_length);
    const uint8_t *frame = segment->bytes + end - payload_length - JOURNAL_FRAME_BYTES;
    memcpy(stored, frame, sizeof(stored));
    assert(stored[0] == payload_length);
    uint32_t crc = crc32c_portable(0, &stored[0], sizeof(stored[0]));
    assert(crc32c_portable(crc, frame + JOURNAL_FRAME_BYTES, payload_length) == stored[1]);
}

static void expect_texts_end(const struct journal_record *record)
{
    if (record->type == JOURNAL_RUN_OPEN)
        assert(strnlen(record->run_open->command, JOURNAL_TEXT_MAX) < JOURNAL_TEXT_MAX);
    if (record->type == JOURNAL_SETTLEMENT) {
        assert(strnlen(record->settlement->run_id, RUN_ID_MAX) < RUN_ID_MAX);
        assert(record->settlement->end <= EXCHANGE_ORPHANED);
        assert(record->settlement->usage_json_length <= JOURNAL_USAGE_JSON_MAX);
    }
}

static uint64_t visited;

static int visit(const struct journal_record *record, void *context, struct error *err)
{
    (void)context;
    (void)err;
    expect_texts_end(record);
    visited++;
    return 0;
}

static void replay(void)
{
    struct journal_replay found;
    struct error err = {0};
    visited = 0;
    if (journal_replay(directory_fd, visit, NULL, &found, &err) < 0) {
        assert(err.code == -EBADMSG || err.code == -ENOTSUP || err.code == -ENOSPC);
        return;
    }
    assert(found.records == visited);
    assert(found.segment <= 2 && found.newest <= 2);
    if (found.segment > 0) {
        const struct segment *segment = &segments[found.segment - 1];
        assert(found.offset >= JOURNAL_SEGMENT_HEADER_BYTES);
        assert(found.offset + found.torn_bytes <= segment->length);
        assert(found.live.reservation_count + found.live.run_count <= found.records);
    }
    journal_live_done(&found.live);
}

// Follows to the end. Every record that comes takes room, so their number is bounded.
static void follow(const struct journal_cursor *start, struct journal_cursor *middle,
                   size_t steps_max)
{
    struct journal_follower *follower;
    struct journal_follow follow = {0};
    struct error err = {0};
    size_t left = (segments[0].length + segments[1].length) / JOURNAL_FRAME_BYTES + 8;
    if (journal_follow_open(&follower, directory, start, &err) < 0)
        abort();
    while (steps_max-- > 0) {
        enum journal_follow_result result = journal_follow_next(follower, &follow, &err);
        assert(left > 0);
        left--;
        if (result == JOURNAL_FOLLOW_ERROR)
            assert(err.code == -ENOTSUP); // a newer format
        if (result == JOURNAL_FOLLOW_ERROR || result == JOURNAL_FOLLOW_NOTHING_YET)
            break;
        if (result == JOURNAL_FOLLOW_GAP)
            continue;
        assert(follow.cursor.segment == 1 || follow.cursor.segment == 2);
        expect_whole(&segments[follow.cursor.segment - 1], follow.cursor.offset,
                     follow.payload_length);
        if (result == JOURNAL_FOLLOW_RECORD)
            expect_texts_end(&follow.record);
    }
    uint64_t lag;
    assert(journal_follow_lag(follower, &lag, &err) == 0);
    assert(lag <= segments[0].length + segments[1].length + JOURNAL_RECORD_BYTES_MAX);
    *middle = follow.cursor;
    journal_follow_close(follower);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > SEGMENT_MAX)
        return 0;
    open_directory();
    uint8_t mode = data[0];
    size_t split = (size - 2) * data[1] / 255;
    const uint8_t *parts[2] = {data + 2, data + 2 + split};
    size_t lengths[2] = {split, size - 2 - split};
    for (uint32_t i = 0; i < 2; i++) {
        segments[i].length = 0;
        if ((mode >> i & 1) == 0)
            put(&segments[i], parts[i], lengths[i]);
        else
            make_framed(&segments[i], i + 1, parts[i], lengths[i]);
        write_segment(&segments[i], i + 1);
    }
    replay();
    struct journal_cursor cursor = {0};
    follow(NULL, &cursor, mode >> 2);
    follow(&cursor, &cursor, SIZE_MAX);
    return 0;
}
