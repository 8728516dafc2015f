// Directory: lists one that is named relative to an open one. See cleanup_dir in cleanup.h.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

// Opens it, unless it is a symbolic link. NULL: errno says why. `parent_fd` may be AT_FDCWD.
static inline DIR *directory_open(int parent_fd, const char *name)
{
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    if (directory == NULL && fd >= 0)
        close(fd);
    return directory;
}

// The name of the next directory in it, NULL at the end. Valid until the next call.
static inline const char *directory_next_below(DIR *directory)
{
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL)
        if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 &&
            strcmp(entry->d_name, "..") != 0)
            return entry->d_name;
    return NULL;
}
