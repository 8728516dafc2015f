// Budget accounts: see budget_accounts.h.
#include "budget_accounts.h"

#include <stdlib.h>
#include <string.h>

#define SECOND_US INT64_C(1000000)

// How long an account outlives its period, for clocks that are set back.
#define ACCOUNT_GRACE_US (INT64_C(86400) * SECOND_US)

static void subject_free(struct budget_subject *subject)
{
    while (subject->accounts != NULL) {
        struct budget_period_account *account = subject->accounts;
        subject->accounts = account->older;
        free(account);
    }
    free(subject);
}

void budget_accounts_done(struct budget *budget)
{
    for (size_t i = 0; i < BUDGET_BUCKETS; i++)
        while (budget->buckets[i] != NULL) {
            struct budget_subject *subject = budget->buckets[i];
            budget->buckets[i] = subject->next;
            subject_free(subject);
        }
}

static size_t bucket_of(enum budget_scope scope, const char *name)
{
    uint32_t hash = UINT32_C(2166136261) + (uint32_t)scope; // FNV-1a
    for (; *name != '\0'; name++)
        hash = (hash ^ (uint8_t)*name) * UINT32_C(16777619);
    return hash % BUDGET_BUCKETS;
}

struct budget_subject *budget_subject_find(const struct budget *budget, enum budget_scope scope,
                                           const char *name)
{
    struct budget_subject *subject = budget->buckets[bucket_of(scope, name)];
    while (subject != NULL && (subject->scope != scope || strcmp(subject->name, name) != 0))
        subject = subject->next;
    return subject;
}

struct budget_subject *budget_subject_open(struct budget *budget, enum budget_scope scope,
                                           const char *name)
{
    struct budget_subject *subject = budget_subject_find(budget, scope, name);
    if (subject != NULL || budget->subject_count == BUDGET_ACCOUNTS_MAX)
        return subject;
    subject = calloc(1, sizeof(*subject));
    if (subject == NULL)
        return NULL;
    struct budget_subject **bucket = &budget->buckets[bucket_of(scope, name)];
    subject->scope = scope;
    snprintf(subject->name, sizeof(subject->name), "%s", name);
    for (enum budget_kind kind = 0; kind < BUDGET_KINDS; kind++)
        subject->limits[kind] = LIMIT_NONE;
    subject->next = *bucket;
    *bucket = subject;
    budget->subject_count++;
    return subject;
}

void budget_subject_drop(struct budget *budget, struct budget_subject *subject)
{
    struct budget_subject **link = &budget->buckets[bucket_of(subject->scope, subject->name)];
    while (*link != subject)
        link = &(*link)->next;
    *link = subject->next;
    for (const struct budget_period_account *each = subject->accounts; each != NULL;
         each = each->older)
        budget->account_count--;
    budget->subject_count--;
    subject_free(subject);
}

// The period of each scope at a time.
struct periods {
    struct {
        int64_t start_us, end_us;
    } of[BUDGET_SCOPES];
};

static int64_t day_start_us(const struct budget *budget, int64_t day)
{
    return time_zone_day_start_s(budget->zone, day) * SECOND_US;
}

static struct periods periods_at(const struct budget *budget, int64_t time_us)
{
    struct periods periods;
    int64_t day = time_zone_day(budget->zone, time_us / SECOND_US);
    periods.of[BUDGET_RUN].start_us = 0;
    periods.of[BUDGET_RUN].end_us = -1;
    periods.of[BUDGET_JOB_DAY].start_us = day_start_us(budget, day);
    periods.of[BUDGET_JOB_DAY].end_us = day_start_us(budget, day + 1);
    periods.of[BUDGET_BOX_DAY] = periods.of[BUDGET_JOB_DAY];
    periods.of[BUDGET_JOB_MONTH].start_us = day_start_us(budget, time_zone_month_first_day(day, 0));
    periods.of[BUDGET_JOB_MONTH].end_us = day_start_us(budget, time_zone_month_first_day(day, 1));
    periods.of[BUDGET_BOX_MONTH] = periods.of[BUDGET_JOB_MONTH];
    return periods;
}

static struct budget_account *account_find(const struct budget_subject *subject,
                                           int64_t period_start_us)
{
    struct budget_period_account *account = subject->accounts;
    while (account != NULL && account->shown.period_start_us != period_start_us)
        account = account->older;
    return account == NULL ? NULL : &account->shown;
}

static struct budget_cover cover_find(const struct budget *budget, enum budget_scope scope,
                                      const char *name, const struct periods *periods)
{
    struct budget_cover cover = {.subject = budget_subject_find(budget, scope, name)};
    if (cover.subject != NULL)
        cover.account = account_find(cover.subject, periods->of[scope].start_us);
    return cover;
}

