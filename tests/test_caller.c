// Tests of caller.c: what is made of who calls, over real connections.
#include "caller.h"
#include "suite_run.h"

#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    int near, far; // a connection to ourselves
    int found;
    enum caller_verdict verdict;
    bool refused;
    struct callers callers;
    struct live_run run;
} its;

static void on_found(const struct live_run *run, enum caller_verdict verdict, uid_t uid,
                     bool refused, void *context)
{
    ck_assert_ptr_eq(context, &its);
    ck_assert_ptr_eq(run, &its.run);
    ck_assert(uid == geteuid() || uid == (uid_t)-1);
    its.found++;
    its.verdict = verdict;
    its.refused = refused;
}

static void set_up(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    memset(&its, 0, sizeof(its));
    its.far = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    ck_assert_int_eq(connect(its.far, (struct sockaddr *)&address, length), 0);
    its.near = accept(listener, NULL, NULL);
    ck_assert_int_ge(its.near, 0);
    its.callers =
        (struct callers){.diag_fd = socket_owner_open(NULL), .found = on_found, .context = &its};
    snprintf(its.run.id, sizeof(its.run.id), "run-1");
    its.run.place = (struct run_place){.kind = RUN_PLACE_USER, .uid = geteuid() + 1};
}

// A place that holds nothing of ours: a user other than root's.
static void stranger(void)
{
    its.run.place.uid = geteuid() + 1;
}
static void own(void)
{
    its.run.place.uid = geteuid();
}
static void not_placed(void)
{
    its.run.place.kind = RUN_PLACE_UNKNOWN;
}
static void anywhere(void)
{
    its.run.place.kind = RUN_PLACE_ANYWHERE;
}
static void gone(void)
{
    close(its.far);
}
static void cannot_ask(void)
{
    close(its.callers.diag_fd);
    its.callers.diag_fd = open("/dev/null", 0);
}
static void nobody_is_looked_at(void)
{
    close(its.callers.diag_fd);
    its.callers.diag_fd = -1;
}

static const struct {
    void (*arrange)(void);
    enum caller_verdict verdict;
    bool refused; // under CALLER_CHECK_ENFORCE
    int found;    // by ENFORCE and LOG
} cases_[] = {
    {own, CALLER_OF_RUN, false, 0},
    {anywhere, CALLER_OF_RUN, false, 0},
    {stranger, CALLER_STRANGER, true, 1},
    {not_placed, CALLER_UNTOLD, true, 1},
    {cannot_ask, CALLER_UNTOLD, true, 1},
    {gone, CALLER_GONE, true, 0},
    {nobody_is_looked_at, CALLER_OF_RUN, false, 0},
};

START_TEST(caller_is_refused_or_told_of_or_neither)
{
    static const enum caller_check checks[] = {CALLER_CHECK_LOG, CALLER_CHECK_ENFORCE,
                                               CALLER_CHECK_OFF};
    for (size_t i = 0; i < 3; i++) {
        struct caller caller = {false};
        set_up();
        cases_[_i].arrange();
        its.callers.check = checks[i];
        const char *refusal = caller_refusal(&its.callers, &caller, its.near, &its.run);
        bool is_refused = cases_[_i].refused && checks[i] == CALLER_CHECK_ENFORCE;
        ck_assert_msg((refusal != NULL) == is_refused, "%d, check %zu", _i, i);
        ck_assert_int_eq(its.found, checks[i] == CALLER_CHECK_OFF ? 0 : cases_[_i].found);
        if (checks[i] != CALLER_CHECK_OFF)
            ck_assert_int_eq(caller.verdict, cases_[_i].verdict);
        if (its.found > 0)
            ck_assert(its.refused == is_refused && its.verdict == cases_[_i].verdict);
    }
    struct caller caller = {false};
    ck_assert_ptr_null(caller_refusal(NULL, &caller, its.near, &its.run));
}
END_TEST

// A connection's owner is asked for once, and a verdict holds for one run.
START_TEST(connection_is_judged_once_for_each_run)
{
    struct caller caller = {false};
    struct live_run other = {.id = "run-2"};
    own();
    ck_assert_int_eq(caller_judge(&its.callers, &caller, its.near, &its.run), CALLER_OF_RUN);
    close(its.callers.diag_fd);
    stranger(); // nobody looks again
    ck_assert_int_eq(caller_judge(&its.callers, &caller, its.near, &its.run), CALLER_OF_RUN);
    other.place = (struct run_place){.kind = RUN_PLACE_USER, .uid = geteuid() + 1};
    ck_assert_int_eq(caller_judge(&its.callers, &caller, its.near, &other), CALLER_STRANGER);
    own();
    ck_assert_int_eq(caller_judge(&its.callers, &caller, its.near, &its.run), CALLER_OF_RUN);
}
END_TEST

// Whoever goes on trying does not fill the log.
START_TEST(strangers_are_told_of_less_and_less)
{
    static const int told_after[] = {1, 2, 2, 3, 3, 3, 3, 4, 4, 4};
    struct caller caller = {false};
    for (size_t i = 0; i < sizeof(told_after) / sizeof(told_after[0]); i++) {
        ck_assert_ptr_nonnull(caller_refusal(&its.callers, &caller, its.near, &its.run));
        ck_assert_int_eq(its.found, told_after[i]);
    }
    ck_assert_int_eq(its.run.strangers, 10);
}
END_TEST

START_TEST(refusal_says_what_to_do)
{
    struct caller caller = {false}, other = {false};
    ck_assert_ptr_nonnull(
        strstr(caller_refusal(&its.callers, &caller, its.near, &its.run), "`reeve run`"));
    not_placed();
    ck_assert_ptr_nonnull(
        strstr(caller_refusal(&its.callers, &other, its.near, &its.run), "CallerCheck=log"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("caller");
    TCase *cases = tcase_create("caller");
    tcase_add_checked_fixture(cases, set_up, NULL);
    tcase_add_loop_test(cases, caller_is_refused_or_told_of_or_neither, 0,
                        sizeof(cases_) / sizeof(cases_[0]));
    tcase_add_test(cases, connection_is_judged_once_for_each_run);
    tcase_add_test(cases, strangers_are_told_of_less_and_less);
    tcase_add_test(cases, refusal_says_what_to_do);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
