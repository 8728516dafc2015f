// A proxy with the real budget, prices and journal, but nobody to send to: for admission and after.
#pragma once

#include "admit.h"
#include "journal.h"
#include "price_table.h"
#include "restore.h"

#include <check.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DOLLAR INT64_C(1000000000000)
#define CENT (DOLLAR / 100)

#define SOFT_LIMITS_SEEN_MAX 8

struct ceiling_fixture {
    char directory[64];
    struct budget *budget;
    struct restore_targets restored;
    struct journal *journal;
    struct price_table *prices;
    struct proxy proxy;
    struct live_run run; // "r1" of job "j"
    struct request_scan scan;
    const char *body;
    struct admit_request request;
    struct admission admission;
    char message[ADMIT_MESSAGE_MAX];
    struct budget_ceiling soft_limits[SOFT_LIMITS_SEEN_MAX];
    size_t soft_limit_count;
};

static inline void fixture_settled_exchange(struct live_run *run,
                                            const struct journal_settlement *settlement,
                                            const struct body_hash *body, void *context)
{
    (void)run;
    (void)settlement;
    (void)body;
    (void)context;
}

static inline void fixture_soft_limit(struct live_run *run, const struct budget_ceiling *ceiling,
                                      void *context)
{
    struct ceiling_fixture *fixture = context;
    ck_assert_ptr_eq(run, &fixture->run);
    ck_assert_uint_lt(fixture->soft_limit_count, SOFT_LIMITS_SEEN_MAX);
    fixture->soft_limits[fixture->soft_limit_count++] = *ceiling;
}

// Opens the books: at first, and again as a daemon does that was ended.
static inline void fixture_open_books(struct ceiling_fixture *fixture)
{
    struct error err = {0};
    struct restore_summary summary;
    ck_assert_int_eq(budget_new(&fixture->budget, "UTC", NULL), 0);
    fixture->restored.budget = fixture->budget;
    ck_assert_msg(
        restore(fixture->directory, &fixture->restored, &fixture->journal, &summary, &err) == 0,
        "%s", err.text);
    fixture->proxy.budget = fixture->budget;
    fixture->proxy.journal = fixture->journal;
}

static inline void fixture_close_books(struct ceiling_fixture *fixture)
{
    journal_close(fixture->journal);
    budget_free(fixture->budget);
}

static inline void fixture_init(struct ceiling_fixture *fixture)
{
    memset(fixture, 0, sizeof(*fixture));
    snprintf(fixture->directory, sizeof(fixture->directory), "/tmp/reeve-ceiling-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(fixture->directory));
    ck_assert_int_eq(price_table_load_builtin(&fixture->prices, NULL), 0);
    fixture_open_books(fixture);
    fixture->proxy.prices = fixture->prices;
    fixture->proxy.soft_limit_reached = fixture_soft_limit;
    fixture->proxy.exchange_settled = fixture_settled_exchange;
    fixture->proxy.context = fixture;
    snprintf(fixture->run.id, sizeof(fixture->run.id), "r1");
    snprintf(fixture->run.job, sizeof(fixture->run.job), "j");
    fixture->run.policy = (struct run_policy){
        .soft_percent = 80, .clamp_min_tokens = 1024, .clamps = true, .allows_unbounded = true};
}

static inline void fixture_done(struct ceiling_fixture *fixture)
{
    fixture_close_books(fixture);
    price_table_free(fixture->prices);
    DIR *directory = opendir(fixture->directory);
    ck_assert_ptr_nonnull(directory);
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
        unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
    ck_assert_int_eq(rmdir(fixture->directory), 0);
}

static inline void fixture_limit(struct ceiling_fixture *fixture, enum budget_scope scope,
                                 enum budget_kind kind, int64_t limit)
{
    static const char *const names[] = {"r1", "j", "j", "", ""};
    ck_assert_int_eq(budget_set_ceiling(fixture->budget, scope, names[scope], kind, limit, NULL),
                     0);
}

// Asks for `body`, whose text stays the caller's.
static inline enum admit_outcome fixture_admit(struct ceiling_fixture *fixture, const char *body)
{
    struct error err = {0};
    ck_assert_msg(request_scan(&fixture->scan, body, strlen(body), &err) == 0, "%s", err.text);
    fixture->body = body;
    fixture->request.run = &fixture->run;
    fixture->request.scan = &fixture->scan;
    fixture->request.body_length = (int64_t)strlen(body);
    fixture->message[0] = '\0';
    return admit(&fixture->proxy, &fixture->request, &fixture->admission, fixture->message);
}

// The same, as a request whose prompt has been counted.
static inline enum admit_outcome fixture_admit_counted(struct ceiling_fixture *fixture,
                                                       const char *body, int64_t tokens)
{
    fixture->request.counted_tokens = tokens;
    enum admit_outcome outcome = fixture_admit(fixture, body);
    fixture->request.counted_tokens = ADMIT_NOT_COUNTED;
    return outcome;
}

static inline int64_t fixture_held(const struct ceiling_fixture *fixture, enum budget_kind kind)
{
    int64_t settled, held, limit;
    budget_read(fixture->budget, BUDGET_BOX_DAY, "", fixture->admission.reservation.reserved_at_us,
                kind, &settled, &held, &limit);
    return held;
}

static inline int64_t fixture_settled(const struct ceiling_fixture *fixture, enum budget_kind kind)
{
    int64_t settled, held, limit;
    budget_read(fixture->budget, BUDGET_BOX_DAY, "", fixture->admission.reservation.reserved_at_us,
                kind, &settled, &held, &limit);
    return settled;
}
