// Caller: whether a connection comes from the run whose key it presents.

#include "caller.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

// Whether our end has heard that the other one is closed.
static bool is_gone(int fd)
{
    struct tcp_info info = {.tcpi_state = TCP_CLOSE};
    socklen_t length = sizeof(info);
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0 ||
           info.tcpi_state != TCP_ESTABLISHED;
}

static enum caller_verdict judge(struct caller *caller, const struct callers *callers, int fd,
                                 const struct live_run *run)
{
    if (run->place.kind == RUN_PLACE_ANYWHERE)
        return CALLER_OF_RUN;
    if (!caller->is_known)
        caller->is_known = socket_owner_find(callers->diag_fd, fd, &caller->owner, NULL) == 0;
    enum run_place_answer answer =
        caller->is_known ? run_place_holds(&run->place, &caller->owner) : RUN_PLACE_CANNOT_TELL;
    if (answer == RUN_PLACE_HOLDS)
        return CALLER_OF_RUN;
    if (is_gone(fd)) // its files are closed as well
        return CALLER_GONE;
    return answer == RUN_PLACE_HOLDS_NOT ? CALLER_STRANGER : CALLER_UNTOLD;
}

enum caller_verdict caller_judge(const struct callers *callers, struct caller *caller, int fd,
                                 const struct live_run *run)
{
    if (strcmp(caller->run_id, run->id) == 0)
        return caller->verdict;
    caller->verdict = judge(caller, callers, fd, run);
    if (caller->verdict == CALLER_OF_RUN || caller->verdict == CALLER_STRANGER)
        memcpy(caller->run_id, run->id, sizeof(caller->run_id));
    else
        caller->run_id[0] = '\0';
    return caller->verdict;
}

static const char *verdict_refusal(enum caller_verdict verdict)
{
    switch (verdict) {
    case CALLER_OF_RUN:
        return NULL;
    case CALLER_STRANGER:
    case CALLER_GONE:
        return "reeve: this does not come from the run that the key belongs to. A key is worth "
               "nothing outside of its run's cgroup; start the agent with `reeve run`.";
    case CALLER_UNTOLD:
        return "reeve: whether this comes from the run that the key belongs to could not be told, "
               "as of a connection from another network namespace. CallerCheck=log in reeve.conf "
               "lets such requests pass.";
    }
    return NULL;
}

const char *caller_refusal(const struct callers *callers, struct caller *caller, int fd,
                           struct live_run *run)
{
    if (callers == NULL || callers->check == CALLER_CHECK_OFF || callers->diag_fd < 0)
        return NULL;
    enum caller_verdict verdict = caller_judge(callers, caller, fd, run);
    bool refused = verdict != CALLER_OF_RUN && callers->check == CALLER_CHECK_ENFORCE;
    if (verdict == CALLER_STRANGER || verdict == CALLER_UNTOLD) {
        run->strangers++;
        if ((run->strangers & (run->strangers - 1)) == 0 && callers->found != NULL)
            callers->found(run, verdict, caller->is_known ? caller->owner.uid : (uid_t)-1, refused,
                           callers->context);
    }
    return refused ? verdict_refusal(verdict) : NULL;
}
