// Property of budget.c: whatever is reserved, settled, released, lost in a crash and replayed, and
// in whatever order, nothing goes above a ceiling, and the accounts are those of a simple model.
//
// REEVE_INTERLEAVINGS sets how many random interleavings are tried (100,000).
#include "budget.h"
#include "suite_run.h"

#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define INTERLEAVINGS 100000
#define STEPS 20 // of one interleaving
#define RUNS 3
#define HOUR INT64_C(3600000000)
#define DAY (24 * HOUR)
#define DECEMBER INT64_C(1796083200000000) // 2026-12-01T00:00:00Z

// The model: every reservation there ever was and what became of it. What an account holds is what
// adds up over all of them.
enum deed_state { DEED_OPEN, DEED_SETTLED, DEED_RELEASED };

struct deed {
    struct budget_reservation reservation;
    enum deed_state state;
    struct budget_amounts used;
};

// What a journal keeps: an account of each subject and period at a checkpoint, what was open then,
// and the deeds in the order in which they changed since.
struct journal {
    struct budget_account accounts[64];
    int account_count;
    int open[STEPS], open_count;
    int changed[3 * STEPS];
    enum deed_state became[3 * STEPS];
    int change_count;
};

struct trial {
    uint64_t seed, random;
    struct budget *budget;
    int64_t limits[BUDGET_SCOPES][RUNS][BUDGET_KINDS]; // of run 0 to 2, job 0 or 1, box 0
    struct deed deeds[STEPS];
    int deed_count;
    int64_t now_us;
    struct journal journal;
    int64_t fits, waits, refused, crashes; // over all trials
};

static uint64_t draw(struct trial *trial, uint64_t below)
{
    trial->random ^= trial->random >> 12; // xorshift64*
    trial->random ^= trial->random << 25;
    trial->random ^= trial->random >> 27;
    return trial->random * UINT64_C(2685821657736338717) % below;
}

static void require(const struct trial *trial, bool condition, const char *what)
{
    if (!condition)
        ck_abort_msg("interleaving %" PRIu64 ": %s", trial->seed, what);
}

// Which run, job or box of a scope a reservation belongs to.
static int index_of(enum budget_scope scope, const struct budget_reservation *reservation)
{
    switch (scope) {
    case BUDGET_RUN:
        return reservation->run_id[0] - '0';
    case BUDGET_JOB_DAY:
    case BUDGET_JOB_MONTH:
        return reservation->job[0] - '0';
    default:
        return 0;
    }
}

static int64_t period_of(enum budget_scope scope, int64_t time_us)
{
    switch (scope) {
    case BUDGET_RUN:
        return 0;
    case BUDGET_JOB_DAY:
    case BUDGET_BOX_DAY:
        return time_us / DAY;
    default:
        return time_us >= DECEMBER; // a trial does not last until January
    }
}

// What those in flight that may grow may grow to, and how many they are.
struct model_growth {
    int64_t cost;
    int count;
};

static void model_sum(const struct trial *trial, enum budget_scope scope,
                      const struct budget_reservation *like, struct budget_amounts *settled,
                      struct budget_amounts *held, struct model_growth *growth)
{
    *settled = *held = (struct budget_amounts){0};
    *growth = (struct model_growth){0};
    for (int i = 0; i < trial->deed_count; i++) {
        const struct deed *deed = &trial->deeds[i];
        if (index_of(scope, &deed->reservation) != index_of(scope, like) ||
            period_of(scope, deed->reservation.reserved_at_us) !=
                period_of(scope, like->reserved_at_us))
            continue;
        if (deed->state == DEED_OPEN) {
            growth->cost += deed->reservation.growth.of[BUDGET_COST];
            growth->count += deed->reservation.growth.of[BUDGET_COST] > 0;
        }
        for (enum budget_kind kind = 0; kind < BUDGET_KINDS; kind++) {
            if (deed->state == DEED_SETTLED)
                settled->of[kind] += deed->used.of[kind];
            if (deed->state == DEED_OPEN)
                held->of[kind] += deed->reservation.held.of[kind];
        }
    }
}

static enum budget_outcome model_outcome(const struct trial *trial,
                                         const struct budget_reservation *asked)
{
    enum budget_outcome outcome = BUDGET_FITS;
    for (enum budget_scope scope = 0; scope < BUDGET_SCOPES; scope++) {
        struct budget_amounts settled, held;
        struct model_growth growth;
        model_sum(trial, scope, asked, &settled, &held, &growth);
        growth.cost += asked->growth.of[BUDGET_COST];
        growth.count += asked->growth.of[BUDGET_COST] > 0;
        for (enum budget_kind kind = 0; kind < BUDGET_KINDS; kind++) {
            int64_t limit = trial->limits[scope][index_of(scope, asked)][kind];
            int64_t with_settled = settled.of[kind] + asked->held.of[kind];
            if (with_settled > limit)
                return BUDGET_REFUSED;
            int64_t with_held = with_settled + held.of[kind];
            int64_t with_growth = with_held + (kind == BUDGET_COST ? growth.cost : 0);
            if (with_held > limit || (growth.count > 1 && with_growth > limit))
                outcome = BUDGET_WAITS;
        }
    }
    return outcome;
}

