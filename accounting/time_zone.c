// Time zone: see time_zone.h. A zone is a list of transitions; the rule for the years behind the
// last one is spelled out into transitions when the zone is read.
#include "time_zone.h"

#include "cleanup.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ZONE_DIRECTORY "/usr/share/zoneinfo/"
#define HEADER_BYTES 44
#define DAY_S INT64_C(86400)
#define RULE_FIRST_YEAR 1969     // so that 1970 begins as it should
#define OFFSET_MAX_S (26 * 3600) // beyond any that ever was

struct transition {
    int64_t at_s; // since 1970, UTC
    int64_t offset_s;
};

struct time_zone {
    int64_t first_offset_s; // before all transitions
    size_t count;
    struct transition transitions[]; // ascending; room for TIME_ZONE_TRANSITIONS_MAX while read
};

// Days since 1970-01-01 of a date in the Gregorian calendar, from the count of leap days before it.
static int64_t day_of_date(int64_t year, int month, int day)
{
    static const int days_before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t leap_years = month > 2 ? year : year - 1; // that have had their February
    return (year - 1970) * 365 + (leap_years / 4 - leap_years / 100 + leap_years / 400 - 477) +
           days_before[month - 1] + day - 1;
}

int64_t time_zone_month_first_day(int64_t day, int months)
{
    int64_t year = 1970 + day / 366 - 1; // too early by a few years at most
    while (day_of_date(year + 1, 1, 1) <= day)
        year++;
    int month = 12;
    while (day_of_date(year, month, 1) > day)
        month--;
    month += months;
    return day_of_date(year + (month - 1) / 12, (month - 1) % 12 + 1, 1);
}

int64_t time_zone_offset_s(const struct time_zone *zone, int64_t time_s, int64_t *until_s)
{
    size_t low = 0, high = zone->count; // transitions before `low` are not after `time_s`
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (zone->transitions[middle].at_s <= time_s)
            low = middle + 1;
        else
            high = middle;
    }
    if (until_s != NULL)
        *until_s = low < zone->count ? zone->transitions[low].at_s : INT64_MAX;
    return low == 0 ? zone->first_offset_s : zone->transitions[low - 1].offset_s;
}

int64_t time_zone_day_start_s(const struct time_zone *zone, int64_t day)
{
    int64_t midnight_s = day * DAY_S; // by the local clock
    int64_t from_s = midnight_s - OFFSET_MAX_S;
    for (;;) {
        int64_t until_s;
        int64_t shown_s = midnight_s - time_zone_offset_s(zone, from_s, &until_s);
        if (shown_s < until_s) // else the clocks are set before they show it
            return shown_s > from_s ? shown_s : from_s;
        from_s = until_s;
    }
}

int64_t time_zone_day(const struct time_zone *zone, int64_t time_s)
{
    int64_t local_s = time_s + time_zone_offset_s(zone, time_s, NULL);
    int64_t day = local_s / DAY_S - (local_s % DAY_S < 0);
    // Clocks that are set back over midnight show the day before once more.
    while (time_zone_day_start_s(zone, day) > time_s)
        day--;
    while (time_zone_day_start_s(zone, day + 1) <= time_s)
        day++;
    return day;
}

static int refuse(struct error *err, const char *name, const char *why)
{
    return error_set(err, -EINVAL, "time zone \"%s\": its file %s", name, why);
}

static bool add_transition(struct time_zone *zone, int64_t at_s, int64_t offset_s)
{
    if (zone->count == TIME_ZONE_TRANSITIONS_MAX || offset_s < -OFFSET_MAX_S ||
        offset_s > OFFSET_MAX_S)
        return false;
    if (zone->count > 0 && zone->transitions[zone->count - 1].at_s >= at_s)
        return false;
    zone->transitions[zone->count++] = (struct transition){at_s, offset_s};
    return true;
}

// The rule behind the transitions is a POSIX TZ: "CET-1CEST,M3.5.0,M10.5.0/3". Each of the readers
// moves *text past what it reads and returns false for what it cannot read.

// A date in each year, and the local time of the clocks' change on it.
struct rule_date {
    char
        form; // 'M' (month.week.weekday), 'J' (day 1 to 365, never February 29), '0' (day 0 to 365)
    int64_t month, week, day;
    int64_t time_s;
};

static bool read_number(const char **text, int64_t least, int64_t most, int64_t *number)
{
    const char *start = *text;
    *number = 0;
    while (isdigit((unsigned char)**text) && *text - start < 4)
        *number = *number * 10 + (*(*text)++ - '0');
    return *text > start && *number >= least && *number <= most;
}

static bool read_character(const char **text, char character)
{
    if (**text != character)
        return false;
    (*text)++;
    return true;
}

