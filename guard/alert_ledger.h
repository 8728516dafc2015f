// Alert ledger: notices when the books do not get into the ledger, and when they do again. Pure.
#pragma once

#include "alert.h"
#include "ledger_feed.h"

#include <stdbool.h>
#include <stdint.h>

// A trouble that may last for a while before it is worth an alert.
struct trouble {
    int64_t since_us; // 0: there is none
    bool is_told;
};

struct ledger_watch { // zero it to begin
    struct trouble behind, full;
    uint64_t quarantined; // as last reported
};

// What is to be seen of the books at a time.
struct ledger_look {
    int64_t now_us;
    int64_t day_start_us;
    int64_t behind_max_us; // that the feed may go on trying without an alert
    enum ledger_feed_state state;
    uint64_t quarantined;   // since the feed started
    const char *last_error; // "" none
    bool journal_is_full;
};

#define LEDGER_ALERTS_MAX 3 // at one look

// Fills the alerts that are due now and returns how many.
size_t ledger_watch_look(struct ledger_watch *watch, const struct ledger_look *look,
                         struct journal_alert alerts[static LEDGER_ALERTS_MAX]);