static const char *name_of(enum budget_scope scope, const struct budget_reservation *reservation)
{
    if (scope == BUDGET_RUN)
        return reservation->run_id;
    return scope == BUDGET_JOB_DAY || scope == BUDGET_JOB_MONTH ? reservation->job : "";
}

// The five accounts that cover a reservation agree with the model, and are within their ceilings.
static void check_accounts(const struct trial *trial, const struct budget_reservation *like)
{
    for (enum budget_scope scope = 0; scope < BUDGET_SCOPES; scope++) {
        struct budget_amounts settled, held;
        struct model_growth growth;
        model_sum(trial, scope, like, &settled, &held, &growth);
        for (enum budget_kind kind = 0; kind < BUDGET_KINDS; kind++) {
            int64_t is_settled, is_held, limit;
            budget_read(trial->budget, scope, name_of(scope, like), like->reserved_at_us, kind,
                        &is_settled, &is_held, &limit);
            require(trial, is_settled == settled.of[kind], "what is settled is not what was used");
            require(trial, is_held == held.of[kind], "what is held is not what was reserved");
            require(trial, limit == trial->limits[scope][index_of(scope, like)][kind],
                    "the ceiling has moved");
            require(trial, is_settled <= limit && is_held <= limit - is_settled, "OVERSHOOT");
            require(trial,
                    growth.count <= 1 || kind != BUDGET_COST ||
                        growth.cost <= limit - is_settled - is_held,
                    "more than one could grow above the ceiling");
        }
    }
}

static void journal_change(struct trial *trial, int deed)
{
    struct journal *journal = &trial->journal;
    journal->changed[journal->change_count] = deed;
    journal->became[journal->change_count++] = trial->deeds[deed].state;
}

static void journal_account(const struct budget_account *account, void *context)
{
    struct journal *journal = context;
    journal->accounts[journal->account_count++] = *account;
}

static void take_checkpoint(struct trial *trial)
{
    struct journal *journal = &trial->journal;
    *journal = (struct journal){0};
    budget_each(trial->budget, journal_account, journal);
    for (int i = 0; i < trial->deed_count; i++)
        if (trial->deeds[i].state == DEED_OPEN)
            journal->open[journal->open_count++] = i;
}

static void make_budget(struct trial *trial)
{
    static const char *const names[RUNS] = {"0", "1", "2"};
    ck_assert_int_eq(budget_new(&trial->budget, "UTC", NULL), 0);
    for (enum budget_scope scope = 0; scope < BUDGET_SCOPES; scope++)
        for (int i = 0; i < RUNS; i++)
            for (enum budget_kind kind = 0; kind < BUDGET_KINDS; kind++) {
                const char *name = scope >= BUDGET_BOX_DAY ? "" : names[i];
                int64_t limit = trial->limits[scope][i][kind];
                if (limit != LIMIT_NONE && (*name != '\0' || i == 0))
                    budget_set_ceiling(trial->budget, scope, name, kind, limit, NULL);
            }
}

static void try_reserve(struct trial *trial)
{
    struct deed *deed = &trial->deeds[trial->deed_count];
    struct budget_ceiling refusal;
    int run = (int)draw(trial, RUNS);
    *deed = (struct deed){.reservation = {.reserved_at_us = trial->now_us}};
    deed->reservation.run_id[0] = (char)('0' + run);
    deed->reservation.job[0] = (char)('0' + run % 2);
    for (enum budget_kind kind = 0; kind < BUDGET_KINDS; kind++)
        deed->reservation.held.of[kind] = kind == BUDGET_REQUESTS ? 1 : (int64_t)draw(trial, 40);
    deed->reservation.growth.of[BUDGET_COST] = draw(trial, 4) == 0 ? (int64_t)draw(trial, 90) : 0;
    enum budget_outcome expected = model_outcome(trial, &deed->reservation);
    enum budget_outcome outcome = budget_reserve(trial->budget, &deed->reservation, &refusal);
    require(trial, outcome == expected, "another outcome than the model's");
    trial->fits += outcome == BUDGET_FITS;
    trial->waits += outcome == BUDGET_WAITS;
    trial->refused += outcome == BUDGET_REFUSED;
    if (outcome == BUDGET_FITS)
        journal_change(trial, trial->deed_count++);
    check_accounts(trial, &deed->reservation);
}

// Settles by at most what was held, or releases, a random reservation that is open.
static void try_close(struct trial *trial, enum deed_state to)
{
    int open[STEPS], count = 0;
    for (int i = 0; i < trial->deed_count; i++)
        if (trial->deeds[i].state == DEED_OPEN)
            open[count++] = i;
    if (count == 0)
        return;
    int chosen = open[draw(trial, (uint64_t)count)];
    struct deed *deed = &trial->deeds[chosen];
    deed->state = to;
    for (enum budget_kind kind = 0; kind < BUDGET_KINDS; kind++)
        deed->used.of[kind] = (int64_t)draw(trial, (uint64_t)deed->reservation.held.of[kind] + 1);
    if (to == DEED_SETTLED)
        budget_settle(trial->budget, &deed->reservation, &deed->used);
    else
        budget_release(trial->budget, &deed->reservation);
    journal_change(trial, chosen);
    check_accounts(trial, &deed->reservation);
}