// "CEST" or "<+0330>"; the letters are of no interest.
static bool read_abbreviation(const char **text)
{
    const char *start = *text;
    if (read_character(text, '<')) {
        while (isalnum((unsigned char)**text) || **text == '+' || **text == '-')
            (*text)++;
        return read_character(text, '>');
    }
    while (isalpha((unsigned char)**text))
        (*text)++;
    return *text > start;
}

// "-3", "5:30", "+02:00:00" in seconds.
static bool read_time(const char **text, int64_t *time_s)
{
    int64_t hours, minutes = 0, seconds = 0;
    bool negative = read_character(text, '-');
    if (!negative)
        read_character(text, '+');
    if (!read_number(text, 0, 167, &hours) ||
        (read_character(text, ':') && !read_number(text, 0, 59, &minutes)) ||
        (read_character(text, ':') && !read_number(text, 0, 59, &seconds)))
        return false;
    *time_s = hours * 3600 + minutes * 60 + seconds;
    if (negative)
        *time_s = -*time_s;
    return true;
}

// ",M3.5.0/2"
static bool read_rule_date(const char **text, struct rule_date *date)
{
    *date = (struct rule_date){.form = '0', .time_s = 2 * 3600};
    if (!read_character(text, ','))
        return false;
    if (read_character(text, 'M')) {
        date->form = 'M';
        if (!read_number(text, 1, 12, &date->month) || !read_character(text, '.') ||
            !read_number(text, 1, 5, &date->week) || !read_character(text, '.') ||
            !read_number(text, 0, 6, &date->day))
            return false;
    } else {
        if (read_character(text, 'J'))
            date->form = 'J';
        if (!read_number(text, date->form == 'J', 365, &date->day))
            return false;
    }
    return !read_character(text, '/') || read_time(text, &date->time_s);
}

// The local time of a date's change in a year, in seconds since 1970 by the local clock.
static int64_t rule_date_s(const struct rule_date *date, int64_t year)
{
    int64_t day = day_of_date(year, 1, 1) + date->day;
    bool is_leap = day_of_date(year, 3, 1) - day_of_date(year, 2, 1) == 29;
    if (date->form == 'J') {
        day -= date->day < 60 || !is_leap;
    } else if (date->form == 'M') {
        int64_t first = day_of_date(year, (int)date->month, 1);
        int64_t next = time_zone_month_first_day(first, 1);
        int64_t weekday =
            (first + 4 + 53 * 7) % 7; // 1970-01-01 was a Thursday; no year before 1969
        day = first + (date->day - weekday + 7) % 7 + (date->week - 1) * 7;
        if (day >= next) // week 5 is the last
            day -= 7;
    }
    return day * DAY_S + date->time_s;
}

// Adds the transitions of the rule behind those that the zone has.
static bool add_rule(struct time_zone *zone, const char *text)
{
    struct rule_date summer, winter;
    int64_t west_s, summer_offset_s;
    if (*text == '\0')
        return true; // nothing is said of those years
    if (!read_abbreviation(&text) || !read_time(&text, &west_s))
        return false;
    int64_t offset_s = -west_s;
    int64_t last_s = zone->count > 0 ? zone->transitions[zone->count - 1].at_s : INT64_MIN;
    if (zone->count == 0)
        zone->first_offset_s = offset_s;
    if (*text == '\0')
        return true;
    if (!read_abbreviation(&text))
        return false;
    summer_offset_s = offset_s + 3600;
    if (*text != ',') {
        if (!read_time(&text, &west_s))
            return false;
        summer_offset_s = -west_s;
    }
    if (!read_rule_date(&text, &summer) || !read_rule_date(&text, &winter) || *text != '\0')
        return false;
    for (int64_t year = RULE_FIRST_YEAR; year <= TIME_ZONE_LAST_YEAR; year++) {
        struct transition to_summer = {rule_date_s(&summer, year) - offset_s, summer_offset_s};
        struct transition to_winter = {rule_date_s(&winter, year) - summer_offset_s, offset_s};
        bool north = to_summer.at_s < to_winter.at_s;
        struct transition in_order[] = {north ? to_summer : to_winter,
                                        north ? to_winter : to_summer};
        for (int i = 0; i < 2; i++)
            if (in_order[i].at_s > last_s &&
                !add_transition(zone, in_order[i].at_s, in_order[i].offset_s))
                return false;
    }
    return true;
}

static int64_t read_big_endian(const uint8_t *bytes, size_t size)
{
    uint64_t value = bytes[0] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | bytes[i];
    return (int64_t)value;
}

// A block of the file: a header with the counts of what follows it.
struct block {
    const uint8_t *data; // behind the header
    size_t times, types, characters, length;
};

