// Budget accounts: the store behind budget.c. Finds and opens what covers a run at a time.
//
// A subject is what has ceilings: a run, a job by day, a job by month, the box by day, the box by
// month. It has an account for each period in which something was booked.
#pragma once

#include "budget.h"
#include "time_zone.h"

#define BUDGET_BUCKETS 256

struct budget_period_account {
    struct budget_account shown;
    struct budget_period_account *older; // of the same subject
};

struct budget_subject {
    struct budget_subject *next; // in its bucket
    enum budget_scope scope;
    char name[JOB_NAME_MAX];
    int64_t limits[BUDGET_KINDS];
    struct budget_period_account *accounts; // last opened first
    bool is_forgotten;                      // goes with its last reservation
};

struct budget {
    struct time_zone *zone; // owned
    struct budget_subject *buckets[BUDGET_BUCKETS];
    int subject_count, account_count; // of all buckets
};

// What covers a reservation in one scope.
struct budget_cover {
    struct budget_subject *subject;
    struct budget_account *account;
};

// The ceiling of a cover, both of whose parts are there.
struct budget_ceiling budget_cover_ceiling(const struct budget_cover *cover, enum budget_kind kind);

void budget_accounts_done(struct budget *budget);

// The subject, or NULL.
struct budget_subject *budget_subject_find(const struct budget *budget, enum budget_scope scope,
                                           const char *name);

// Finds the subject or makes it, without ceilings. NULL when there is no room.
struct budget_subject *budget_subject_open(struct budget *budget, enum budget_scope scope,
                                           const char *name);

// Frees the subject and its accounts.
void budget_subject_drop(struct budget *budget, struct budget_subject *subject);

// Subject and account of a scope and name at a time (since 1970, UTC), NULL for what there is not.
struct budget_cover budget_cover_find(const struct budget *budget, enum budget_scope scope,
                                      const char *name, int64_t time_us);

// The same, and makes what is missing. Returns false when there is no room.
bool budget_cover_open(struct budget *budget, enum budget_scope scope, const char *name,
                       int64_t time_us, struct budget_cover *cover);

// budget_cover_find() for every scope that covers a run of a job.
void budget_covers_find(const struct budget *budget, const char *run_id, const char *job,
                        int64_t time_us, struct budget_cover covers[static BUDGET_SCOPES]);

// budget_cover_open() for every scope that covers the reservation; drops what is over first, once a
// day and when room is short. Returns BUDGET_SCOPES, or the scope that there is no room for.
enum budget_scope budget_covers_open(struct budget *budget,
                                     const struct budget_reservation *reservation,
                                     struct budget_cover covers[static BUDGET_SCOPES]);
