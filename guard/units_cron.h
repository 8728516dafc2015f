// Units for cron: a calendar expression of systemd's as the five fields of a crontab. Pure.
#pragma once

#include "error.h"

#define UNITS_CRON_MAX 512

// Translates systemd.time(7)'s "hourly", "Mon..Fri 08:30", "*-*-1,15 6/6:00", …: weekdays, date and
// time, each of which may be missing. -EINVAL: it is no such expression, or says what a crontab
// cannot: seconds, years, time zones, last days of a month, a weekday as well as a day.
int units_cron_schedule(const char *on_calendar, char schedule[static UNITS_CRON_MAX],
                        struct error *err);
