// Tests of ledger_local.c and ledger_cluster.c, with real servers.
#include "ledger_fixture.h"

#include "cleanup.h"
#include "suite_run.h"

#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static struct ledger_fixture fixture;

static void setup(void)
{
    ledger_fixture_init(&fixture);
}

static void teardown(void)
{
    ledger_fixture_done(&fixture);
}

static void wait_until_ended(pid_t pid)
{
    cleanup_fd int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd ended = {.fd = fd, .events = POLLIN};
    if (fd >= 0)
        ck_assert_int_eq(poll(&ended, 1, 60000), 1);
}

static void write_mark(const struct ledger_local *local)
{
    cleanup_ledger struct ledger *ledger = NULL;
    ck_assert_success(ledger_open(&ledger, local->dsn, err));
    ck_assert_success(
        ledger_execute(ledger, "CREATE TABLE mark (x int); INSERT INTO mark VALUES (1)", err));
}

static void assert_mark(const struct ledger_local *local)
{
    cleanup_ledger struct ledger *ledger = NULL;
    ck_assert_success(ledger_open(&ledger, local->dsn, err));
    ck_assert_str_eq(ledger_value(ledger, "SELECT x FROM mark"), "1");
}

START_TEST(starts_from_nothing_and_keeps_its_data)
{
    ck_assert(!ledger_local_is_running(&fixture.local));
    ck_assert_success(ledger_local_start(&fixture.local, err));
    ck_assert_int_gt(fixture.local.pid, 0);
    write_mark(&fixture.local);
    ledger_local_stop(&fixture.local);
    ck_assert_int_eq(fixture.local.pid, 0);
    ck_assert(!ledger_local_is_running(&fixture.local));
    ck_assert_success(ledger_local_start(&fixture.local, err));
    assert_mark(&fixture.local);
}
END_TEST

START_TEST(server_runs_unprivileged_and_without_tcp)
{
    struct stat status;
    char path[64];
    ck_assert_success(ledger_local_start(&fixture.local, err));
    snprintf(path, sizeof(path), "/proc/%d", fixture.local.pid);
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_ne(status.st_uid, 0);
    cleanup_ledger struct ledger *ledger = NULL;
    ck_assert_success(ledger_open(&ledger, fixture.local.dsn, err));
    ck_assert_str_eq(ledger_value(ledger, "SHOW listen_addresses"), "");
    ck_assert_str_eq(ledger_value(ledger, "SHOW server_encoding"), "UTF8");
    ck_assert_str_eq(ledger_value(ledger, "SELECT current_user"), "reeve");
}
END_TEST

START_TEST(running_server_is_adopted_and_left_to_its_owner)
{
    struct ledger_local other;
    ck_assert_success(ledger_local_start(&fixture.local, err));
    ck_assert_success(ledger_local_init(&other, fixture.postgres, err));
    ck_assert_success(ledger_local_start(&other, err));
    ck_assert_int_eq(other.pid, 0);
    ledger_local_stop(&other);
    ck_assert(ledger_local_is_running(&fixture.local));
}
END_TEST

// Starts the server in a child process, which is then killed; returns the server's pid.
static pid_t start_and_lose_parent(void)
{
    int pipe_fd[2];
    pid_t server = 0;
    ck_assert_int_eq(pipe(pipe_fd), 0);
    pid_t parent = fork();
    if (parent == 0) {
        struct error why;
        if (ledger_local_start(&fixture.local, &why) == 0 &&
            write(pipe_fd[1], &fixture.local.pid, sizeof(pid_t)) > 0)
            pause();
        _exit(1);
    }
    close(pipe_fd[1]);
    ck_assert_int_eq(read(pipe_fd[0], &server, sizeof(server)), sizeof(server));
    write_mark(&fixture.local);
    kill(parent, SIGKILL);
    waitpid(parent, NULL, 0);
    close(pipe_fd[0]);
    return server;
}

START_TEST(server_of_a_killed_parent_is_replaced)
{
    pid_t lost = start_and_lose_parent();
    ck_assert_success(ledger_local_start(&fixture.local, err)); // while it shuts down
    // Either it was met on its last legs, and the next start is the one that counts.
    wait_until_ended(lost);
    ck_assert_success(ledger_local_start(&fixture.local, err));
    ck_assert_int_gt(fixture.local.pid, 0);
    ck_assert_int_ne(fixture.local.pid, lost);
    assert_mark(&fixture.local);
}
END_TEST

