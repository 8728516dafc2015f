// Report: the ledger's exchanges added up by day, job, model, run or credential.
//
// An exchange counts where its reservation was made, as it does for the ceilings. All sums are made
// by Postgres in exact numerics.
#pragma once

#include "error.h"
#include "ledger.h"
#include "usage.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum report_by {
    REPORT_BY_DAY, // of the query's zone
    REPORT_BY_JOB,
    REPORT_BY_MODEL, // that answered
    REPORT_BY_RUN,
    REPORT_BY_CREDENTIAL,
    REPORT_BYS,
};

const char *report_by_name(enum report_by by);
bool report_by_parse(const char *text, enum report_by *by);

struct report_query {
    int64_t since_us; // since 1970, UTC; included
    int64_t until_us; // not included
    enum report_by by;
    const char *time_zone; // a name that Postgres knows: "Europe/Berlin"
};

struct report_row {
    char *key; // the day as 2026-11-25, the job's name, …; owned
    int64_t exchanges;
    int64_t estimated;      // of them, exchanges whose usage is not known exactly
    int64_t unknown_models; // of them, exchanges priced at the dearest known rates
    struct token_counts tokens;
    int64_t cost_pico_usd;
    int64_t estimated_pico_usd; // part of the cost
    int64_t cache_saving_pico_usd;
};

struct report {
    struct report_query query;
    struct report_row *rows; // days and runs in order, the rest by falling cost
    size_t row_count;
    struct report_row total;
    int64_t equivalent_pico_usd; // part of the total that a subscription covers; the caller knows
};

// Reads a report; end it with report_done(). -ENOENT: the ledger has no tables yet.
int report_read(struct ledger *ledger, const struct report_query *query, struct report *report,
                struct error *err);
void report_done(struct report *report);
