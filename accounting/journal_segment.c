// Journal segments: names, headers, and reading records with their checksums.
#include "journal_segment.h"

#include "cleanup.h"
#include "crc32c.h"
#include "directory.h"

#include <assert.h>
#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEGMENTS_STEP 64
#define SCAN_BYTES 65536

static const char segment_unnamed[] = "next.tmp"; // being made

static const char segment_magic[8] = {'r', 'e', 'e', 'v', 'e', 'j', 'n', 'l'};

const char *journal_segment_name(uint32_t segment, char name[static JOURNAL_SEGMENT_NAME_MAX])
{
    snprintf(name, JOURNAL_SEGMENT_NAME_MAX, "%08u.journal", segment);
    return name;
}

// 0 if `name` is not a segment's.
static uint32_t segment_parse_name(const char *name)
{
    uint32_t segment = 0;
    for (int i = 0; i < 8; i++) {
        if (name[i] < '0' || name[i] > '9')
            return 0;
        segment = segment * 10 + (uint32_t)(name[i] - '0');
    }
    return strcmp(name + 8, ".journal") == 0 ? segment : 0;
}

// The format of the file, as journal_segment.h draws it.
struct header_bytes {
    char magic[8];
    uint32_t version;
    uint32_t segment;
    uint8_t journal_id[JOURNAL_ID_BYTES];
    uint64_t made_at_us;
    uint8_t zero[20];
    uint32_t crc;
} __attribute__((packed));

static_assert(sizeof(struct header_bytes) == JOURNAL_SEGMENT_HEADER_BYTES,
              "the format of the file");

void journal_header_encode(struct journal_header *header,
                           uint8_t bytes[static JOURNAL_SEGMENT_HEADER_BYTES])
{
    struct header_bytes on_disk = {
        .version = htole32(JOURNAL_FORMAT_VERSION),
        .segment = htole32(header->segment),
        .made_at_us = htole64((uint64_t)header->made_at_us),
    };
    memcpy(on_disk.magic, segment_magic, sizeof(on_disk.magic));
    memcpy(on_disk.journal_id, header->journal_id, sizeof(on_disk.journal_id));
    header->crc = crc32c(0, &on_disk, offsetof(struct header_bytes, crc));
    on_disk.crc = htole32(header->crc);
    memcpy(bytes, &on_disk, sizeof(on_disk));
}

int journal_header_read(int fd, struct journal_header *header, struct error *err)
{
    struct header_bytes on_disk;
    ssize_t length = pread(fd, &on_disk, sizeof(on_disk), 0);
    if (length < 0)
        return error_set_errno(err, -errno, "reading a journal segment's header");
    if (length != sizeof(on_disk) ||
        memcmp(on_disk.magic, segment_magic, sizeof(segment_magic)) != 0 ||
        le32toh(on_disk.crc) != crc32c(0, &on_disk, offsetof(struct header_bytes, crc)))
        return error_set(err, -EBADMSG, "no whole header of a journal segment");
    if (le32toh(on_disk.version) != JOURNAL_FORMAT_VERSION)
        return error_set(err, -ENOTSUP, "journal format %u, this reeve reads %u",
                         le32toh(on_disk.version), JOURNAL_FORMAT_VERSION);
    *header = (struct journal_header){
        .segment = le32toh(on_disk.segment),
        .made_at_us = (int64_t)le64toh(on_disk.made_at_us),
        .crc = le32toh(on_disk.crc),
    };
    memcpy(header->journal_id, on_disk.journal_id, sizeof(header->journal_id));
    return 0;
}

// The ways in which a file system says that there is no room.
static int map_full(int code)
{
    return code == -EDQUOT || code == -EFBIG ? -ENOSPC : code;
}

int journal_segment_write(int fd, const void *bytes, size_t length, uint64_t offset,
                          struct error *err)
{
    for (size_t done = 0; done < length;) {
        ssize_t written =
            pwrite(fd, (const char *)bytes + done, length - done, (off_t)(offset + done));
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return error_set_errno(err, written < 0 ? map_full(-errno) : -ENOSPC,
                                   "writing to a journal segment");
        done += (size_t)written;
    }
    return 0;
}

int journal_segment_zero(int fd, uint64_t offset, uint64_t end, struct error *err)
{
    static const uint8_t zeros[4096];
    for (size_t length; offset < end; offset += length) {
        length = end - offset < sizeof(zeros) ? (size_t)(end - offset) : sizeof(zeros);
        int result = journal_segment_write(fd, zeros, length, offset, err);
        if (result < 0)
            return result;
    }
    return 0;
}

