// Run marks: see run_marks.h.
#include "run_marks.h"

#include "cleanup.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define ENVIRONMENT_MAX 262144 // bytes of it that are searched

void run_marks_init(struct run_marks *marks, const char *run_id, const char *run_key)
{
    snprintf(marks->variable, sizeof(marks->variable), RUN_MARK_VARIABLE "%s", run_id);
    snprintf(marks->run_key, sizeof(marks->run_key), "%s", run_key == NULL ? "" : run_key);
}

enum run_belonging run_marks_find(const struct run_marks *marks, pid_t pid)
{
    char path[64], environment[ENVIRONMENT_MAX];
    snprintf(path, sizeof(path), "/proc/%d/environ", pid);
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? 0 : read(fd, environment, sizeof(environment) - 1);
    if (length <= 0)
        return RUN_BELONGING_UNKNOWN;
    environment[length] = '\0';
    const char *end = environment + length;
    enum run_belonging found = RUN_BELONGING_UNKNOWN;
    for (const char *at = environment; at < end; at += strlen(at) + 1) {
        if (strcmp(at, marks->variable) == 0 ||
            (marks->run_key[0] != '\0' && strstr(at, marks->run_key) != NULL))
            return RUN_BELONGING_HERE;
        if (strncmp(at, RUN_MARK_VARIABLE, sizeof(RUN_MARK_VARIABLE) - 1) == 0)
            found = RUN_BELONGING_ELSEWHERE;
    }
    return found;
}
