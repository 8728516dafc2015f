// Budget: see budget.h. The arithmetic of ceilings; budget_accounts.c keeps the accounts.
#include "budget.h"

#include "budget_accounts.h"

#include <assert.h>
#include <stdlib.h>

#define FAIR_SHARES_MIN 2
#define HALF_DAY_US INT64_C(43200000000)

int budget_new(struct budget **budget, const char *time_zone, struct error *err)
{
    struct budget *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return error_set(err, -ENOMEM, "making the budget: out of memory");
    int result = time_zone_load(&made->zone, time_zone, err);
    if (result < 0) {
        free(made);
        return result;
    }
    *budget = made;
    return 0;
}

void budget_free(struct budget *budget)
{
    if (budget == NULL)
        return;
    budget_accounts_done(budget);
    time_zone_free(budget->zone);
    free(budget);
}

int budget_set_ceiling(struct budget *budget, enum budget_scope scope, const char *name,
                       enum budget_kind kind, int64_t limit, struct error *err)
{
    assert(limit >= 0);
    struct budget_subject *subject = budget_subject_open(budget, scope, name);
    if (subject == NULL)
        return error_set(err, -ENOSPC, "setting a ceiling of \"%s\": there are %d already", name,
                         BUDGET_ACCOUNTS_MAX);
    subject->limits[kind] = limit;
    return 0;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static bool can_add(int64_t sum, int64_t amount)
{
    return amount >= 0 && amount <= INT64_MAX - sum;
}

static bool can_hold(const struct budget_cover covers[static BUDGET_SCOPES],
                     const struct budget_reservation *reservation)
{
    for (enum budget_scope scope = 0; scope < BUDGET_SCOPES; scope++)
        for (enum budget_kind kind = 0; kind < BUDGET_KINDS; kind++) {
            const struct budget_account *account = covers[scope].account;
            if (!can_add(account->held.of[kind], reservation->held.of[kind]) ||
                !can_add(account->growth.of[kind], reservation->growth.of[kind]))
                return false;
        }
    return true;
}

static bool grows(const struct budget_reservation *reservation)
{
    for (enum budget_kind kind = 0; kind < BUDGET_KINDS; kind++)
        if (reservation->growth.of[kind] > 0)
            return true;
    return false;
}

// Holds the reservation against all covers. What is settled and held together stays within int64:
// beyond nine million dollars what is settled gives way.
static void hold(struct budget_cover covers[static BUDGET_SCOPES],
                 const struct budget_reservation *reservation)
{
    const struct budget_amounts *amounts = &reservation->held, *growth = &reservation->growth;
    assert(can_hold(covers, reservation));
    for (enum budget_scope scope = 0; scope < BUDGET_SCOPES; scope++) {
        struct budget_account *account = covers[scope].account;
        for (enum budget_kind kind = 0; kind < BUDGET_KINDS; kind++) {
            account->held.of[kind] += amounts->of[kind];
            account->growth.of[kind] += growth->of[kind];
            account->settled.of[kind] =
                smaller(account->settled.of[kind], INT64_MAX - account->held.of[kind]);
        }
        account->reservations++;
        account->growing += grows(reservation);
    }
}

// Under one ceiling. Where more than one may grow, what all of them may grow to has to fit as well.
static enum budget_outcome weigh(const struct budget_cover *cover, enum budget_kind kind,
                                 const struct budget_reservation *reservation)
{
    const struct budget_account *account = cover->account;
    int64_t asked = reservation->held.of[kind];
    int64_t room = cover->subject->limits[kind] - account->settled.of[kind];
    if (asked > room)
        return BUDGET_REFUSED;
    room -= account->held.of[kind];
    if (asked > room)
        return BUDGET_WAITS;
    int64_t growth;
    if (account->growing + grows(reservation) <= 1)
        return BUDGET_FITS;
    bool fits =
        !__builtin_add_overflow(account->growth.of[kind], reservation->growth.of[kind], &growth) &&
        growth <= room - asked;
    return fits ? BUDGET_FITS : BUDGET_WAITS;
}

enum budget_outcome budget_reserve(struct budget *budget,
                                   const struct budget_reservation *reservation,
                                   struct budget_ceiling *refusal)
{
    struct budget_cover covers[BUDGET_SCOPES];
    enum budget_outcome outcome = BUDGET_FITS;
    enum budget_scope full = budget_covers_open(budget, reservation, covers);
    if (full != BUDGET_SCOPES) {
        *refusal = (struct budget_ceiling){
            .scope = full, .kind = BUDGET_REQUESTS, .limit = LIMIT_NONE, .resets_at_us = -1};
        return BUDGET_WAITS;
    }
    for (enum budget_scope scope = 0; scope < BUDGET_SCOPES; scope++)
        for (enum budget_kind kind = 0; kind < BUDGET_KINDS; kind++) {
            enum budget_outcome here = weigh(&covers[scope], kind, reservation);
            if (here > outcome) {
                *refusal = budget_cover_ceiling(&covers[scope], kind);
                refusal->asked = reservation->held.of[kind];
                outcome = here;
            }
        }
    if (outcome == BUDGET_FITS)
        hold(covers, reservation);
    return outcome;
}

void budget_settle(struct budget *budget, const struct budget_reservation *reservation,
                   const struct budget_amounts *used)
{
    struct budget_cover covers[BUDGET_SCOPES];
    budget_covers_find(budget, reservation->run_id, reservation->job, reservation->reserved_at_us,
                       covers);
    for (enum budget_scope scope = 0; scope < BUDGET_SCOPES; scope++) {
        struct budget_account *account = covers[scope].account;
        assert(account != NULL && account->reservations > 0);
        account->reservations--;
        account->growing -= grows(reservation);
        for (enum budget_kind kind = 0; kind < BUDGET_KINDS; kind++) {
            int64_t *settled = &account->settled.of[kind], *held = &account->held.of[kind];
            assert(*held >= reservation->held.of[kind] && used->of[kind] >= 0);
            *held -= reservation->held.of[kind];
            account->growth.of[kind] -= reservation->growth.of[kind];
            *settled += smaller(used->of[kind], INT64_MAX - *held - *settled);
        }
    }
    if (covers[BUDGET_RUN].subject->is_forgotten && covers[BUDGET_RUN].account->reservations == 0)
        budget_subject_drop(budget, covers[BUDGET_RUN].subject);
}

void budget_release(struct budget *budget, const struct budget_reservation *reservation)
{
    budget_settle(budget, reservation, &(struct budget_amounts){0});
}

// The room under one cover. Returns false where nothing limits it.
static bool find_room(const struct budget_cover *cover, enum budget_kind kind,
                      int64_t *room_settled, int64_t *room_now)
{
    if (cover->subject == NULL || cover->subject->limits[kind] == LIMIT_NONE)
        return false;
    int64_t settled = cover->account == NULL ? 0 : cover->account->settled.of[kind];
    int64_t held = cover->account == NULL ? 0 : cover->account->held.of[kind];
    int64_t room = cover->subject->limits[kind] - settled;
    *room_settled = room < 0 ? 0 : room;
    *room_now = room < held ? 0 : room - held;
    return true;
}

void budget_room(const struct budget *budget, const char *run_id, const char *job, int64_t time_us,
                 enum budget_kind kind, int64_t *room_settled, int64_t *room_now)
{
    struct budget_cover covers[BUDGET_SCOPES];
    int64_t settled, now;
    *room_settled = *room_now = LIMIT_NONE;
    budget_covers_find(budget, run_id, job, time_us, covers);
    for (enum budget_scope scope = 0; scope < BUDGET_SCOPES; scope++)
        if (find_room(&covers[scope], kind, &settled, &now)) {
            *room_settled = smaller(*room_settled, settled);
            *room_now = smaller(*room_now, now);
        }
}

bool budget_is_exhausted(struct budget *budget, const char *job, int64_t time_us,
                         const struct budget_amounts *needed, struct budget_ceiling *ceiling)
{
    for (enum budget_scope scope = BUDGET_JOB_DAY; scope < BUDGET_SCOPES; scope++) {
        const char *name = scope == BUDGET_JOB_DAY || scope == BUDGET_JOB_MONTH ? job : "";
        struct budget_cover cover;
        if (!budget_cover_open(budget, scope, name, time_us, &cover))
            return false;
        for (enum budget_kind kind = 0; kind < BUDGET_KINDS; kind++) {
            if (needed->of[kind] <= cover.subject->limits[kind] - cover.account->settled.of[kind])
                continue;
            *ceiling = budget_cover_ceiling(&cover, kind);
            ceiling->asked = needed->of[kind];
            return true;
        }
    }
    return false;
}

bool budget_find_full(const struct budget *budget, const char *run_id, const char *job,
                      int64_t time_us, enum budget_kind kind, struct budget_ceiling *ceiling)
{
    struct budget_cover covers[BUDGET_SCOPES];
    int64_t settled, now;
    budget_covers_find(budget, run_id, job, time_us, covers);
    for (enum budget_scope scope = 0; scope < BUDGET_SCOPES; scope++)
        if (covers[scope].account != NULL && find_room(&covers[scope], kind, &settled, &now) &&
            settled == 0) {
            *ceiling = budget_cover_ceiling(&covers[scope], kind);
            return true;
        }
    return false;
}

int64_t budget_fair_share(const struct budget *budget, const char *run_id, const char *job,
                          int64_t time_us, enum budget_kind kind, int waiting)
{
    struct budget_cover covers[BUDGET_SCOPES];
    int64_t settled, now, share = LIMIT_NONE;
    budget_covers_find(budget, run_id, job, time_us, covers);
    for (enum budget_scope scope = 0; scope < BUDGET_SCOPES; scope++)
        if (find_room(&covers[scope], kind, &settled, &now)) {
            const struct budget_account *account = covers[scope].account;
            int shares = 1 + waiting + (account == NULL ? 0 : account->reservations);
            if (shares < FAIR_SHARES_MIN)
                shares = FAIR_SHARES_MIN;
            share = smaller(share, smaller(settled / shares, now));
        }
    return share;
}

void budget_read(const struct budget *budget, enum budget_scope scope, const char *name,
                 int64_t time_us, enum budget_kind kind, int64_t *settled, int64_t *held,
                 int64_t *limit)
{
    struct budget_cover cover = budget_cover_find(budget, scope, name, time_us);
    *settled = cover.account == NULL ? 0 : cover.account->settled.of[kind];
    *held = cover.account == NULL ? 0 : cover.account->held.of[kind];
    *limit = cover.subject == NULL ? LIMIT_NONE : cover.subject->limits[kind];
}

int budget_restore_account(struct budget *budget, enum budget_scope scope, const char *name,
                           int64_t period_start_us, const struct budget_amounts *settled,
                           struct error *err)
{
    struct budget_cover cover;
    for (enum budget_kind kind = 0; kind < BUDGET_KINDS; kind++)
        if (settled->of[kind] < 0)
            return error_set(err, -ERANGE, "restoring the account of \"%s\": a negative amount",
                             name);
    // Noon of its first day is the same day in a configured zone that has changed since.
    if (!budget_cover_open(budget, scope, name, period_start_us + HALF_DAY_US, &cover))
        return error_set(err, -ENOSPC, "restoring the account of \"%s\": there are %d already",
                         name, BUDGET_ACCOUNTS_MAX);
    for (enum budget_kind kind = 0; kind < BUDGET_KINDS; kind++)
        cover.account->settled.of[kind] =
            smaller(settled->of[kind], INT64_MAX - cover.account->held.of[kind]);
    return 0;
}

int budget_restore_reservation(struct budget *budget, const struct budget_reservation *reservation,
                               struct error *err)
{
    struct budget_cover covers[BUDGET_SCOPES];
    if (budget_covers_open(budget, reservation, covers) != BUDGET_SCOPES)
        return error_set(err, -ENOSPC,
                         "restoring a reservation of run %s: there are %d accounts already",
                         reservation->run_id, BUDGET_ACCOUNTS_MAX);
    if (!can_hold(covers, reservation))
        return error_set(err, -ERANGE, "restoring a reservation of run %s: beyond all measure",
                         reservation->run_id);
    hold(covers, reservation);
    return 0;
}

void budget_forget_run(struct budget *budget, const char *run_id)
{
    struct budget_subject *run = budget_subject_find(budget, BUDGET_RUN, run_id);
    if (run == NULL)
        return;
    if (run->accounts != NULL && run->accounts->shown.reservations > 0)
        run->is_forgotten = true;
    else
        budget_subject_drop(budget, run);
}
