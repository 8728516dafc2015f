// Tests of cgroup_helper_message.c and cgroup_helper_client.c. The helper itself needs systemd:
// tests/vm has it.
#include "cgroup_helper_client.h"
#include "suite_run.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define ID "20261125-160044-k3f9qx"

static struct error err;

static const struct {
    const char *text;
    struct cgroup_helper_request request;
} good[] = {
    {"scope " ID " MemoryMax=1 MemorySwapMax=0 TasksMax=272", {CGROUP_HELPER_SCOPE, ID, 1, 0, 272}},
    {"scope " ID, {CGROUP_HELPER_SCOPE, ID, LIMIT_NONE, LIMIT_NONE, LIMIT_NONE}},
    {"scope a TasksMax=9223372036854775806",
     {CGROUP_HELPER_SCOPE, "a", LIMIT_NONE, LIMIT_NONE, LIMIT_NONE - 1}},
    {"kill " ID, {CGROUP_HELPER_KILL, ID, LIMIT_NONE, LIMIT_NONE, LIMIT_NONE}},
};

START_TEST(requests_are_written_and_read)
{
    char text[CGROUP_HELPER_MESSAGE_MAX];
    struct cgroup_helper_request found;
    const struct cgroup_helper_request *expected = &good[_i].request;
    ck_assert_uint_eq(cgroup_helper_request_write(expected, text), strlen(good[_i].text));
    ck_assert_str_eq(text, good[_i].text);
    ck_assert_int_eq(cgroup_helper_request_read(text, strlen(text), &found, &err), 0);
    ck_assert_int_eq(found.verb, expected->verb);
    ck_assert_str_eq(found.run_id, expected->run_id);
    ck_assert_int_eq(found.memory_max_bytes, expected->memory_max_bytes);
    ck_assert_int_eq(found.memory_swap_max_bytes, expected->memory_swap_max_bytes);
    ck_assert_int_eq(found.tasks_max, expected->tasks_max);
}
END_TEST

static const char *const bad[] = {
    "",
    "scope",
    "scope ",
    "scopes a",
    "SCOPE a",
    " scope a",
    "scope  a",
    "scope a ",
    "scope a\n",
    "scope a/../b",
    "scope a.b",
    "scope a@b",
    "scope 0123456789012345678901234567890123456789",
    "scope a MemoryMax",
    "scope a MemoryMax=",
    "scope a MemoryMax=-1",
    "scope a MemoryMax=+1",
    "scope a MemoryMax= 1",
    "scope a MemoryMax=1 ",
    "scope a MemoryMax=01",
    "scope a MemoryMax=1G",
    "scope a MemoryMax=9223372036854775807",
    "scope a MemoryMax=9223372036854775808",
    "scope a MemoryMax=1 MemoryMax=2",
    "scope a ExecStart=1",
    "kill a MemoryMax=1",
    "kill a b",
};

START_TEST(anything_else_is_refused)
{
    struct cgroup_helper_request request = {.run_id = "untouched"};
    ck_assert_int_eq(cgroup_helper_request_read(bad[_i], strlen(bad[_i]), &request, &err),
                     -EBADMSG);
    ck_assert_str_eq(request.run_id, "untouched");
}
END_TEST

START_TEST(so_are_zero_bytes_and_floods)
{
    char flood[2 * CGROUP_HELPER_MESSAGE_MAX];
    struct cgroup_helper_request request;
    ck_assert_int_eq(cgroup_helper_request_read("kill a\0b", 8, &request, &err), -EBADMSG);
    memset(flood, 'a', sizeof(flood));
    ck_assert_int_eq(cgroup_helper_request_read(flood, sizeof(flood), &request, &err), -EBADMSG);
}
END_TEST

START_TEST(units_are_named)
{
    char name[CGROUP_HELPER_UNIT_MAX];
    cgroup_helper_unit(ID, name);
    ck_assert_str_eq(name, "reeve-run-" ID ".scope");
}
END_TEST

