// Journal directory: made, locked, cut and cleared for its one writer.
#include "journal_directory.h"

#include "cleanup.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int journal_directory_open(const char *path, int *fd, struct error *err)
{
    bool made = mkdir(path, 0700) == 0;
    if (!made && errno != EEXIST)
        return error_set_errno(err, -errno, "making %s", path);
    cleanup_fd int opened = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (opened < 0)
        return error_set_errno(err, -errno, "opening %s", path);
    if (flock(opened, LOCK_EX | LOCK_NB) < 0)
        return error_set_errno(err, errno == EWOULDBLOCK ? -EBUSY : -errno, "locking %s", path);
    if (made) {
        cleanup_fd int parent = openat(opened, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (parent < 0 || fsync(parent) < 0)
            return error_set_errno(err, -errno, "fsync of the directory that holds %s", path);
    }
    *fd = take_fd(&opened);
    return 0;
}

int journal_directory_resume(int directory_fd, const struct journal_replay *found,
                             struct journal_open_segment *segment, struct error *err)
{
    char name[JOURNAL_SEGMENT_NAME_MAX];
    journal_segment_name(found->segment, name);
    cleanup_fd int fd = openat(directory_fd, name, O_RDWR | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0)
        return error_set_errno(err, -errno, "opening journal segment %s", name);
    int result = journal_segment_zero(fd, found->offset, found->offset + found->torn_bytes, err);
    if (result < 0)
        return error_wrap(err, "cutting journal segment %s", name);
    *segment = (struct journal_open_segment){
        .number = found->segment, .fd = take_fd(&fd), .bytes = (uint64_t)status.st_size};
    return 0;
}

int journal_directory_adopt(int directory_fd, const struct journal_header *header,
                            uint64_t segment_bytes, struct journal_open_segment *segment,
                            struct error *err)
{
    cleanup_free uint32_t *segments = NULL;
    size_t count = 0;
    int result = journal_segment_list(directory_fd, &segments, &count, err);
    for (size_t i = 0; i < count && result == 0; i++) {
        if (segments[i] < header->segment)
            continue;
        struct journal_header stamped = *header;
        int fd;
        if (segments[i] == header->segment &&
            journal_segment_adopt(directory_fd, &stamped, segment_bytes, &fd, NULL) == 0) {
            *segment = (struct journal_open_segment){
                .number = header->segment, .fd = fd, .bytes = segment_bytes};
            continue;
        }
        char name[JOURNAL_SEGMENT_NAME_MAX];
        journal_segment_name(segments[i], name);
        if (unlinkat(directory_fd, name, 0) < 0)
            result = error_set_errno(err, -errno, "deleting journal segment %s", name);
    }
    return result;
}