static bool cover_open(struct budget *budget, enum budget_scope scope, const char *name,
                       const struct periods *periods, struct budget_cover *cover)
{
    cover->subject = budget_subject_open(budget, scope, name);
    if (cover->subject == NULL)
        return false;
    cover->account = account_find(cover->subject, periods->of[scope].start_us);
    if (cover->account != NULL)
        return true;
    struct budget_period_account *opened = NULL;
    if (budget->account_count < BUDGET_ACCOUNTS_MAX)
        opened = calloc(1, sizeof(*opened));
    if (opened == NULL)
        return false;
    opened->shown.scope = scope;
    memcpy(opened->shown.name, cover->subject->name, sizeof(opened->shown.name));
    opened->shown.period_start_us = periods->of[scope].start_us;
    opened->shown.period_end_us = periods->of[scope].end_us;
    opened->older = cover->subject->accounts;
    cover->subject->accounts = opened;
    cover->account = &opened->shown;
    budget->account_count++;
    return true;
}

struct budget_cover budget_cover_find(const struct budget *budget, enum budget_scope scope,
                                      const char *name, int64_t time_us)
{
    struct periods periods = periods_at(budget, time_us);
    return cover_find(budget, scope, name, &periods);
}

bool budget_cover_open(struct budget *budget, enum budget_scope scope, const char *name,
                       int64_t time_us, struct budget_cover *cover)
{
    struct periods periods = periods_at(budget, time_us);
    return cover_open(budget, scope, name, &periods, cover);
}

// The name that the subject of a scope has for a run of a job.
static const char *scope_name(enum budget_scope scope, const char *run_id, const char *job)
{
    switch (scope) {
    case BUDGET_RUN:
        return run_id;
    case BUDGET_JOB_DAY:
    case BUDGET_JOB_MONTH:
        return job;
    default:
        return "";
    }
}

void budget_covers_find(const struct budget *budget, const char *run_id, const char *job,
                        int64_t time_us, struct budget_cover covers[static BUDGET_SCOPES])
{
    struct periods periods = periods_at(budget, time_us);
    for (enum budget_scope scope = 0; scope < BUDGET_SCOPES; scope++)
        covers[scope] = cover_find(budget, scope, scope_name(scope, run_id, job), &periods);
}

struct budget_ceiling budget_cover_ceiling(const struct budget_cover *cover, enum budget_kind kind)
{
    return (struct budget_ceiling){
        .scope = cover->account->scope,
        .kind = kind,
        .limit = cover->subject->limits[kind],
        .settled = cover->account->settled.of[kind],
        .held = cover->account->held.of[kind],
        .period_start_us = cover->account->period_start_us,
        .resets_at_us = cover->account->period_end_us,
    };
}

static bool is_over(const struct budget_account *account, int64_t now_us)
{
    return account->scope != BUDGET_RUN && account->reservations == 0 &&
           account->period_end_us + ACCOUNT_GRACE_US <= now_us;
}

static bool has_ceiling(const struct budget_subject *subject)
{
    for (enum budget_kind kind = 0; kind < BUDGET_KINDS; kind++)
        if (subject->limits[kind] != LIMIT_NONE)
            return true;
    return false;
}

// Drops the accounts of periods that are over.
static void sweep_accounts(struct budget *budget, struct budget_subject *subject, int64_t now_us)
{
    for (struct budget_period_account **link = &subject->accounts; *link != NULL;) {
        struct budget_period_account *account = *link;
        if (!is_over(&account->shown, now_us)) {
            link = &account->older;
            continue;
        }
        *link = account->older;
        free(account);
        budget->account_count--;
    }
}

// Drops what is over, and the subjects that keep nothing then.
static void sweep(struct budget *budget, int64_t now_us)
{
    for (size_t i = 0; i < BUDGET_BUCKETS; i++) {
        struct budget_subject *next;
        for (struct budget_subject *subject = budget->buckets[i]; subject != NULL; subject = next) {
            next = subject->next;
            sweep_accounts(budget, subject, now_us);
            if (subject->accounts == NULL && !has_ceiling(subject))
                budget_subject_drop(budget, subject);
        }
    }
}

enum budget_scope budget_covers_open(struct budget *budget,
                                     const struct budget_reservation *reservation,
                                     struct budget_cover covers[static BUDGET_SCOPES])
{
    struct periods periods = periods_at(budget, reservation->reserved_at_us);
    if (cover_find(budget, BUDGET_BOX_DAY, "", &periods).account == NULL || // a new day
        budget->account_count + BUDGET_SCOPES > BUDGET_ACCOUNTS_MAX ||
        budget->subject_count + BUDGET_SCOPES > BUDGET_ACCOUNTS_MAX)
        sweep(budget, reservation->reserved_at_us);
    for (enum budget_scope scope = 0; scope < BUDGET_SCOPES; scope++)
        if (!cover_open(budget, scope, scope_name(scope, reservation->run_id, reservation->job),
                        &periods, &covers[scope]))
            return scope;
    return BUDGET_SCOPES;
}

void budget_each(const struct budget *budget,
                 void (*visit)(const struct budget_account *account, void *context), void *context)
{
    for (size_t i = 0; i < BUDGET_BUCKETS; i++)
        for (const struct budget_subject *subject = budget->buckets[i]; subject != NULL;
             subject = subject->next)
            for (const struct budget_period_account *account = subject->accounts; account != NULL;
                 account = account->older)
                visit(&account->shown, context);
}