// ---- a helper that answers the same thing to everybody, and writes down what it was asked

static char directory[] = "/tmp/reeve-helper.XXXXXX";
static char path[64];
static pid_t helper;
static int asked; // the helper's notes

static void start_helper(const char *answer)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int channel[2];
    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
    int listen_fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    ck_assert_int_eq(bind(listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(listen_fd, 8), 0);
    ck_assert_int_eq(pipe(channel), 0);
    helper = fork();
    for (int fd; helper == 0 && (fd = accept(listen_fd, NULL, NULL)) >= 0; close(fd)) {
        char text[256];
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        ssize_t length = recv(fd, text, sizeof(text), 0);
        if (write(channel[1], text, (size_t)length) == length && answer != NULL)
            send(fd, answer, strlen(answer), MSG_NOSIGNAL);
    }
    asked = channel[0];
    close(channel[1]);
    close(listen_fd);
}

static void setup(void)
{
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/helper.sock", directory);
}

static void teardown(void)
{
    if (helper > 0) {
        kill(helper, SIGKILL);
        waitpid(helper, NULL, 0);
    }
    unlink(path);
    rmdir(directory);
}

static void assert_asked(const char *expected)
{
    char text[256];
    ssize_t length = read(asked, text, sizeof(text) - 1);
    ck_assert_int_ge(length, 0);
    text[length] = '\0';
    ck_assert_str_eq(text, expected);
}

START_TEST(the_helper_does_as_it_is_asked)
{
    start_helper("done");
    ck_assert_int_eq(cgroup_helper_ask(path, &good[0].request, &err), 0);
    assert_asked(good[0].text);
}
END_TEST

START_TEST(the_helper_says_why_not)
{
    start_helper("the moon is full");
    ck_assert_int_eq(cgroup_helper_ask(path, &good[0].request, &err), -EPERM);
    ck_assert_ptr_nonnull(strstr(err.text, "refuses: the moon is full"));
}
END_TEST

START_TEST(the_helper_breaks_off)
{
    start_helper(NULL);
    ck_assert_int_eq(cgroup_helper_ask(path, &good[0].request, &err), -ECONNRESET);
}
END_TEST

START_TEST(there_is_no_helper)
{
    char far_away[200];
    ck_assert_int_eq(cgroup_helper_ask(path, &good[0].request, &err), -ENOENT);
    memset(far_away, 'x', sizeof(far_away));
    far_away[sizeof(far_away) - 1] = '\0';
    ck_assert_int_eq(cgroup_helper_ask(far_away, &good[0].request, &err), -ENAMETOOLONG);
    cgroup_helper_kill(path, ID); // says nothing
}
END_TEST

START_TEST(a_kill_is_sent_without_waiting)
{
    start_helper("done");
    ck_assert_int_eq(kill(helper, SIGSTOP), 0);
    cgroup_helper_kill(path, ID);
    ck_assert_int_eq(kill(helper, SIGCONT), 0);
    assert_asked("kill " ID);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cgroup_helper");
    TCase *messages = tcase_create("messages");
    tcase_add_loop_test(messages, requests_are_written_and_read, 0, sizeof(good) / sizeof(good[0]));
    tcase_add_loop_test(messages, anything_else_is_refused, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(messages, so_are_zero_bytes_and_floods);
    tcase_add_test(messages, units_are_named);
    suite_add_tcase(suite, messages);
    TCase *client = tcase_create("client");
    tcase_add_checked_fixture(client, setup, teardown);
    tcase_add_test(client, the_helper_does_as_it_is_asked);
    tcase_add_test(client, the_helper_says_why_not);
    tcase_add_test(client, the_helper_breaks_off);
    tcase_add_test(client, there_is_no_helper);
    tcase_add_test(client, a_kill_is_sent_without_waiting);
    suite_add_tcase(suite, client);
    return suite_run(suite);
}
