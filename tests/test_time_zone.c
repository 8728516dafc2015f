// Tests of time_zone.c: against the C library in every zone, and days and months where clocks
// change.
#include "cleanup.h"
#include "suite_run.h"
#include "time_zone.h"

#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAY_S 86400
#define MOMENTS 3000 // tried in each zone

static struct time_zone *load(const char *name)
{
    struct time_zone *zone = NULL;
    struct error err = {0};
    ck_assert_msg(time_zone_load(&zone, name, &err) == 0, "%s", err.text);
    return zone;
}

// A moment by the clock of UTC.
static int64_t utc(int year, int month, int day, int hour, int minute)
{
    struct tm parts = {.tm_year = year - 1900,
                       .tm_mon = month - 1,
                       .tm_mday = day,
                       .tm_hour = hour,
                       .tm_min = minute};
    return timegm(&parts);
}

// Random moments from 1970 to 2100, beyond the 2037 at which the files end.
static void compare_with_library(const struct time_zone *zone, const char *name, uint64_t *state)
{
    setenv("TZ", name, 1);
    tzset();
    for (int i = 0; i < MOMENTS; i++) {
        *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        time_t time_s = (time_t)((*state >> 20) % (UINT64_C(130) * 365 * DAY_S));
        struct tm parts;
        localtime_r(&time_s, &parts);
        if (time_zone_offset_s(zone, time_s, NULL) != parts.tm_gmtoff)
            ck_abort_msg("%s at %" PRId64 ": %" PRId64 " s, not %ld", name, (int64_t)time_s,
                         time_zone_offset_s(zone, time_s, NULL), parts.tm_gmtoff);
    }
}

START_TEST(offsets_are_those_of_the_library)
{
    cleanup_file FILE *list = fopen("/usr/share/zoneinfo/tzdata.zi", "r");
    ck_assert_ptr_nonnull(list);
    char line[256];
    uint64_t state = 20261125;
    int count = 0;
    while (fgets(line, sizeof(line), list) != NULL) {
        char name[TIME_ZONE_NAME_MAX];
        if (sscanf(line, "Z %63s", name) != 1)
            continue;
        struct time_zone *zone = load(name);
        compare_with_library(zone, name, &state);
        time_zone_free(zone);
        count++;
    }
    ck_assert_int_gt(count, 300);
}
END_TEST

// A file without transitions that ends with `rule`.
static int parse_rule(const char *rule, struct time_zone **zone)
{
    // The counts are those of UT marks, standard marks, leap seconds, times, types and characters.
    static const uint8_t block[] = {'T', 'Z', 'i', 'f', '2', [39] = 1, [43] = 1, [50] = 0};
    uint8_t bytes[2 * sizeof(block) + 130];
    memcpy(bytes, block, sizeof(block));
    memcpy(bytes + sizeof(block), block, sizeof(block));
    int length = snprintf((char *)bytes + 2 * sizeof(block), 130, "\n%s\n", rule);
    return time_zone_parse(zone, "rule", bytes, 2 * sizeof(block) + (size_t)length, NULL);
}

START_TEST(rules_are_read_as_the_library_reads_them)
{
    static const char *const rules[] = {"CET-1CEST,M3.5.0,M10.5.0/3",
                                        "EST5EDT,M3.2.0,M11.1.0",
                                        "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
                                        "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
                                        "IST-2IDT,M3.4.4/26,M10.5.0",
                                        "AAA3BBB,J60,J300/1:30:15",
                                        "AAA3BBB1,59/-3,J59",
                                        "<+0545>-5:45"};
    uint64_t state = 7;
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        struct time_zone *zone = NULL;
        ck_assert_int_eq(parse_rule(rules[i], &zone), 0);
        compare_with_library(zone, rules[i], &state);
        time_zone_free(zone);
    }
}
END_TEST

START_TEST(bad_rule_is_refused)
{
    static const char *const rules[] = {"CET",
                                        "CET-1CEST",
                                        "CET-1CEST,M3.5.0",
                                        "CET-1CEST,M13.1.0,J1",
                                        "CET-1CEST,M3.5.0,M10.5.0/",
                                        "CET-1CEST,M3.5.7,J1",
                                        "<CET-1",
                                        "CET-1CEST,J0,J1",
                                        "CET-1CEST,366,J1",
                                        "CET-200",
                                        "-1",
                                        "CET-1CEST,M3.5.0,M10.5.0/3 "};
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        struct time_zone *zone = NULL;
        ck_assert_int_eq(parse_rule(rules[i], &zone), -EINVAL);
    }
}
END_TEST

