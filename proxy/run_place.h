// Run place: where the processes of a run are, and whether the holder of a socket is among them.
//
// On cgroup v2 the kernel names the cgroup in which a socket was made, and the run's directory, or
// one below it, has that number. On v1, or where the kernel does not say, the socket is looked for
// among the open files of the run's processes, for which one has to be root or their user.
#pragma once

#include "error.h"
#include "socket_owner.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define RUN_PLACE_DIRECTORY_MAX 1024

enum run_place_kind {
    RUN_PLACE_UNKNOWN,   // its supervisor has not said yet
    RUN_PLACE_ANYWHERE,  // an implicit run: whoever has the job key
    RUN_PLACE_CGROUP,    // sockets tell
    RUN_PLACE_PROCESSES, // open files tell
    RUN_PLACE_USER,      // neither: only their user is known
};

struct run_place {
    enum run_place_kind kind;
    uid_t uid;                               // of the supervisor
    uint64_t cgroup_id;                      // RUN_PLACE_CGROUP
    char directory[RUN_PLACE_DIRECTORY_MAX]; // the cgroup's, also of RUN_PLACE_PROCESSES
};

// Of a run in the cgroup of that directory; "" without one. -EINVAL: it is no cgroup of that run.
int run_place_set(struct run_place *place, const char *directory, const char *run_id, uid_t uid,
                  bool sockets_tell, struct error *err);

enum run_place_answer { RUN_PLACE_HOLDS, RUN_PLACE_HOLDS_NOT, RUN_PLACE_CANNOT_TELL };

// Whether a process of the run holds, or on v2 has made, the socket. With RUN_PLACE_USER: a process
// of its user; root's runs can change theirs, so anybody is taken for one of those.
enum run_place_answer run_place_holds(const struct run_place *place,
                                      const struct socket_owner *owner);
