// Cgroup place: where a cgroup v2 for a run can be made. The first of these ways that works:
//
//     1  our own cgroup, delegated to us (a service with Delegate=yes) and ours alone
//     2  a scope from the root helper; root itself needs none
//     3  a scope from the user's own service manager; for root from the system's
//     4  without systemd, for root: /sys/fs/cgroup/reeve
//
// A scope moves this process into it, and then is its own cgroup: the first way again.

#include "cgroup_place.h"

#include "cgroup_helper_client.h"
#include "cleanup.h"
#include "run_limits.h"
#include "systemd_scope.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static bool is_delegated(int directory_fd)
{
    char value[2];
    return fgetxattr(directory_fd, "user.delegate", value, sizeof(value)) == 1 && value[0] == '1' &&
           faccessat(directory_fd, "cgroup.procs", W_OK, AT_EACCESS) == 0;
}

static bool holds_others(int directory_fd)
{
    char processes[64];
    cgroup_file_read(directory_fd, "cgroup.procs", processes, sizeof(processes));
    return strchr(processes, '\n') != strrchr(processes, '\n');
}

int cgroup_place_look(struct cgroup_v2_place *place, enum cgroup_own *own, const char *mount,
                      const char *path, struct error *err)
{
    struct cgroup_v2_place found = {.holds_supervisor = true};
    int length = snprintf(found.directory, sizeof(found.directory), "%s%s", mount, path);
    if (length >= (int)sizeof(found.directory) - RUN_ID_MAX)
        return error_set(err, -ENAMETOOLONG, "the cgroup %s", path);
    cleanup_fd int fd = open(found.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, -errno, "opening the cgroup %s", found.directory);
    *own = !is_delegated(fd)  ? CGROUP_OWN_FOREIGN
           : holds_others(fd) ? CGROUP_OWN_SHARED
                              : CGROUP_OWN_USABLE;
    *place = found;
    return 0;
}

// Looks at the cgroup that we are in now.
static int look_here(struct cgroup_v2_place *place, enum cgroup_own *own, struct error *err)
{
    char path[RUN_CGROUP_PATH_MAX];
    cleanup_fd int process_fd = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = cgroup_read_path(process_fd, path, err);
    return result < 0 ? result : cgroup_place_look(place, own, CGROUP_MOUNT, path, err);
}

static int ask_helper(const char *run_id, const struct run_limits *limits, struct error *err)
{
    struct cgroup_helper_request request = {
        .verb = CGROUP_HELPER_SCOPE,
        .memory_max_bytes = limits->memory_max_bytes,
        .memory_swap_max_bytes = limits->memory_swap_max_bytes,
        .tasks_max = limits->tasks_max,
    };
    snprintf(request.run_id, sizeof(request.run_id), "%s", run_id);
    return cgroup_helper_ask(CGROUP_HELPER_SOCKET, &request, err);
}

// From the system's manager or the user's own. The scope ends with the service that we are in.
static int ask_manager(enum systemd_manager manager, const char *run_id,
                       const struct run_limits *limits, struct error *err)
{
    char name[CGROUP_HELPER_UNIT_MAX];
    cgroup_helper_unit(run_id, name);
    return systemd_scope_start_here(manager, name, limits, err);
}

// As sd_booted(3) has it.
static bool is_systemd_there(void)
{
    return access("/run/systemd/system", F_OK) == 0;
}

static int ask_for_scope(const char *run_id, const struct run_limits *limits, struct error *err)
{
    struct run_limits above = run_limits_of_unit(limits);
    struct error helper_err, manager_err;
    if (geteuid() == 0)
        return ask_manager(SYSTEMD_SYSTEM, run_id, &above, err);
    if (ask_helper(run_id, &above, &helper_err) == 0 ||
        ask_manager(SYSTEMD_USER, run_id, &above, &manager_err) == 0)
        return 0;
    return error_set(err, -EPERM, "%.120s; %.120s", helper_err.text, manager_err.text);
}

// Has a scope made, and uses it if this process is in it now. That it is delegated has been asked
// for: a user's manager (systemd 252) does not mark it so.
static int use_scope(struct cgroup_v2_place *place, const char *run_id,
                     const struct run_limits *limits, struct error *err)
{
    char name[CGROUP_HELPER_UNIT_MAX];
    enum cgroup_own own;
    int result = ask_for_scope(run_id, limits, err);
    if (result == 0)
        result = look_here(place, &own, err);
    if (result < 0)
        return result;
    cgroup_helper_unit(run_id, name);
    if (strcmp(strrchr(place->directory, '/') + 1, name) != 0)
        return error_set(err, -EPERM, "systemd has put this process into %s in place of %s",
                         place->directory, name);
    return 0;
}

int cgroup_place_of_root(struct cgroup_v2_place *place, const char *mount, struct error *err)
{
    struct cgroup_v2_place found = {.holds_supervisor = false};
    if (geteuid() != 0)
        return error_set(err, -EPERM,
                         "without systemd only root may; otherwise say --no-cgroup, which runs "
                         "without limits of memory and tasks");
    snprintf(found.directory, sizeof(found.directory), "%s/reeve", mount);
    if (mkdir(found.directory, 0755) != 0 && errno != EEXIST)
        return error_set_errno(err, -errno, "making the cgroup %s", found.directory);
    // The mount's own children need the controllers first.
    cleanup_fd int fd = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, -errno, "opening %s", mount);
    *place = found;
    return cgroup_file_write(fd, "cgroup.subtree_control", "+memory +pids +cpu", err);
}

static int say_what_helps(const char *why, int code, struct error *err)
{
    struct error cause;
    if (err == NULL)
        return code;
    cause = *err;
    return error_set(err, code,
                     "no cgroup can be made: the own one %s; %.250s. Start it in a service with "
                     "Delegate=yes (reeve@JOB is one), as a member of the group reeve or after "
                     "loginctl enable-linger; or say --no-cgroup",
                     why, cause.text);
}

int cgroup_place_find(struct cgroup_v2_place *place, const char *run_id,
                      const struct run_limits *limits, struct error *err)
{
    enum cgroup_own own;
    struct cgroup_v2_place found;
    int result = look_here(&found, &own, err);
    if (result < 0)
        return result;
    if (own != CGROUP_OWN_USABLE) {
        const char *why = own == CGROUP_OWN_SHARED ? "holds other processes" : "is not delegated";
        result = is_systemd_there() ? use_scope(&found, run_id, limits, err)
                                    : cgroup_place_of_root(&found, CGROUP_MOUNT, err);
        if (result < 0)
            return say_what_helps(why, result, err);
    }
    *place = found;
    return 0;
}
