// Cgroup: the choice of a back-end, and the files that the back-ends share.

#include "cgroup.h"

#include "cgroup_backend.h"
#include "cgroup_place.h"
#include "cleanup.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

int run_cgroup_new(struct run_cgroup **group, enum run_cgroup_choice choice, const char *run_id,
                   const struct run_limits *limits, struct error *err)
{
    struct statfs file_system;
    struct cgroup_v2_place place;
    if (choice == RUN_CGROUP_NONE)
        return cgroup_none_new(group, run_id, err);
    if (statfs(CGROUP_MOUNT, &file_system) != 0)
        return error_set_errno(err, -errno,
                               "there are no cgroups at " CGROUP_MOUNT
                               " (--no-cgroup runs without limits of memory and tasks)");
    if (file_system.f_type != CGROUP2_SUPER_MAGIC)
        return cgroup_v1_new(group, run_id, limits, err);
    int result = cgroup_place_find(&place, run_id, limits, err);
    return result == 0 ? cgroup_v2_new(group, &place, run_id, limits, err) : result;
}

void run_cgroup_free(struct run_cgroup *group)
{
    if (group != NULL)
        group->backend->free(group);
}

const char *run_cgroup_path(const struct run_cgroup *group)
{
    return group->path;
}

const char *run_cgroup_directory(const struct run_cgroup *group)
{
    return group->backend->directory(group);
}

int run_cgroup_spawn_fd(const struct run_cgroup *group)
{
    return group->spawn_fd;
}

int run_cgroup_event_fd(const struct run_cgroup *group)
{
    return group->event_fd;
}

int run_cgroup_attach(struct run_cgroup *group, pid_t pid, struct error *err)
{
    return group->backend->attach(group, pid, err);
}

bool run_cgroup_is_populated(const struct run_cgroup *group)
{
    return group->backend->is_populated(group);
}

void run_cgroup_signal(struct run_cgroup *group, int signal)
{
    group->backend->signal(group, signal);
}

void run_cgroup_set_watchdog(struct run_cgroup *group, pid_t pid)
{
    group->watchdog = pid;
}

pid_t run_cgroup_watchdog(const struct run_cgroup *group)
{
    return group->watchdog;
}

void run_cgroup_kill(struct run_cgroup *group)
{
    group->backend->kill(group);
}

void run_cgroup_read_usage(const struct run_cgroup *group, struct run_cgroup_usage *usage)
{
    group->backend->read_usage(group, usage);
}

int run_cgroup_destroy(struct run_cgroup *group, struct error *err)
{
    return group->backend->destroy(group, err);
}

int cgroup_read_path(int process_fd, char path[static RUN_CGROUP_PATH_MAX], struct error *err)
{
    cleanup_fd int fd = openat(process_fd, "cgroup", O_RDONLY | O_CLOEXEC);
    cleanup_file FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    char line[RUN_CGROUP_PATH_MAX + 8];
    if (file == NULL)
        return error_set_errno(err, -errno, "looking for the cgroup of a process");
    take_fd(&fd);
    while (fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "0::/", 4) != 0 || strlen(line + 3) >= RUN_CGROUP_PATH_MAX)
            continue;
        memcpy(path, line + 3, strlen(line + 3) + 1);
        return 0;
    }
    return error_set(err, -ENOENT, "the process is in no cgroup of v2");
}

int cgroup_open(const char *path, struct error *err)
{
    char full[sizeof(CGROUP_MOUNT) + RUN_CGROUP_PATH_MAX];
    snprintf(full, sizeof(full), CGROUP_MOUNT "%s", path);
    int fd = open(full, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 ? fd : error_set_errno(err, -errno, "opening the cgroup %s", full);
}

int cgroup_file_write(int directory_fd, const char *name, const char *text, struct error *err)
{
    cleanup_fd int fd = openat(directory_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        return error_set_errno(err, -errno, "writing %s to %s", text, name);
    return 0;
}

int cgroup_file_write_number(int directory_fd, const char *name, int64_t number, struct error *err)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, number);
    return cgroup_file_write(directory_fd, name, text, err);
}

int cgroup_file_read(int directory_fd, const char *name, char *text, size_t size)
{
    cleanup_fd int fd = openat(directory_fd, name, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, size - 1);
    text[length < 0 ? 0 : length] = '\0';
    return length < 0 ? -errno : 0;
}

int64_t cgroup_file_number(int directory_fd, const char *name)
{
    char text[32];
    char *end;
    if (cgroup_file_read(directory_fd, name, text, sizeof(text)) < 0)
        return -1;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    return end == text || errno != 0 ? -1 : number;
}

int64_t cgroup_file_member(int directory_fd, const char *name, const char *key)
{
    char text[1024];
    if (cgroup_file_read(directory_fd, name, text, sizeof(text)) < 0)
        return -1;
    size_t length = strlen(key);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, length) == 0 && line[length] == ' ')
            return strtoll(line + length + 1, NULL, 10);
    }
    return -1;
}

int64_t cgroup_file_first(int directory_fd, const char *name, const char *word)
{
    char text[1024];
    const char *at;
    if (cgroup_file_read(directory_fd, name, text, sizeof(text)) < 0 ||
        (at = strstr(text, word)) == NULL)
        return -1;
    return strtoll(at + strlen(word), NULL, 10);
}

int64_t cgroup_file_sum(int directory_fd, const char *name, const char *word)
{
    char text[8192]; // of more devices than that the first ones
    int64_t sum = 0;
    if (cgroup_file_read(directory_fd, name, text, sizeof(text)) < 0)
        return -1;
    for (const char *at = text; (at = strstr(at, word)) != NULL;) {
        at += strlen(word);
        sum += strtoll(at, NULL, 10);
    }
    return sum;
}

// Calls `visit` for each process in cgroup.procs until it returns other than 0. Returns that.
static int each_process(int directory_fd, int (*visit)(pid_t pid, void *context), void *context)
{
    long pid;
    int result = 0;
    int fd = openat(directory_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
    cleanup_file FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    if (file == NULL) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    while (result == 0 && fscanf(file, "%ld", &pid) == 1)
        result = visit((pid_t)pid, context);
    return result;
}

struct signaller {
    int signal;
    size_t count;
};

static int signal_process(pid_t pid, void *context)
{
    struct signaller *signaller = context;
    if (pid > 1 && signaller->signal != 0) // 0: a process of another pid namespace
        kill(pid, signaller->signal);
    signaller->count++;
    return 0;
}

size_t cgroup_file_signal(int directory_fd, int signal)
{
    struct signaller signaller = {.signal = signal};
    each_process(directory_fd, signal_process, &signaller);
    return signaller.count;
}

struct mover {
    int to_fd;
    struct error *err;
};

static int move_process(pid_t pid, void *context)
{
    struct mover *mover = context;
    int result = cgroup_file_write_number(mover->to_fd, "cgroup.procs", pid, mover->err);
    return result == -ESRCH ? 0 : result; // it has ended meanwhile
}

int cgroup_file_move_all(int from_fd, int to_fd, struct error *err)
{
    struct mover mover = {.to_fd = to_fd, .err = err};
    return each_process(from_fd, move_process, &mover);
}
