// Report count: large numbers as people read them. Pure.
#pragma once

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

#define REPORT_COUNT_MAX 24

// Up to five digits as they are, then 123.4K, 12.3M, 1.2G, rounded half up. Returns `text`.
static inline const char *report_format_count(int64_t count, char text[static REPORT_COUNT_MAX])
{
    static const char units[] = "KMGTPE";
    if (count < 100000) {
        snprintf(text, REPORT_COUNT_MAX, "%" PRId64, count);
        return text;
    }
    int64_t tenths = count / 100 + (count % 100 >= 50);
    size_t unit = 0;
    while (tenths >= 10000) {
        tenths = tenths / 1000 + (tenths % 1000 >= 500);
        unit++;
    }
    snprintf(text, REPORT_COUNT_MAX, "%" PRId64 ".%" PRId64 "%c", tenths / 10, tenths % 10,
             units[unit]);
    return text;
}
