// Serve status: what the daemon knows of itself, gathered for `reeve status`.
#pragma once

#include "budget.h"
#include "config.h"
#include "control_message.h"
#include "credential_pool.h"
#include "ledger_feed.h"
#include "run_registry.h"
#include "time_zone.h"

struct serve_status_sources {
    const struct config *config;
    const char *listen;
    int64_t started_at_us;
    size_t exchanges_in_flight;
    const struct run_registry *registry;
    const struct credential_pool *credentials;
    struct budget *budget;
    const struct ledger_feed_report *feed;
    const struct time_zone *zone; // of days and months
};

// Fills a zeroed status. The caller frees its lists with control_message_done().
void serve_status_fill(struct status *status, const struct serve_status_sources *sources);

// Adds what is in a pool to the status's list of credentials; none of their secrets.
void serve_status_credentials(struct status *status, const struct credential_pool *credentials);
