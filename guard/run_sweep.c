// Run sweep: see run_sweep.h.
#include "run_sweep.h"

#include "cgroup_backend.h"
#include "cleanup.h"
#include "process_stat.h"

#include <fcntl.h>
#include <string.h>

// Where systemd has what else it starts for a delegated unit: ExecStartPost=, ExecStop=, …
#define CONTROL "/.control"

static bool read_path(pid_t pid, char path[static RUN_CGROUP_PATH_MAX])
{
    char process[32];
    snprintf(process, sizeof(process), "/proc/%d", pid);
    cleanup_fd int fd = open(process, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && cgroup_read_path(fd, path, NULL) == 0;
}

static bool is_below(const char *path, const char *above)
{
    size_t length = strlen(above);
    return strncmp(path, above, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

// The run's cgroup is right below what was delegated, as is the one of this process.
static void find_place(struct run_sweep *sweep, const char *directory)
{
    char own[RUN_CGROUP_PATH_MAX], place[RUN_CGROUP_PATH_MAX];
    if (strncmp(directory, CGROUP_MOUNT "/", sizeof(CGROUP_MOUNT)) != 0 ||
        !read_path(getpid(), own))
        return;
    snprintf(place, sizeof(place), "%s", directory + strlen(CGROUP_MOUNT));
    *strrchr(place, '/') = '\0';
    if (place[0] != '\0' && is_below(own, place))
        memcpy(sweep->place, place, sizeof(place));
}

void run_sweep_init(struct run_sweep *sweep, const char *run_id, const char *directory,
                    void (*found)(const char *text, void *context), void *context)
{
    struct process_stat own;
    *sweep = (struct run_sweep){.found = found, .context = context};
    run_marks_init(&sweep->marks, run_id, NULL);
    if (process_stat_read(getpid(), &own))
        sweep->since = own.started;
    find_place(sweep, directory);
}

static bool is_in_place(const struct run_sweep *sweep, pid_t pid)
{
    char path[RUN_CGROUP_PATH_MAX];
    return sweep->place[0] != '\0' && read_path(pid, path) && is_below(path, sweep->place) &&
           !is_below(path + strlen(sweep->place), CONTROL);
}

static void tell(struct run_sweep *sweep, const struct process_stat *stat)
{
    char text[PROCESS_TEXT_MAX];
    for (size_t i = 0; i < sweep->told_count; i++)
        if (sweep->told[i] == stat->pid)
            return;
    if (sweep->told_count == RUN_SWEEP_TOLD_MAX)
        return;
    sweep->told[sweep->told_count++] = stat->pid;
    process_stat_format(stat, text);
    sweep->found(text, sweep->context);
}

size_t run_sweep(struct run_sweep *sweep)
{
    cleanup_dir DIR *proc = opendir("/proc");
    struct process_stat stat;
    size_t count = 0;
    while (proc != NULL && process_stat_next(proc, &stat)) {
        if (stat.started < sweep->since || stat.pid == getpid() ||
            (run_marks_find(&sweep->marks, stat.pid) != RUN_BELONGING_HERE &&
             !is_in_place(sweep, stat.pid)))
            continue;
        count++;
        if (process_stat_kill(&stat))
            tell(sweep, &stat);
    }
    return count;
}
