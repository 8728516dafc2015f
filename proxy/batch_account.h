// Batch account: what the results of one batch come to. Each succeeded message is a row of the
// ledger, keyed by batch id and custom_id, however often the results are read; their sum is settled
// against the batch's reservation once, at the end.
//
// Rows may be written again after a crash: the ledger takes each key once, and the ceilings count
// the end alone. Within one life of the daemon a row is written once, and joins the totals of its
// run if that is still live.
#pragma once

#include "error.h"
#include "journal_record.h"
#include "proxy.h"
#include "slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// To begin, zero it but for the first two.
struct batch_account {
    struct journal_batch batch;
    struct budget_reservation reservation; // that it holds
    struct budget_amounts used;
    int64_t succeeded, unbilled, unreadable; // results
    // Those taken so far, a hash table by exchange id.
    uint8_t (*seen)[EXCHANGE_ID_BYTES];
    size_t seen_count, seen_capacity;
};

void batch_account_done(struct batch_account *account);

// The row's key: UUIDv8 (RFC 9562, 5.8), the head of SHA-256 over both ids. Pure.
void batch_exchange_id(const char *batch_id, const char *custom_id,
                       uint8_t id[static EXCHANGE_ID_BYTES]);

// Takes a line of the results, without its LF (NULL bytes: it was too long); one that was taken
// before is passed over. Negative
// (-ENOSPC: the journal is full for now; -ENOMEM): it was not taken, and is to be offered again.
int batch_account_take(struct batch_account *account, struct proxy *proxy, struct slice line,
                       struct error *err);

// There are no more results (`gone`: nobody can read them any more). What could not be read is
// charged with all that is left of the reservation, as an estimate. The journal knows the batch no
// more then, nor does the budget. Negative, as above: nothing is settled yet.
int batch_account_close(struct batch_account *account, struct proxy *proxy, bool gone,
                        struct error *err);
