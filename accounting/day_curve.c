// Day curve: what the box has spent so far today, as it stood every five minutes.

#include "day_curve.h"

#include <string.h>

void day_curve_begin(struct day_curve *curve, const struct time_zone *zone, int64_t now_s)
{
    int64_t day = time_zone_day(zone, now_s);
    *curve = (struct day_curve){
        .zone = zone,
        .day_start_s = time_zone_day_start_s(zone, day),
        .day_end_s = time_zone_day_start_s(zone, day + 1),
        .last_step = -1,
    };
}

void day_curve_note(struct day_curve *curve, int64_t now_s, int64_t total_pico_usd)
{
    if (now_s < curve->day_start_s || now_s >= curve->day_end_s)
        day_curve_begin(curve, curve->zone, now_s);
    int64_t step = (now_s - curve->day_start_s) / DAY_CURVE_STEP_S;
    if (step >= DAY_CURVE_STEPS)
        step = DAY_CURVE_STEPS - 1;
    if (curve->last_step < 0) {
        curve->known_from_s = now_s;
        curve->known_pico_usd = total_pico_usd;
        curve->first_step = (int)step;
    }
    if (step < curve->last_step)
        step = curve->last_step; // the clock was set back
    // Nothing was spent in the steps between.
    for (int i = curve->last_step < 0 ? (int)step : curve->last_step + 1; i < step; i++)
        curve->totals[i] = curve->total_pico_usd;
    curve->totals[step] = curve->total_pico_usd = total_pico_usd;
    curve->last_step = (int)step;
}

// Something reserved at `reserved_at_us` has settled: it counts in the day in which it was
// reserved.
static void replay_settled(struct day_curve *curve, int64_t reserved_at_us, int64_t settled_at_us,
                           int64_t counted_pico_usd)
{
    int64_t settled_at_s = settled_at_us / 1000000;
    if (reserved_at_us / 1000000 < curve->day_start_s || settled_at_s >= curve->day_end_s)
        return;
    day_curve_note(curve, settled_at_s, curve->total_pico_usd + counted_pico_usd);
}

void day_curve_replay(struct day_curve *curve, const struct journal_record *record)
{
    switch (record->type) {
    case JOURNAL_ACCOUNT:
        if (record->account->scope == BUDGET_BOX_DAY &&
            record->account->period_start_us / 1000000 == curve->day_start_s)
            curve->total_pico_usd = record->account->settled.of[BUDGET_COST];
        return;
    case JOURNAL_CHECKPOINT_END:
        if (record->checkpoint_end->written_at_us / 1000000 >= curve->day_start_s &&
            record->checkpoint_end->written_at_us / 1000000 < curve->day_end_s)
            day_curve_note(curve, record->checkpoint_end->written_at_us / 1000000,
                           curve->total_pico_usd);
        return;
    case JOURNAL_SETTLEMENT:
        if (record->settlement->batch_id[0] == '\0') // of a batch, its end counts
            replay_settled(curve, record->settlement->reserved_at_us,
                           record->settlement->settled_at_us, record->settlement->counted_pico_usd);
        return;
    case JOURNAL_BATCH_END:
        replay_settled(curve, record->batch_end->reserved_at_us, record->batch_end->settled_at_us,
                       record->batch_end->counted_pico_usd);
        return;
    default:
        return;
    }
}
