// Run registry, ends by force: at a ceiling, by `reeve kill`, and whatever else has a run killed.

#include "run_registry_state.h"

#include "log.h"

#include <event2/event.h>
#include <string.h>

// Has the supervisor kill the run, for the reason that stands.
static void force(struct registered_run *run)
{
    const struct run_registry_options *options = &run->registry->options;
    struct control_message message = {.type = CONTROL_RUN_KILL, .run_kill.reason = run->forced};
    if (run->state != REGISTERED_STARTING && run->state != REGISTERED_RUNNING)
        return;
    memcpy(message.run_kill.text, run->forced_text, sizeof(message.run_kill.text));
    log_event(LOG_WARNING, "run_ending", "run", run->live->id, "reason", run_end_name(run->forced),
              "text", run->forced_text, NULL);
    registered_enter(run, REGISTERED_ENDING);
    if (run->peer != NULL) // an implicit run has none
        control_peer_send(run->peer, &message);
    if (options->cancel != NULL)
        options->cancel(run->live, options->context);
}

static void on_grace(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    force(context);
}

static struct registered_run *set_forced(struct run_registry *registry, struct live_run *live,
                                         enum run_end reason, const char *text)
{
    struct registered_run *run = registered_find(registry, live);
    if (run == NULL)
        return NULL;
    live->closing = true;
    if (run->forced == RUN_LIVE) {
        run->forced = reason;
        snprintf(run->forced_text, sizeof(run->forced_text), "%s", text);
    }
    return run;
}

void run_registry_end(struct run_registry *registry, struct live_run *live, enum run_end reason,
                      const char *text)
{
    struct registered_run *run = set_forced(registry, live, reason, text);
    if (run != NULL)
        force(run);
}

void run_registry_end_later(struct run_registry *registry, struct live_run *live,
                            enum run_end reason, const char *text)
{
    struct registered_run *run = set_forced(registry, live, reason, text);
    if (run == NULL || run->grace != NULL || run->idle != NULL)
        return;
    struct timeval grace = {run->kill_grace_us / 1000000, run->kill_grace_us % 1000000};
    run->grace = evtimer_new(registry->options.base, on_grace, run);
    if (run->grace == NULL || event_add(run->grace, &grace) < 0)
        force(run);
}
