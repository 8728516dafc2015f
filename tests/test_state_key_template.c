// Checks the keys that templates make, and which templates are none.
#include "state_key_template.h"
#include "suite_run.h"

#include <check.h>
#include <stdlib.h>

#define NEW_YEAR_US INT64_C(1767225600000000) // 2026-01-01T00:00:00Z, a Thursday

static struct error err;

START_TEST(templates_are_expanded)
{
    static const struct {
        const char *template, *zone, *key;
    } cases[] = {
        {"plain", "UTC", "plain"},
        {"%J-%Y%m%d%H", "UTC", "outreach-2026010100"},
        {"%J-%Y%m%d%H", "America/New_York", "outreach-2025123119"},
        {"%Y-%m-%dT%H:%M", "Asia/Kolkata", "2026-01-01T05:30"},
        {"%G-W%V", "UTC", "2026-W01"},
        {"%G-W%V", "America/New_York", "2026-W01"}, // a Wednesday of the same week
        {"%Y-%j", "America/New_York", "2025-365"},
        {"100%%", "UTC", "100%"},
        {"%%J%J%%", "UTC", "%Joutreach%"},
        {"M\xc3\xbcller", "UTC", "M\xc3\xbcller"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char key[SOURCE_STATE_KEY_MAX];
        struct time_zone *zone;
        ck_assert_int_eq(time_zone_load(&zone, cases[i].zone, &err), 0);
        ck_assert_int_eq(state_key_template_check(cases[i].template, &err), 0);
        ck_assert_int_eq(
            state_key_template_expand(cases[i].template, "outreach", zone, NEW_YEAR_US, key, &err),
            0);
        ck_assert_str_eq(key, cases[i].key);
        time_zone_free(zone);
    }
}
END_TEST

START_TEST(others_are_refused)
{
    static const struct {
        const char *template, *reason;
    } cases[] = {
        {"%Q", "%Q is not known"}, {"a%", "% is not known"},
        {"%s", "%s is not known"}, {"%E", "%E is not known"},
        {"", "makes no key"},      {"a\tb", "makes no key"},
        {"\xff", "makes no key"},  {"%J%J%J%J%J", "less than 256 bytes"},
        {"%\xc3", "is not known"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ck_assert_int_eq(state_key_template_check(cases[i].template, &err), -EINVAL);
        ck_assert_msg(strstr(err.text, cases[i].reason) != NULL, "%s", err.text);
    }
}
END_TEST

START_TEST(failure_leaves_the_key_alone)
{
    char key[SOURCE_STATE_KEY_MAX] = "before";
    struct time_zone *zone;
    ck_assert_int_eq(time_zone_load(&zone, "UTC", &err), 0);
    ck_assert_int_eq(state_key_template_expand("after%Q", "j", zone, 0, key, &err), -EINVAL);
    ck_assert_str_eq(key, "before");
    time_zone_free(zone);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("state_key_template");
    TCase *cases = tcase_create("state_key_template");
    tcase_add_test(cases, templates_are_expanded);
    tcase_add_test(cases, others_are_refused);
    tcase_add_test(cases, failure_leaves_the_key_alone);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
