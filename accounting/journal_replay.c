// Journal replay: finds the newest whole checkpoint and reads on from there.
#include "journal_replay.h"

#include "cleanup.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct replay_visitor {
    int (*visit)(const struct journal_record *record, void *context, struct error *err);
    void *context;
};

// Whether the segment begins with a checkpoint to its end.
static enum journal_frame read_checkpoint(struct journal_reader *reader, struct error *err)
{
    for (;;) {
        const uint8_t *payload;
        size_t length;
        enum journal_frame frame = journal_reader_next(reader, &payload, &length, err);
        if (frame != JOURNAL_FRAME_WHOLE)
            return frame;
        union journal_record_fields fields;
        struct journal_record record = {0};
        if (journal_record_decode(payload, length, &fields, &record, NULL) == 0 &&
            record.type == JOURNAL_CHECKPOINT_END)
            return JOURNAL_FRAME_WHOLE;
    }
}

// Looks whether a start can begin at `segment`: *fd is then open, else -1.
static int replay_try_segment(int directory_fd, uint32_t segment, struct journal_replay *replay,
                              struct journal_header *header, int *fd, struct error *err)
{
    char name[JOURNAL_SEGMENT_NAME_MAX];
    cleanup_fd int opened =
        openat(directory_fd, journal_segment_name(segment, name), O_RDONLY | O_CLOEXEC);
    if (opened < 0)
        return error_set_errno(err, -errno, "opening journal segment %s", name);
    bool begun;
    int result = journal_segment_begun(opened, &begun, err);
    if (result < 0)
        return result;
    result = journal_header_read(opened, header, err);
    bool whole = result == 0 && header->segment == segment;
    if (result < 0 && result != -EBADMSG)
        return error_wrap(err, "journal segment %s", name);
    static const uint8_t no_id[JOURNAL_ID_BYTES];
    if (whole && memcmp(replay->journal_id, no_id, sizeof(no_id)) == 0)
        memcpy(replay->journal_id, header->journal_id, sizeof(replay->journal_id));
    if (!begun)
        return 0;
    if (replay->newest == 0)
        replay->newest = segment;

    if (whole) {
        struct journal_reader reader;
        journal_reader_init(&reader, opened, header);
        enum journal_frame frame = read_checkpoint(&reader, err);
        if (frame == JOURNAL_FRAME_ERROR)
            return error_wrap(err, "journal segment %s", name);
        if (frame == JOURNAL_FRAME_WHOLE) {
            *fd = take_fd(&opened);
            return 0;
        }
    }
    uint64_t used;
    result = journal_segment_used(opened, JOURNAL_SEGMENT_HEADER_BYTES, &used, err);
    if (result < 0)
        return result;
    replay->skipped++;
    replay->skipped_bytes += used - JOURNAL_SEGMENT_HEADER_BYTES;
    return 0;
}

// Hands out the records of the segment up to its end, or to the first one that is not whole.
static int replay_records(struct journal_reader *reader, const struct replay_visitor *visitor,
                          struct journal_replay *replay, struct error *err)
{
    while (!replay->segment_over) {
        const uint8_t *payload;
        size_t length;
        uint64_t offset = reader->offset;
        enum journal_frame frame = journal_reader_next(reader, &payload, &length, err);
        if (frame == JOURNAL_FRAME_ERROR)
            return err != NULL ? err->code : -EIO;
        if (frame != JOURNAL_FRAME_WHOLE)
            break;
        union journal_record_fields fields;
        struct journal_record record;
        int result = journal_record_decode(payload, length, &fields, &record, err);
        if (result == -ENOTSUP) {
            replay->unknown++;
            continue;
        }
        if (result == 0)
            result = journal_live_make_room(&replay->live, &record, err);
        if (result == 0) {
            journal_live_apply(&replay->live, &record);
            result = visitor->visit(&record, visitor->context, err);
        }
        if (result < 0)
            return error_wrap(err, "at offset %llu", (unsigned long long)offset);
        replay->segment_over = record.type == JOURNAL_SEGMENT_END;
        replay->records++;
    }
    replay->offset = reader->offset;
    return 0;
}

static int replay_segment(int fd, const struct journal_header *header,
                          const struct replay_visitor *visitor, struct journal_replay *replay,
                          struct error *err)
{
    struct journal_reader reader;
    journal_reader_init(&reader, fd, header);
    uint64_t used;
    int result = replay_records(&reader, visitor, replay, err);
    if (result == 0)
        result = journal_segment_used(fd, replay->offset, &used, err);
    if (result < 0)
        return error_wrap(err, "journal segment %u", header->segment);
    replay->segment = header->segment;
    replay->torn_bytes = used - replay->offset;
    return 0;
}

int journal_replay(int directory_fd,
                   int (*visit)(const struct journal_record *record, void *context,
                                struct error *err),
                   void *context, struct journal_replay *replay, struct error *err)
{
    struct replay_visitor visitor = {visit, context};
    struct journal_replay found = {0};
    cleanup_free uint32_t *segments = NULL;
    size_t count = 0;
    int result = journal_segment_list(directory_fd, &segments, &count, err);
    for (size_t i = count; i > 0 && result == 0 && found.segment == 0; i--) {
        cleanup_fd int fd = -1;
        struct journal_header header;
        result = replay_try_segment(directory_fd, segments[i - 1], &found, &header, &fd, err);
        if (result == 0 && fd >= 0)
            result = replay_segment(fd, &header, &visitor, &found, err);
    }
    if (result < 0) {
        journal_live_done(&found.live);
        return result;
    }
    *replay = found;
    return 0;
}
