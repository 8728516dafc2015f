// Serve alerts: what the parts of the daemon tell, made into alerts.
//
// Begins before the journal is opened, so that its replay finds somebody who remembers; can send
// once serve_alerts_start() has been called.
#pragma once

#include "body_hash.h"
#include "budget.h"
#include "caller.h"
#include "config.h"
#include "control.h"
#include "curl_loop.h"
#include "journal.h"
#include "ledger_feed.h"
#include "paths.h"
#include "price_table.h"
#include "restore.h"
#include "run_table.h"

struct event_base;
struct serve_alerts;

struct serve_alerts_options {
    struct event_base *base;
    struct curl_loop *curl;
    struct journal *journal;
    const struct config *config;
    const struct paths *paths;
    const struct price_table *prices;
};

int serve_alerts_new(struct serve_alerts **alerts, const struct config *config, struct error *err);

// Has the journal's replay and checkpoints go through `alerts`.
void serve_alerts_restore(struct serve_alerts *alerts, struct restore_targets *targets);

// Begins to send; also what was owed at the last end.
int serve_alerts_start(struct serve_alerts *alerts, const struct serve_alerts_options *options,
                       struct error *err);

// Breaks off what is being sent. What is told afterwards is forgotten. NULL is allowed, as below.
void serve_alerts_stop(struct serve_alerts *alerts);
void serve_alerts_free(struct serve_alerts *alerts); // after the journal

// The journal's records have gone to the disk.
void serve_alerts_synced(struct serve_alerts *alerts);

// Takes ALERT_LIST and ALERT_TEST, and whatever a peer says while its test is under way, which is
// refused. To be asked before all others. False: nothing of that kind.
bool serve_alerts_receive(struct serve_alerts *alerts, struct control_peer *peer,
                          const struct control_message *message);
void serve_alerts_peer_gone(struct serve_alerts *alerts, const struct control_peer *peer);

// The run is ended at the ceiling, or has used so much of it.
void serve_alerts_ceiling(struct serve_alerts *alerts, const struct live_run *run,
                          const struct budget_ceiling *ceiling);
void serve_alerts_soft_limit(struct serve_alerts *alerts, const struct live_run *run,
                             const struct budget_ceiling *ceiling);
void serve_alerts_settled(struct serve_alerts *alerts, const struct live_run *run,
                          const struct journal_settlement *settlement,
                          const struct body_hash *body);
void serve_alerts_run_closed(struct serve_alerts *alerts, const struct live_run *run,
                             enum run_end end, int64_t memory_peak_bytes);
void serve_alerts_feed(struct serve_alerts *alerts, const struct ledger_feed_report *report);

// `state` is a word for what is wrong with the credential ("needs-login", "refused"), `text` says
// more, or nothing: "". With the name "all" there is none left that works.
void serve_alerts_credential(struct serve_alerts *alerts, const char *name, const char *state,
                             const char *text);

// Somebody else has used the run's key: see caller.h.
void serve_alerts_caller(struct serve_alerts *alerts, const struct live_run *run,
                         enum caller_verdict verdict, uid_t uid, bool refused);

// `what` got out of the run's cgroup: "pid 4711 (node)".
void serve_alerts_escape(struct serve_alerts *alerts, const struct live_run *run, const char *what);
