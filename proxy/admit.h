// Admit: the upper bound of an exchange's cost, reserved against every ceiling that covers it.
#pragma once

#include "budget.h"
#include "error.h"
#include "proxy.h"
#include "request_scan.h"
#include "run_table.h"

#define ADMIT_MESSAGE_MAX 320

enum admit_outcome {
    ADMIT_FITS,    // reserved, and the reservation is in the journal
    ADMIT_WAITS,   // would fit once what is in flight has settled
    ADMIT_REFUSED, // does not fit what is settled: a ceiling
    ADMIT_BAD,     // the body lacks what a bound needs
    ADMIT_FAILED,  // the journal cannot take it
};

// A reservation, and what else is known of the exchange before it is sent.
struct admission {
    uint8_t exchange_id[EXCHANGE_ID_BYTES];
    char model[MODEL_NAME_MAX]; // asked for
    struct budget_reservation reservation;
    uint64_t journal_position; // of its record: on the disk before the first byte is relayed
};

// Reserves for a Messages request of `body_length` bytes. `message` says why not, for the agent.
enum admit_outcome admit(struct proxy *proxy, const struct live_run *run,
                         const struct request_scan *scan, int64_t body_length,
                         struct admission *admission, char message[static ADMIT_MESSAGE_MAX]);
