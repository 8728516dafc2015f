// Budget: ceilings, and what is settled and reserved against them. Pure, single-threaded.
//
// An account is what one ceiling or several cover: a run; a job in a day or month; the box in a day
// or month. A reservation is held against all accounts that cover it in one step, or not at all.
// Reserved and settled count in the period in which the reservation was made.
#pragma once

#include "error.h"
#include "run.h"

#include <stdbool.h>
#include <stdint.h>

enum budget_kind {
    BUDGET_COST, // picodollars
    BUDGET_TOKENS,
    BUDGET_OUTPUT_TOKENS,
    BUDGET_REQUESTS,
    BUDGET_KINDS,
};

enum budget_scope {
    BUDGET_RUN,
    BUDGET_JOB_DAY,
    BUDGET_JOB_MONTH,
    BUDGET_BOX_DAY,
    BUDGET_BOX_MONTH,
    BUDGET_SCOPES,
};

struct budget_amounts {
    int64_t of[BUDGET_KINDS];
};

// A reservation: held amounts and the accounts that hold them. Owned by the caller, who settles or
// releases it exactly once.
struct budget_reservation {
    char run_id[RUN_ID_MAX];
    char job[JOB_NAME_MAX];
    int64_t reserved_at_us; // decides day and month
    struct budget_amounts held;
};

enum budget_outcome {
    BUDGET_FITS,
    BUDGET_WAITS,   // would fit once what is in flight has settled
    BUDGET_REFUSED, // does not fit what is settled
};

// Which ceiling stood in the way.
struct budget_refusal {
    enum budget_scope scope;
    enum budget_kind kind;
    int64_t limit, settled, held, asked;
    int64_t resets_at_us; // end of the period; -1 for a run's
};

struct budget;

// `time_zone` is a TZ name for days and months ("UTC", "Europe/Berlin").
int budget_new(struct budget **budget, const char *time_zone, struct error *err);
void budget_free(struct budget *budget);

// Sets a ceiling; LIMIT_NONE removes it. `name` is the run id, the job or "" for the box.
int budget_set_ceiling(struct budget *budget, enum budget_scope scope, const char *name,
                       enum budget_kind kind, int64_t limit, struct error *err);

// Checks all covering ceilings and holds the amounts against them in one step.
enum budget_outcome budget_reserve(struct budget *budget, const struct budget_reservation *reservation,
                                   struct budget_refusal *refusal);

// Replaces what is held by what was used (which may be more only where nobody could bound it).
void budget_settle(struct budget *budget, const struct budget_reservation *reservation,
                   const struct budget_amounts *used);

// Gives back what is held: nothing was sent.
void budget_release(struct budget *budget, const struct budget_reservation *reservation);

// The least room left in `kind` over all ceilings that cover (run, job, time): by settled amounts
// only, and with what is held. LIMIT_NONE where there is no ceiling.
void budget_room(const struct budget *budget, const char *run_id, const char *job, int64_t time_us,
                 enum budget_kind kind, int64_t *room_settled, int64_t *room_now);

// Settled and held of one account, zero where nothing has been booked; and its ceiling.
void budget_read(const struct budget *budget, enum budget_scope scope, const char *name,
                 int64_t time_us, enum budget_kind kind, int64_t *settled, int64_t *held,
                 int64_t *limit);

// Drops a run's account once its exchanges have ended.
void budget_forget_run(struct budget *budget, const char *run_id);
