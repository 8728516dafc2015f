// Run registry, implicit runs: those of agents outside `reeve run`, which present a job key.
//
// Such a run has no slot, no supervisor and no cgroup. It is opened by the first request that bears
// the key, and ends when none has come for a while; until then it stays at the ceiling that it has
// come to, so that an agent which goes on asking gets no new one.

#include "run_registry_state.h"

#include "clock.h"
#include "log.h"
#include "run_limits.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

static void wait_idle(struct registered_run *run, int64_t delay_us)
{
    struct timeval delay = {.tv_sec = delay_us / 1000000, .tv_usec = delay_us % 1000000};
    if (run->idle_max_us != LIMIT_NONE)
        event_add(run->idle, &delay);
}

static void on_idle(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct registered_run *run = context;
    int64_t idle_us = clock_monotonic_us() - run->last_seen_us;
    if (run->live->exchanges_in_flight > 0)
        wait_idle(run, run->idle_max_us);
    else if (idle_us < run->idle_max_us)
        wait_idle(run, run->idle_max_us - idle_us);
    else
        registered_settle_unseen(run, RUN_EXITED);
}

static struct registered_run *find(const struct run_registry *registry,
                                   const unsigned char digest[static AGENT_KEY_DIGEST_BYTES])
{
    for (struct registered_run *run = registry->runs; run != NULL; run = run->next)
        if (run->idle != NULL && agent_key_digests_equal(run->job_key_digest, digest))
            return run;
    return NULL;
}

static int open_implicit(struct registered_run *run, struct error *err)
{
    char key[RUN_KEY_MAX]; // nobody's: the job key leads to the run
    if (run->idle == NULL)
        return error_set(err, -ENOMEM, "out of memory for an implicit run");
    int result = registered_apply_job(run, err);
    if (result == 0)
        result = registered_open(run, key, err);
    if (result < 0)
        return result;
    explicit_bzero(key, sizeof(key));
    run->live->place.kind = RUN_PLACE_ANYWHERE;
    if (run->state == REGISTERED_STARTING) // its ceilings may have been refused
        registered_enter(run, REGISTERED_RUNNING);
    return 0;
}

struct live_run *
run_registry_find_implicit(struct run_registry *registry, const char *job,
                           const unsigned char job_key_digest[static AGENT_KEY_DIGEST_BYTES])
{
    struct error err;
    struct registered_run *run = find(registry, job_key_digest);
    if (run != NULL) {
        run->last_seen_us = clock_monotonic_us();
        return run->live;
    }
    run = registered_new(registry);
    if (run == NULL)
        return NULL;
    run->asked =
        (struct control_run_open){.limits = run_limits_none(), .command = IMPLICIT_COMMAND};
    snprintf(run->asked.job, sizeof(run->asked.job), "%s", job);
    memcpy(run->job_key_digest, job_key_digest, AGENT_KEY_DIGEST_BYTES);
    run->asked_at_us = clock_now_us();
    run->last_seen_us = clock_monotonic_us();
    run->idle = evtimer_new(registry->options.base, on_idle, run);
    registered_link(run);
    if (open_implicit(run, &err) < 0) {
        log_event(LOG_ERR, "run_refused", "job", job, "error", err.text, NULL);
        registered_forget(run);
        return NULL;
    }
    wait_idle(run, run->idle_max_us);
    return run->live;
}

int registered_restore_implicit(struct registered_run *run,
                                const unsigned char job_key_digest[static AGENT_KEY_DIGEST_BYTES],
                                struct error *err)
{
    memcpy(run->job_key_digest, job_key_digest, AGENT_KEY_DIGEST_BYTES);
    run->live->place.kind = RUN_PLACE_ANYWHERE;
    run->last_seen_us = clock_monotonic_us();
    run->idle = evtimer_new(run->registry->options.base, on_idle, run);
    if (run->idle == NULL)
        return error_set(err, -ENOMEM, "out of memory for an implicit run");
    if (run->state == REGISTERED_STARTING)
        registered_enter(run, REGISTERED_RUNNING);
    wait_idle(run, run->idle_max_us);
    return 0;
}