START_TEST(killed_server_is_started_again)
{
    ck_assert_success(ledger_local_start(&fixture.local, err));
    write_mark(&fixture.local);
    pid_t killed = fixture.local.pid;
    kill(killed, SIGKILL);
    wait_until_ended(killed);
    // Its backends notice within moments; until then the memory they hold keeps a new one out.
    struct error why = {0};
    int code = -1;
    for (int i = 0; i < 20 && code != 0; i++) {
        code = ledger_local_start(&fixture.local, &why);
        if (code != 0)
            poll(NULL, 0, 100);
    }
    ck_assert_msg(code == 0, "%s", why.text);
    ck_assert_int_ne(fixture.local.pid, killed);
    assert_mark(&fixture.local);
}
END_TEST

START_TEST(stale_pid_file_that_names_another_process_is_cleared)
{
    char path[160];
    ck_assert_success(ledger_local_start(&fixture.local, err));
    ledger_local_stop(&fixture.local);
    snprintf(path, sizeof(path), "%s/data/postmaster.pid", fixture.postgres);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fprintf(file, "%d\n", getpid()); // alive, but no server
    fclose(file);
    ck_assert_success(ledger_local_start(&fixture.local, err));
}
END_TEST

START_TEST(interrupted_initdb_is_not_taken_for_a_cluster)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/data.new", fixture.postgres);
    ck_assert_int_eq(mkdir(fixture.postgres, 0700), 0);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/data.new/PG_VERSION", fixture.postgres);
    FILE *file = fopen(path, "w");
    fputs("15\n", file);
    fclose(file);
    ck_assert_success(ledger_local_start(&fixture.local, err));
}
END_TEST

START_TEST(long_path_gets_a_socket_directory_of_its_own)
{
    char path[256];
    struct ledger_local local;
    snprintf(path, sizeof(path), "%s/%0150d", fixture.directory, 7);
    ck_assert_success(ledger_local_init(&local, path, err));
    ck_assert_success(ledger_local_start(&local, err));
    cleanup_ledger struct ledger *ledger = NULL;
    ck_assert_success(ledger_open(&ledger, local.dsn, err));
    ledger_local_stop(&local);
    ck_assert_int_eq(rmdir(local.cluster.socket_directory), 0);
}
END_TEST

START_TEST(books_of_a_version_that_is_not_installed_are_named)
{
    char path[160];
    struct ledger_local local;
    struct error why = {0};
    snprintf(path, sizeof(path), "%s/data", fixture.postgres);
    ck_assert_int_eq(mkdir(fixture.postgres, 0700), 0);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/data/PG_VERSION", fixture.postgres);
    FILE *file = fopen(path, "w");
    fputs("9.1\n", file);
    fclose(file);
    ck_assert_int_eq(ledger_local_init(&local, fixture.postgres, &why), -ENOENT);
    ck_assert_ptr_nonnull(strstr(why.text, "install postgresql-9.1"));
}
END_TEST

START_TEST(unusable_place_is_named)
{
    struct ledger_local local;
    struct error why = {0};
    ck_assert_success(ledger_local_init(&local, "/proc/reeve/postgres", err));
    ck_assert_int_lt(ledger_local_start(&local, &why), 0);
    ck_assert_ptr_nonnull(strstr(why.text, "/proc/reeve/postgres"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ledger_local");
    TCase *cases = tcase_create("ledger_local");
    tcase_set_timeout(cases, 120);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, starts_from_nothing_and_keeps_its_data);
    tcase_add_test(cases, server_runs_unprivileged_and_without_tcp);
    tcase_add_test(cases, running_server_is_adopted_and_left_to_its_owner);
    tcase_add_test(cases, server_of_a_killed_parent_is_replaced);
    tcase_add_test(cases, killed_server_is_started_again);
    tcase_add_test(cases, stale_pid_file_that_names_another_process_is_cleared);
    tcase_add_test(cases, interrupted_initdb_is_not_taken_for_a_cluster);
    tcase_add_test(cases, long_path_gets_a_socket_directory_of_its_own);
    tcase_add_test(cases, books_of_a_version_that_is_not_installed_are_named);
    tcase_add_test(cases, unusable_place_is_named);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
