// Checks the supervisor of a run, with real processes and, where this machine lets us, real
// cgroups: how runs end, that nothing of them is left, and what they tell the daemon and the user.
#include "cgroup.h"
#include "guard_daemon.h"
#include "run_limits.h"
#include "suite_run.h"
#include "supervisor.h"

#include <fcntl.h>
#include <poll.h>

#define KILL_GRACE "200ms"
#define JOB "quick"

static struct guard_daemon daemon_;
static pid_t daemon_pid;
static char work[] = "/tmp/reeve-run.XXXXXX"; // where commands run, and leave their marks
static enum run_cgroup_choice choice;         // of the machine, or of the test
static struct supervisor_options options;
static char output[65536]; // what the last supervisor wrote to stderr

static void setup(void)
{
    signal(SIGINT, SIG_DFL); // ignored in the background of a shell
    signal(SIGQUIT, SIG_DFL);
    ck_assert_ptr_nonnull(mkdtemp(work));
    ck_assert_int_eq(chdir(work), 0);
    guard_daemon_open(&daemon_, "[Reeve]\nSlots=2\n[Job " JOB "]\nKillGrace=" KILL_GRACE "\n",
                      (struct run_registry_options){0});
    daemon_pid = fork();
    if (daemon_pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(open("daemon.log", O_WRONLY | O_CREAT | O_APPEND, 0600), STDERR_FILENO);
        event_base_dispatch(daemon_.base);
        _exit(1);
    }
    options = (struct supervisor_options){
        .control_socket = daemon_.socket,
        .job = JOB,
        .limits = run_limits_none(),
        .cgroup = choice,
        .return_max_ms = 300,
    };
}

static void teardown(void)
{
    char command[128];
    kill(daemon_pid, SIGKILL);
    waitpid(daemon_pid, NULL, 0);
    ck_assert_int_eq(chdir("/"), 0);
    snprintf(command, sizeof(command), "rm -r %s %s", work, daemon_.directory);
    pid_t pid = fork();
    if (pid == 0)
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    waitpid(pid, NULL, 0);
}

// Starts a supervisor for a shell script. Its stderr goes to the file NAME.
static pid_t start(const char *script, const char *name)
{
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        char *argv[] = {(char *)"/bin/bash", (char *)"-c", (char *)script, NULL};
        dup2(open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
        options.argv = argv;
        _exit(supervise_run(&options));
    }
    return pid;
}

static void read_file(const char *name, char *text, size_t size)
{
    FILE *file = fopen(name, "r");
    size_t length = file != NULL ? fread(text, 1, size - 1, file) : 0;
    text[length] = '\0';
    if (file != NULL)
        fclose(file);
}

// Waits for the supervisor and reads what it wrote. Returns its exit code, -N if signal N ended it.
static int finish(pid_t pid, const char *name)
{
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    read_file(name, output, sizeof(output));
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int run(const char *script)
{
    return finish(start(script, "stderr"), "stderr");
}

static void wait_for_file(const char *name)
{
    for (int i = 0; access(name, F_OK) != 0; i++) {
        ck_assert_msg(i < 3000, "%s does not appear", name);
        poll(NULL, 0, 10);
    }
}

static bool exists(const char *name)
{
    return access(name, F_OK) == 0;
}

// The last line that the supervisor wrote says this.
static void assert_summary(const char *text)
{
    size_t length = strlen(output);
    ck_assert_uint_gt(length, 0);
    ck_assert_int_eq(output[length - 1], '\n');
    output[length - 1] = '\0';
    const char *last = strrchr(output, '\n');
    last = last != NULL ? last + 1 : output;
    ck_assert_msg(strncmp(last, "reeve: run ", 11) == 0 && strstr(last, text) != NULL,
                  "%s lacks %s", last, text);
    output[length - 1] = '\n';
}

// The process that wrote its pid into NAME has gone, if it came to that: a slow machine may have
// ended the run before. Only init may be late to reap one that was orphaned.
static void assert_gone(const char *name)
{
    char pid[32], path[64], text[512];
    read_file(name, pid, sizeof(pid));
    if (*pid == '\0')
        return;
    snprintf(path, sizeof(path), "/proc/%ld/stat", atol(pid));
    read_file(path, text, sizeof(text));
    const char *state = strrchr(text, ')');
    ck_assert_msg(state == NULL || state[2] == 'Z', "still there: %s", text);
}

// No cgroup of any run of these tests is left, on v1 or v2.
static void assert_no_cgroup_is_left(void)
{
    char id[RUN_ID_MAX] = "", path[256];
    const char *at = strstr(output, "reeve: run ");
    if (choice == RUN_CGROUP_NONE || at == NULL)
        return;
    ck_assert_int_eq(sscanf(at, "reeve: run %31s", id), 1);
    static const char *const places[] = {"memory/", "pids/", "freezer/", "cpu/", "cpuacct/", ""};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        snprintf(path, sizeof(path), "/sys/fs/cgroup/%sreeve/%s", places[i], id);
        ck_assert_msg(!exists(path), "%s is left", path);
    }
}