// The last record may not have reached the disk: then a reservation was never sent, and what was
// settled or released is an orphan.
static void lose_last_record(struct trial *trial)
{
    struct journal *journal = &trial->journal;
    if (journal->change_count == 0 || draw(trial, 2) == 0)
        return;
    journal->change_count--;
    struct deed *deed = &trial->deeds[journal->changed[journal->change_count]];
    bool was_reserved = journal->became[journal->change_count] == DEED_OPEN;
    deed->state = was_reserved ? DEED_RELEASED : DEED_OPEN;
}

static void replay(struct trial *trial)
{
    const struct journal *journal = &trial->journal;
    for (int i = 0; i < journal->account_count; i++) {
        const struct budget_account *account = &journal->accounts[i];
        ck_assert_int_eq(budget_restore_account(trial->budget, account->scope, account->name,
                                                account->period_start_us, &account->settled, NULL),
                         0);
    }
    for (int i = 0; i < journal->open_count; i++)
        ck_assert_int_eq(budget_restore_reservation(
                             trial->budget, &trial->deeds[journal->open[i]].reservation, NULL),
                         0);
    for (int i = 0; i < journal->change_count; i++) {
        const struct deed *deed = &trial->deeds[journal->changed[i]];
        if (journal->became[i] == DEED_OPEN)
            ck_assert_int_eq(budget_restore_reservation(trial->budget, &deed->reservation, NULL),
                             0);
        else if (journal->became[i] == DEED_SETTLED)
            budget_settle(trial->budget, &deed->reservation, &deed->used);
        else
            budget_release(trial->budget, &deed->reservation);
    }
}

// Orphans are charged in full after the replay.
static void crash(struct trial *trial)
{
    trial->crashes++;
    budget_free(trial->budget);
    lose_last_record(trial);
    make_budget(trial);
    replay(trial);
    for (int i = 0; i < trial->deed_count; i++) {
        struct deed *deed = &trial->deeds[i];
        check_accounts(trial, &deed->reservation);
        if (deed->state != DEED_OPEN)
            continue;
        deed->state = DEED_SETTLED;
        deed->used = deed->reservation.held;
        budget_settle(trial->budget, &deed->reservation, &deed->used);
        check_accounts(trial, &deed->reservation);
    }
    take_checkpoint(trial);
}

static void run_trial(struct trial *trial, uint64_t seed)
{
    trial->seed = seed;
    trial->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    trial->deed_count = 0;
    trial->now_us = DECEMBER - DAY + (int64_t)draw(trial, DAY);
    trial->journal = (struct journal){0};
    for (enum budget_scope scope = 0; scope < BUDGET_SCOPES; scope++)
        for (int i = 0; i < RUNS; i++)
            for (enum budget_kind kind = 0; kind < BUDGET_KINDS; kind++)
                trial->limits[scope][i][kind] =
                    draw(trial, 5) != 0 ? LIMIT_NONE
                                        : (int64_t)draw(trial, kind == BUDGET_REQUESTS ? 12 : 400);
    make_budget(trial);
    for (int step = 0; step < STEPS; step++) {
        uint64_t choice = draw(trial, 100);
        trial->now_us += (int64_t)draw(trial, 4) * HOUR / 4; // no account grows old enough to go
        if (choice < 55)
            try_reserve(trial);
        else if (choice < 80)
            try_close(trial, DEED_SETTLED);
        else if (choice < 88)
            try_close(trial, DEED_RELEASED);
        else if (choice < 94)
            take_checkpoint(trial);
        else
            crash(trial);
    }
    budget_free(trial->budget);
}

START_TEST(nothing_goes_above_a_ceiling)
{
    const char *asked = getenv("REEVE_INTERLEAVINGS");
    uint64_t count = asked != NULL ? strtoull(asked, NULL, 10) : INTERLEAVINGS;
    static struct trial trial; // too large for a stack
    for (uint64_t seed = 1; seed <= count; seed++)
        run_trial(&trial, seed);
    printf("%" PRIu64 " interleavings of %d steps, overshoot 0: %" PRId64 " reserved, %" PRId64
           " to wait, %" PRId64 " refused, %" PRId64 " crashes\n",
           count, STEPS, trial.fits, trial.waits, trial.refused, trial.crashes);
    // Each kind of event has had its share.
    ck_assert_int_gt(trial.fits, (int64_t)count);
    ck_assert_int_gt(trial.waits, (int64_t)count / 4);
    ck_assert_int_gt(trial.refused, (int64_t)count / 4);
    ck_assert_int_gt(trial.crashes, (int64_t)count / 4);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("budget_property");
    TCase *cases = tcase_create("budget_property");
    tcase_set_timeout(cases, 600);
    tcase_add_test(cases, nothing_goes_above_a_ceiling);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