static int write_header(int fd, struct journal_header *header, struct error *err)
{
    uint8_t bytes[JOURNAL_SEGMENT_HEADER_BYTES];
    journal_header_encode(header, bytes);
    int result = journal_segment_write(fd, bytes, sizeof(bytes), 0, err);
    if (result == 0 && fdatasync(fd) < 0)
        result = error_set_errno(err, -errno, "fdatasync of a new journal segment");
    return result;
}

static int make_unnamed(int directory_fd, struct journal_header *header, uint64_t bytes, int *fd,
                        struct error *err)
{
    cleanup_fd int made =
        openat(directory_fd, segment_unnamed, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (made < 0)
        return error_set_errno(err, map_full(-errno), "making %s", segment_unnamed);
    int failed = posix_fallocate(made, 0, (off_t)bytes);
    if (failed != 0)
        return error_set_errno(err, map_full(-failed), "taking %llu bytes for a journal segment",
                               (unsigned long long)bytes);
    int result = write_header(made, header, err);
    if (result == 0)
        *fd = take_fd(&made);
    return result;
}

int journal_segment_make(int directory_fd, struct journal_header *header, uint64_t bytes, int *fd,
                         struct error *err)
{
    char name[JOURNAL_SEGMENT_NAME_MAX];
    cleanup_fd int made = -1;
    int result = make_unnamed(directory_fd, header, bytes, &made, err);
    if (result < 0) {
        unlinkat(directory_fd, segment_unnamed, 0); // its room is needed
        return result;
    }
    journal_segment_name(header->segment, name);
    if (renameat(directory_fd, segment_unnamed, directory_fd, name) < 0)
        return error_set_errno(err, map_full(-errno), "naming journal segment %s", name);
    if (fsync(directory_fd) < 0)
        return error_set_errno(err, -errno, "fsync of the journal's directory");
    *fd = take_fd(&made);
    return 0;
}

int journal_segment_adopt(int directory_fd, struct journal_header *header, uint64_t bytes, int *fd,
                          struct error *err)
{
    char name[JOURNAL_SEGMENT_NAME_MAX];
    journal_segment_name(header->segment, name);
    cleanup_fd int opened = openat(directory_fd, name, O_RDWR | O_CLOEXEC);
    struct stat status;
    uint64_t used;
    if (opened < 0 || fstat(opened, &status) < 0)
        return error_set_errno(err, -errno, "opening journal segment %s", name);
    int result = journal_segment_used(opened, JOURNAL_SEGMENT_HEADER_BYTES, &used, err);
    if (result == 0 && ((uint64_t)status.st_size < bytes || used > JOURNAL_SEGMENT_HEADER_BYTES))
        result = error_set(err, -EBADMSG, "journal segment %s is not as it was made", name);
    if (result == 0)
        result = write_header(opened, header, err);
    if (result == 0)
        *fd = take_fd(&opened);
    return result;
}

static int compare_segments(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

int journal_segment_list(int directory_fd, uint32_t **segments, size_t *count, struct error *err)
{
    // An open of its own: a duplicate would share the position in the directory.
    cleanup_dir DIR *directory = directory_open(directory_fd, ".");
    if (directory == NULL)
        return error_set_errno(err, -errno, "opening the journal's directory");
    cleanup_free uint32_t *found = NULL;
    size_t found_count = 0;
    struct dirent *entry;
    while (errno = 0, (entry = readdir(directory)) != NULL) {
        uint32_t segment = segment_parse_name(entry->d_name);
        if (segment == 0)
            continue;
        if (found_count % SEGMENTS_STEP == 0) {
            uint32_t *more = reallocarray(found, found_count + SEGMENTS_STEP, sizeof(*found));
            if (more == NULL)
                return error_set(err, -ENOMEM, "out of memory for the list of journal segments");
            found = more;
        }
        found[found_count++] = segment;
    }
    if (errno != 0)
        return error_set_errno(err, -errno, "reading the journal's directory");
    if (found_count > 0)
        qsort(found, found_count, sizeof(*found), compare_segments);
    *segments = take_pointer(&found);
    *count = found_count;
    return 0;
}

int journal_segment_begun(int fd, bool *begun, struct error *err)
{
    uint32_t length = 0;
    if (pread(fd, &length, sizeof(length), JOURNAL_SEGMENT_HEADER_BYTES) < 0)
        return error_set_errno(err, -errno, "reading a journal segment");
    *begun = length != 0;
    return 0;
}

static bool all_zero(const uint8_t *bytes, size_t length)
{
    return length == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0);
}

int journal_segment_used(int fd, uint64_t offset, uint64_t *end, struct error *err)
{
    uint8_t bytes[SCAN_BYTES];
    uint64_t used = offset;
    ssize_t length;
    while ((length = pread(fd, bytes, sizeof(bytes), (off_t)offset)) > 0) {
        size_t last = (size_t)length;
        if (!all_zero(bytes, last)) {
            while (bytes[last - 1] == 0)
                last--;
            used = offset + last;
        }
        offset += (uint64_t)length;
    }
    if (length < 0)
        return error_set_errno(err, -errno, "reading a journal segment");
    *end = used;
    return 0;
}

// Reader.

void journal_reader_init(struct journal_reader *reader, int fd, const struct journal_header *header)
{
    reader->fd = fd;
    reader->offset = JOURNAL_SEGMENT_HEADER_BYTES;
    reader->check = header->crc;
    reader->buffer_from = 0;
    reader->buffer_length = 0;
}

// Reads from reader->offset on into the buffer, as much as there is.
static int reader_fill(struct journal_reader *reader, struct error *err)
{
    reader->buffer_from = reader->offset;
    reader->buffer_length = 0;
    while (reader->buffer_length < sizeof(reader->buffer)) {
        ssize_t length = pread(reader->fd, reader->buffer + reader->buffer_length,
                               sizeof(reader->buffer) - reader->buffer_length,
                               (off_t)(reader->buffer_from + reader->buffer_length));
        if (length < 0)
            return error_set_errno(err, -errno, "reading a journal segment");
        if (length == 0)
            break;
        reader->buffer_length += (size_t)length;
    }
    return 0;
}

// Judges the record at reader->offset by what the buffer holds of it.
static enum journal_frame reader_judge(const struct journal_reader *reader, const uint8_t **payload,
                                       size_t *length, uint32_t *crc)
{
    if (reader->offset < reader->buffer_from ||
        reader->offset - reader->buffer_from >= reader->buffer_length)
        return JOURNAL_FRAME_NONE;
    const uint8_t *frame = reader->buffer + (reader->offset - reader->buffer_from);
    size_t available = reader->buffer_length - (size_t)(reader->offset - reader->buffer_from);
    uint32_t stored[2] = {0, 0}; // length and checksum
    memcpy(stored, frame, available < sizeof(stored) ? available : sizeof(stored));
    *length = le32toh(stored[0]);
    *crc = le32toh(stored[1]);
    if (*length == 0)
        return JOURNAL_FRAME_NONE;
    if (*length > JOURNAL_PAYLOAD_MAX || available < JOURNAL_FRAME_BYTES + *length)
        return JOURNAL_FRAME_TORN;
    *payload = frame + JOURNAL_FRAME_BYTES;
    uint32_t found = crc32c(0, &stored[0], sizeof(stored[0]));
    return crc32c(found, *payload, *length) == *crc ? JOURNAL_FRAME_WHOLE : JOURNAL_FRAME_TORN;
}

enum journal_frame journal_reader_next(struct journal_reader *reader, const uint8_t **payload,
                                       size_t *length, struct error *err)
{
    const uint8_t *found;
    size_t found_length;
    uint32_t crc;
    enum journal_frame frame = reader_judge(reader, &found, &found_length, &crc);
    if (frame != JOURNAL_FRAME_WHOLE) { // the buffer may just end here, or be older than the file
        if (reader_fill(reader, err) < 0)
            return JOURNAL_FRAME_ERROR;
        frame = reader_judge(reader, &found, &found_length, &crc);
    }
    if (frame != JOURNAL_FRAME_WHOLE)
        return frame;
    uint32_t stored = htole32(crc);
    reader->check = crc32c(reader->check, &stored, sizeof(stored));
    reader->offset += JOURNAL_FRAME_BYTES + found_length;
    *payload = found;
    *length = found_length;
    return JOURNAL_FRAME_WHOLE;
}

bool journal_reader_seek(struct journal_reader *reader, const struct journal_cursor *cursor,
                         struct error *err)
{
    const uint8_t *payload;
    size_t length;
    // The fingerprint covers all records before the cursor, so they are read again.
    while (reader->offset < cursor->offset &&
           journal_reader_next(reader, &payload, &length, err) == JOURNAL_FRAME_WHOLE)
        continue;
    return reader->offset == cursor->offset && reader->check == cursor->check;
}
