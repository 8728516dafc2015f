// Cgroup events: descriptors that become readable when something happens in a cgroup.

#include "cgroup_events.h"

#include "cgroup_backend.h"
#include "cleanup.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>

int cgroup_events_open_v1(int directory_fd, struct error *err)
{
    char registration[32];
    cleanup_fd int control_fd = openat(directory_fd, "memory.oom_control", O_RDONLY | O_CLOEXEC);
    cleanup_fd int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (control_fd < 0 || fd < 0)
        return error_set_errno(err, -errno, "watching memory.oom_control");
    snprintf(registration, sizeof(registration), "%d %d", fd, control_fd);
    int result = cgroup_file_write(directory_fd, "cgroup.event_control", registration, err);
    return result < 0 ? result : take_fd(&fd);
}

int cgroup_events_open_v2(const char *directory, struct error *err)
{
    static const char *const names[] = {"memory.events", "cgroup.events"};
    char path[PATH_MAX];
    cleanup_fd int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0)
        return error_set_errno(err, -errno, "watching %s", directory);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        if (inotify_add_watch(fd, path, IN_MODIFY) < 0)
            return error_set_errno(err, -errno, "watching %s", path);
    }
    return take_fd(&fd);
}

void cgroup_events_drain(int fd)
{
    char events[4096];
    while (read(fd, events, sizeof(events)) > 0)
        ;
}
