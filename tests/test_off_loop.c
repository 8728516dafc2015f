// Tests of off_loop.c: the work is done on another thread, its end told on the loop's.
#include "off_loop.h"
#include "suite_run.h"

#include <check.h>
#include <event2/event.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#define WORKS 20

struct job {
    struct off_loop_work work;
    pid_t ran_on, told_on;
    bool takes_signals;
    struct event_base *base;
};

static struct job jobs[WORKS];
static int told;
static struct event_base *base;
static struct off_loop *off_loop;

static void run(struct off_loop_work *work)
{
    struct job *job = (struct job *)(void *)work;
    sigset_t blocked;
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    job->takes_signals = sigismember(&blocked, SIGTERM) == 0;
    job->ran_on = gettid();
}

static void done(struct off_loop_work *work)
{
    struct job *job = (struct job *)(void *)work;
    job->told_on = gettid();
    if (++told == WORKS && job->base != NULL)
        event_base_loopbreak(job->base);
}

static void start_all(struct event_base *to_break)
{
    struct error err;
    told = 0;
    for (int i = 0; i < WORKS; i++) {
        jobs[i] = (struct job){.work = {.run = run, .done = done}, .base = to_break};
        ck_assert_int_eq(off_loop_start(off_loop, &jobs[i].work, &err), 0);
    }
    ck_assert_int_eq(told, 0); // not from within the call
}

static void assert_all(void)
{
    ck_assert_int_eq(told, WORKS);
    for (int i = 0; i < WORKS; i++) {
        ck_assert_int_ne(jobs[i].ran_on, gettid());
        ck_assert_int_eq(jobs[i].told_on, gettid());
        ck_assert(!jobs[i].takes_signals);
    }
}

static void set_up(void)
{
    struct error err;
    base = event_base_new();
    ck_assert_int_eq(off_loop_new(&off_loop, base, &err), 0);
}

START_TEST(each_is_run_and_told)
{
    start_all(base);
    event_base_dispatch(base);
    assert_all();
    off_loop_free(off_loop);
    event_base_free(base);
}
END_TEST

START_TEST(the_end_waits_for_all)
{
    start_all(NULL);
    off_loop_free(off_loop);
    assert_all();
    event_base_free(base);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("off_loop");
    TCase *tests = tcase_create("off_loop");
    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, each_is_run_and_told);
    tcase_add_test(tests, the_end_waits_for_all);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
