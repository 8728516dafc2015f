// Process stat: see process_stat.h.
#include "process_stat.h"

#include "cgroup_backend.h"
#include "cleanup.h"

#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#define STAT_MAX 1024 // 52 numbers and a name

// "PID (NAME) STATE PPID … STARTTIME …"; NAME may hold anything.
bool process_stat_read(pid_t pid, struct process_stat *stat)
{
    char path[64], text[STAT_MAX];
    struct process_stat found = {.pid = pid};
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    if (cgroup_file_read(AT_FDCWD, path, text, sizeof(text)) < 0)
        return false;
    const char *name = strchr(text, '('), *end = strrchr(text, ')');
    if (name == NULL || end == NULL ||
        sscanf(end + 1,
               " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
               &found.state, &found.parent, &found.started) != 3)
        return false;
    snprintf(found.name, sizeof(found.name), "%.*s", (int)(end - name - 1), name + 1);
    *stat = found;
    return true;
}

bool process_stat_next(DIR *proc, struct process_stat *stat)
{
    const struct dirent *entry;
    while ((entry = readdir(proc)) != NULL)
        if (isdigit((unsigned char)entry->d_name[0]) &&
            process_stat_read((pid_t)atol(entry->d_name), stat) && !process_stat_is_dead(stat))
            return true;
    return false;
}

bool process_stat_kill(const struct process_stat *stat)
{
    struct process_stat now;
    cleanup_fd int fd = (int)syscall(SYS_pidfd_open, stat->pid, 0);
    return fd >= 0 && process_stat_read(stat->pid, &now) && !process_stat_is_dead(&now) &&
           now.started == stat->started &&
           syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0;
}

void process_stat_format(const struct process_stat *stat, char text[static PROCESS_TEXT_MAX])
{
    snprintf(text, PROCESS_TEXT_MAX, "pid %d (%s)", stat->pid, stat->name);
}
