// Morning CSV: the morning report for spreadsheets: one figure a line, as section, name, measure
// and value (RFC 4180).
//
//     day,,cost_usd,74.2066203
//     job,review,month_cost_usd,273.8812
//
// Dollars are exact decimals, in columns that end in _usd. A name that a spreadsheet would take for
// a formula has an apostrophe before it.
#pragma once

#include "morning_report.h"

#include <stdio.h>

void morning_write_csv(const struct morning_report *report, FILE *stream);
