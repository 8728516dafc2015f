// Checks what becomes of the limits that a supervisor asks for.
#include "run_limits.h"
#include "suite_run.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct config_job job;
static struct error err;

static void setup(void)
{
    ck_assert_int_eq(config_job_init(&job, "j", &err), 0);
    ck_assert_int_eq(config_set_job(&job, "MemoryMax", "512M", &err), 0);
    ck_assert_int_eq(config_set_job(&job, "CostMax", "$0.50", &err), 0);
}

static void teardown(void)
{
    config_job_done(&job);
}

START_TEST(nothing_asked_takes_the_jobs)
{
    struct run_limits asked = run_limits_none(), limits;
    ck_assert_int_eq(run_limits_combine(&asked, &job, true, &limits, &err), 0);
    ck_assert_mem_eq(&limits, &job.limits, sizeof(limits));
}
END_TEST

START_TEST(tighter_is_taken)
{
    struct run_limits asked = run_limits_none(), limits;
    asked.memory_max_bytes = 256 << 20;
    asked.runtime_max_us = 5;
    ck_assert_int_eq(run_limits_combine(&asked, &job, true, &limits, &err), 0);
    ck_assert_int_eq(limits.memory_max_bytes, 256 << 20);
    ck_assert_int_eq(limits.runtime_max_us, 5);
    ck_assert_int_eq(limits.cost_max_pico_usd, 500000000000);
}
END_TEST

// Each limit by its name: asked one more than the job has.
START_TEST(looser_is_refused)
{
    const struct run_limit_name *name = &run_limit_names[_i];
    struct run_limits asked = run_limits_none(), limits = asked, before = asked;
    int64_t *own = (int64_t *)(void *)((char *)&job.limits + name->offset);
    *own = 1000;
    *(int64_t *)(void *)((char *)&asked + name->offset) = 1000;
    ck_assert_int_eq(run_limits_combine(&asked, &job, true, &limits, &err), 0);
    limits = before;
    *(int64_t *)(void *)((char *)&asked + name->offset) = 1001;
    ck_assert_int_eq(run_limits_combine(&asked, &job, true, &limits, &err), -EPERM);
    ck_assert_ptr_nonnull(strstr(err.text, name->option));
    ck_assert_ptr_nonnull(strstr(err.text, name->name));
    ck_assert_mem_eq(&limits, &before, sizeof(limits)); // untouched
    ck_assert_int_eq(run_limits_combine(&asked, &job, false, &limits, &err), 0);
    ck_assert_int_eq(*(int64_t *)(void *)((char *)&limits + name->offset), 1001);
}
END_TEST

START_TEST(negative_is_refused)
{
    struct run_limits asked = run_limits_none(), limits;
    asked.tokens_max = -1;
    ck_assert_int_eq(run_limits_combine(&asked, &job, false, &limits, &err), -EINVAL);
}
END_TEST

START_TEST(the_unit_has_room_for_the_supervisor)
{
    struct run_limits limits = run_limits_none();
    struct run_limits above = run_limits_of_unit(&limits);
    ck_assert_mem_eq(&above, &limits, sizeof(limits));
    limits.memory_max_bytes = 512 << 20;
    limits.memory_swap_max_bytes = 0;
    limits.tasks_max = INT64_MAX - 1;
    above = run_limits_of_unit(&limits);
    ck_assert_int_eq(above.memory_max_bytes, (512 + 32) << 20);
    ck_assert_int_eq(above.memory_swap_max_bytes, 0);
    ck_assert_int_eq(above.tasks_max, LIMIT_NONE);
}
END_TEST

START_TEST(every_member_has_a_name)
{
    ck_assert_uint_eq(run_limit_name_count * sizeof(int64_t), sizeof(struct run_limits));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("run_limits");
    TCase *tests = tcase_create("run_limits");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, nothing_asked_takes_the_jobs);
    tcase_add_test(tests, tighter_is_taken);
    tcase_add_loop_test(tests, looser_is_refused, 0, (int)run_limit_name_count);
    tcase_add_test(tests, negative_is_refused);
    tcase_add_test(tests, the_unit_has_room_for_the_supervisor);
    tcase_add_test(tests, every_member_has_a_name);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
