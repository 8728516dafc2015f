// Serve page: the live page and the metrics, wired into the daemon.
//
// Begins before the journal is opened, so that its replay finds the day's curve; answers once
// serve_page_start() has been called.
#pragma once

#include "config.h"
#include "control.h"
#include "error.h"
#include "journal.h"
#include "proxy.h"
#include "restore.h"
#include "time_zone.h"

#include <stdbool.h>

#define PAGE_RUNS_MAX 64    // the newest, on the page; `reeve status` shows all
#define PAGE_WAITING_MAX 64 // the same of those that wait for a slot

struct serve_page;

struct serve_page_options {
    const struct proxy *proxy;
    const struct journal *journal;
    const char *listen; // the address of the proxy's listener
    // Fills a zeroed status, whose lists the caller frees.
    void (*fill_status)(struct status *status, void *context);
    void *context;
};

int serve_page_new(struct serve_page **page, const struct config *config, struct error *err);
void serve_page_restore(struct serve_page *page, struct restore_targets *targets);
int serve_page_start(struct serve_page *page, const struct serve_page_options *options,
                     struct error *err);

// Drops who looks; to be called before the server's end. NULL is allowed, as below.
void serve_page_stop(struct serve_page *page);
void serve_page_free(struct serve_page *page); // after the journal and the proxy

// What the proxy counts into.
struct metrics *serve_page_metrics(struct serve_page *page);

// That of TimeZone=.
const struct time_zone *serve_page_zone(const struct serve_page *page);

// An exchange has settled: the curve of the day goes on.
void serve_page_settled(struct serve_page *page);

// A request for one of reeve's own paths.
void serve_page_answer(struct serve_page *page, struct agent *agent, const struct http_head *head);

// Takes PAGE_OPEN, and answers with a link. False: nothing of that kind.
bool serve_page_receive(struct serve_page *page, struct control_peer *peer,
                        const struct control_message *message);
