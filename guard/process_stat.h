// Process stat: what /proc tells of one process, proc(5), or of each in turn.
#pragma once

#include <dirent.h>
#include <stdbool.h>
#include <sys/types.h>

#define PROCESS_NAME_MAX 16 // TASK_COMM_LEN
#define PROCESS_TEXT_MAX 64

struct process_stat {
    pid_t pid;
    char name[PROCESS_NAME_MAX];
    char state; // 'R', 'S', 'D', 'Z' …
    pid_t parent;
    unsigned long long started; // since boot, in clock ticks: with the pid, who it is
};

// False: there is no such process, or it cannot be seen.
bool process_stat_read(pid_t pid, struct process_stat *stat);

// Whether it has ended, and waits for its parent to take notice.
static inline bool process_stat_is_dead(const struct process_stat *stat)
{
    return stat->state == 'Z' || stat->state == 'X';
}

// The next living process of `proc`, which is opendir("/proc"). False: there are no more.
bool process_stat_next(DIR *proc, struct process_stat *stat);

// Kills that process and no other that has its number by now. False: it has ended, or is not ours
// to kill.
bool process_stat_kill(const struct process_stat *stat);

// "pid 1234 (sleep)", as alerts have it.
void process_stat_format(const struct process_stat *stat, char text[static PROCESS_TEXT_MAX]);
