// Checks both ends of the control socket against each other, in one process: the client's calls are
// answered out of the kernel's socket buffers, the loop is turned by hand.
#include "control.h"
#include "control_samples.h"
#include "suite_run.h"

#include <check.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char directory[] = "/tmp/reeve-control.XXXXXX";
static char path[64];
static struct event_base *base;
static struct control_server *server;
static struct error err;
static struct control_message last;
static struct control_peer *last_peer;
static int received, gone;
static bool echo, refuse, goes_at_first;

static void on_received(struct control_peer *peer, const struct control_message *message,
                        void *context)
{
    ck_assert_ptr_eq(context, &received);
    received++;
    last = *message;
    last_peer = peer;
    if (goes_at_first && received == 1) {
        control_peer_close(peer);
        return;
    }
    if (echo)
        control_peer_send(peer, message);
    if (refuse)
        control_peer_refuse(peer, CONTROL_INVALID, "%s", "no");
}

static void on_gone(struct control_peer *peer, void *context)
{
    ck_assert_ptr_eq(context, &received);
    ck_assert(last_peer == NULL || peer == last_peer);
    gone++;
}

static const struct control_handlers handlers = {on_received, on_gone, &received};

static void setup(void)
{
    snprintf(directory, sizeof(directory), "/tmp/reeve-control.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/control.sock", directory);
    base = event_base_new();
    ck_assert_int_eq(control_server_new(&server, base, path, -1, &handlers, &err), 0);
}

static void teardown(void)
{
    control_server_free(server);
    event_base_free(base);
    ck_assert_int_eq(rmdir(directory), 0); // the socket went with its server
}

static void turn(void)
{
    for (int i = 0; i < 8; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
}

static struct control_client *open_client(void)
{
    struct control_client *client;
    ck_assert_int_eq(control_client_open(&client, path, &err), 0);
    turn();
    return client;
}

START_TEST(messages_go_both_ways)
{
    struct control_client *client = open_client();
    struct control_message message;
    echo = true;
    for (enum control_type type = CONTROL_RUN_OPEN; type <= CONTROL_LAST; type++) {
        sample_message(type, &message);
        ck_assert_int_eq(control_client_send(client, &message, &err), 0);
        control_message_done(&message);
    }
    turn();
    ck_assert_int_eq(received, CONTROL_LAST);
    ck_assert_int_eq(control_peer_pid(last_peer), getpid());
    ck_assert_uint_eq(control_peer_uid(last_peer), getuid());
    for (enum control_type type = CONTROL_RUN_OPEN; type <= CONTROL_LAST; type++) {
        ck_assert_int_eq(control_client_receive(client, 0, &message, &err), 0);
        ck_assert_int_eq(message.type, type);
        control_message_done(&message);
    }
    ck_assert_int_eq(control_client_receive(client, 0, &message, &err), -ETIMEDOUT);
    control_client_close(client);
    turn();
    ck_assert_int_eq(gone, 1);
}
END_TEST

START_TEST(the_successor_of_a_daemon_that_goes_is_asked)
{
    struct control_message answer, question = {.type = CONTROL_STATUS};
    echo = goes_at_first = true;
    pid_t daemon = fork();
    if (daemon == 0) {
        event_reinit(base);
        event_base_dispatch(base);
        _exit(0);
    }
    struct control_client *client;
    ck_assert_int_eq(control_client_open(&client, path, &err), 0);
    ck_assert_int_eq(control_client_ask(client, &question, 10000, &answer, &err), 0);
    ck_assert_int_eq(answer.type, CONTROL_STATUS);
    control_message_done(&answer);
    control_client_close(client);
    kill(daemon, SIGKILL);
    ck_assert_int_eq(waitpid(daemon, NULL, 0), daemon);
}
END_TEST

START_TEST(owner_is_kept)
{
    struct control_client *client = open_client();
    struct control_message message = {.type = CONTROL_STATUS};
    ck_assert_int_eq(control_client_send(client, &message, &err), 0);
    turn();
    ck_assert_ptr_null(control_peer_owner(last_peer));
    control_peer_set_owner(last_peer, &message);
    ck_assert_ptr_eq(control_peer_owner(last_peer), &message);
    control_client_close(client);
}
END_TEST

START_TEST(refused_and_closed)
{
    struct control_client *client = open_client();
    struct control_message message = {.type = CONTROL_STATUS};
    refuse = true;
    ck_assert_int_eq(control_client_send(client, &message, &err), 0);
    ck_assert_int_eq(control_client_send(client, &message, &err), 0); // not heard any more
    turn();
    ck_assert_int_eq(received, 1);
    ck_assert_int_eq(gone, 1);
    ck_assert_int_eq(control_client_receive(client, 0, &message, &err), 0);
    ck_assert_int_eq(message.type, CONTROL_REFUSED);
    ck_assert_str_eq(message.refused.text, "no");
    ck_assert_int_eq(control_client_receive(client, 0, &message, &err), -ECONNRESET);
    control_client_close(client);
}
END_TEST

static void send_raw(const void *bytes, size_t length)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(write(fd, bytes, length), (ssize_t)length);
    turn();
    char end;
    ck_assert_int_eq(recv(fd, &end, 1, MSG_DONTWAIT), 0); // the server has closed
    close(fd);
}

