// Tests of alert_exec.c: a command gets its alert, and nothing of it is left.
#include "alert_exec.h"

#include "cleanup.h"
#include "clock.h"
#include "suite_run.h"

#include <check.h>
#include <event2/event.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LONG_US INT64_C(60000000)

static struct event_base *base;
static char directory[64];
static char command[512];
static bool ended;
static struct error failure;
static struct error err;

static void setup(void)
{
    snprintf(directory, sizeof(directory), "/tmp/reeve-test.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    base = event_base_new();
    ended = false;
    failure = (struct error){0};
}

static void teardown(void)
{
    char remove[128];
    event_base_free(base);
    snprintf(remove, sizeof(remove), "rm -rf %s", directory);
    FILE *shell = popen(remove, "r");
    pclose(shell);
}

static void on_done(void *context, const struct error *why)
{
    ck_assert_ptr_eq(context, directory);
    ck_assert(!ended);
    ended = true;
    if (why != NULL)
        failure = *why;
}

// Writes a shell script into the directory. Returns the command that runs it.
static const char *script(const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/script", directory);
    cleanup_file FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fprintf(file, "#!/bin/sh\ncd %s\n%s\n", directory, text);
    fchmod(fileno(file), 0700);
    snprintf(command, sizeof(command), "%s", path);
    return command;
}

static const char *read_file(const char *name)
{
    static char text[4096];
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    cleanup_file FILE *file = fopen(path, "r");
    size_t length = file != NULL ? fread(text, 1, sizeof(text) - 1, file) : 0;
    text[length] = '\0';
    return text;
}

static int start(const char *words, int64_t timeout_us, struct alert_exec **exec)
{
    return alert_exec_start(exec, base, words, timeout_us, "{\"text\":\"it burns\"}",
                            &(struct alert_exec_receiver){on_done, directory}, &err);
}

static void run(const char *words, int64_t timeout_us)
{
    struct alert_exec *exec;
    ck_assert_msg(start(words, timeout_us, &exec) == 0, "%s", err.text);
    while (!ended)
        ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
}

static bool is_alive(pid_t pid)
{
    char path[64], line[256] = "";
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    cleanup_file FILE *file = fopen(path, "r");
    if (file == NULL || fgets(line, sizeof(line), file) == NULL)
        return false;
    const char *state = strrchr(line, ')');
    return state != NULL && state[2] != 'Z'; // nobody may be there to reap it
}

static void assert_dies(pid_t pid)
{
    for (int i = 0; i < 10000 && is_alive(pid); i++)
        usleep(1000); // SIGKILL is on its way
    ck_assert(!is_alive(pid));
}

START_TEST(alert_is_on_standard_input)
{
    run(script("cat > got"), LONG_US);
    ck_assert_str_eq(read_file("got"), "{\"text\":\"it burns\"}");
    ck_assert_int_eq(failure.code, 0);
}
END_TEST

START_TEST(words_are_arguments_and_no_shell_reads_them)
{
    char words[600];
    script("printf '%s\\n' \"$@\" > got");
    snprintf(words, sizeof(words), "  %s  a\t$HOME;ls  'b   c'  ", command);
    run(words, LONG_US);
    ck_assert_str_eq(read_file("got"), "a\n$HOME;ls\n'b\nc'\n");
}
END_TEST

START_TEST(environment_is_bare)
{
    setenv("REEVE_LEDGER_DSN", "password=secret", 1);
    dup2(STDERR_FILENO, 50);
    run(script("tr '\\0' '\\n' < /proc/$$/environ | cut -d= -f1 | sort | tr '\\n' ' ' > got\n"
               "[ ! -e /proc/$$/fd/50 ]"),
        LONG_US);
    ck_assert_str_eq(read_file("got"), "LANG PATH ");
    ck_assert_int_eq(failure.code, 0);
}
END_TEST

static const struct {
    const char *text;
    const char *failure;
} ends[] = {
    {"exit 0", ""},
    {"exit 3", "exit code 3"},
    {"kill -SEGV $$", "ended by signal 11"},
};

START_TEST(ends_are_told)
{
    run(script(ends[_i].text), LONG_US);
    ck_assert_str_eq(failure.text, ends[_i].failure);
}
END_TEST

START_TEST(time_is_limited_for_the_whole_group)
{
    run(script("sleep 1000 & echo $! > child; echo $$ > own; wait"), 300000);
    ck_assert_str_eq(failure.text, "killed after 300ms");
    assert_dies((pid_t)strtol(read_file("child"), NULL, 10));
    assert_dies((pid_t)strtol(read_file("own"), NULL, 10));
}
END_TEST

START_TEST(what_is_left_behind_is_killed)
{
    run(script("sleep 1000 & echo $! > child; exit 0"), LONG_US);
    ck_assert_int_eq(failure.code, 0);
    assert_dies((pid_t)strtol(read_file("child"), NULL, 10));
}
END_TEST

START_TEST(cancelling_kills_and_calls_nobody)
{
    struct alert_exec *exec;
    ck_assert_int_eq(start(script("echo $$ > own; exec sleep 1000"), LONG_US, &exec), 0);
    while (*read_file("own") == '\0')
        usleep(1000);
    alert_exec_cancel(exec);
    event_base_loop(base, EVLOOP_NONBLOCK);
    ck_assert(!ended);
    ck_assert(!is_alive((pid_t)strtol(read_file("own"), NULL, 10)));
}
END_TEST

START_TEST(what_cannot_be_executed_is_told_at_once)
{
    struct alert_exec *exec;
    char words[3 * ALERT_EXEC_ARGUMENTS_MAX];
    ck_assert_int_eq(start("/there/is/none -x", LONG_US, &exec), -ENOENT);
    ck_assert_str_eq(err.text, "executing /there/is/none: No such file or directory");
    ck_assert_int_eq(start(" \t ", LONG_US, &exec), -E2BIG);
    memset(words, 0, sizeof(words));
    for (int i = 0; i <= ALERT_EXEC_ARGUMENTS_MAX; i++)
        memcpy(words + 2 * i, "a ", 2);
    ck_assert_int_eq(start(words, LONG_US, &exec), -E2BIG);
    ck_assert(!ended);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("alert_exec");
    TCase *cases = tcase_create("alert_exec");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, alert_is_on_standard_input);
    tcase_add_test(cases, words_are_arguments_and_no_shell_reads_them);
    tcase_add_test(cases, environment_is_bare);
    tcase_add_loop_test(cases, ends_are_told, 0, sizeof(ends) / sizeof(ends[0]));
    tcase_add_test(cases, time_is_limited_for_the_whole_group);
    tcase_add_test(cases, what_is_left_behind_is_killed);
    tcase_add_test(cases, cancelling_kills_and_calls_nobody);
    tcase_add_test(cases, what_cannot_be_executed_is_told_at_once);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
