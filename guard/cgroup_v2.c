// Cgroup v2: plain files in a subtree that is ours.
//
//     place/            delegated to us, or root's own "reeve"
//     place/supervisor  this process, where it was in `place` itself: a cgroup with children that
//                       have controllers may hold no processes ("no internal processes")
//     place/ID          the run, with its limits and memory.oom.group
//
// After the run everything is put back, or the unit around us could not start its next process.

#include "cgroup_backend.h"
#include "cgroup_events.h"
#include "cgroup_tree.h"
#include "cleanup.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CPU_PERIOD_US 100000
#define SUPERVISOR "supervisor"

struct cgroup_v2 {
    struct run_cgroup common;
    struct cgroup_v2_place place;
    int place_fd;
    int fd; // of the run's own directory
    char name[RUN_ID_MAX];
    int aside_fd; // place/supervisor while this process is there, else -1
};

static struct cgroup_v2 *v2_of(const struct run_cgroup *group)
{
    return (struct cgroup_v2 *)(void *)group;
}

// An error names the controller that is not there.
static int check_controllers(const struct cgroup_v2 *group, const struct run_limits *limits,
                             struct error *err)
{
    const struct {
        const char *name;
        bool needed;
    } controllers[] = {
        {"memory", true}, {"pids", true}, {"cpu", limits->cpu_quota_percent != LIMIT_NONE}};
    char available[512] = " ";
    cgroup_file_read(group->place_fd, "cgroup.controllers", available + 1, sizeof(available) - 2);
    available[strcspn(available, "\n")] = ' ';
    for (size_t i = 0; i < sizeof(controllers) / sizeof(controllers[0]); i++) {
        char word[16];
        snprintf(word, sizeof(word), " %s ", controllers[i].name);
        if (controllers[i].needed && strstr(available, word) == NULL)
            return error_set(err, -ENOTSUP,
                             "the cgroup controller %s is not available in %s: delegate it "
                             "(Delegate=yes), or say --no-cgroup",
                             controllers[i].name, group->place.directory);
    }
    return 0;
}

static int write_limit(const struct cgroup_v2 *group, const char *name, int64_t limit,
                       struct error *err)
{
    return limit == LIMIT_NONE ? 0 : cgroup_file_write_number(group->fd, name, limit, err);
}

static int write_limits(const struct cgroup_v2 *group, const struct run_limits *limits,
                        struct error *err)
{
    // One out-of-memory ends the whole run, not a process of it that the rest then waits for.
    int result = cgroup_file_write(group->fd, "memory.oom.group", "1", err);
    if (result == 0)
        result = write_limit(group, "memory.max", limits->memory_max_bytes, err);
    if (result == 0)
        result = write_limit(group, "memory.high", limits->memory_high_bytes, err);
    // Without swap in the kernel there is no such file and no such limit.
    if (result == 0 &&
        write_limit(group, "memory.swap.max", limits->memory_swap_max_bytes, err) < 0 &&
        limits->memory_swap_max_bytes != 0)
        result = err != NULL ? err->code : -EIO;
    if (result == 0)
        result = write_limit(group, "pids.max", limits->tasks_max, err);
    if (result == 0 && limits->cpu_quota_percent != LIMIT_NONE) {
        char quota[48];
        snprintf(quota, sizeof(quota), "%lld %d",
                 (long long)limits->cpu_quota_percent * CPU_PERIOD_US / 100, CPU_PERIOD_US);
        result = cgroup_file_write(group->fd, "cpu.max", quota, err);
    }
    return result;
}

