// Checks what is read of the machine, and what a configuration may ask of it.
#include "machine.h"
#include "suite_run.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GIB (INT64_C(1) << 30)

static char said[2048];
static int fatal_count, problem_count;

static void on_problem(const char *text, bool fatal, void *context)
{
    (void)context;
    size_t used = strlen(said);
    snprintf(said + used, sizeof(said) - used, "%s\n", text);
    fatal_count += fatal;
    problem_count++;
}

static void check_text(const char *text, int64_t memory_bytes, int64_t pressure)
{
    struct config config;
    struct error err;
    said[0] = '\0';
    fatal_count = problem_count = 0;
    ck_assert_msg(config_parse(&config, "test", text, strlen(text), NULL, &err) == 0, "%s",
                  err.text);
    machine_check(&config, memory_bytes, pressure, on_problem, NULL);
    config_done(&config);
}

START_TEST(pressure_is_read_as_the_kernel_writes_it)
{
    static const struct {
        const char *text;
        int64_t pressure;
    } files[] = {
        {"some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=1.00 avg60=0.00\n", 0},
        {"some avg10=12.34 avg60=5.00 avg300=1.00 total=17\n", 1234},
        {"some avg10=100.00 avg60=5.00 avg300=1.00 total=17\n", 10000},
        {"some avg10=101.00 avg60=5.00 avg300=1.00 total=17\n", -1},
        {"full avg10=12.34 avg60=5.00 avg300=1.00 total=17\n", -1},
        {"some avg10=x\n", -1},
        {"some avg10=12\n", -1},
        {"", -1},
    };
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char path[] = "/tmp/reeve-pressure.XXXXXX";
        int fd = mkstemp(path);
        ck_assert_int_eq(write(fd, files[i].text, strlen(files[i].text)),
                         (ssize_t)strlen(files[i].text));
        close(fd);
        ck_assert_int_eq(machine_read_pressure(path), files[i].pressure);
        unlink(path);
    }
    ck_assert_int_eq(machine_read_pressure("/nonexistent"), -1);
}
END_TEST

START_TEST(there_is_memory)
{
    ck_assert_int_gt(machine_memory_bytes(), 1 << 20);
}
END_TEST

START_TEST(the_reserve_is_not_for_runs)
{
    struct config config;
    struct error err;
    ck_assert_int_eq(config_init(&config, &err), 0);
    ck_assert_int_eq(machine_memory_for_runs(&config, GIB), GIB / 2); // MemoryReserve=512M
    ck_assert_int_eq(machine_memory_for_runs(&config, GIB / 4), 0);
    ck_assert_int_eq(machine_memory_for_runs(&config, LIMIT_NONE), LIMIT_NONE);
    config_done(&config);
}
END_TEST

START_TEST(what_cannot_be_given_is_told)
{
    check_text("[Job fits]\nMemoryMax=512M\n[Job free]\n", GIB, -1);
    ck_assert_int_eq(problem_count, 0);
    check_text("[Job fits]\nMemoryMax=512M\n[Job big]\nMemoryMax=64G\n", GIB, 0);
    ck_assert_int_eq(problem_count, 1);
    ck_assert_int_eq(fatal_count, 0); // the other job is fine
    ck_assert_str_eq(said, "[Job big]: MemoryMax=64.0G: this machine has 1.0G, of which "
                           "MemoryReserve= leaves 512.0M; write at most that\n");
    check_text("[Reeve]\nMemoryReserve=2G\n[Job big]\nMemoryMax=64G\n", GIB, 0);
    ck_assert_int_eq(problem_count, 1);
    ck_assert_int_eq(fatal_count, 1);
    ck_assert_ptr_nonnull(strstr(said, "MemoryReserve=: it leaves nothing of this machine's 1.0G"));
    check_text("[Reeve]\nPressureMax=10%\n", GIB, 0);
    ck_assert_int_eq(problem_count, 0);
    check_text("[Reeve]\nPressureMax=10%\n", GIB, -1);
    ck_assert_int_eq(fatal_count, 1);
    ck_assert_ptr_nonnull(strstr(said, "boot it with psi=1, or take PressureMax= out"));
    check_text("", LIMIT_NONE, -1);
    ck_assert_int_eq(problem_count, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("machine");
    TCase *tests = tcase_create("machine");
    tcase_add_test(tests, pressure_is_read_as_the_kernel_writes_it);
    tcase_add_test(tests, there_is_memory);
    tcase_add_test(tests, the_reserve_is_not_for_runs);
    tcase_add_test(tests, what_cannot_be_given_is_told);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