START_TEST(exit_codes_are_the_commands)
{
    ck_assert_int_eq(run("exit 0"), 0);
    assert_summary("job quick: exited, exit 0, ");
    ck_assert_int_eq(run("exit 7"), 7);
    assert_summary("exited, exit 7, ");
    assert_no_cgroup_is_left();
    ck_assert_int_eq(run("kill -SEGV $$"), 139);
    assert_summary("signaled, exit 139, ");
    assert_no_cgroup_is_left();
}
END_TEST

START_TEST(commands_that_cannot_be_executed)
{
    pid_t pid = fork();
    if (pid == 0) {
        dup2(open("stderr", O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
        options.argv = (char *[]){(char *)"/nonexistent", NULL};
        _exit(supervise_run(&options));
    }
    ck_assert_int_eq(finish(pid, "stderr"), 127);
    ck_assert_ptr_nonnull(strstr(output, "executing /nonexistent: No such file"));
    assert_summary("exit 127");
    assert_no_cgroup_is_left();
    pid = fork();
    if (pid == 0) {
        dup2(open("stderr", O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
        options.argv = (char *[]){work, NULL};
        _exit(supervise_run(&options));
    }
    ck_assert_int_eq(finish(pid, "stderr"), 126);
}
END_TEST

START_TEST(the_command_has_its_identity)
{
    setenv("CLAUDE_CODE_OAUTH_TOKEN", "sk-ant-oat01-x", 1);
    ck_assert_int_eq(run("test \"$ANTHROPIC_BASE_URL\" = " BASE_URL " &&"
                         "test \"$ANTHROPIC_API_KEY\" = \"$ANTHROPIC_AUTH_TOKEN\" &&"
                         "test \"${ANTHROPIC_API_KEY#reeve-run-}\" != \"$ANTHROPIC_API_KEY\" &&"
                         "test -n \"$REEVE_RUN\" && test \"$REEVE_JOB\" = quick &&"
                         "test -z \"${CLAUDE_CODE_OAUTH_TOKEN+x}\""),
                     0);
}
END_TEST

START_TEST(signals_are_passed_on)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
    char script[256];
    snprintf(script, sizeof(script), "trap 'exit 33' %d; sleep 100 & : >ready; wait", signals[_i]);
    pid_t pid = start(script, "stderr");
    wait_for_file("ready");
    kill(pid, signals[_i]);
    ck_assert_int_eq(finish(pid, "stderr"), 33);
    assert_summary("exited, exit 33");
}
END_TEST

START_TEST(a_signal_that_the_command_does_not_catch)
{
    // No child in the foreground: bash would wait for it, and go on if it does not die of SIGINT.
    pid_t pid = start(": >ready; exec sleep 100", "stderr");
    wait_for_file("ready");
    kill(pid, SIGINT);
    ck_assert_int_eq(finish(pid, "stderr"), 128 + SIGINT);
    assert_summary("signaled, exit 130");
}
END_TEST

START_TEST(what_its_caller_ignores_stays_ignored)
{
    signal(SIGHUP, SIG_IGN); // nohup
    int code = run("kill -HUP $$; exit 7");
    signal(SIGHUP, SIG_DFL);
    ck_assert_int_eq(code, 7);
}
END_TEST

START_TEST(a_time_out_ends_the_run)
{
    options.limits.runtime_max_us = 100000;
    ck_assert_int_eq(run("echo $$ >pid; exec sleep 100"), 102);
    assert_summary("timeout, exit 102");
    assert_gone("pid");
    assert_no_cgroup_is_left();
}
END_TEST

START_TEST(who_does_not_listen_is_killed)
{
    options.limits.runtime_max_us = 100000;
    ck_assert_int_eq(
        run("trap '' TERM; (trap '' TERM; echo $BASHPID >child; sleep 100; sleep 100) &"
            "echo $$ >pid; while :; do sleep 100; done"),
        102);
    assert_summary("timeout, exit 102");
    assert_gone("pid");
    assert_gone("child");
    assert_no_cgroup_is_left();
}
END_TEST

START_TEST(background_children_are_waited_for)
{
    ck_assert_int_eq(run("(sleep 0.05; touch late) & exit 3"), 3);
    ck_assert(exists("late"));
    assert_summary("exited, exit 3");
    assert_no_cgroup_is_left();
}
END_TEST

START_TEST(daemons_do_not_outlive_the_run)
{
    ck_assert_int_eq(run("(setsid bash -c 'echo $$ >pid; sleep 100; true' >/dev/null 2>&1 &);"
                         "until test -s pid; do sleep 0.01; done"),
                     0);
    assert_gone("pid");
    assert_summary("exited, exit 0");
    assert_no_cgroup_is_left();
}
END_TEST

START_TEST(reeve_kill_ends_the_run)
{
    struct control_client *client;
    struct control_message message = {.type = CONTROL_KILL};
    struct error err;
    pid_t pid = start("echo $$ >pid; echo $REEVE_RUN >id; mv id run; exec sleep 100", "stderr");
    wait_for_file("run");
    read_file("run", message.kill.run_id, sizeof(message.kill.run_id));
    message.kill.run_id[strcspn(message.kill.run_id, "\n")] = '\0';
    ck_assert_int_eq(control_client_open(&client, daemon_.socket, &err), 0);
    ck_assert_int_eq(control_client_send(client, &message, &err), 0);
    ck_assert_int_eq(control_client_receive(client, 10000, &message, &err), 0);
    ck_assert_int_eq(message.type, CONTROL_DONE);
    control_client_close(client);
    ck_assert_int_eq(finish(pid, "stderr"), 103);
    assert_summary("killed, exit 103");
    assert_gone("pid");
    assert_no_cgroup_is_left();
}
END_TEST

START_TEST(two_slots_for_three)
{
    options.wait_us = INT64_MAX;
    pid_t first = start("touch 1; until test -e go; do sleep 0.01; done", "stderr.1");
    pid_t second = start("touch 2; until test -e go; do sleep 0.01; done", "stderr.2");
    wait_for_file("1");
    wait_for_file("2");
    pid_t third = start("test -e go && touch 3", "stderr.3");
    char text[256] = "";
    while (strstr(text, "number 1 in the queue") == NULL) {
        poll(NULL, 0, 10);
        read_file("stderr.3", text, sizeof(text));
    }
    options.wait_us = 0;
    ck_assert_int_eq(run("true"), 75);
    ck_assert_str_eq(output, "reeve run: all 2 slots are taken\n");
    close(open("go", O_WRONLY | O_CREAT, 0600));
    ck_assert_int_eq(finish(first, "stderr.1"), 0);
    ck_assert_int_eq(finish(second, "stderr.2"), 0);
    ck_assert_int_eq(finish(third, "stderr.3"), 0);
    ck_assert(exists("3"));
}
END_TEST

START_TEST(refusals_have_their_exit_codes)
{
    options.limits.tokens_max = -1;
    ck_assert_int_eq(run("touch ran"), 64);
    options.limits = run_limits_none();
    options.control_socket = "/nonexistent/control.sock";
    ck_assert_int_eq(run("touch ran"), 69);
    ck_assert(!exists("ran"));
}
END_TEST

START_TEST(a_daemon_that_goes_does_not_stop_the_command)
{
    pid_t pid = start("touch ready; until test -e go; do sleep 0.01; done; exit 5", "stderr");
    wait_for_file("ready");
    kill(daemon_pid, SIGKILL);
    close(open("go", O_WRONLY | O_CREAT, 0600));
    ck_assert_int_eq(finish(pid, "stderr"), 5);
    assert_summary("account unknown (the daemon went away)");
    assert_no_cgroup_is_left();
}
END_TEST

START_TEST(a_killed_supervisor_leaves_nothing)
{
    char text[4096] = "";
    pid_t pid = start("echo $$ >pid; (setsid bash -c 'echo $$ >stray; exec sleep 100' &);"
                      "until test -s stray; do sleep 0.01; done;"
                      "echo reeve: run $REEVE_RUN >id; mv id run; exec sleep 100",
                      "stderr");
    wait_for_file("run");
    kill(pid, SIGKILL);
    ck_assert_int_eq(finish(pid, "stderr"), -SIGKILL);
    // The daemon hears of it when the watchdog is done.
    for (int i = 0; i < 3000 && strstr(text, "end=lost") == NULL; i++) {
        poll(NULL, 0, 10);
        read_file("daemon.log", text, sizeof(text));
    }
    ck_assert_ptr_nonnull(strstr(text, "end=lost"));
    assert_gone("pid");
    assert_gone("stray");
    read_file("run", output, sizeof(output));
    assert_no_cgroup_is_left();
}
END_TEST

START_TEST(out_of_memory_ends_this_run_alone)
{
    pid_t other =
        start("touch ready; until test -e go; do sleep 0.01; done; exit 4", "stderr.other");
    wait_for_file("ready");
    options.limits.memory_max_bytes = 24 << 20;
    ck_assert_int_eq(run("echo $$ >pid; (echo $BASHPID >child; head -c 100m /dev/zero | tail);"
                         "touch survived; sleep 100"),
                     101);
    assert_summary("oom, exit 101");
    ck_assert_ptr_nonnull(strstr(output, "peak 24.0M"));
    ck_assert(!exists("survived"));
    assert_gone("pid");
    assert_gone("child");
    assert_no_cgroup_is_left();
    close(open("go", O_WRONLY | O_CREAT, 0600));
    ck_assert_int_eq(finish(other, "stderr.other"), 4);
}
END_TEST

START_TEST(a_fork_bomb_is_bounded)
{
    options.limits.tasks_max = 40;
    options.limits.runtime_max_us = 1000000;
    int code = run("bomb() { bomb & bomb & wait; }; bomb");
    ck_assert_msg(code == 102 || strstr(output, "fork") != NULL, "exit %d: %s", code, output);
    ck_assert_ptr_nonnull(strstr(output, "Resource temporarily unavailable"));
    assert_no_cgroup_is_left();
}
END_TEST

START_TEST(the_command_is_in_its_cgroup_from_the_start)
{
    ck_assert_int_eq(
        run("grep -q \"/$REEVE_RUN$\" /proc/self/cgroup && cat /proc/self/cgroup >mine"), 0);
}
END_TEST

// On v1 in each hierarchy, as far as the machine lets us.
START_TEST(cgroups_of_its_own_go_with_the_run)
{
    ck_assert_int_eq(
        run("setsid sleep 100 & echo $! >pid\n"
            "own='s/^[0-9]*:\\([^:]*\\):\\(.*'$REEVE_RUN'\\)$/\\1\\2/p'\n"
            "sed -n \"$own\" /proc/self/cgroup | while read -r path; do\n"
            "    below=/sys/fs/cgroup/$path/below; mkdir -p $below/deeper $below/empty || exit 1\n"
            "    echo $(cat pid) >$below/deeper/cgroup.procs || exit 1\n"
            "done && grep -q /below/deeper /proc/$(cat pid)/cgroup"),
        0);
    assert_gone("pid");
    assert_summary("exited, exit 0");
    assert_no_cgroup_is_left();
}
END_TEST

static void add_all(TCase *tests)
{
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, exit_codes_are_the_commands);
    tcase_add_test(tests, commands_that_cannot_be_executed);
    tcase_add_test(tests, the_command_has_its_identity);
    tcase_add_loop_test(tests, signals_are_passed_on, 0, 6);
    tcase_add_test(tests, a_signal_that_the_command_does_not_catch);
    tcase_add_test(tests, what_its_caller_ignores_stays_ignored);
    tcase_add_test(tests, a_time_out_ends_the_run);
    tcase_add_test(tests, who_does_not_listen_is_killed);
    tcase_add_test(tests, background_children_are_waited_for);
    tcase_add_test(tests, daemons_do_not_outlive_the_run);
    tcase_add_test(tests, reeve_kill_ends_the_run);
    tcase_add_test(tests, two_slots_for_three);
    tcase_add_test(tests, refusals_have_their_exit_codes);
    tcase_add_test(tests, a_daemon_that_goes_does_not_stop_the_command);
    tcase_add_test(tests, a_killed_supervisor_leaves_nothing);
}

static void use_cgroups(void)
{
    choice = RUN_CGROUP_AUTO;
}

static void use_none(void)
{
    choice = RUN_CGROUP_NONE;
}

static bool cgroups_can_be_made(struct error *err)
{
    struct run_cgroup *group;
    const struct run_limits limits = run_limits_none();
    if (run_cgroup_new(&group, RUN_CGROUP_AUTO, "test-probe", &limits, err) < 0)
        return false;
    run_cgroup_destroy(group, NULL);
    run_cgroup_free(group);
    return true;
}

int main(void)
{
    Suite *suite = suite_create("run");
    TCase *with = tcase_create("run in a cgroup");
    TCase *without = tcase_create("run without a cgroup");
    struct error err;
    if (cgroups_can_be_made(&err)) {
        tcase_add_unchecked_fixture(with, use_cgroups, NULL);
        add_all(with);
        tcase_add_test(with, out_of_memory_ends_this_run_alone);
        tcase_add_test(with, a_fork_bomb_is_bounded);
        tcase_add_test(with, the_command_is_in_its_cgroup_from_the_start);
        tcase_add_test(with, cgroups_of_its_own_go_with_the_run);
        suite_add_tcase(suite, with);
    } else {
        printf("skipped runs in cgroups: %s\n", err.text);
    }
    tcase_add_unchecked_fixture(without, use_none, NULL);
    add_all(without);
    suite_add_tcase(suite, without);
    return suite_run(suite);
}
