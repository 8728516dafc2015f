// Tests of units.c and units_cron.c.
#include "units.h"

#include "cleanup.h"
#include "suite_run.h"
#include "units_cron.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct config config;
static char *text;
static size_t length;
static FILE *stream;

static void setup(void)
{
    static const char file[] = "[Job outreach]\n"
                               "OnCalendar=Mon..Fri 08:30\n"
                               "RandomizedDelaySec=1h 30min\n"
                               "MemoryMax=1G\n"
                               "TasksMax=256\n"
                               "[Job bare]\n"
                               "OnCalendar=hourly\n"
                               "MemorySwapMax=infinity\n"
                               "TasksMax=infinity\n";
    ck_assert_int_eq(config_parse(&config, "test", file, strlen(file), NULL, NULL), 0);
    stream = open_memstream(&text, &length);
    ck_assert_ptr_nonnull(stream);
}

static void teardown(void)
{
    fclose(stream);
    free(text);
    config_done(&config);
}

static const struct config_job *job_of(const char *name)
{
    return config_find_job(&config, name);
}

static void assert_printed(const char *expected)
{
    fflush(stream);
    ck_assert_str_eq(text, expected);
}

// The lines of a file that are neither comments nor Documentation=.
static char *read_template(const char *path)
{
    char *content, *line = NULL;
    size_t size, capacity = 0;
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "%s", path);
    FILE *kept = open_memstream(&content, &size);
    while (getline(&line, &capacity, file) > 0)
        if (line[0] != '#' && strncmp(line, "Documentation=", 14) != 0)
            fputs(line, kept);
    fclose(kept);
    fclose(file);
    free(line);
    return content;
}

START_TEST(the_service_is_the_package_s_template_and_the_limits)
{
    cleanup_free char *template = read_template("packaging/systemd/reeve@.service");
    units_print_service(job_of("bare"), "/usr/bin/reeve", stream);
    assert_printed(template);
}
END_TEST

START_TEST(the_timer_is_the_package_s_template_and_the_times)
{
    cleanup_free char *template = read_template("packaging/systemd/reeve@.timer");
    units_print_timer(job_of("bare"), stream);
    fflush(stream);
    char *times = strstr(text, "OnCalendar=hourly\n");
    ck_assert_ptr_nonnull(times);
    memmove(times, times + strlen("OnCalendar=hourly\n"), strlen(times));
    ck_assert_str_eq(text, template);
}
END_TEST

START_TEST(drop_ins_say_when_and_how_much)
{
    units_print_timer_drop_in(job_of("outreach"), stream);
    units_print_service_drop_in(job_of("outreach"), stream);
    assert_printed("[Timer]\nOnCalendar=Mon..Fri 08:30\nRandomizedDelaySec=90min\n"
                   "[Service]\nMemoryMax=1107296256\nMemorySwapMax=0\nTasksMax=272\n");
}
END_TEST

START_TEST(no_limit_is_no_line)
{
    units_print_service_drop_in(job_of("bare"), stream);
    assert_printed("[Service]\n");
}
END_TEST

START_TEST(the_program_is_named)
{
    units_print_service(job_of("outreach"), "/opt/reeve", stream);
    fflush(stream);
    ck_assert_ptr_nonnull(strstr(text, "\nExecStart=/opt/reeve run --wait 1h %i\n"));
}
END_TEST

static const struct {
    const char *on_calendar;
    const char *schedule; // NULL: none
} schedules[] = {
    {"minutely", "* * * * *"},
    {"hourly", "0 * * * *"},
    {"Daily", "0 0 * * *"},
    {"weekly", "0 0 * * 1"},
    {"monthly", "0 0 1 * *"},
    {"quarterly", "0 0 1 1,4,7,10 *"},
    {"semiannually", "0 0 1 1,7 *"},
    {"yearly", "0 0 1 1 *"},
    {"annually", "0 0 1 1 *"},
    {"08:30", "30 8 * * *"},
    {"  8:05:00  ", "5 8 * * *"},
    {"Mon..Fri 08:30", "30 8 * * 1-5"},
    {"mon,Wednesday,FRI 7:0", "0 7 * * 1,3,5"},
    {"Fri..Mon 00:00", "0 0 * * 0,1,5,6"},
    {"Sun", "0 0 * * 0"},
    {"*:0/15", "0,15,30,45 * * * *"},
    {"*:5/20", "5,25,45 * * * *"},
    {"*:*/30", "0,30 * * * *"},
    {"6,18:00", "0 6,18 * * *"},
    {"9..17/4:59", "59 9,13,17 * * *"},
    {"*-*-* 00..23:00", "0 * * * *"},
    {"*-*-1,15 6/6:00", "0 6,12,18 1,15 * *"},
    {"02..04-31", "0 0 31 2-4 *"},
    {"*-12-24..26 10:00:0", "0 10 24-26 12 *"},
    {"Tue *-*-* 10:00", "0 10 * * 2"},
    {"", NULL},
    {"   ", NULL},
    {"sometimes", NULL},
    {"Mo 08:30", NULL},
    {"Mond 08:30", NULL},
    {"Mon.Fri 08:30", NULL},
    {"24:00", NULL},
    {"08:60", NULL},
    {"8", NULL},
    {"08:30:15", NULL},
    {"08:30:*", NULL},
    {"08:30 UTC", NULL},
    {"08:30 Europe/Berlin", NULL},
    {"2026-*-* 08:30", NULL},
    {"*-*-32", NULL},
    {"*-0-1", NULL},
    {"*-*~1", NULL},
    {"*:17..5", NULL},
    {"*:0/0", NULL},
    {"*:0/", NULL},
    {"*:0/-5", NULL},
    {"*:,5", NULL},
    {"*:5,", NULL},
    {":", NULL},
    {"-", NULL},
    {"08:30 Mon", NULL},
    {"08:30 09:30", NULL},
    {"Mon *-*-13 08:30", NULL},
    {"*:0/99999999999999999999", NULL},
    {"99999999999999999999:00", NULL},
};

START_TEST(cron_says_the_same_or_nothing)
{
    char schedule[UNITS_CRON_MAX] = "untouched";
    struct error err = {0};
    int result = units_cron_schedule(schedules[_i].on_calendar, schedule, &err);
    ck_assert_msg(result == (schedules[_i].schedule == NULL ? -EINVAL : 0), "'%s': %d %s",
                  schedules[_i].on_calendar, result, result == 0 ? schedule : err.text);
    ck_assert_str_eq(schedule,
                     schedules[_i].schedule == NULL ? "untouched" : schedules[_i].schedule);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("units");
    TCase *units = tcase_create("units");
    tcase_add_checked_fixture(units, setup, teardown);
    tcase_add_test(units, the_service_is_the_package_s_template_and_the_limits);
    tcase_add_test(units, the_timer_is_the_package_s_template_and_the_times);
    tcase_add_test(units, drop_ins_say_when_and_how_much);
    tcase_add_test(units, no_limit_is_no_line);
    tcase_add_test(units, the_program_is_named);
    suite_add_tcase(suite, units);
    TCase *cron = tcase_create("cron");
    tcase_add_loop_test(cron, cron_says_the_same_or_nothing, 0,
                        sizeof(schedules) / sizeof(schedules[0]));
    suite_add_tcase(suite, cron);
    return suite_run(suite);
}
