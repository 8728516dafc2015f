// Run place: where the processes of a run are, and whether the holder of a socket is among them.

#include "run_place.h"

#include "cleanup.h"
#include "directory.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

// What one question looks at: some 20 ms at most, and much less with any run that there is.
#define DIRECTORIES_MAX 256
#define DEPTH_MAX 16
#define PROCESSES_MAX 2048
#define FILES_MAX 16384
#define ROUNDS 2 // a socket can be on its way from a process to its child

struct search {
    const struct socket_owner *owner;
    enum run_place_answer (*look)(struct search *search, int directory_fd);
    int directories_left, processes_left, files_left;
    bool is_denied; // some process did not let us look
};

// Looks at a cgroup and at those below it, until one holds the socket.
static enum run_place_answer search_tree(struct search *search, int parent_fd, const char *name,
                                         int depth)
{
    cleanup_dir DIR *directory = directory_open(parent_fd, name);
    struct stat status;
    if (directory == NULL || fstat(dirfd(directory), &status) != 0)
        return RUN_PLACE_HOLDS_NOT; // gone meanwhile
    if (--search->directories_left < 0 || depth > DEPTH_MAX)
        return RUN_PLACE_CANNOT_TELL;
    enum run_place_answer answer = search->look(search, dirfd(directory));
    if (status.st_nlink <= 2) // itself and "..": no cgroup is below it
        return answer;
    const char *below;
    while (answer == RUN_PLACE_HOLDS_NOT && (below = directory_next_below(directory)) != NULL)
        answer = search_tree(search, dirfd(directory), below, depth + 1);
    return answer;
}

static enum run_place_answer search_below(const char *directory, struct search *search)
{
    search->directories_left = DIRECTORIES_MAX;
    search->processes_left = PROCESSES_MAX;
    search->files_left = FILES_MAX;
    return search_tree(search, AT_FDCWD, directory, 0);
}

// ---- cgroup v2: the socket says in which cgroup it was made

static enum run_place_answer look_at_id(struct search *search, int directory_fd)
{
    struct stat status;
    return fstat(directory_fd, &status) == 0 && status.st_ino == search->owner->cgroup_id
               ? RUN_PLACE_HOLDS
               : RUN_PLACE_HOLDS_NOT;
}

// ---- cgroup v1: which process has it open?

static enum run_place_answer look_at_files(struct search *search, const char *process)
{
    char path[32], wanted[32], target[64];
    snprintf(path, sizeof(path), "/proc/%.10s/fd", process);
    snprintf(wanted, sizeof(wanted), "socket:[%" PRIu32 "]", search->owner->inode);
    cleanup_dir DIR *files = directory_open(AT_FDCWD, path);
    const struct dirent *entry;
    if (files == NULL) {
        search->is_denied |= errno == EACCES || errno == EPERM;
        return RUN_PLACE_HOLDS_NOT;
    }
    while ((entry = readdir(files)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        if (--search->files_left < 0)
            return RUN_PLACE_CANNOT_TELL;
        ssize_t length = readlinkat(dirfd(files), entry->d_name, target, sizeof(target));
        if (length == (ssize_t)strlen(wanted) && memcmp(target, wanted, (size_t)length) == 0)
            return RUN_PLACE_HOLDS;
    }
    return RUN_PLACE_HOLDS_NOT;
}

static enum run_place_answer look_at_processes(struct search *search, int directory_fd)
{
    int fd = openat(directory_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
    cleanup_file FILE *list = fd < 0 ? NULL : fdopen(fd, "r");
    char process[16];
    enum run_place_answer answer = RUN_PLACE_HOLDS_NOT;
    if (list == NULL) {
        if (fd >= 0)
            close(fd);
        return answer;
    }
    while (answer == RUN_PLACE_HOLDS_NOT && fgets(process, sizeof(process), list) != NULL) {
        process[strcspn(process, "\n")] = '\0';
        answer =
            --search->processes_left < 0 ? RUN_PLACE_CANNOT_TELL : look_at_files(search, process);
    }
    return answer;
}

static enum run_place_answer find_process(const char *directory, const struct socket_owner *owner)
{
    enum run_place_answer answer = RUN_PLACE_HOLDS_NOT;
    struct search search = {.owner = owner, .look = look_at_processes};
    if (owner->inode == 0)
        return RUN_PLACE_CANNOT_TELL;
    for (int i = 0; i < ROUNDS && answer == RUN_PLACE_HOLDS_NOT; i++)
        answer = search_below(directory, &search);
    return answer == RUN_PLACE_HOLDS_NOT && search.is_denied ? RUN_PLACE_CANNOT_TELL : answer;
}

// ----

enum run_place_answer run_place_holds(const struct run_place *place,
                                      const struct socket_owner *owner)
{
    struct search search = {.owner = owner, .look = look_at_id};
    switch (place->kind) {
    case RUN_PLACE_UNKNOWN:
        return RUN_PLACE_CANNOT_TELL;
    case RUN_PLACE_ANYWHERE:
        return RUN_PLACE_HOLDS;
    case RUN_PLACE_CGROUP:
        if (owner->cgroup_id == place->cgroup_id)
            return RUN_PLACE_HOLDS;
        return search_below(place->directory, &search);
    case RUN_PLACE_PROCESSES:
        return find_process(place->directory, owner);
    case RUN_PLACE_USER:
        if (place->uid != 0 && owner->inode == 0) // then the kernel says root
            return RUN_PLACE_CANNOT_TELL;
        return place->uid == 0 || owner->uid == place->uid ? RUN_PLACE_HOLDS : RUN_PLACE_HOLDS_NOT;
    }
    return RUN_PLACE_CANNOT_TELL;
}

int run_place_set(struct run_place *place, const char *directory, const char *run_id, uid_t uid,
                  bool sockets_tell, struct error *err)
{
    struct run_place made = {.kind = RUN_PLACE_USER, .uid = uid};
    struct statfs file_system;
    struct stat status;
    const char *name = strrchr(directory, '/');
    if (*directory == '\0') {
        *place = made;
        return 0;
    }
    // A run's cgroup bears its id, in each version and wherever it is.
    if (*directory != '/' || strcmp(name + 1, run_id) != 0 ||
        strlen(directory) >= sizeof(made.directory))
        return error_set(err, -EINVAL, "%.200s is not the cgroup of run %s", directory, run_id);
    if (stat(directory, &status) != 0 || statfs(directory, &file_system) != 0)
        return error_set_errno(err, -errno, "looking at the cgroup %.200s", directory);
    if (file_system.f_type != CGROUP2_SUPER_MAGIC && file_system.f_type != CGROUP_SUPER_MAGIC)
        return error_set(err, -EINVAL, "%.200s is no cgroup", directory);
    if (file_system.f_type == CGROUP2_SUPER_MAGIC && sockets_tell)
        made.kind = RUN_PLACE_CGROUP;
    else if (geteuid() == 0 || geteuid() == uid)
        made.kind = RUN_PLACE_PROCESSES;
    made.cgroup_id = status.st_ino;
    memcpy(made.directory, directory, strlen(directory) + 1);
    *place = made;
    return 0;
}
