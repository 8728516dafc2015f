// Budget: ceilings, and what is settled and reserved against them. Pure, single-threaded.
//
// An account is what one ceiling or several cover: a run; a job in a day or month; the box in a day
// or month. A reservation is held against all five accounts that cover it in one step, or against
// none. What it holds and what it settles to count in the periods in which it was made.
//
//     limit │                    room now          settled + held ≤ limit, whenever
//           ├──────────────┐                        budget_reserve() says BUDGET_FITS
//      held │ reservations │     room settled
//           ├──────────────┴─┐
//   settled │ what was used  │
#pragma once

#include "error.h"
#include "run.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUDGET_ACCOUNTS_MAX 16384

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
    int64_t of[BUDGET_KINDS]; // none negative
};

// A reservation: what it holds, and against which accounts. Owned by the caller, who settles or
// releases it exactly once.
struct budget_reservation {
    char run_id[RUN_ID_MAX];
    char job[JOB_NAME_MAX];
    int64_t reserved_at_us; // since 1970, UTC; decides day and month
    struct budget_amounts held;
    // What it may come to above what it holds, where nobody can bound that beforehand; else 0. Of
    // such reservations two are in flight under a ceiling only if it has room for all of it, so
    // that no more than one of them can ever go above.
    struct budget_amounts growth;
};

enum budget_outcome { // the worse ones last
    BUDGET_FITS,
    BUDGET_WAITS,   // would fit once what is in flight has settled
    BUDGET_REFUSED, // does not fit what is settled
};

// A ceiling as it stands. `limit` is LIMIT_NONE when there was no room for one account more.
struct budget_ceiling {
    enum budget_scope scope;
    enum budget_kind kind;
    int64_t limit, settled, held;
    int64_t asked;           // in vain; 0 if nothing was
    int64_t period_start_us; // since 1970, UTC; 0 for a run's
    int64_t resets_at_us;    // end of the period; -1 for a run's
};

#define BUDGET_CEILINGS_MAX (BUDGET_SCOPES * BUDGET_KINDS) // that cover a reservation

// An account as budget_each() shows it.
struct budget_account {
    enum budget_scope scope;
    char name[JOB_NAME_MAX];    // run id, job, or "" for the box
    int64_t period_start_us;    // since 1970, UTC; 0 for a run
    int64_t period_end_us;      // the first moment of the next period; -1 for a run
    int reservations;           // in flight
    int growing;                // those of them whose growth is not 0
    unsigned soft_limits_taken; // 1 << kind
    struct budget_amounts settled, held, growth;
};

struct budget;

// `time_zone` is a name of the tz database for days and months: "UTC", "Europe/Berlin".
int budget_new(struct budget **budget, const char *time_zone, struct error *err);
void budget_free(struct budget *budget);

// Sets a ceiling; LIMIT_NONE removes it. `name` is the run id, the job or "" for the box. What is
// settled may be above it from the start; then nothing fits any more.
int budget_set_ceiling(struct budget *budget, enum budget_scope scope, const char *name,
                       enum budget_kind kind, int64_t limit, struct error *err);

// Checks all covering ceilings and holds the amounts against them in one step. Unless it fits,
// *refusal is set to what stands in the way: a ceiling that refuses before one that waits.
enum budget_outcome budget_reserve(struct budget *budget,
                                   const struct budget_reservation *reservation,
                                   struct budget_ceiling *refusal);

// Replaces what is held by what was used (which may be more only where nobody could bound it).
void budget_settle(struct budget *budget, const struct budget_reservation *reservation,
                   const struct budget_amounts *used);

// Gives back what is held: nothing was sent.
void budget_release(struct budget *budget, const struct budget_reservation *reservation);

// Whether a ceiling of the job or of the box leaves less than `needed` by what is settled:
// *ceiling. False as well where there is no room for an account to tell.
bool budget_is_exhausted(struct budget *budget, const char *job, int64_t time_us,
                         const struct budget_amounts *needed, struct budget_ceiling *ceiling);

// Whether a ceiling on `kind` that covers (run, job, time) is settled to the last, or above it:
// *ceiling.
bool budget_find_full(const struct budget *budget, const char *run_id, const char *job,
                      int64_t time_us, enum budget_kind kind, struct budget_ceiling *ceiling);

// The least room left in `kind` over all ceilings that cover (run, job, time): by settled amounts
// only, and with what is held. At least 0; LIMIT_NONE where there is no ceiling.
void budget_room(const struct budget *budget, const char *run_id, const char *job, int64_t time_us,
                 enum budget_kind kind, int64_t *room_settled, int64_t *room_now);

// What one reservation should take of `kind` at most, so that the others under its tightest ceiling
// do not starve: an equal share of what is not settled for itself, for as many as are in flight
// there and for `waiting` more, two shares at least; and never more than the room now. LIMIT_NONE
// where there is no ceiling. A request that needs more to be of use may take it if it fits.
int64_t budget_fair_share(const struct budget *budget, const char *run_id, const char *job,
                          int64_t time_us, enum budget_kind kind, int waiting);

// Whether at least `percent` is settled of some ceiling that covers (run, job, time).
bool budget_soft_limit_is_reached(const struct budget *budget, const char *run_id, const char *job,
                                  int64_t time_us, int64_t percent);

// Takes the ceilings of which that is so: each one once in its period, since the start. Returns how
// many.
size_t budget_take_soft_limits(struct budget *budget, const char *run_id, const char *job,
                               int64_t time_us, int64_t percent,
                               struct budget_ceiling reached[static BUDGET_CEILINGS_MAX]);

// Settled and held of one account, zero where nothing has been booked; and its ceiling.
void budget_read(const struct budget *budget, enum budget_scope scope, const char *name,
                 int64_t time_us, enum budget_kind kind, int64_t *settled, int64_t *held,
                 int64_t *limit);

// Visits every account, for a checkpoint of the journal and for status. `visit` must not change the
// budget.
void budget_each(const struct budget *budget,
                 void (*visit)(const struct budget_account *account, void *context), void *context);

// Replay. Sets what is settled in the account of that scope and name whose period started at
// `period_start_us` (0 for a run), as budget_each() has shown it.
int budget_restore_account(struct budget *budget, enum budget_scope scope, const char *name,
                           int64_t period_start_us, const struct budget_amounts *settled,
                           struct error *err);

// Replay. Holds a reservation that was made before, whatever the ceilings say by now; it is settled
// or released as any other.
int budget_restore_reservation(struct budget *budget, const struct budget_reservation *reservation,
                               struct error *err);

// Drops a run's account and ceilings, at once or when its last reservation has been settled or
// released. A run that is not known is none.
void budget_forget_run(struct budget *budget, const char *run_id);
