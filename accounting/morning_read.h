// Morning read: the queries of the morning report, each into its part. For morning_report.c.
#pragma once

#include "morning_report.h"

// The sums of each day and job; `report` knows its days.
int morning_read_days(struct ledger *ledger, struct morning_report *report, struct error *err);

int morning_read_runs(struct ledger *ledger, struct morning_report *report, struct error *err);
int morning_read_caches(struct ledger *ledger, struct morning_report *report, struct error *err);
int morning_read_cheaper(struct ledger *ledger, struct morning_report *report, struct error *err);

// By job, model and credential, of the day and of the month.
int morning_read_by(struct ledger *ledger, struct morning_report *report, struct error *err);
