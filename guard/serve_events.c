// Serve events: what the parts of the daemon tell each other.

#include "serve_parts.h"

#include "admit_run.h"
#include "ceiling_text.h"
#include "cgroup_helper_client.h"
#include "exchange.h"
#include "feed_child.h"
#include "handover.h"
#include "job_keys.h"
#include "log.h"
#include "metrics.h"
#include "run_registry.h"
#include "serve_alerts.h"
#include "serve_ceilings.h"
#include "serve_credentials.h"
#include "serve_page.h"
#include "serve_status.h"
#include "server.h"
#include "state.h"
#include "succession.h"

void serve_on_journal_ready(evutil_socket_t fd, short what, void *context)
{
    struct serve *serve = context;
    (void)fd;
    (void)what;
    journal_dispatch(serve->journal);
    serve_alerts_synced(serve->alerts);
    feed_child_wake(serve->feed);
}

void serve_on_feed_report(const struct ledger_feed_report *report, void *context)
{
    struct serve *serve = context;
    journal_delete_before(serve->journal, &report->acknowledged);
    serve_alerts_feed(serve->alerts, report);
}

void serve_on_exchange_ended(struct live_run *run, void *context)
{
    struct serve *serve = context;
    run_registry_exchange_settled(serve->registry, run);
}

bool serve_on_run_id(const struct control_peer *peer, char id[static RUN_ID_MAX], void *context)
{
    struct serve *serve = context;
    return state_desk_run_id(serve->state, peer, id);
}

void serve_on_run_opened(struct live_run *run, void *context)
{
    struct serve *serve = context;
    struct error err;
    state_desk_run_opened(serve->state, run);
    succession_run_opened(serve->succession, run);
    run->policy = serve_ceilings_policy(&serve->config, run->job);
    if (serve_ceilings_set_run(serve->budget, run, &err) == 0)
        return;
    log_event(LOG_ERR, "ceiling_not_set", "run", run->id, "error", err.text, NULL);
    run_registry_end(serve->registry, run, RUN_KILLED, err.text);
}

void serve_on_run_at_ceiling(struct live_run *run, const struct budget_ceiling *ceiling,
                             const char *message, void *context)
{
    struct serve *serve = context;
    serve_alerts_ceiling(serve->alerts, run, ceiling);
    run_registry_end_later(serve->registry, run, RUN_CEILING, message);
}

void serve_on_run_cancel(struct live_run *run, void *context)
{
    struct serve *serve = context;
    exchange_cancel_run(&serve->proxy, run);
    succession_cancel_run(serve->succession, run);
}

// A supervisor in a scope of the root helper's can be killed with its run. Of others systemd, or
// whoever started them, is in charge.
void serve_on_run_overdue(struct live_run *run, void *context)
{
    (void)context;
    cgroup_helper_kill(CGROUP_HELPER_SOCKET, run->id);
}

void serve_on_run_escaped(struct live_run *run, const char *what, void *context)
{
    struct serve *serve = context;
    log_event(LOG_ERR, "run_escaped", "run", run->id, "what", what, NULL);
    serve_alerts_escape(serve->alerts, run, what);
}

void serve_on_run_closed(struct live_run *run, enum run_end end, int64_t memory_peak_bytes,
                         void *context)
{
    struct serve *serve = context;
    serve_alerts_run_closed(serve->alerts, run, end, memory_peak_bytes);
    metrics_run_ended(serve->proxy.metrics, end);
    state_desk_run_closed(serve->state, run);
    budget_forget_run(serve->budget, run->id);
}

void serve_on_soft_limit(struct live_run *run, const struct budget_ceiling *ceiling, void *context)
{
    struct serve *serve = context;
    char text[CEILING_TEXT_MAX];
    log_event(LOG_NOTICE, "soft_limit_reached", "run", run->id, "job", run->job, "ceiling",
              ceiling_describe(ceiling, text), NULL);
    serve_alerts_soft_limit(serve->alerts, run, ceiling);
}

void serve_on_exchange_settled(struct live_run *run, const struct journal_settlement *settlement,
                               const struct body_hash *body, void *context)
{
    struct serve *serve = context;
    serve_alerts_settled(serve->alerts, run, settlement, body);
    serve_page_settled(serve->page);
}

void serve_on_local(struct agent *agent, const struct http_head *head, void *context)
{
    struct serve *serve = context;
    serve_page_answer(serve->page, agent, head);
}

// False when a ceiling of the job, or of the box, has nothing left to start a run with.
bool serve_may_open(const char *job, char why[static ERROR_TEXT_MAX], void *context)
{
    struct serve *serve = context;
    struct run_policy policy = serve_ceilings_policy(&serve->config, job);
    struct budget_ceiling exhausted;
    char text[CEILING_TEXT_MAX];
    if (admit_run(&serve->proxy, job, &policy, &exhausted))
        return true;
    snprintf(why, ERROR_TEXT_MAX, "job %s: ceiling reached: %s", job,
             ceiling_describe(&exhausted, text));
    return false;
}

// The implicit run of a job key.
enum identify_outcome serve_on_job_key(struct slice key, struct live_run **run, void *context)
{
    struct serve *serve = context;
    const struct job_key *found = job_keys_find(&serve->job_keys, key.bytes, key.length);
    if (found == NULL)
        return IDENTIFY_UNKNOWN;
    *run = run_registry_find_implicit(serve->registry, found->job, found->digest);
    return *run != NULL ? IDENTIFY_RUN : IDENTIFY_NO_RUN;
}

void serve_fill_status(struct status *status, void *context)
{
    struct serve *serve = context;
    serve_status_fill(status,
                      &(struct serve_status_sources){
                          .config = &serve->config,
                          .listen = server_address(serve->server),
                          .started_at_us = serve->started_at_us,
                          .exchanges_in_flight = serve->proxy.exchange_count +
                                                 succession_count_in_flight(serve->succession),
                          .registry = serve->registry,
                          .credentials = serve_credentials_pool(serve->credentials),
                          .budget = serve->budget,
                          .feed = feed_child_report(serve->feed),
                          .zone = serve_page_zone(serve->page),
                      });
}

void serve_on_control(struct control_peer *peer, const struct control_message *message,
                      void *context)
{
    struct serve *serve = context;
    if (serve_alerts_receive(serve->alerts, peer, message) ||
        state_desk_receive(serve->state, peer, message) ||
        serve_credentials_receive(serve->credentials, peer, message) ||
        run_registry_receive(serve->registry, peer, message) ||
        serve_page_receive(serve->page, peer, message) ||
        handover_receive_control(serve, peer, message))
        return;
    if (message->type != CONTROL_STATUS) {
        control_peer_refuse(peer, CONTROL_INVALID, "the daemon does not take this message");
        return;
    }
    struct control_message reply = {.type = CONTROL_STATUS_REPLY};
    serve_fill_status(&reply.status, serve);
    control_peer_send(peer, &reply);
    control_peer_close(peer);
    control_message_done(&reply);
}

void serve_on_control_gone(struct control_peer *peer, void *context)
{
    struct serve *serve = context;
    serve_alerts_peer_gone(serve->alerts, peer);
    state_desk_peer_gone(serve->state, peer);
    run_registry_peer_gone(serve->registry, peer);
    serve_credentials_peer_gone(serve->credentials, peer);
    handover_peer_gone(serve, peer);
}
