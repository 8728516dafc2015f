// Ceiling text: tells people which ceiling stands in the way, what is spent, and when it resets.
#pragma once

#include "budget.h"

#define CEILING_TEXT_MAX 256

// "$9.98 of $10.00 spent by this job today (resets 2026-11-26T00:00:00Z)". Returns `text`.
const char *ceiling_describe(const struct budget_ceiling *ceiling,
                             char text[static CEILING_TEXT_MAX]);

// "this request could take $0.41 more". Returns `text`.
const char *ceiling_describe_asked(const struct budget_ceiling *ceiling,
                                   char text[static CEILING_TEXT_MAX]);
