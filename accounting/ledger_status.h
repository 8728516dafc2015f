// Ledger status: what is in the books, how far they are, and whether they add up.
#pragma once

#include "clock.h"
#include "error.h"
#include "journal_follow.h"
#include "ledger.h"
#include "ledger_rows.h"

#include <stddef.h>
#include <stdint.h>

#define LEDGER_STATUS_JOURNALS_MAX 64 // of as many machines; more are counted, not listed
#define LEDGER_FINDINGS_MAX 20        // of one check; more are counted, not listed

struct ledger_status_journal {
    char id[LEDGER_JOURNAL_ID_MAX];
    char host[256];
    struct journal_cursor cursor;
    char moved_at[CLOCK_TEXT_MAX];
};

struct ledger_status {
    int version; // of the schema
    int64_t jobs, runs, live_runs, exchanges, alerts, quarantined;
    int64_t cost_pico_usd;
    char last_exchange_at[CLOCK_TEXT_MAX];                             // "" if there is none
    struct ledger_status_journal journals[LEDGER_STATUS_JOURNALS_MAX]; // moved last comes first
    size_t journal_count;
};

// A ledger without tables has version 0 and zeros.
int ledger_status_read(struct ledger *ledger, struct ledger_status *status, struct error *err);

enum ledger_check {
    LEDGER_CHECK_RUNS,       // the sums of a closed run's exchanges are what the daemon booked
    LEDGER_CHECK_PRICES,     // an exchange costs what its price row says
    LEDGER_CHECK_PRICE_ROWS, // the price row that an exchange names is there
    LEDGER_CHECK_QUARANTINE, // nothing had to be set aside
    LEDGER_CHECKS,
};

struct ledger_verdict {
    int64_t checked;
    int64_t failed;
    char findings[LEDGER_FINDINGS_MAX][160]; // the first ones, a sentence each
    size_t finding_count;
};

const char *ledger_check_name(enum ledger_check check);

// Checks the books by what they hold. 0 even if they do not add up: see verdict->failed.
int ledger_verify(struct ledger *ledger, enum ledger_check check, struct ledger_verdict *verdict,
                  struct error *err);
