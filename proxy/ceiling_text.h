// Ceiling text: tells people which ceiling stands in the way, what is spent, and when it resets.
#pragma once

#include "budget.h"

#include <stddef.h>

#define CEILING_TEXT_MAX 256

// "$9.98 of $10.00 spent by this job today (resets 2026-11-26T00:00:00Z)". Returns `text`.
const char *ceiling_describe(const struct budget_ceiling *ceiling,
                             char text[static CEILING_TEXT_MAX]);

// "$0.41", "12000 tokens". Returns `text`.
const char *ceiling_format_amount(enum budget_kind kind, int64_t amount, char *text, size_t size);
