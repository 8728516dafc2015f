// Caller: whether a connection comes from the run whose key it presents.
//
// A run key is worth nothing outside of its run: who has got hold of one, from a log or out of
// another process's environment, is not served with it. The kernel is asked once for each
// connection, by its first request.
#pragma once

#include "run_table.h"
#include "socket_owner.h"

#include <stdbool.h>

enum caller_check {
    CALLER_CHECK_ENFORCE, // who is not of the run, or cannot be told, is refused
    CALLER_CHECK_LOG,     // and in this case only told of
    CALLER_CHECK_OFF,
};

enum caller_verdict {
    CALLER_OF_RUN,
    CALLER_STRANGER, // a process of somebody else's
    CALLER_UNTOLD,   // in another network namespace, or else beyond what is looked at
    CALLER_GONE,     // the other end is closed, so nobody will hear the answer
};

struct callers {
    enum caller_check check;
    int diag_fd;       // of socket_owner_open(); -1: nobody is looked at
    bool tells_cgroup; // see socket_owner_try()
    // A key was used from outside of its run, the first time, the second, fourth, eighth …
    // `uid` is (uid_t)-1 if it is not known. May be NULL.
    void (*found)(const struct live_run *run, enum caller_verdict verdict, uid_t uid, bool refused,
                  void *context);
    void *context;
};

// What is known of one connection's other end. Zeroed at first.
struct caller {
    bool is_known;
    struct socket_owner owner; // if it is
    char run_id[RUN_ID_MAX];   // that the verdict is about; "" while there is none that stands
    enum caller_verdict verdict;
};

// Whose connection `fd` is, seen from `run`.
enum caller_verdict caller_judge(const struct callers *callers, struct caller *caller, int fd,
                                 const struct live_run *run);

// Why the request is refused, NULL if it is not. `callers` may be NULL.
const char *caller_refusal(const struct callers *callers, struct caller *caller, int fd,
                           struct live_run *run);
