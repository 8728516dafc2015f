// Report accounts: what the configuration says of ceilings and credentials, as the morning report
// takes it.
#pragma once

#include "config.h"
#include "error.h"
#include "morning_report.h"
#include "paths.h"

#define REPORT_ACCOUNTS_MAX 256
#define REPORT_LIMITS_MAX (3 * (CONFIG_SECTIONS_MAX + 1))

struct report_accounts {
    struct morning_limit limits[REPORT_LIMITS_MAX];
    size_t limit_count;
    struct morning_account accounts[REPORT_ACCOUNTS_MAX];
    char names[REPORT_ACCOUNTS_MAX][JOB_NAME_MAX]; // of the accounts
    size_t account_count;
};

// Fills `accounts`, whose limits point into `config`. The type of a credential that only `reeve
// credential add` knows is read from its file, where this user may; else it counts as billed by
// use.
void report_accounts_collect(struct report_accounts *accounts, const struct config *config,
                             const struct paths *paths);

// Whether that credential is a subscription's.
bool report_accounts_is_subscription(const struct report_accounts *accounts, const char *name);
