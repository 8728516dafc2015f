// Clock: readings, ISO 8601 text, and durations as systemd writes them.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CLOCK_TEXT_MAX 32 // "2026-11-25T16:00:44.123456Z" and its NUL

// Microseconds since 1970-01-01T00:00:00Z.
static inline int64_t clock_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

// Microseconds that never go backwards; for deadlines and durations.
static inline int64_t clock_monotonic_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

// Writes `time_us` (since 1970) as "2026-11-25T16:00:44Z", UTC. Returns `text`.
static inline const char *clock_format_utc(int64_t time_us, char text[static CLOCK_TEXT_MAX])
{
    time_t seconds = (time_t)(time_us / 1000000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    strftime(text, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return text;
}

// Reads a duration in systemd's form: "20min", "1h 30min", "500ms", "90" (seconds), "infinity".
// Units: us ms s/sec/second(s) m/min/minute(s) h/hr/hour(s) d/day(s) w/week(s) (systemd.time(7)).
// Whole numbers only. "infinity" gives INT64_MAX. Returns false, leaving the output alone,
// otherwise.
static inline bool clock_parse_duration(const char *text, int64_t *duration_us)
{
    static const struct {
        const char *name;
        int64_t us;
    } units[] = {
        {"us", 1},
        {"usec", 1},
        {"ms", 1000},
        {"msec", 1000},
        {"", 1000000},
        {"s", 1000000},
        {"sec", 1000000},
        {"second", 1000000},
        {"seconds", 1000000},
        {"m", 60000000},
        {"min", 60000000},
        {"minute", 60000000},
        {"minutes", 60000000},
        {"h", 3600000000},
        {"hr", 3600000000},
        {"hour", 3600000000},
        {"hours", 3600000000},
        {"d", 86400000000},
        {"day", 86400000000},
        {"days", 86400000000},
        {"w", 604800000000},
        {"week", 604800000000},
        {"weeks", 604800000000},
    };
    int64_t total = 0;
    bool any = false;
    if (strcmp(text, "infinity") == 0) {
        *duration_us = INT64_MAX;
        return true;
    }
    while (*text != '\0') {
        while (*text == ' ')
            text++;
        if (*text == '\0')
            break;
        int64_t number = 0;
        const char *start = text;
        for (; *text >= '0' && *text <= '9'; text++)
            if (__builtin_mul_overflow(number, 10, &number) ||
                __builtin_add_overflow(number, *text - '0', &number))
                return false;
        if (text == start)
            return false;
        while (*text == ' ')
            text++;
        size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz");
        int64_t unit = 0;
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
            if (strlen(units[i].name) == length && memcmp(units[i].name, text, length) == 0)
                unit = units[i].us;
        if (unit == 0 || __builtin_mul_overflow(number, unit, &number) ||
            __builtin_add_overflow(total, number, &total))
            return false;
        text += length;
        any = true;
    }
    if (any)
        *duration_us = total;
    return any;
}

// Writes a duration for people: "850ms", "42s", "3min 20s", "2h 5min". Returns `text`.
static inline const char *clock_format_duration(int64_t duration_us,
                                                char text[static CLOCK_TEXT_MAX])
{
    long long ms = (long long)(duration_us / 1000);
    long long seconds = ms / 1000;
    if (duration_us == INT64_MAX)
        snprintf(text, CLOCK_TEXT_MAX, "infinity");
    else if (ms < 1000)
        snprintf(text, CLOCK_TEXT_MAX, "%lldms", ms);
    else if (seconds < 60)
        snprintf(text, CLOCK_TEXT_MAX, "%lld.%llds", seconds, ms % 1000 / 100);
    else if (seconds < 3600)
        snprintf(text, CLOCK_TEXT_MAX, "%lldmin %llds", seconds / 60, seconds % 60);
    else
        snprintf(text, CLOCK_TEXT_MAX, "%lldh %lldmin", seconds / 3600, seconds / 60 % 60);
    return text;
}