// `time_size`: bytes of a time, 4 in the first block, 8 in the second.
static bool read_block(const uint8_t *bytes, size_t length, size_t time_size, struct block *block)
{
    size_t counts[6]; // UT marks, standard marks, leap seconds, times, types, characters
    if (length < HEADER_BYTES || memcmp(bytes, "TZif", 4) != 0 || bytes[4] < '2')
        return false;
    for (size_t i = 0; i < 6; i++) {
        int64_t count = read_big_endian(bytes + 20 + 4 * i, 4);
        if (count < 0 || count > TIME_ZONE_FILE_MAX)
            return false;
        counts[i] = (size_t)count;
    }
    block->data = bytes + HEADER_BYTES;
    block->times = counts[3];
    block->types = counts[4];
    block->characters = counts[5];
    block->length = counts[0] + counts[1] + counts[2] * (time_size + 4) +
                    counts[3] * (time_size + 1) + counts[4] * 6 + counts[5];
    return counts[2] == 0 && block->types > 0 && block->length <= length - HEADER_BYTES;
}

static bool add_transitions(struct time_zone *zone, const struct block *block)
{
    const uint8_t *type_of = block->data + block->times * 8;
    const uint8_t *types = type_of + block->times;
    zone->first_offset_s = read_big_endian(types, 4);
    for (size_t i = 0; i < block->times; i++)
        if (type_of[i] >= block->types ||
            !add_transition(zone, read_big_endian(block->data + 8 * i, 8),
                            read_big_endian(types + 6 * (size_t)type_of[i], 4)))
            return false;
    return zone->first_offset_s >= -OFFSET_MAX_S && zone->first_offset_s <= OFFSET_MAX_S;
}

int time_zone_parse(struct time_zone **zone, const char *name, const uint8_t *bytes, size_t length,
                    struct error *err)
{
    struct block first, second;
    char rule[128] = "";
    cleanup_free struct time_zone *parsed =
        calloc(1, sizeof(*parsed) + TIME_ZONE_TRANSITIONS_MAX * sizeof(struct transition));
    if (parsed == NULL)
        return error_set(err, -ENOMEM, "time zone \"%s\": out of memory", name);
    if (!read_block(bytes, length, 4, &first))
        return refuse(err, name,
                      "is not in the form of RFC 8536, version 2 or later, without leap "
                      "seconds");
    size_t skipped = HEADER_BYTES + first.length;
    if (!read_block(bytes + skipped, length - skipped, 8, &second) ||
        !add_transitions(parsed, &second))
        return refuse(err, name, "is damaged");
    const char *text = (const char *)second.data + second.length;
    size_t text_length = (size_t)((const char *)bytes + length - text);
    if (text_length < 2 || text_length > sizeof(rule) || text[0] != '\n' ||
        text[text_length - 1] != '\n')
        return refuse(err, name, "has no rule at its end");
    memcpy(rule, text + 1, text_length - 2);
    if (!add_rule(parsed, rule))
        return refuse(err, name, "ends with a rule that is not understood");
    struct time_zone *shrunk =
        realloc(parsed, sizeof(*parsed) + parsed->count * sizeof(struct transition));
    if (shrunk == NULL)
        return error_set(err, -ENOMEM, "time zone \"%s\": out of memory", name);
    parsed = NULL;
    *zone = shrunk;
    return 0;
}

static bool is_zone_name(const char *name)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-/";
    return *name != '\0' && *name != '/' && strspn(name, letters) == strlen(name) &&
           strlen(name) < TIME_ZONE_NAME_MAX;
}

int time_zone_load(struct time_zone **zone, const char *name, struct error *err)
{
    char path[sizeof(ZONE_DIRECTORY) + TIME_ZONE_NAME_MAX];
    if (strcmp(name, "UTC") == 0) {
        struct time_zone *utc = calloc(1, sizeof(*utc));
        if (utc == NULL)
            return error_set(err, -ENOMEM, "time zone \"%s\": out of memory", name);
        *zone = utc;
        return 0;
    }
    if (!is_zone_name(name))
        return error_set(err, -EINVAL,
                         "time zone \"%.80s\": write UTC or a name of the tz database, like "
                         "Europe/Berlin",
                         name);
    snprintf(path, sizeof(path), ZONE_DIRECTORY "%s", name);
    cleanup_file FILE *file = fopen(path, "re");
    if (file == NULL)
        return error_set_errno(err, -errno,
                               "time zone \"%s\": write UTC or a name of the tz database, like "
                               "Europe/Berlin: %s",
                               name, path);
    cleanup_free uint8_t *bytes = malloc(TIME_ZONE_FILE_MAX);
    if (bytes == NULL)
        return error_set(err, -ENOMEM, "time zone \"%s\": out of memory", name);
    size_t length = fread(bytes, 1, TIME_ZONE_FILE_MAX, file);
    if (ferror(file))
        return error_set(err, -EINVAL,
                         "time zone \"%s\": %s cannot be read: write UTC or a name of the tz "
                         "database, like Europe/Berlin",
                         name, path);
    return time_zone_parse(zone, name, bytes, length, err);
}

void time_zone_free(struct time_zone *zone)
{
    free(zone);
}
