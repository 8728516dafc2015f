// Day curve: what the box has spent so far today, as it stood every five minutes. Pure.
//
// The totals are those of the box's daily account, so that the curve ends where the ceiling counts.
// What the journal of a start tells is in it, too; of the time before only the sum is known.
#pragma once

#include "journal_record.h"
#include "time_zone.h"

#include <stdint.h>

#define DAY_CURVE_STEP_S 300
#define DAY_CURVE_STEPS 300 // 25 hours, where the clocks go back

struct day_curve {
    const struct time_zone *zone;    // of days; outlives the curve
    int64_t day_start_s, day_end_s;  // since 1970, UTC
    int64_t known_from_s;            // the first moment of which the total is known
    int64_t known_pico_usd;          // the total then
    int first_step;                  // that has that moment
    int last_step;                   // -1: nothing is known yet
    int64_t total_pico_usd;          // at the last step
    int64_t totals[DAY_CURVE_STEPS]; // at the end of each step, from first_step to last_step
};

// An empty curve of the day that `now_s` is in.
void day_curve_begin(struct day_curve *curve, const struct time_zone *zone, int64_t now_s);

// The daily account of the box stands at `total_pico_usd`. Another day than before begins anew.
void day_curve_note(struct day_curve *curve, int64_t now_s, int64_t total_pico_usd);

// A record that a start reads: accounts, and what was settled after them.
void day_curve_replay(struct day_curve *curve, const struct journal_record *record);
