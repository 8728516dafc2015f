// Cgroup tree: a cgroup and those that its processes may have made below it.

#include "cgroup_tree.h"

#include "cgroup_backend.h"
#include "cleanup.h"
#include "directory.h"

// Deeper ones are left alone: each level takes an open descriptor.
#define DEPTH_MAX 64

static size_t signal_tree(int directory_fd, int signal, int depth)
{
    size_t count = cgroup_file_signal(directory_fd, signal);
    cleanup_dir DIR *directory = depth < DEPTH_MAX ? directory_open(directory_fd, ".") : NULL;
    const char *name;
    while (directory != NULL && (name = directory_next_below(directory)) != NULL) {
        cleanup_fd int fd = openat(directory_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0)
            count += signal_tree(fd, signal, depth + 1);
    }
    return count;
}

size_t cgroup_tree_signal(int directory_fd, int signal)
{
    return signal_tree(directory_fd, signal, 0);
}

static int remove_tree(int parent_fd, const char *name, int depth)
{
    if (unlinkat(parent_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    int result = -errno;
    cleanup_dir DIR *directory = depth < DEPTH_MAX ? directory_open(parent_fd, name) : NULL;
    const char *below;
    while (directory != NULL && (below = directory_next_below(directory)) != NULL)
        remove_tree(dirfd(directory), below, depth + 1);
    return unlinkat(parent_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : result;
}

int cgroup_tree_remove(int parent_fd, const char *name)
{
    return remove_tree(parent_fd, name, 0);
}
