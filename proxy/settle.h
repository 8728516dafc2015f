// Settle: a reservation is replaced by the metered, priced usage: in the journal, then in the
// budget.
#pragma once

#include "admit.h"
#include "journal_record.h"
#include "meter.h"
#include "proxy.h"
#include "run_table.h"

// What is known of an exchange besides its admission and its meter. Texts may be "".
struct settle_facts {
    enum exchange_end end;
    const char *credential, *path, *session_id, *request_id;
    int64_t first_byte_us; // from sending to the first byte; -1 none came
    int attempt;
    int http_status;
    bool streamed;
    const struct body_hash *body; // of the request
};

// `metered` is NULL when there was nothing to meter. Never fails: what cannot be priced is charged
// as reserved, and what the journal does not take is logged and still counts against the ceilings.
//
// Returns true for an overrun: more was used than was reserved, which only what the upstream adds
// by itself (server tools) can do, and that used up a ceiling: *above.
bool settle(struct proxy *proxy, struct live_run *run, const struct admission *admission,
            const struct settle_facts *facts, const struct meter_result *metered,
            struct budget_ceiling *above);

// Books a settlement that is made already: in the journal, and everywhere else. `body` is NULL
// where it is not known. In a daemon that has handed its journal over, the successor does all that,
// and nothing is an overrun here. Returns the same.
bool settle_book(struct proxy *proxy, struct live_run *run,
                 const struct budget_reservation *reservation,
                 const struct journal_settlement *record, const struct body_hash *body,
                 struct budget_ceiling *above);

// ---- what the rows of a batch share with it

// Fills in what the meter has seen, and its price at record->reserved_at_us. False: there is no
// usage, or none that can be priced. The raw usage stays the meter's.
bool settle_take_metered(const struct proxy *proxy, struct journal_settlement *record,
                         const struct meter_result *metered);

// Adds to the run's totals.
void settle_add_to_run(struct live_run *run, const struct journal_settlement *record);

// Tells of the ceilings that have come to the job's SoftLimit=.
void settle_report_soft_limits(struct proxy *proxy, struct live_run *run, int64_t time_us);

// Whether more was used than was reserved, and a ceiling is used up with that: *ceiling.
bool settle_is_overrun(const struct proxy *proxy, const struct budget_reservation *reservation,
                       const struct budget_amounts *used, struct budget_ceiling *ceiling);
