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
