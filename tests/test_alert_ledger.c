// Tests of alert_ledger.c: what is told of the books, and that it is told once.
#include "alert_ledger.h"
#include "suite_run.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define NOON_S INT64_C(1795608000)
#define DAY_US INT64_C(77)
#define BEHIND_MAX_US INT64_C(300000000)

// A look at a time, and the subjects of the alerts that come of it.
struct look {
    int64_t at_s; // after noon
    enum ledger_feed_state state;
    uint64_t quarantined;
    bool full;
    const char *subjects[LEDGER_ALERTS_MAX];
};

#define LOOKS_MAX 10

static const struct look stories[][LOOKS_MAX] = {
    // Level all the time.
    {{0, LEDGER_FEED_LEVEL, 0, false, {NULL}}, {1000, LEDGER_FEED_WRITING, 0, false, {NULL}}},
    // Never gets going, tells once, recovers, and again.
    {
        {0, LEDGER_FEED_STARTING, 0, false, {NULL}},
        {299, LEDGER_FEED_STARTING, 0, false, {NULL}},
        {300, LEDGER_FEED_STARTING, 0, false, {"behind"}},
        {400, LEDGER_FEED_RETRYING, 0, false, {NULL}},
        {500, LEDGER_FEED_WRITING, 0, false, {"behind no more"}},
        {600, LEDGER_FEED_LEVEL, 0, false, {NULL}},
        {700, LEDGER_FEED_RETRYING, 0, false, {NULL}},
        {1000, LEDGER_FEED_RETRYING, 0, false, {"behind"}},
        {1001, LEDGER_FEED_LEVEL, 0, false, {"behind no more"}},
    },
    // Short troubles are not worth a word, however many.
    {
        {0, LEDGER_FEED_RETRYING, 0, false, {NULL}},
        {299, LEDGER_FEED_RETRYING, 0, false, {NULL}},
        {299, LEDGER_FEED_LEVEL, 0, false, {NULL}},
        {300, LEDGER_FEED_RETRYING, 0, false, {NULL}},
        {599, LEDGER_FEED_RETRYING, 0, false, {NULL}},
        {600, LEDGER_FEED_LEVEL, 0, false, {NULL}},
    },
    // Quarantine: each time that there are more; a feed that starts anew begins to count anew.
    {
        {0, LEDGER_FEED_LEVEL, 2, false, {"quarantine"}},
        {1, LEDGER_FEED_LEVEL, 2, false, {NULL}},
        {2, LEDGER_FEED_LEVEL, 0, false, {NULL}},
        {3, LEDGER_FEED_LEVEL, 1, false, {"quarantine"}},
    },
    // A full disk is told at once.
    {
        {0, LEDGER_FEED_LEVEL, 0, true, {"journal full"}},
        {1, LEDGER_FEED_LEVEL, 0, true, {NULL}},
        {2, LEDGER_FEED_LEVEL, 0, false, {"journal full no more"}},
        {3, LEDGER_FEED_LEVEL, 0, false, {NULL}},
    },
    // All at once.
    {
        {0, LEDGER_FEED_RETRYING, 0, false, {NULL}},
        {300, LEDGER_FEED_RETRYING, 1, true, {"behind", "journal full", "quarantine"}},
        {301,
         LEDGER_FEED_LEVEL,
         2,
         false,
         {"behind no more", "journal full no more", "quarantine"}},
    },
};
#define STORIES (sizeof(stories) / sizeof(stories[0]))

static size_t look(struct ledger_watch *watch, const struct look *seen,
                   struct journal_alert alerts[static LEDGER_ALERTS_MAX])
{
    return ledger_watch_look(watch,
                             &(struct ledger_look){
                                 .now_us = (NOON_S + seen->at_s) * 1000000,
                                 .day_start_us = DAY_US,
                                 .behind_max_us = BEHIND_MAX_US,
                                 .state = seen->state,
                                 .quarantined = seen->quarantined,
                                 .last_error = "no route",
                                 .journal_is_full = seen->full,
                             },
                             alerts);
}

START_TEST(stories_are_told)
{
    struct ledger_watch watch = {.quarantined = 0};
    for (size_t i = 0; i < LOOKS_MAX; i++) {
        const struct look *seen = &stories[_i][i];
        struct journal_alert alerts[LEDGER_ALERTS_MAX];
        if (i > 0 && seen->at_s == 0)
            break;
        size_t count = look(&watch, seen, alerts), expected = 0;
        while (expected < LEDGER_ALERTS_MAX && seen->subjects[expected] != NULL)
            expected++;
        ck_assert_msg(count == expected, "look %zu: %zu alerts", i, count);
        for (size_t j = 0; j < count; j++) {
            ck_assert_str_eq(alerts[j].kind, "ledger");
            ck_assert_str_eq(alerts[j].subject, seen->subjects[j]);
        }
    }
}
END_TEST

START_TEST(words_and_periods)
{
    struct ledger_watch watch = {.quarantined = 0};
    struct journal_alert alerts[LEDGER_ALERTS_MAX];
    look(&watch, &(struct look){0, LEDGER_FEED_RETRYING, 0, false, {NULL}}, alerts);
    look(&watch, &(struct look){360, LEDGER_FEED_RETRYING, 3, false, {NULL}}, alerts);
    ck_assert_str_eq(alerts[0].text,
                     "the books have not got into the ledger for 6min 0s: no route");
    ck_assert_int_eq(alerts[0].period_start_us, NOON_S * 1000000);
    ck_assert_str_eq(alerts[1].text, "3 records cannot be written into the ledger and are in "
                                     "quarantine; see reeve ledger export quarantine");
    ck_assert_int_eq(alerts[1].period_start_us, DAY_US);
    look(&watch, &(struct look){400, LEDGER_FEED_LEVEL, 3, false, {NULL}}, alerts);
    ck_assert_str_eq(alerts[0].text, "the books get into the ledger again, after 6min 40s");
    ck_assert_int_eq(alerts[0].period_start_us, NOON_S * 1000000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("alert_ledger");
    TCase *cases = tcase_create("alert_ledger");
    tcase_add_loop_test(cases, stories_are_told, 0, STORIES);
    tcase_add_test(cases, words_and_periods);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
