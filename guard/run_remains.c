// Run remains: what is left of a run whose supervisor is gone, as the daemon finds it.
//
//     v1  MOUNT/memory/reeve/ID, MOUNT/pids/reeve/ID, …
//     v2  any directory ID below MOUNT: the place is the supervisor's own

#include "run_remains.h"

#include "cgroup_backend.h"
#include "cgroup_tree.h"
#include "cleanup.h"
#include "directory.h"

#include <fcntl.h>
#include <linux/limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIRECTORIES_MAX 16 // hierarchies of v1
#define DEPTH_MAX 12       // of slices, units and what they divide

struct run_remains {
    const char *run_id; // while it is looked for
    char directories[DIRECTORIES_MAX][PATH_MAX];
    size_t count;
};

static bool is_directory(const char *path)
{
    cleanup_fd int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0;
}

static void add(struct run_remains *remains, const char *path)
{
    if (remains->count < DIRECTORIES_MAX)
        snprintf(remains->directories[remains->count++], PATH_MAX, "%s", path);
}

// Calls `visit` for each directory in `path`.
static void each_directory(struct run_remains *remains, const char *path, int depth,
                           void (*visit)(struct run_remains *remains, const char *path,
                                         const char *name, int depth))
{
    cleanup_dir DIR *listing = directory_open(AT_FDCWD, path);
    char child[PATH_MAX];
    const char *name;
    while (listing != NULL && (name = directory_next_below(listing)) != NULL)
        if (snprintf(child, sizeof(child), "%s/%s", path, name) < (int)sizeof(child))
            visit(remains, child, name, depth);
}

static void look_in_hierarchy(struct run_remains *remains, const char *path, const char *name,
                              int depth)
{
    char candidate[PATH_MAX];
    (void)name;
    (void)depth;
    if (snprintf(candidate, sizeof(candidate), "%s/reeve/%s", path, remains->run_id) <
            (int)sizeof(candidate) &&
        is_directory(candidate))
        add(remains, candidate);
}

static void look_below(struct run_remains *remains, const char *path, const char *name, int depth)
{
    if (strcmp(name, remains->run_id) == 0)
        add(remains, path);
    else if (depth < DEPTH_MAX)
        each_directory(remains, path, depth + 1, look_below);
}

struct run_remains *run_remains_find(const char *mount, const char *run_id)
{
    struct run_remains *remains = calloc(1, sizeof(*remains));
    char unified[PATH_MAX];
    if (remains == NULL)
        return NULL;
    remains->run_id = run_id;
    snprintf(unified, sizeof(unified), "%s/cgroup.controllers", mount);
    bool is_unified = access(unified, F_OK) == 0;
    each_directory(remains, mount, 0, is_unified ? look_below : look_in_hierarchy);
    remains->run_id = NULL;
    return remains;
}

void run_remains_free(struct run_remains *remains)
{
    free(remains);
}

static int open_directory(const struct run_remains *remains, size_t index)
{
    return open(remains->directories[index], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

bool run_remains_exist(const struct run_remains *remains)
{
    for (size_t i = 0; remains != NULL && i < remains->count; i++)
        if (is_directory(remains->directories[i]))
            return true;
    return false;
}

bool run_remains_are_populated(const struct run_remains *remains)
{
    for (size_t i = 0; remains != NULL && i < remains->count; i++) {
        cleanup_fd int fd = open_directory(remains, i);
        if (fd >= 0 && (cgroup_file_member(fd, "cgroup.events", "populated") == 1 ||
                        cgroup_tree_signal(fd, 0) > 0))
            return true;
    }
    return false;
}

void run_remains_kill(const struct run_remains *remains)
{
    for (size_t i = 0; remains != NULL && i < remains->count; i++) {
        cleanup_fd int fd = open_directory(remains, i);
        if (fd < 0)
            continue;
        if (faccessat(fd, "cgroup.kill", W_OK, AT_EACCESS) == 0)
            cgroup_file_write(fd, "cgroup.kill", "1", NULL);
        else
            cgroup_tree_signal(fd, SIGKILL);
        if (faccessat(fd, "freezer.state", W_OK, AT_EACCESS) == 0)
            cgroup_file_write(fd, "freezer.state", "THAWED", NULL); // or they would die later
    }
}

void run_remains_remove(const struct run_remains *remains)
{
    for (size_t i = 0; remains != NULL && i < remains->count; i++)
        cgroup_tree_remove(AT_FDCWD, remains->directories[i]);
}