// Makes place/NAME. Returns its descriptor.
static int make_child(const struct cgroup_v2 *group, const char *name, struct error *err)
{
    int fd = -1;
    if (mkdirat(group->place_fd, name, 0755) == 0 || errno == EEXIST)
        fd = openat(group->place_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fd
                   : error_set_errno(err, -errno, "making the cgroup %s/%s", group->place.directory,
                                     name);
}

// Moves this process into place/supervisor, so that `place` can have controllers for its children.
static int step_aside(struct cgroup_v2 *group, struct error *err)
{
    group->aside_fd = make_child(group, SUPERVISOR, err);
    if (group->aside_fd < 0)
        return group->aside_fd;
    return cgroup_file_write_number(group->aside_fd, "cgroup.procs", getpid(), err);
}

static int enable_controllers(const struct cgroup_v2 *group, const struct run_limits *limits,
                              struct error *err)
{
    const char *controllers =
        limits->cpu_quota_percent != LIMIT_NONE ? "+memory +pids +cpu" : "+memory +pids";
    // For the account alone: where it cannot be had, that is not known.
    cgroup_file_write(group->place_fd, "cgroup.subtree_control", "+io", NULL);
    int result = cgroup_file_write(group->place_fd, "cgroup.subtree_control", controllers, err);
    if (result == -EBUSY)
        return error_set(err, result,
                         "the cgroup %s holds other processes beside reeve run: make reeve run "
                         "the only command of its service (no shell around it)",
                         group->place.directory);
    return result;
}

static int make(struct cgroup_v2 *group, const struct run_limits *limits, struct error *err)
{
    group->place_fd = open(group->place.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (group->place_fd < 0)
        return error_set_errno(err, -errno, "opening the cgroup %s", group->place.directory);
    int result = check_controllers(group, limits, err);
    if (result == 0 && group->place.holds_supervisor)
        result = step_aside(group, err);
    if (result == 0)
        result = enable_controllers(group, limits, err);
    if (result < 0)
        return result;
    group->fd = make_child(group, group->name, err);
    if (group->fd < 0)
        return group->fd;
    group->common.spawn_fd = group->fd;
    result = write_limits(group, limits, err);
    if (result < 0)
        return result;
    group->common.event_fd = cgroup_events_open_v2(group->common.path, err);
    return group->common.event_fd < 0 ? group->common.event_fd : 0;
}

static const char *v2_directory(const struct run_cgroup *common)
{
    return common->path;
}

static int v2_attach(struct run_cgroup *common, pid_t pid, struct error *err)
{
    (void)common; // born there
    (void)pid;
    (void)err;
    return 0;
}

static bool v2_is_populated(const struct run_cgroup *common)
{
    return cgroup_file_member(v2_of(common)->fd, "cgroup.events", "populated") == 1;
}

static void v2_signal(struct run_cgroup *common, int signal)
{
    cgroup_tree_signal(v2_of(common)->fd, signal);
}

static void v2_kill(struct run_cgroup *common)
{
    // Since Linux 5.14; before that one by one, until the cgroup is empty.
    if (faccessat(v2_of(common)->fd, "cgroup.kill", W_OK, 0) != 0 ||
        cgroup_file_write(v2_of(common)->fd, "cgroup.kill", "1", NULL) < 0)
        cgroup_tree_signal(v2_of(common)->fd, SIGKILL);
}

static void v2_read_usage(const struct run_cgroup *common, struct run_cgroup_usage *usage)
{
    int fd = v2_of(common)->fd;
    usage->memory_peak_bytes = cgroup_file_number(fd, "memory.peak"); // since Linux 5.19
    usage->cpu_us = cgroup_file_member(fd, "cpu.stat", "usage_usec");
    int64_t oom_kills = cgroup_file_member(fd, "memory.events", "oom_group_kill"); // since 5.17
    if (oom_kills < 0)
        oom_kills = cgroup_file_member(fd, "memory.events", "oom_kill");
    usage->oom_kills = oom_kills < 0 ? 0 : oom_kills;
    usage->io_read_bytes = cgroup_file_sum(fd, "io.stat", "rbytes=");
    usage->io_written_bytes = cgroup_file_sum(fd, "io.stat", "wbytes=");
    usage->memory_stall_us = cgroup_file_first(fd, "memory.pressure", "total="); // of "some"
}

// Puts `place` back as it was found. The watchdog is in place/supervisor, too.
static int step_back(struct cgroup_v2 *group, struct error *err)
{
    cgroup_file_write(group->place_fd, "cgroup.subtree_control", "-io", NULL);
    int result =
        cgroup_file_write(group->place_fd, "cgroup.subtree_control", "-memory -pids -cpu", err);
    if (result == 0)
        result = cgroup_file_move_all(group->aside_fd, group->place_fd, err);
    if (result < 0)
        return result;
    if (unlinkat(group->place_fd, SUPERVISOR, AT_REMOVEDIR) != 0 && errno != ENOENT)
        return error_set_errno(err, -errno, "removing %s/" SUPERVISOR, group->place.directory);
    close(take_fd(&group->aside_fd));
    return 0;
}

static int v2_destroy(struct run_cgroup *common, struct error *err)
{
    struct cgroup_v2 *group = v2_of(common);
    int result = cgroup_tree_remove(group->place_fd, group->name);
    if (result < 0)
        return error_set_errno(err, result, "removing %s", common->path);
    return group->aside_fd >= 0 ? step_back(group, err) : 0;
}

static void v2_free(struct run_cgroup *common)
{
    struct cgroup_v2 *group = v2_of(common);
    if (group->place_fd >= 0)
        close(group->place_fd);
    if (group->fd >= 0)
        close(group->fd);
    if (group->aside_fd >= 0)
        close(group->aside_fd);
    if (common->event_fd >= 0)
        close(common->event_fd);
    free(group);
}

static const struct cgroup_backend v2_backend = {
    .directory = v2_directory,
    .attach = v2_attach,
    .is_populated = v2_is_populated,
    .signal = v2_signal,
    .kill = v2_kill,
    .read_usage = v2_read_usage,
    .destroy = v2_destroy,
    .free = v2_free,
};

int cgroup_v2_new(struct run_cgroup **group, const struct cgroup_v2_place *place,
                  const char *run_id, const struct run_limits *limits, struct error *err)
{
    struct cgroup_v2 *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return error_set_errno(err, -ENOMEM, "making a cgroup");
    made->common = (struct run_cgroup){.backend = &v2_backend, .spawn_fd = -1, .event_fd = -1};
    made->place = *place;
    made->place_fd = -1;
    made->fd = -1;
    made->aside_fd = -1;
    snprintf(made->name, sizeof(made->name), "%s", run_id);
    int length =
        snprintf(made->common.path, sizeof(made->common.path), "%s/%s", place->directory, run_id);
    int result = length < (int)sizeof(made->common.path)
                     ? make(made, limits, err)
                     : error_set(err, -ENAMETOOLONG, "the cgroup %s/%s", place->directory, run_id);
    if (result < 0) {
        v2_destroy(&made->common, NULL);
        v2_free(&made->common);
        return result;
    }
    *group = &made->common;
    return 0;
}
