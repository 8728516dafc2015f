// Cgroup v1: a cgroup "reeve/ID" in each hierarchy, made by libcgroup.
//
// libcgroup finds the mounts, makes the cgroups with their limits and attaches; what it reports
// wrongly (deletion) or has no word for (events, freezing) is done on the files.

#include "cgroup_backend.h"
#include "cgroup_events.h"
#include "cgroup_tree.h"
#include "cleanup.h"

#include <fcntl.h>
#include <libcgroup.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define CPU_PERIOD_US 100000

enum controller { MEMORY, PIDS, FREEZER, CPU, CPUACCT, BLKIO, CONTROLLERS };

static const char *const controller_names[] = {"memory", "pids",    "freezer",
                                               "cpu",    "cpuacct", "blkio"};

struct cgroup_v1 {
    struct run_cgroup common;
    struct cgroup *handle; // libcgroup's
    char name[RUN_CGROUP_PATH_MAX];
    char directories[CONTROLLERS][RUN_CGROUP_PATH_MAX]; // "" where it is not mounted
    int fds[CONTROLLERS];                               // -1 where it is not mounted
};

static struct cgroup_v1 *v1_of(const struct run_cgroup *group)
{
    return (struct cgroup_v1 *)(void *)group;
}

static int fail(struct error *err, int code, const char *what)
{
    const char *reason =
        code == ECGOTHER ? strerror(cgroup_get_last_errno()) : cgroup_strerror(code);
    return error_set(err, -EPERM, "%s: %s", what, reason);
}

// Whether a run may have a cgroup below `mount`: users are given the hierarchies one by one.
static bool is_ours(const char *mount)
{
    char path[RUN_CGROUP_PATH_MAX];
    snprintf(path, sizeof(path), "%s/reeve", mount);
    return access(path, W_OK) == 0 || (errno == ENOENT && access(mount, W_OK) == 0);
}

static int find_mounts(struct cgroup_v1 *group, struct error *err)
{
    int code = cgroup_init();
    if (code != 0)
        return fail(err, code, "looking for cgroups");
    for (enum controller i = 0; i < CONTROLLERS; i++) {
        cleanup_free char *mount = NULL;
        if (cgroup_get_subsys_mount_point(controller_names[i], &mount) != 0)
            continue;
        if (i == BLKIO && !is_ours(mount)) // it is for the account alone
            continue;
        int length =
            snprintf(group->directories[i], RUN_CGROUP_PATH_MAX, "%s/%s", mount, group->name);
        if (length >= RUN_CGROUP_PATH_MAX)
            return error_set(err, -ENAMETOOLONG, "the cgroup mount %s", mount);
    }
    for (enum controller i = MEMORY; i <= FREEZER; i++)
        if (group->directories[i][0] == '\0')
            return error_set(err, -ENOTSUP,
                             "the cgroup controller %s is not mounted (--no-cgroup runs without "
                             "limits of memory and tasks)",
                             controller_names[i]);
    return 0;
}

static int add_number(struct cgroup_controller *controller, const char *name, int64_t number)
{
    char text[24];
    snprintf(text, sizeof(text), "%lld", (long long)number);
    return cgroup_add_value_string(controller, name, text);
}

// Tells libcgroup which controllers and limits the cgroup is to have. Returns libcgroup's code.
static int describe(struct cgroup_v1 *group, const struct run_limits *limits)
{
    struct cgroup_controller *controllers[CONTROLLERS] = {NULL};
    int code = 0;
    for (enum controller i = 0; i < CONTROLLERS; i++)
        if (group->directories[i][0] != '\0' &&
            (controllers[i] = cgroup_add_controller(group->handle, controller_names[i])) == NULL)
            return ECGFAIL;
    if (limits->memory_max_bytes != LIMIT_NONE)
        code = add_number(controllers[MEMORY], "memory.limit_in_bytes", limits->memory_max_bytes);
    if (code == 0 && limits->memory_high_bytes != LIMIT_NONE)
        code = add_number(controllers[MEMORY], "memory.soft_limit_in_bytes",
                          limits->memory_high_bytes);
    if (code == 0 && limits->tasks_max != LIMIT_NONE)
        code = add_number(controllers[PIDS], "pids.max", limits->tasks_max);
    if (code == 0 && limits->cpu_quota_percent != LIMIT_NONE) {
        code = add_number(controllers[CPU], "cpu.cfs_period_us", CPU_PERIOD_US);
        if (code == 0)
            code = add_number(controllers[CPU], "cpu.cfs_quota_us",
                              limits->cpu_quota_percent * CPU_PERIOD_US / 100);
    }
    return code;
}

