// Units for cron: a calendar expression of systemd's as the five fields of a crontab.
//
// Each field becomes the set of its values, a bit each, and is written from that.

#include "units_cron.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WORDS_MAX 3
#define WORD_MAX 128

enum field { MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELDS };

static const struct {
    int first, last;
} bounds[FIELDS] = {{0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 6}};

static const char *const weekdays[] = {"sunday",   "monday", "tuesday", "wednesday",
                                       "thursday", "friday", "saturday"};

struct schedule {
    uint64_t values[FIELDS];
};

static uint64_t values_between(int first, int last, long step)
{
    uint64_t values = 0;
    for (long i = first; i <= last; i += step)
        values |= UINT64_C(1) << i;
    return values;
}

static uint64_t all_values(enum field field)
{
    return values_between(bounds[field].first, bounds[field].last, 1);
}

static const char *written_out(const char *on_calendar)
{
    static const char *const shorthands[][2] = {
        {"minutely", "*-*-* *:*"},
        {"hourly", "*-*-* *:00"},
        {"daily", "*-*-* 00:00"},
        {"weekly", "Mon *-*-* 00:00"},
        {"monthly", "*-*-01 00:00"},
        {"quarterly", "*-01,04,07,10-01 00:00"},
        {"yearly", "*-01-01 00:00"},
        {"annually", "*-01-01 00:00"},
        {"semiannually", "*-01,07-01 00:00"},
    };
    for (size_t i = 0; i < sizeof(shorthands) / sizeof(shorthands[0]); i++)
        if (strcasecmp(on_calendar, shorthands[i][0]) == 0)
            return shorthands[i][1];
    return on_calendar;
}

// Reads a number within the field's bounds, or a weekday's name, of three letters at least, and
// goes past it. Returns -1 if there is none.
static int read_value(const char **text, enum field field)
{
    if (field == WEEKDAY) {
        size_t length = strspn(*text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
        for (int day = 0; length >= 3 && day < 7; day++) {
            if (strncasecmp(*text, weekdays[day], length) != 0 ||
                (length != 3 && length != strlen(weekdays[day])))
                continue;
            *text += length;
            return day;
        }
        return -1;
    }
    if (!isdigit((unsigned char)**text))
        return -1;
    char *end;
    long value = strtol(*text, &end, 10);
    *text = end;
    return value < bounds[field].first || value > bounds[field].last ? -1 : (int)value;
}

// Reads "*", "5", "1..5", each perhaps with "/2", separated by commas.
static bool read_field(const char *text, enum field field, uint64_t *values)
{
    *values = 0;
    for (;; text++) {
        int first = bounds[field].first, last = bounds[field].last;
        long step = 1;
        if (*text == '*') {
            text++;
        } else {
            first = read_value(&text, field);
            if (first < 0)
                return false;
            if (strncmp(text, "..", 2) == 0) {
                text += 2;
                last = read_value(&text, field);
            } else if (*text != '/') {
                last = first;
            }
        }
        if (*text == '/') {
            char *end;
            step = isdigit((unsigned char)text[1]) ? strtol(text + 1, &end, 10) : 0;
            if (step < 1 || step > bounds[field].last)
                return false;
            text = end;
        }
        if (last < 0)
            return false;
        if (field == WEEKDAY && last < first) { // over the week's end
            *values |= values_between(first, 6, step);
            first = 0;
        }
        if (last < first)
            return false;
        *values |= values_between(first, last, step);
        if (*text != ',')
            return *text == '\0';
    }
}

// Parts "A:B" or "A-B" in place. Returns B, or NULL if there is no such thing.
static char *part(char *text, char separator)
{
    char *found = strchr(text, separator);
    if (found != NULL)
        *found++ = '\0';
    return found;
}

static bool read_time(char *word, struct schedule *schedule)
{
    char *minute = part(word, ':');
    char *second = part(minute, ':');
    return (second == NULL || strcmp(second, "00") == 0 || strcmp(second, "0") == 0) &&
           read_field(word, HOUR, &schedule->values[HOUR]) &&
           read_field(minute, MINUTE, &schedule->values[MINUTE]);
}

static bool read_date(char *word, struct schedule *schedule)
{
    char *month = part(word, '-');
    char *day = part(month, '-');
    if (day == NULL) { // without a year
        day = month;
        month = word;
    } else if (strcmp(word, "*") != 0) {
        return false;
    }
    return read_field(month, MONTH, &schedule->values[MONTH]) &&
           read_field(day, DAY, &schedule->values[DAY]);
}

static bool read_schedule(const char *text, struct schedule *schedule)
{
    enum { NOTHING, WEEKDAYS, DATE, TIME } seen = NOTHING;
    char word[WORD_MAX];
    for (enum field field = MINUTE; field < FIELDS; field++)
        schedule->values[field] = all_values(field);
    schedule->values[HOUR] = schedule->values[MINUTE] = 1; // midnight
    while (*(text += strspn(text, " ")) != '\0') {
        size_t length = strcspn(text, " ");
        if (length >= sizeof(word))
            return false;
        memcpy(word, text, length);
        word[length] = '\0';
        text += length;
        bool good = false;
        if (strchr(word, ':') != NULL && seen < TIME) {
            seen = TIME;
            good = read_time(word, schedule);
        } else if (strchr(word, '-') != NULL && seen < DATE) {
            seen = DATE;
            good = read_date(word, schedule);
        } else if (seen < WEEKDAYS) {
            seen = WEEKDAYS;
            good = read_field(word, WEEKDAY, &schedule->values[WEEKDAY]);
        }
        if (!good)
            return false;
    }
    return seen != NOTHING;
}

// Writes a set of values as "*" or "0,15,30-32". Returns the length.
static size_t print_field(uint64_t values, enum field field, char *text, size_t size)
{
    size_t used = 0;
    if (values == all_values(field))
        return (size_t)snprintf(text, size, "*");
    for (int i = bounds[field].first; i <= bounds[field].last; i++) {
        int end = i;
        if ((values >> i & 1) == 0)
            continue;
        while (end < bounds[field].last && (values >> (end + 1) & 1) != 0)
            end++;
        if (end < i + 2)
            end = i; // no range for two
        used += (size_t)snprintf(text + used, size - used, used > 0 ? ",%d" : "%d", i);
        if (end > i)
            used += (size_t)snprintf(text + used, size - used, "-%d", end);
        i = end;
    }
    return used;
}

int units_cron_schedule(const char *on_calendar, char schedule[static UNITS_CRON_MAX],
                        struct error *err)
{
    struct schedule read;
    if (!read_schedule(written_out(on_calendar), &read))
        return error_set(err, -EINVAL,
                         "OnCalendar=%s: a crontab has weekdays, months, days, hours and minutes "
                         "only; write hourly, daily, Mon..Fri 08:30, *-*-1,15 6/6:00 or the like",
                         on_calendar);
    if (read.values[DAY] != all_values(DAY) && read.values[WEEKDAY] != all_values(WEEKDAY))
        return error_set(err, -EINVAL,
                         "OnCalendar=%s: a crontab would take the day of the month or the weekday, "
                         "not both together; write one of them",
                         on_calendar);
    size_t used = 0;
    for (enum field field = MINUTE; field < FIELDS; field++) {
        if (field > MINUTE)
            schedule[used++] = ' ';
        used += print_field(read.values[field], field, schedule + used, UNITS_CRON_MAX - used);
    }
    return 0;
}
