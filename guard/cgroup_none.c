// No cgroup: the processes of the run are the descendants of this one.
//
// As their reaper (PR_SET_CHILD_SUBREAPER) this process inherits those whose parent has died, so
// that none gets out of sight. Its watchdog, once it is alone, knows them by REEVE_RUN in their
// environment. That is no wall, and nothing limits their memory or number.

#include "cgroup_backend.h"
#include "cleanup.h"
#include "process_stat.h"
#include "run_marks.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#define PROCESSES_MAX 32768 // looked at; pid_max is that by default

struct cgroup_none {
    struct run_cgroup common;
    pid_t supervisor;
    struct run_marks marks;
};

struct process {
    struct process_stat stat;
    bool is_ours;
};

// Marks descendants of this process, but for its watchdog. Each pass reaches one generation at
// least.
static size_t mark_descendants(struct process *processes, size_t count, pid_t watchdog)
{
    size_t ours = 0;
    for (bool found = true; found;) {
        found = false;
        for (size_t i = 0; i < count; i++) {
            bool is_ours =
                processes[i].stat.parent == getpid() && processes[i].stat.pid != watchdog;
            for (size_t j = 0; j < count && !is_ours; j++)
                is_ours = processes[j].is_ours && processes[j].stat.pid == processes[i].stat.parent;
            found |= is_ours && !processes[i].is_ours;
            ours += is_ours && !processes[i].is_ours;
            processes[i].is_ours |= is_ours;
        }
    }
    return ours;
}

static size_t mark_by_environment(struct process *processes, size_t count,
                                  const struct run_marks *marks)
{
    size_t ours = 0;
    for (size_t i = 0; i < count; i++) {
        processes[i].is_ours = run_marks_find(marks, processes[i].stat.pid) == RUN_BELONGING_HERE;
        ours += processes[i].is_ours;
    }
    return ours;
}

static size_t list_processes(struct process *processes)
{
    cleanup_dir DIR *proc = opendir("/proc");
    size_t count = 0;
    struct process_stat stat;
    while (proc != NULL && count < PROCESSES_MAX && process_stat_next(proc, &stat))
        processes[count++] = (struct process){.stat = stat};
    return count;
}

// Signals all processes of the run; 0 only counts. Returns how many there are.
static size_t signal_all(const struct run_cgroup *common, int signal)
{
    const struct cgroup_none *group = (const struct cgroup_none *)(const void *)common;
    cleanup_free struct process *processes = malloc(PROCESSES_MAX * sizeof(*processes));
    if (processes == NULL)
        return 0;
    size_t count = list_processes(processes);
    size_t ours = getpid() == group->supervisor
                      ? mark_descendants(processes, count, common->watchdog)
                      : mark_by_environment(processes, count, &group->marks);
    for (size_t i = 0; i < count && signal != 0; i++)
        if (processes[i].is_ours && processes[i].stat.pid != getpid())
            kill(processes[i].stat.pid, signal);
    return ours;
}

static const char *none_directory(const struct run_cgroup *common)
{
    (void)common;
    return "";
}

static int none_attach(struct run_cgroup *common, pid_t pid, struct error *err)
{
    (void)common; // born a descendant
    (void)pid;
    (void)err;
    return 0;
}

static bool none_is_populated(const struct run_cgroup *common)
{
    return signal_all(common, 0) > 0;
}

static void none_signal(struct run_cgroup *common, int signal)
{
    signal_all(common, signal);
}

static void none_kill(struct run_cgroup *common)
{
    signal_all(common, SIGKILL);
}

static void none_read_usage(const struct run_cgroup *common, struct run_cgroup_usage *usage)
{
    (void)common;
    struct rusage children;
    *usage = (struct run_cgroup_usage){.memory_peak_bytes = -1,
                                       .cpu_us = -1,
                                       .io_read_bytes = -1,
                                       .io_written_bytes = -1,
                                       .memory_stall_us = -1};
    if (getrusage(RUSAGE_CHILDREN, &children) != 0)
        return;
    usage->io_read_bytes = children.ru_inblock * INT64_C(512); // getrusage(2) on Linux
    usage->io_written_bytes = children.ru_oublock * INT64_C(512);
    usage->cpu_us = (children.ru_utime.tv_sec + children.ru_stime.tv_sec) * INT64_C(1000000) +
                    children.ru_utime.tv_usec + children.ru_stime.tv_usec;
}

static int none_destroy(struct run_cgroup *common, struct error *err)
{
    return signal_all(common, 0) == 0
               ? 0
               : error_set(err, -EBUSY, "processes of the run are still there");
}

static void none_free(struct run_cgroup *common)
{
    free(common);
}

static const struct cgroup_backend none_backend = {
    .directory = none_directory,
    .attach = none_attach,
    .is_populated = none_is_populated,
    .signal = none_signal,
    .kill = none_kill,
    .read_usage = none_read_usage,
    .destroy = none_destroy,
    .free = none_free,
};

int cgroup_none_new(struct run_cgroup **group, const char *run_id, struct error *err)
{
    struct cgroup_none *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return error_set_errno(err, -ENOMEM, "preparing a run without a cgroup");
    made->common = (struct run_cgroup){.backend = &none_backend, .spawn_fd = -1, .event_fd = -1};
    made->supervisor = getpid();
    run_marks_init(&made->marks, run_id, NULL);
    *group = &made->common;
    return 0;
}