// The limit of memory and swap together, once the memory limit is set: the kernel refuses the other
// order. Without swap accounting (swapaccount=0) there is no such file and no such limit.
static int limit_swap(const struct cgroup_v1 *group, const struct run_limits *limits,
                      struct error *err)
{
    static const char name[] = "memory.memsw.limit_in_bytes";
    int64_t both;
    if (limits->memory_max_bytes == LIMIT_NONE || limits->memory_swap_max_bytes == LIMIT_NONE ||
        __builtin_add_overflow(limits->memory_max_bytes, limits->memory_swap_max_bytes, &both) ||
        faccessat(group->fds[MEMORY], name, W_OK, 0) != 0)
        return 0;
    return cgroup_file_write_number(group->fds[MEMORY], name, both, err);
}

static int open_directories(struct cgroup_v1 *group, struct error *err)
{
    for (enum controller i = 0; i < CONTROLLERS; i++) {
        if (group->directories[i][0] == '\0')
            continue;
        group->fds[i] = open(group->directories[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (group->fds[i] < 0)
            return error_set_errno(err, -errno, "opening %s", group->directories[i]);
    }
    return 0;
}

static int make(struct cgroup_v1 *group, const struct run_limits *limits, struct error *err)
{
    int result = find_mounts(group, err);
    if (result < 0)
        return result;
    if (limits->cpu_quota_percent != LIMIT_NONE && group->directories[CPU][0] == '\0')
        return error_set(err, -ENOTSUP,
                         "CPUQuota= needs the cgroup controller cpu, which is not "
                         "mounted");
    group->handle = cgroup_new_cgroup(group->name);
    int code = group->handle == NULL ? ECGFAIL : describe(group, limits);
    if (code == 0)
        code = cgroup_create_cgroup(group->handle, 1);
    if (code != 0) {
        fail(err, code, group->name);
        return error_wrap(err,
                          "making a cgroup (as root, let this user make them by: cgcreate -a "
                          "USER -t USER -g memory,pids,freezer,cpu,cpuacct,blkio:reeve; or say "
                          "--no-cgroup)");
    }
    result = open_directories(group, err);
    if (result == 0)
        result = limit_swap(group, limits, err);
    if (result < 0)
        return result;
    group->common.event_fd = cgroup_events_open_v1(group->fds[MEMORY], err);
    if (group->common.event_fd < 0)
        return group->common.event_fd;
    // Of one process that the kernel kills, the others would go on without it until we hear of it.
    // So whoever needs more waits instead, and the whole cgroup is killed at once. Where the kernel
    // does not offer that, its own kill has to do.
    if (limits->memory_max_bytes != LIMIT_NONE)
        cgroup_file_write(group->fds[MEMORY], "memory.oom_control", "1", NULL);
    return 0;
}

static const char *v1_directory(const struct run_cgroup *common)
{
    return v1_of(common)->directories[PIDS];
}

static int v1_attach(struct run_cgroup *common, pid_t pid, struct error *err)
{
    int code = cgroup_attach_task_pid(v1_of(common)->handle, pid);
    return code == 0 ? 0 : fail(err, code, "putting the command into its cgroup");
}

// In one hierarchy or another: a process of root's can have left some of them.
static bool v1_is_populated(const struct run_cgroup *common)
{
    for (enum controller i = 0; i < CONTROLLERS; i++)
        if (v1_of(common)->fds[i] >= 0 && cgroup_tree_signal(v1_of(common)->fds[i], 0) > 0)
            return true;
    return false;
}

static void v1_signal(struct run_cgroup *common, int signal)
{
    cgroup_tree_signal(v1_of(common)->fds[PIDS], signal);
}

// Frozen processes cannot fork while they are listed; they die once they are thawed.
static void v1_kill(struct run_cgroup *common)
{
    struct cgroup_v1 *group = v1_of(common);
    cgroup_file_write(group->fds[FREEZER], "freezer.state", "FROZEN", NULL);
    for (enum controller i = 0; i < CONTROLLERS; i++)
        if (group->fds[i] >= 0)
            cgroup_tree_signal(group->fds[i], SIGKILL);
    cgroup_file_write(group->fds[FREEZER], "freezer.state", "THAWED", NULL);
}

// "8:0 Read 4096", "8:0 Write 0", …, "Total 4096". Newer kernels count only where something is
// throttled: without any device it is not known.
static int64_t sum_of_devices(const struct cgroup_v1 *group, const char *word)
{
    int64_t sum = group->fds[BLKIO] < 0
                      ? -1
                      : cgroup_file_sum(group->fds[BLKIO], "blkio.throttle.io_service_bytes", word);
    return sum > 0 ? sum : -1;
}

static void v1_read_usage(const struct run_cgroup *common, struct run_cgroup_usage *usage)
{
    const struct cgroup_v1 *group = v1_of(common);
    int64_t cpu_ns =
        group->fds[CPUACCT] < 0 ? -1 : cgroup_file_number(group->fds[CPUACCT], "cpuacct.usage");
    int64_t oom_kills = cgroup_file_member(group->fds[MEMORY], "memory.oom_control", "oom_kill");
    int64_t under_oom = cgroup_file_member(group->fds[MEMORY], "memory.oom_control", "under_oom");
    usage->memory_peak_bytes = cgroup_file_number(group->fds[MEMORY], "memory.max_usage_in_bytes");
    usage->cpu_us = cpu_ns < 0 ? -1 : cpu_ns / 1000;
    usage->io_read_bytes = sum_of_devices(group, " Read ");
    usage->io_written_bytes = sum_of_devices(group, " Write ");
    usage->memory_stall_us = -1; // the kernel keeps no account of it here
    usage->oom_kills = (oom_kills < 0 ? 0 : oom_kills) + (under_oom > 0 ? 1 : 0);
}

// Hierarchies that share a mount (cpu,cpuacct) share the directory: the second one is gone already.
static int v1_destroy(struct run_cgroup *common, struct error *err)
{
    struct cgroup_v1 *group = v1_of(common);
    int result = 0;
    for (enum controller i = 0; i < CONTROLLERS; i++) {
        int removed = group->directories[i][0] == '\0'
                          ? 0
                          : cgroup_tree_remove(AT_FDCWD, group->directories[i]);
        if (removed < 0)
            result = error_set_errno(err, removed, "removing %s", group->directories[i]);
    }
    return result;
}

static void v1_free(struct run_cgroup *common)
{
    struct cgroup_v1 *group = v1_of(common);
    for (enum controller i = 0; i < CONTROLLERS; i++)
        if (group->fds[i] >= 0)
            close(group->fds[i]);
    if (common->event_fd >= 0)
        close(common->event_fd);
    cgroup_free(&group->handle);
    free(group);
}

static const struct cgroup_backend v1_backend = {
    .directory = v1_directory,
    .attach = v1_attach,
    .is_populated = v1_is_populated,
    .signal = v1_signal,
    .kill = v1_kill,
    .read_usage = v1_read_usage,
    .destroy = v1_destroy,
    .free = v1_free,
};

int cgroup_v1_new(struct run_cgroup **group, const char *run_id, const struct run_limits *limits,
                  struct error *err)
{
    struct cgroup_v1 *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return error_set_errno(err, -ENOMEM, "making a cgroup");
    made->common = (struct run_cgroup){.backend = &v1_backend, .spawn_fd = -1, .event_fd = -1};
    for (enum controller i = 0; i < CONTROLLERS; i++)
        made->fds[i] = -1;
    snprintf(made->name, sizeof(made->name), "reeve/%s", run_id);
    snprintf(made->common.path, sizeof(made->common.path), "/reeve/%s", run_id);
    int result = make(made, limits, err);
    if (result < 0) {
        v1_destroy(&made->common, NULL); // a failed creation leaves directories behind
        v1_free(&made->common);
        return result;
    }
    *group = &made->common;
    return 0;
}
