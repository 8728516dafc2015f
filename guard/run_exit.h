// Run exit: the exit codes of `reeve run`.
#pragma once

#include "run.h"

#include <sysexits.h>

enum run_exit {
    RUN_EXIT_USAGE = EX_USAGE,             // 64
    RUN_EXIT_UNREACHABLE = EX_UNAVAILABLE, // 69: no daemon, or no cgroup to be had
    RUN_EXIT_FAILURE = EX_OSERR,           // 71
    RUN_EXIT_NO_SLOT = EX_TEMPFAIL,        // 75
    RUN_EXIT_CONFIG = EX_CONFIG,           // 78
    RUN_EXIT_CEILING = 100,
    RUN_EXIT_OUT_OF_MEMORY = 101,
    RUN_EXIT_TIMEOUT = 102,
    RUN_EXIT_KILLED = 103,
    RUN_EXIT_NOT_EXECUTABLE = 126, // as a shell has it
    RUN_EXIT_NOT_FOUND = 127,
};

// The exit code for a run that ended so, `exit_code` being the command's.
static inline int run_exit_code(enum run_end end, int exit_code)
{
    switch (end) {
    case RUN_CEILING:
        return RUN_EXIT_CEILING;
    case RUN_OUT_OF_MEMORY:
        return RUN_EXIT_OUT_OF_MEMORY;
    case RUN_TIMEOUT:
        return RUN_EXIT_TIMEOUT;
    case RUN_KILLED:
        return RUN_EXIT_KILLED;
    case RUN_LIVE:
    case RUN_EXITED:
    case RUN_SIGNALED:
    case RUN_LOST:
        break;
    }
    return exit_code;
}
