// Time zone: offsets of one zone of the tz database, without the process-wide TZ of localtime(3).
//
// Reads /usr/share/zoneinfo (RFC 8536), the rule for the years after its last transition included.
// "UTC" needs no file.
#pragma once

#include "error.h"

#include <stdint.h>

#define TIME_ZONE_NAME_MAX 64         // bytes with NUL
#define TIME_ZONE_LAST_YEAR 2100      // the last one that the rule is applied to
#define TIME_ZONE_FILE_MAX (64 << 10) // bytes
#define TIME_ZONE_TRANSITIONS_MAX 4096

struct time_zone;

// `name` as in the tz database: "UTC", "Europe/Berlin". Caller frees with time_zone_free().
int time_zone_load(struct time_zone **zone, const char *name, struct error *err);

// The same from the bytes of a file; `name` stands in errors.
int time_zone_parse(struct time_zone **zone, const char *name, const uint8_t *bytes, size_t length,
                    struct error *err);

void time_zone_free(struct time_zone *zone);

// Seconds that local time is ahead of UTC at `time_s` (since 1970, UTC), and until when (may be
// NULL; INT64_MAX: for ever).
int64_t time_zone_offset_s(const struct time_zone *zone, int64_t time_s, int64_t *until_s);

// The number of the local day (0: 1970-01-01) that `time_s` belongs to. Days follow each other
// without gap or overlap, whatever the clocks do at midnight.
int64_t time_zone_day(const struct time_zone *zone, int64_t time_s);

// The moment (since 1970, UTC) at which local clocks first show midnight of `day` or later.
int64_t time_zone_day_start_s(const struct time_zone *zone, int64_t day);

// The day that the month of `day` begins with, `months` (0, 1) months on.
int64_t time_zone_month_first_day(int64_t day, int months);
