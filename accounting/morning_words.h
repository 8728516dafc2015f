// Morning words: dates, shares and amounts of the morning report as people read them. For
// morning_document*.c and morning_csv.c.
#pragma once

#include "money.h"
#include "morning_report.h"

#define MORNING_DATE_MAX 48
#define MORNING_SHARE_MAX 24

// The day at `index` of the report: "24 Nov", "Tuesday, 24 November 2026", "2026-11-24", "Tuesday".
enum morning_date {
    MORNING_DATE_SHORT,
    MORNING_DATE_LONG,
    MORNING_DATE_ISO,
    MORNING_DATE_WEEKDAY,
    MORNING_DATE_MONTH
};
const char *morning_format_date(const struct morning_report *report, size_t index,
                                enum morning_date form, char text[static MORNING_DATE_MAX]);

// A moment in the report's zone: "25 Nov 21:09".
const char *morning_format_moment(const struct morning_report *report, int64_t time_us,
                                  char text[static MORNING_DATE_MAX]);

// `part` of `whole` in thousandths; 0 of nothing.
int morning_permille(int64_t part, int64_t whole);

// 927 as "92.7%"; below 0 as "-".
const char *morning_format_share(int64_t permille, char text[static MORNING_SHARE_MAX]);

// "cost", or "API-equivalent" where a subscription covers all of it.
const char *morning_cost_word(int64_t cost_pico_usd, int64_t equivalent_pico_usd);

// "run of 3" needs "s"? "" for one, else "s".
const char *morning_plural(int64_t count);