START_TEST(nonsense_is_dropped)
{
    last_peer = NULL;
    send_raw("\xff\xff\xff\xff", 4); // longer than any request
    send_raw("\x01\0\0\0\xc0", 5);   // not a map
    send_raw("\0\0\0\0", 4);         // nothing
    send_raw("\x01\0\x01\0", 4);     // 65537
    ck_assert_int_eq(received, 0);
    ck_assert_int_eq(gone, 4);
}
END_TEST

START_TEST(a_message_may_come_byte_by_byte)
{
    struct control_message message;
    uint8_t *frame;
    size_t length;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    sample_message(CONTROL_RUN_OPEN, &message);
    ck_assert_int_eq(control_message_encode(&message, &frame, &length, &err), 0);
    for (size_t i = 0; i < length; i++) {
        ck_assert_int_eq(received, 0);
        ck_assert_int_eq(write(fd, frame + i, 1), 1);
        turn();
    }
    ck_assert_int_eq(received, 1);
    ck_assert_mem_eq(&last, &message, sizeof(message));
    free(frame);
    close(fd);
}
END_TEST

// A client that never reads is dropped at the maximum, and the daemon is told.
START_TEST(who_does_not_read_is_dropped)
{
    struct control_client *client = open_client();
    struct control_message message = {.type = CONTROL_STATUS}, big;
    ck_assert_int_eq(control_client_send(client, &message, &err), 0);
    turn();
    sample_message(CONTROL_STATUS_REPLY, &big);
    for (int i = 0; i < CONTROL_LIST_MAX / 2; i++)
        control_list_add(&big.status.runs, &big.status.run_count, sizeof(*big.status.runs));
    for (int i = 0; i < 64 && gone == 0; i++) {
        control_peer_send(last_peer, &big);
        turn();
    }
    ck_assert_int_eq(gone, 1);
    control_message_done(&big);
    control_client_close(client);
}
END_TEST

START_TEST(one_daemon_at_a_place)
{
    struct control_server *other;
    struct stat status;
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0660);
    ck_assert_int_eq(control_server_new(&other, base, path, -1, &handlers, &err), -EADDRINUSE);
    ck_assert_ptr_nonnull(strstr(err.text, "another reeve serves at"));
}
END_TEST

START_TEST(a_stale_socket_is_replaced)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    control_server_free(server);
    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd); // as after kill -9: the file stays
    struct control_client *client;
    ck_assert_int_eq(control_client_open(&client, path, &err), -ECONNREFUSED);
    ck_assert_int_eq(control_server_new(&server, base, path, -1, &handlers, &err), 0);
    control_client_close(open_client());
}
END_TEST

// As systemd does, which goes on listening when the daemon does not.
START_TEST(a_socket_can_be_passed_in)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    control_server_free(server);
    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(fd, 8), 0);
    ck_assert_int_eq(control_server_new(&server, base, path, dup(fd), &handlers, &err), 0);
    struct control_client *client = open_client();
    turn();
    control_client_close(client);
    control_server_free(server);
    client = open_client(); // it waits for the next daemon
    ck_assert_int_eq(control_server_new(&server, base, path, fd, &handlers, &err), 0);
    control_client_close(client);
    ck_assert_int_eq(unlink(path), 0); // the server has not made it, so it leaves it
}
END_TEST

START_TEST(nobody_is_there)
{
    struct control_client *client;
    char other[80];
    snprintf(other, sizeof(other), "%s.other", path);
    ck_assert_int_eq(control_client_open(&client, other, &err), -ENOENT);
    ck_assert_ptr_nonnull(strstr(err.text, "is reeve serve running?"));
    char too_long[200];
    memset(too_long, 'x', sizeof(too_long));
    too_long[sizeof(too_long) - 1] = '\0';
    ck_assert_int_eq(control_client_open(&client, too_long, &err), -ENAMETOOLONG);
}
END_TEST

START_TEST(a_daemon_that_goes_is_noticed)
{
    struct control_client *client = open_client();
    struct control_message message;
    control_server_free(server);
    turn(); // libevent closes streams from the loop
    ck_assert_int_eq(control_client_receive(client, 0, &message, &err), -ECONNRESET);
    control_client_close(client);
    ck_assert_int_eq(control_server_new(&server, base, path, -1, &handlers, &err), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("control");
    TCase *tests = tcase_create("control");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, messages_go_both_ways);
    tcase_add_test(tests, the_successor_of_a_daemon_that_goes_is_asked);
    tcase_add_test(tests, owner_is_kept);
    tcase_add_test(tests, refused_and_closed);
    tcase_add_test(tests, nonsense_is_dropped);
    tcase_add_test(tests, a_message_may_come_byte_by_byte);
    tcase_add_test(tests, who_does_not_read_is_dropped);
    tcase_add_test(tests, one_daemon_at_a_place);
    tcase_add_test(tests, a_stale_socket_is_replaced);
    tcase_add_test(tests, a_socket_can_be_passed_in);
    tcase_add_test(tests, nobody_is_there);
    tcase_add_test(tests, a_daemon_that_goes_is_noticed);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
