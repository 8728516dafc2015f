// Serve caller: the daemon's check of who presents a run key.

#include "serve_caller.h"

#include "log.h"

#include <unistd.h>

static void on_found(const struct live_run *run, enum caller_verdict verdict, uid_t uid,
                     bool refused, void *context)
{
    struct serve_caller *caller = context;
    log_event(LOG_WARNING, "stranger", "run", run->id, "job", run->job, "caller",
              verdict == CALLER_STRANGER ? "not of the run" : "not to be told", "uid",
              uid == (uid_t)-1 ? NULL : log_int(uid), "refused", refused ? "yes" : "no", "times",
              log_int(run->strangers), NULL);
    serve_alerts_caller(caller->alerts, run, verdict, uid, refused);
}

void serve_caller_open(struct serve_caller *caller, const struct config *config,
                       struct serve_alerts *alerts)
{
    struct callers *callers = &caller->callers;
    struct error err;
    caller->alerts = alerts;
    *callers = (struct callers){
        .check = config->reeve.caller_check, .diag_fd = -1, .found = on_found, .context = caller};
    if (callers->check == CALLER_CHECK_OFF)
        return;
    callers->diag_fd = socket_owner_open(&err);
    if (callers->diag_fd >= 0 &&
        socket_owner_try(callers->diag_fd, &callers->tells_cgroup, &err) < 0) {
        close(callers->diag_fd);
        callers->diag_fd = -1;
    }
    if (callers->diag_fd < 0)
        log_event(LOG_WARNING, "callers_not_checked", "error", err.text, NULL);
}

void serve_caller_close(struct serve_caller *caller)
{
    if (caller->alerts != NULL && caller->callers.diag_fd >= 0) // NULL: not opened
        close(caller->callers.diag_fd);
}
