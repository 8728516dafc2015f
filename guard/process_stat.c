// Process stat: see process_stat.h.
#include "process_stat.h"

#include "cgroup_backend.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define STAT_MAX 1024 // 52 numbers and a name

// "PID (NAME) STATE PPID … STARTTIME …"; NAME may hold anything.
bool process_stat_read(pid_t pid, struct process_stat *stat)
{
    char path[64], text[STAT_MAX];
    struct process_stat found;
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    if (cgroup_file_read(AT_FDCWD, path, text, sizeof(text)) < 0)
        return false;
    const char *end = strrchr(text, ')');
    if (end == NULL ||
        sscanf(end + 1,
               " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
               &found.state, &found.parent, &found.started) != 3)
        return false;
    *stat = found;
    return true;
}
