// Process stat: what /proc tells of one process, proc(5).
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct process_stat {
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
