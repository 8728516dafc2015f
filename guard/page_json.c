// Page JSON: what the page shows: a status, cut to what fits on a page, and the day's curve.

#include "page_json.h"

#include "clock.h"
#include "money.h"
#include "serve_page.h"
#include "status.h"

#include <jansson.h>

#define PICO_USD_PER_MICRO_USD 1000000

static json_t *curve_json(const struct day_curve *curve, const char *zone)
{
    char start[CLOCK_TEXT_MAX], end[CLOCK_TEXT_MAX], known[CLOCK_TEXT_MAX], spent[MONEY_TEXT_MAX];
    json_t *points = json_array();
    for (int i = curve->first_step; i <= curve->last_step; i++)
        json_array_append_new(points, json_integer(curve->totals[i] / PICO_USD_PER_MICRO_USD));
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:i, s:i, s:o}", "zone", zone, "start",
                     clock_format_utc(curve->day_start_s * 1000000, start), "end",
                     clock_format_utc(curve->day_end_s * 1000000, end), "spent_usd",
                     money_format_exact(curve->total_pico_usd, 2, spent), "known_from",
                     clock_format_utc(curve->known_from_s * 1000000, known), "known_micro_usd",
                     (json_int_t)(curve->known_pico_usd / PICO_USD_PER_MICRO_USD), "step_s",
                     DAY_CURVE_STEP_S, "first_step", curve->first_step, "curve_micro_usd", points);
}

char *page_json_make(struct status *status, const struct day_curve *curve, const char *zone)
{
    size_t runs = status->run_count, waiting = status->waiting_count;
    if (status->run_count > PAGE_RUNS_MAX)
        status->run_count = PAGE_RUNS_MAX;
    if (status->waiting_count > PAGE_WAITING_MAX)
        status->waiting_count = PAGE_WAITING_MAX;
    json_t *json = status_json(status);
    int failed = json_object_set_new(json, "today", curve_json(curve, zone)) |
                 json_object_set_new(json, "runs_total", json_integer((json_int_t)runs)) |
                 json_object_set_new(json, "waiting_total", json_integer((json_int_t)waiting));
    char *text = failed == 0 ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}
