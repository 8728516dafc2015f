// Scope cleanup and ownership transfer, on the GNU cleanup attribute.
//
//     cleanup_free char *text = NULL;          freed at the end of the scope
//     cleanup_fd int fd = open(...);           closed at the end of the scope, if >= 0
//     cleanup_dir DIR *listing = opendir(...); closed at the end of the scope, if it is open
//     return take_pointer(&text);              hands the value out, the variable keeps NULL
#pragma once

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free_pointer(void *pointer_address)
{
    free(*(void **)pointer_address);
}

static inline void cleanup_close_fd(const int *fd)
{
    if (*fd >= 0) {
        int saved = errno;
        close(*fd);
        errno = saved;
    }
}

static inline void cleanup_close_file(FILE **file)
{
    if (*file != NULL)
        fclose(*file);
}

static inline void cleanup_close_dir(DIR **directory)
{
    if (*directory != NULL)
        closedir(*directory);
}

#define cleanup_with(function) __attribute__((cleanup(function)))
#define cleanup_free cleanup_with(cleanup_free_pointer)
#define cleanup_fd cleanup_with(cleanup_close_fd)
#define cleanup_file cleanup_with(cleanup_close_file)
#define cleanup_dir cleanup_with(cleanup_close_dir)

// Returns *pointer and leaves NULL behind.
#define take_pointer(pointer)                                                                      \
    ({                                                                                             \
        __typeof__(*(pointer)) taken_pointer = *(pointer);                                         \
        *(pointer) = NULL;                                                                         \
        taken_pointer;                                                                             \
    })

// Returns *fd and leaves -1 behind.
static inline int take_fd(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}
