// Report notify: tells the morning report's line to the alert channels that want it.
//
// On a loop of its own: the daemon has no part in it. A report is of yesterday, so that one that
// does not arrive within seconds is looked up, not owed.
#pragma once

#include "config.h"
#include "error.h"
#include "morning_report.h"
#include "paths.h"

// Tells each channel whose On= has "report", with three attempts. *told is how many were told.
// -EIO: some could not be; the first failure is in `err`.
int report_send_line(const struct morning_report *report, const struct config *config,
                     const struct paths *paths, size_t *told, struct error *err);
