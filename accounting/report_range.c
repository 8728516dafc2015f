// Report range: see report_range.h.
#include "report_range.h"

#include "clock.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int64_t report_day_start(int64_t now_us, int days)
{
    time_t seconds = (time_t)(now_us / 1000000);
    struct tm parts;
    localtime_r(&seconds, &parts);
    parts.tm_mday -= days;
    parts.tm_hour = parts.tm_min = parts.tm_sec = 0;
    parts.tm_isdst = -1;
    return (int64_t)mktime(&parts) * 1000000;
}

// True if nothing but "Z" or the end is left, and the date is one: mktime() would make the 30th of
// February the 2nd of March.
static bool read_calendar(const char *text, int64_t *time_us)
{
    static const char *const forms[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M",
                                        "%Y-%m-%d %H:%M", "%Y-%m-%d"};
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct tm parts = {.tm_isdst = -1};
        const char *rest = strptime(text, forms[i], &parts);
        if (rest == NULL)
            continue;
        bool utc = strcmp(rest, "Z") == 0;
        if (!utc && *rest != '\0')
            continue;
        struct tm normal = parts;
        time_t seconds = utc ? timegm(&normal) : mktime(&normal);
        if (normal.tm_mday != parts.tm_mday || normal.tm_mon != parts.tm_mon)
            return false;
        *time_us = (int64_t)seconds * 1000000;
        return true;
    }
    return false;
}

int report_time_parse(const char *text, int64_t now_us, int64_t *time_us, struct error *err)
{
    int64_t ago_us;
    if (strcmp(text, "now") == 0)
        *time_us = now_us;
    else if (strcmp(text, "today") == 0)
        *time_us = report_day_start(now_us, 0);
    else if (strcmp(text, "yesterday") == 0)
        *time_us = report_day_start(now_us, 1);
    else if (clock_parse_duration(text, &ago_us) && ago_us < now_us)
        *time_us = now_us - ago_us;
    else if (!read_calendar(text, time_us))
        return error_set(err, -EINVAL,
                         "'%s' is no time; write 2026-11-25, 2026-11-25T16:00, today, yesterday, "
                         "now, or so long ago: 7d, 36h",
                         text);
    return 0;
}

const char *report_zone_find(char *name, size_t size)
{
    static const char database[] = "zoneinfo/";
    char target[256];
    const char *zone = getenv("TZ");
    zone = zone != NULL && *zone == ':' ? zone + 1 : zone;
    bool is_file = zone == NULL || *zone == '\0' || *zone == '/';
    if (!is_file) {
        snprintf(name, size, "%s", zone);
        return name;
    }
    const char *file = zone == NULL || *zone == '\0' ? "/etc/localtime" : zone;
    ssize_t length = readlink(file, target, sizeof(target) - 1);
    if (length < 0) // no link: the file of the zone itself
        length = snprintf(target, sizeof(target), "%.200s", file);
    target[length] = '\0';
    const char *found = strstr(target, database);
    snprintf(name, size, "%s", found == NULL ? "UTC" : found + strlen(database));
    return name;
}
