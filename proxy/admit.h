// Admit: the upper bound of an exchange's cost, reserved against every ceiling that covers it.
//
// Near a ceiling the answer is clamped: a smaller max_tokens is asked for, of which at least what
// is useful must fit. What fits is reserved, in the budget and in the journal, before it is sent.
#pragma once

#include "budget.h"
#include "error.h"
#include "proxy.h"
#include "request_scan.h"
#include "run_table.h"

#define ADMIT_MESSAGE_MAX 1024
#define ADMIT_NOT_COUNTED (-1)   // nobody has asked the upstream how long the prompt is
#define ADMIT_NOT_COUNTABLE (-2) // it was asked and did not say

enum admit_outcome {
    ADMIT_FITS,      // reserved, and the reservation is in the journal
    ADMIT_COUNT,     // have the upstream count the prompt, then ask again
    ADMIT_WAITS,     // would fit once what is in flight has settled, or others have had their turn
    ADMIT_REFUSED,   // does not fit what is settled: a ceiling
    ADMIT_UNCOUNTED, // might fit, but nobody can say: the upstream did not count it
    ADMIT_DENIED,    // the job does not allow this model, or what cannot be bounded
    ADMIT_NOT_FOUND, // it refers to what another job has made
    ADMIT_UNREAD,    // a batch of which more is to be read: ask again in the loop's next turn
    ADMIT_TOO_DEAR,  // a batch that does not fit; something smaller may
    ADMIT_BAD,       // the body lacks what a bound needs
    ADMIT_FAILED,    // the journal cannot take it
};

// A Messages request that asks to be admitted.
struct admit_request {
    const struct live_run *run;
    const struct request_scan *scan; // of its body
    int64_t body_length;
    int64_t counted_tokens; // of its prompt, by the upstream; or one of the constants above
    int waiting;            // others that wait for a ceiling which covers this one as well
    bool is_behind;         // one of them came first, so this one does not get in before it
};

// A reservation, and what else is known of the exchange before it is sent.
struct admission {
    uint8_t exchange_id[EXCHANGE_ID_BYTES];
    char model_asked[MODEL_NAME_MAX];
    char model[MODEL_NAME_MAX]; // to be sent; another one after a step down
    int64_t max_tokens;         // to be sent; smaller than asked for when clamped
    struct budget_reservation reservation;
    struct budget_ceiling ceiling; // ADMIT_REFUSED, ADMIT_WAITS: what stands in the way, if this
                                   // one is not behind others
    uint64_t journal_position;     // of its record: on the disk before the first byte is relayed
};

// Reserves. `message` says why not, for the agent, unless it fits, waits or is to be counted (under
// admission->model).
enum admit_outcome admit(struct proxy *proxy, const struct admit_request *request,
                         struct admission *admission, char message[static ADMIT_MESSAGE_MAX]);

// ---- what a batch shares with a message

// What the job allows, whatever it costs: ADMIT_FITS, else why not.
enum admit_outcome admit_check(const struct proxy *proxy, const struct live_run *run,
                               const struct request_scan *scan,
                               char message[static ADMIT_MESSAGE_MAX]);

// Whether there is a ceiling that the length of a prompt matters to.
bool admit_input_is_capped(const struct proxy *proxy, const struct live_run *run, int64_t now_us);

// Draws an id; nothing is held yet.
void admission_init(struct admission *admission, const struct live_run *run, struct slice model,
                    int64_t now_us);

// Holds the reservation and writes it into the journal: ADMIT_FITS, _WAITS, _REFUSED or _FAILED.
enum admit_outcome admission_reserve(struct proxy *proxy, struct admission *admission,
                                     char message[static ADMIT_MESSAGE_MAX]);