START_TEST(days_begin_where_clocks_say)
{
    static const struct {
        const char *zone;
        int date[3];
        int start[5]; // UTC
        int hours;    // its length
    } days[] = {
        {"UTC", {2026, 11, 25}, {2026, 11, 25, 0, 0}, 24},
        {"Europe/Berlin", {2026, 11, 25}, {2026, 11, 24, 23, 0}, 24},
        {"Europe/Berlin", {2026, 3, 29}, {2026, 3, 28, 23, 0}, 23},
        {"Europe/Berlin", {2026, 10, 25}, {2026, 10, 24, 22, 0}, 25},
        {"Europe/Berlin", {2090, 3, 26}, {2090, 3, 25, 23, 0}, 23}, // by the rule alone
        {"America/New_York", {2026, 11, 1}, {2026, 11, 1, 4, 0}, 25},
        {"Asia/Kolkata", {2026, 11, 25}, {2026, 11, 24, 18, 30}, 24},
        {"America/Sao_Paulo", {2018, 11, 4}, {2018, 11, 4, 3, 0}, 23}, // began at 1:00
        {"America/Sao_Paulo", {2018, 2, 17}, {2018, 2, 17, 2, 0}, 25}, // 23:00 came twice
        {"America/Havana", {2025, 11, 2}, {2025, 11, 2, 4, 0}, 25},    // 0:00 came twice
        {"Pacific/Apia", {2011, 12, 29}, {2011, 12, 29, 10, 0}, 24},   // and then the 31st
        {"Pacific/Apia", {2011, 12, 30}, {2011, 12, 30, 10, 0}, 0},    // never was
        {"Pacific/Apia", {2011, 12, 31}, {2011, 12, 30, 10, 0}, 24},
    };
    for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++) {
        struct time_zone *zone = load(days[i].zone);
        const int *date = days[i].date, *start = days[i].start;
        int64_t day = utc(date[0], date[1], date[2], 0, 0) / DAY_S;
        int64_t start_s = utc(start[0], start[1], start[2], start[3], start[4]);
        int64_t end_s = start_s + days[i].hours * 3600;
        ck_assert_int_eq(time_zone_day_start_s(zone, day), start_s);
        ck_assert_int_eq(time_zone_day_start_s(zone, day + 1), end_s);
        if (days[i].hours > 0) {
            ck_assert_int_eq(time_zone_day(zone, start_s), day);
            ck_assert_int_eq(time_zone_day(zone, end_s - 1), day);
            ck_assert_int_lt(time_zone_day(zone, start_s - 1), day);
            ck_assert_int_gt(time_zone_day(zone, end_s), day);
        }
        time_zone_free(zone);
    }
}
END_TEST

START_TEST(months_begin_on_their_first_day)
{
    static const int months[][6] = {// a date, the first day of the month after it
                                    {2026, 11, 25, 2026, 12, 1}, {2026, 12, 31, 2027, 1, 1},
                                    {2024, 2, 29, 2024, 3, 1},   {2100, 2, 28, 2100, 3, 1},
                                    {1970, 1, 1, 1970, 2, 1},    {2000, 2, 1, 2000, 3, 1}};
    for (size_t i = 0; i < sizeof(months) / sizeof(months[0]); i++) {
        const int *date = months[i];
        int64_t day = utc(date[0], date[1], date[2], 0, 0) / DAY_S;
        ck_assert_int_eq(time_zone_month_first_day(day, 0), utc(date[0], date[1], 1, 0, 0) / DAY_S);
        ck_assert_int_eq(time_zone_month_first_day(day, 1),
                         utc(date[3], date[4], date[5], 0, 0) / DAY_S);
    }
}
END_TEST

START_TEST(bad_name_is_refused)
{
    static const char *const names[] = {
        "",       "/etc/localtime", "../zoneinfo/UTC", "Europe/Berlin ", "Europe/Atlantis",
        "Europe", "tzdata.zi",      "leapseconds"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct time_zone *zone = NULL;
        struct error err = {0};
        ck_assert_int_lt(time_zone_load(&zone, names[i], &err), 0);
        ck_assert_ptr_null(zone);
        ck_assert_ptr_nonnull(strstr(err.text, names[i]));
    }
}
END_TEST

START_TEST(damaged_file_is_refused)
{
    cleanup_file FILE *file = fopen("/usr/share/zoneinfo/Europe/Berlin", "r");
    ck_assert_ptr_nonnull(file);
    uint8_t bytes[8192];
    size_t length = fread(bytes, 1, sizeof(bytes), file);
    struct time_zone *zone = NULL;
    for (size_t cut = 0; cut < length; cut++)
        ck_assert_int_eq(time_zone_parse(&zone, "cut", bytes, cut, NULL), -EINVAL);
    ck_assert_int_eq(time_zone_parse(&zone, "whole", bytes, length, NULL), 0);
    time_zone_free(zone);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("time_zone");
    TCase *cases = tcase_create("time_zone");
    tcase_set_timeout(cases, 120);
    tcase_add_test(cases, offsets_are_those_of_the_library);
    tcase_add_test(cases, rules_are_read_as_the_library_reads_them);
    tcase_add_test(cases, bad_rule_is_refused);
    tcase_add_test(cases, days_begin_where_clocks_say);
    tcase_add_test(cases, months_begin_on_their_first_day);
    tcase_add_test(cases, bad_name_is_refused);
    tcase_add_test(cases, damaged_file_is_refused);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
