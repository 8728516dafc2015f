// Report range: the times that people write for --since and --until. Pure but for TZ.
#pragma once

#include "error.h"

#include <stdint.h>

// Reads `text` as a time, in the process's zone unless it ends with Z:
//     2026-11-25   2026-11-25 16:00   2026-11-25T16:00:44   2026-11-25T16:00:44Z
//     now   today   yesterday   7d, 36h, 30min (so long before now)
// A date is its first moment. -EINVAL names the value and the accepted form.
int report_time_parse(const char *text, int64_t now_us, int64_t *time_us, struct error *err);

// The first moment of the day `days` before the one that `now_us` is in.
int64_t report_day_start(int64_t now_us, int days);

// The process's zone as a name that Postgres knows: $TZ, what the file in it or /etc/localtime is a
// link to, or "UTC".
const char *report_zone_find(char *name, size_t size);
