// Alert text: what is said of each kind of alert: its subject and period, its sentence and amounts.
// Pure.
//
// Each function fills an alert but for its time and channels. Sentences are ASCII: what agents and
// upstreams have put into a name does not get into a terminal or a chat as anything but text.
#pragma once

#include "alert.h"
#include "budget.h"
#include "caller.h"
#include "run_table.h"

#include <stdbool.h>
#include <stdint.h>

// The run has come to the ceiling, or has used so much of it.
void alert_of_ceiling(struct journal_alert *alert, const struct live_run *run,
                      const struct budget_ceiling *ceiling);
void alert_of_soft_limit(struct journal_alert *alert, const struct live_run *run,
                         const struct budget_ceiling *ceiling);

// `peak_bytes` may be -1: unknown.
void alert_of_oom(struct journal_alert *alert, const struct live_run *run, int64_t peak_bytes);
void alert_of_timeout(struct journal_alert *alert, const struct live_run *run, int64_t lasted_us);

// `what` got out: "pid 4711 (node)".
void alert_of_escape(struct journal_alert *alert, const struct live_run *run, const char *what);

// Somebody else has used the run's key; `uid` is (uid_t)-1 if it is not known.
void alert_of_caller(struct journal_alert *alert, const struct live_run *run,
                     enum caller_verdict verdict, uid_t uid, bool refused);

// `day_start_us` is the period of those that are told once a day.
void alert_of_credential(struct journal_alert *alert, const char *name, const char *state,
                         const char *text, int64_t day_start_us);
void alert_of_price(struct journal_alert *alert, const struct live_run *run, const char *model,
                    int64_t cost_pico_usd, int64_t day_start_us);
void alert_of_duplicate(struct journal_alert *alert, const struct live_run *run, int64_t apart_us,
                        int64_t cost_pico_usd);
void alert_of_test(struct journal_alert *alert, int64_t now_us);

// How much of what the cache could have saved it did save, now and before, in per cent.
struct cache_fall {
    int64_t lost_pico_usd;
    int percent, percent_before;
    int runs_before;
};

void alert_of_cache(struct journal_alert *alert, const struct live_run *run,
                    const struct cache_fall *fall, int64_t day_start_us);

// `subject` is what is wrong, and `since_us` since when: the same trouble is told once.
void alert_of_ledger(struct journal_alert *alert, const char *subject, int64_t since_us,
                     const char *text);

// The name of the unit of amounts in JSON, NULL for none; and an amount as an exact decimal.
#define ALERT_AMOUNT_MAX 32
const char *alert_unit_name(enum alert_unit unit);
const char *alert_format_amount(enum alert_unit unit, int64_t amount,
                                char text[static ALERT_AMOUNT_MAX]);

// The alert as a JSON object, NULL when out of memory; the caller frees it. `text` is what Slack
// and whatever is like it show, `content` what Discord shows; both pass over the rest.
char *alert_to_json(const struct journal_alert *alert, const char *host);
