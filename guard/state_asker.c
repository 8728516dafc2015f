// State asker: see state_asker.h.
//
// A supervisor is the reaper of the orphans of its run, so whatever a run starts has it among its
// ancestors. The process is the one that has connected, as the kernel noted it then.

#include "state_asker.h"

#include "process_stat.h"

#include <stdlib.h>

#define ANCESTORS_MAX 1024

// The parent of a process, 0 above the first one; -1: it cannot be seen.
static pid_t find_parent(pid_t pid)
{
    struct process_stat stat;
    return process_stat_read(pid, &stat) ? stat.parent : -1;
}

// The run that the process is in. -EPERM: that cannot be seen, and so it is for the kernel's 0, a
// process of another pid namespace.
static int find_by_process(struct run_registry *registry, pid_t pid, struct live_run **run,
                           struct error *err)
{
    struct live_run *found = NULL;
    pid_t ancestor = pid > 0 ? pid : -1;
    for (int i = 0; found == NULL && ancestor > 0; i++) {
        found = run_registry_find_supervised(registry, ancestor);
        ancestor = i < ANCESTORS_MAX ? find_parent(ancestor) : -1;
    }
    if (found == NULL && ancestor < 0)
        return error_set(err, -EPERM, "process %d cannot be seen, so neither can its run",
                         (int)pid);
    *run = found;
    return 0;
}

int state_asker_find(struct run_registry *registry, struct run_table *runs,
                     const struct control_peer *peer, const char *run_key, const char *job,
                     struct live_run **run, struct error *err)
{
    struct live_run *keyed = NULL, *inside = NULL;
    if (*run_key != '\0') {
        keyed = run_table_find_key(runs, run_key, strlen(run_key));
        if (keyed == NULL)
            return error_set(err, -EPERM, "the run key is of no live run");
    }
    int result = find_by_process(registry, control_peer_pid(peer), &inside, err);
    if (result < 0 && keyed == NULL)
        return result;
    if (keyed != NULL && inside != NULL && keyed != inside)
        return error_set(err, -EPERM, "a process of run %s shows the key of run %s", inside->id,
                         keyed->id);
    struct live_run *found = keyed != NULL ? keyed : inside;
    if (found != NULL && *job != '\0' && strcmp(job, found->job) != 0)
        return error_set(err, -EPERM, "run %s is of job %s: the keys of job %s are not its own",
                         found->id, found->job, job);
    *run = found;
    return 0;
}
