// Serve parts: what the daemon consists of, and what its parts tell each other.

#pragma once

#include "agent.h"
#include "config.h"
#include "control.h"
#include "identify.h"
#include "job_keys.h"
#include "ledger_feed.h"
#include "passed_sockets.h"
#include "paths.h"
#include "proxy.h"
#include "restore.h"
#include "serve_caller.h"
#include "status.h"

#include <event2/util.h>

#define SERVE_REFUSALS_MAX 512
#define SERVE_STOP_MAX_S 600    // while nobody serves
#define SERVE_FINISH_MAX_S 3600 // while a successor does: 128,000 tokens take about 40 minutes

enum serve_phase {
    SERVE_SERVING,
    SERVE_FINISHING, // a successor serves: what is under way ends, then the process does
    SERVE_STOPPING,  // what is under way ends; the next signal ends it at once
};

// What lives as long as the daemon. NULL: not open yet, or handed over.
struct serve {
    enum serve_phase phase;
    int exit_code;
    char program[PATH_MAX]; // that is started to succeed this one, with
    char **arguments;       // these
    struct handover *handover;
    struct succession *succession;
    struct config config;
    struct paths paths;
    struct passed_sockets sockets;
    struct event_base *base;
    struct event *terminate, *interrupt, *journal_ready, *drain;
    struct price_table *prices;
    struct budget *budget;
    struct restore_targets restored;
    struct ownership *ownership;
    struct journal *journal;
    struct serve_credentials *credentials;
    struct run_table *runs;
    struct curl_loop *curl;
    struct upstream *upstream;
    struct proxy proxy;
    struct server *server;
    struct run_registry *registry;
    struct job_keys job_keys;
    struct serve_alerts *alerts;
    struct serve_caller caller;
    struct serve_page *page;
    struct control_server *control;
    struct feed_child *feed;
    struct state_desk *state;
    struct ledger_catch_up_options feed_options;
    char free_refusals[SERVE_REFUSALS_MAX];
    int64_t started_at_us;
    int drain_ticks_left;
    bool owns_control_file; // a predecessor has made it
};

// Nothing new is taken: what is under way ends, or is cut after so long, then the process does.
void serve_drain(struct serve *serve, enum serve_phase phase, int seconds_max);

// The callbacks that the parts are given at their start; `context` is the struct serve. What they
// take and give is said where each is declared: journal.h, feed_child.h, proxy.h, run_registry.h,
// control.h, serve_page.h.

void serve_on_journal_ready(evutil_socket_t fd, short what, void *context);

void serve_on_feed_report(const struct ledger_feed_report *report, void *context);

void serve_on_exchange_ended(struct live_run *run, void *context);

bool serve_on_run_id(const struct control_peer *peer, char id[static RUN_ID_MAX], void *context);

void serve_on_run_opened(struct live_run *run, void *context);

void serve_on_run_at_ceiling(struct live_run *run, const struct budget_ceiling *ceiling,
                             const char *message, void *context);

void serve_on_run_cancel(struct live_run *run, void *context);

void serve_on_run_overdue(struct live_run *run, void *context);

void serve_on_run_escaped(struct live_run *run, const char *what, void *context);

void serve_on_run_closed(struct live_run *run, enum run_end end, int64_t memory_peak_bytes,
                         void *context);

void serve_on_soft_limit(struct live_run *run, const struct budget_ceiling *ceiling, void *context);

void serve_on_exchange_settled(struct live_run *run, const struct journal_settlement *settlement,
                               const struct body_hash *body, void *context);

void serve_on_local(struct agent *agent, const struct http_head *head, void *context);

bool serve_may_open(const char *job, char why[static ERROR_TEXT_MAX], void *context);

enum identify_outcome serve_on_job_key(struct slice key, struct live_run **run, void *context);

void serve_fill_status(struct status *status, void *context);

void serve_on_control(struct control_peer *peer, const struct control_message *message,
                      void *context);

void serve_on_control_gone(struct control_peer *peer, void *context);
