// Run registry, ends by force: at a ceiling, by `reeve kill`, and whatever else has a run killed.

#include "run_registry_state.h"

#include "log.h"

#include <event2/event.h>
#include <string.h>

// A supervisor that was told to end its run takes KillGrace= and a moment. After twice that and a
// second it will not do it any more.
#define OVERDUE_GRACES 2
#define OVERDUE_US 1000000

static void on_grace(evutil_socket_t fd, short what, void *context);

// Calls on_grace() then. False: it cannot.
static bool schedule_grace(struct registered_run *run, int64_t delay_us)
{
    struct timeval delay = {delay_us / 1000000, delay_us % 1000000};
    if (run->grace == NULL)
        run->grace = evtimer_new(run->registry->options.base, on_grace, run);
    return run->grace != NULL && event_add(run->grace, &delay) == 0;
}

static void cancel_exchanges(const struct registered_run *run)
{
    const struct run_registry_options *options = &run->registry->options;
    if (options->cancel != NULL)
        options->cancel(run->live, options->context);
}

void registered_force(struct registered_run *run)
{
    struct control_message message = {.type = CONTROL_RUN_KILL, .run_kill.reason = run->forced};
    if (run->state == REGISTERED_ADRIFT) // its supervisor is told once it comes back
        cancel_exchanges(run);
    if (run->state != REGISTERED_STARTING && run->state != REGISTERED_RUNNING &&
        run->state != REGISTERED_ENDING)
        return;
    memcpy(message.run_kill.text, run->forced_text, sizeof(message.run_kill.text));
    log_event(LOG_WARNING, "run_ending", "run", run->live->id, "reason", run_end_name(run->forced),
              "text", run->forced_text, NULL);
    if (run->state != REGISTERED_ENDING)
        registered_enter(run, REGISTERED_ENDING);
    if (run->peer != NULL) { // an implicit run has none
        control_peer_send(run->peer, &message);
        schedule_grace(run, OVERDUE_GRACES * run->kill_grace_us + OVERDUE_US);
    }
    cancel_exchanges(run);
}

static void on_grace(evutil_socket_t fd, short what, void *context)
{
    struct registered_run *run = context;
    const struct run_registry_options *options = &run->registry->options;
    (void)fd;
    (void)what;
    if (run->state != REGISTERED_ENDING) {
        registered_force(run);
        return;
    }
    log_event(LOG_ERR, "run_does_not_end", "run", run->live->id, "pid", log_int(run->asked.pid),
              NULL);
    if (options->overdue != NULL)
        options->overdue(run->live, options->context);
}

void registered_set_forced(struct registered_run *run, enum run_end reason, const char *text)
{
    run->live->closing = true;
    if (run->forced != RUN_LIVE)
        return;
    run->forced = reason;
    snprintf(run->forced_text, sizeof(run->forced_text), "%s", text);
}

void run_registry_end(struct run_registry *registry, struct live_run *live, enum run_end reason,
                      const char *text)
{
    struct registered_run *run = registered_find(registry, live);
    if (run == NULL)
        return;
    registered_set_forced(run, reason, text);
    if (run->state != REGISTERED_ENDING)
        registered_force(run);
}

void run_registry_end_later(struct run_registry *registry, struct live_run *live,
                            enum run_end reason, const char *text)
{
    struct registered_run *run = registered_find(registry, live);
    if (run == NULL)
        return;
    registered_set_forced(run, reason, text);
    if (run->grace == NULL && run->idle == NULL && !schedule_grace(run, run->kill_grace_us))
        registered_force(run);
}

void registered_receive_kill(struct run_registry *registry, struct control_peer *peer,
                             const struct control_kill *kill)
{
    struct live_run *live = run_table_find_id(registry->options.table, kill->run_id);
    char text[CONTROL_TEXT_MAX];
    if (live == NULL || registered_find(registry, live) == NULL) {
        control_peer_refuse(peer, CONTROL_UNKNOWN_RUN,
                            "there is no live run %s; reeve status lists them", kill->run_id);
        return;
    }
    snprintf(text, sizeof(text), "killed by uid %lld", (long long)control_peer_uid(peer));
    run_registry_end(registry, live, RUN_KILLED, text);
    control_peer_send(peer, &(struct control_message){.type = CONTROL_DONE});
    control_peer_close(peer);
}
