// Run escape: processes of a run that have left its cgroup.

#include "run_escape.h"

#include "cgroup_backend.h"
#include "cleanup.h"
#include "process_stat.h"
#include "run_marks.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define PROCESSES_MAX 8192 // of those that are younger than the run
#define OUTSIDE_MAX 64     // looked after at once; the others have their turn later
#define HOME_MAX 16        // lines of /proc/PID/cgroup: hierarchies of v1
#define CGROUP_TEXT_MAX 8192

struct process {
    struct process_stat stat;
    bool is_inside;
    bool is_outside;
    bool is_told; // that it has been killed
};

struct run_escape {
    pid_t supervisor;
    char run_id[RUN_ID_MAX];
    pid_t watchdog;           // of the supervisor: its other child; 0 none
    bool had_children;        // before the run: with those, and theirs, descent tells nothing
    unsigned long long since; // the command's start
    struct run_marks marks;
    char home[HOME_MAX][RUN_CGROUP_PATH_MAX]; // "0::/a/ID", "4:pids:/reeve/ID"
    size_t home_count;
    struct process outside[OUTSIDE_MAX]; // at the last look
    size_t outside_count;
    void (*found)(const char *text, void *context);
    void *context;
    struct process *processes; // room for a look
};

static bool read_cgroups(pid_t pid, char text[static CGROUP_TEXT_MAX])
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
    return cgroup_file_read(AT_FDCWD, path, text, CGROUP_TEXT_MAX) == 0;
}

// Whether one of the lines is `line`, or leads further down.
static bool has_line(const char *text, const char *line)
{
    size_t length = strlen(line);
    for (const char *at = text; at != NULL; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, line, length) == 0 && (at[length] == '\n' || at[length] == '/'))
            return true;
    }
    return false;
}

// In all of the run's cgroups: out of one hierarchy of v1 is out of its limits.
static bool is_inside(const struct run_escape *escape, const char *text)
{
    for (size_t i = 0; i < escape->home_count; i++)
        if (!has_line(text, escape->home[i]))
            return false;
    return true;
}

// The lines that name the run: on v1 not all hierarchies have a cgroup of it.
static void remember_home(struct run_escape *escape, char *text, const char *run_id)
{
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) != NULL && escape->home_count < HOME_MAX;) {
        const char *name = strrchr(line, '/');
        if (name != NULL && strcmp(name + 1, run_id) == 0 && strlen(line) < RUN_CGROUP_PATH_MAX)
            memcpy(escape->home[escape->home_count++], line, strlen(line) + 1);
    }
}

int run_escape_new(struct run_escape **escape, const char *run_id, const char *run_key,
                   void (*found)(const char *text, void *context), void *context, struct error *err)
{
    siginfo_t child;
    struct run_escape *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return error_set_errno(err, -ENOMEM, "preparing to look for escapes");
    made->supervisor = getpid();
    made->had_children = waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) == 0;
    snprintf(made->run_id, sizeof(made->run_id), "%s", run_id);
    made->found = found;
    made->context = context;
    made->processes = malloc(PROCESSES_MAX * sizeof(*made->processes));
    run_marks_init(&made->marks, run_id, run_key);
    if (made->processes == NULL) {
        run_escape_free(made);
        return error_set_errno(err, -ENOMEM, "preparing to look for escapes");
    }
    *escape = made;
    return 0;
}

void run_escape_begin(struct run_escape *escape, pid_t command, pid_t watchdog)
{
    char text[CGROUP_TEXT_MAX];
    struct process_stat stat;
    if (process_stat_read(command, &stat) && read_cgroups(command, text)) {
        escape->since = stat.started;
        escape->watchdog = watchdog;
        remember_home(escape, text, escape->run_id);
    }
}

void run_escape_free(struct run_escape *escape)
{
    if (escape == NULL)
        return;
    free(escape->processes);
    explicit_bzero(escape, sizeof(*escape));
    free(escape);
}

// Those that are as young as the run. The others cost one small file each.
static size_t list_processes(const struct run_escape *escape)
{
    cleanup_dir DIR *proc = opendir("/proc");
    size_t count = 0;
    struct process_stat stat;
    while (proc != NULL && count < PROCESSES_MAX && process_stat_next(proc, &stat))
        if (stat.started >= escape->since)
            escape->processes[count++] = (struct process){.stat = stat};
    return count;
}

static bool descends(const struct run_escape *escape, size_t count, const struct process *process)
{
    const struct process *processes = escape->processes;
    if (process->stat.parent == escape->supervisor)
        return !escape->had_children && process->stat.pid != escape->watchdog;
    for (size_t i = 0; i < count; i++)
        if (processes[i].stat.pid == process->stat.parent)
            return processes[i].is_inside || processes[i].is_outside;
    return false;
}

// Marks who is inside, then outside: by environment first, then generation by generation.
static void mark(struct run_escape *escape, size_t count)
{
    struct process *processes = escape->processes;
    char text[CGROUP_TEXT_MAX];
    bool others[PROCESSES_MAX]; // the supervisor, and those of other runs
    for (size_t i = 0; i < count; i++) {
        pid_t pid = processes[i].stat.pid;
        others[i] = pid == escape->supervisor || !read_cgroups(pid, text);
        processes[i].is_inside = !others[i] && is_inside(escape, text);
        if (others[i] || processes[i].is_inside)
            continue;
        enum run_belonging belonging = run_marks_find(&escape->marks, pid);
        processes[i].is_outside = belonging == RUN_BELONGING_HERE;
        others[i] = belonging == RUN_BELONGING_ELSEWHERE;
    }
    for (bool found = true; found;) {
        found = false;
        for (size_t i = 0; i < count; i++) {
            struct process *process = &processes[i];
            if (others[i] || process->is_inside || process->is_outside ||
                !descends(escape, count, process))
                continue;
            process->is_outside = found = true;
        }
    }
}

// It as it was at the last look; NULL if it was not outside then.
static const struct process *find_outside(const struct run_escape *escape,
                                          const struct process *process)
{
    for (size_t i = 0; i < escape->outside_count; i++)
        if (escape->outside[i].stat.pid == process->stat.pid &&
            escape->outside[i].stat.started == process->stat.started)
            return &escape->outside[i];
    return NULL;
}

static void tell(const struct run_escape *escape, const struct process_stat *stat)
{
    char text[PROCESS_TEXT_MAX];
    process_stat_format(stat, text);
    escape->found(text, escape->context);
}

size_t run_escape_look(struct run_escape *escape)
{
    if (escape->home_count == 0) // without a cgroup nobody can leave it
        return 0;
    size_t count = list_processes(escape), outside_count = 0;
    struct process outside[OUTSIDE_MAX] = {0};
    mark(escape, count);
    for (size_t i = 0; i < count && outside_count < OUTSIDE_MAX; i++) {
        struct process *process = &escape->processes[i];
        if (!process->is_outside)
            continue;
        const struct process *before = find_outside(escape, process);
        process->is_told = before != NULL && before->is_told;
        if (before != NULL && process_stat_kill(&process->stat) && !process->is_told) {
            tell(escape, &process->stat);
            process->is_told = true;
        }
        outside[outside_count++] = *process;
    }
    memcpy(escape->outside, outside, outside_count * sizeof(*outside));
    escape->outside_count = outside_count;
    return outside_count;
}
