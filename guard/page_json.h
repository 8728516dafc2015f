// Page JSON: what the page shows: a status, cut to what fits on a page, and the day's curve. Pure.
//
// The object of `reeve status --json`, with "today": {"zone", "start", "end", "spent_usd",
// "known_from", "known_micro_usd", "step_s", "first_step", "curve_micro_usd"}; and with
// "runs_total" and "waiting_total", as only the first of each are there.
#pragma once

#include "control_message.h"
#include "day_curve.h"

// One line, malloc'ed; NULL when out of memory. Cuts the lists of `status`.
char *page_json_make(struct status *status, const struct day_curve *curve, const char *zone);
