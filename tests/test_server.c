// Tests of server.c: where it listens, and what it does when there are too many.
#include "server.h"

#include "agent.h"
#include "agent_pass.h"
#include "agents.h"
#include "suite_run.h"

#include <arpa/inet.h>
#include <check.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define FILES_MAX 64
#define PATIENCE_S 20

// ---- agents that only take and keep what was accepted

struct agents {
    void (*closed)(void *context);
    void *context;
};

static struct agents the_agents;
static int accepted[2 * FILES_MAX];
static size_t accepted_count, told_count; // the second is what agents_count() says
static bool is_stopped;

int agents_new(struct agents **agents, struct event_base *base, struct proxy *proxy,
               void (*closed)(void *context), void *context, struct error *err)
{
    (void)base;
    (void)proxy;
    (void)err;
    the_agents = (struct agents){closed, context};
    *agents = &the_agents;
    return 0;
}

void agents_free(struct agents *agents)
{
    (void)agents;
    while (accepted_count > 0)
        close(accepted[--accepted_count]);
}

void agents_accept(struct agents *agents, int fd)
{
    (void)agents;
    accepted[accepted_count++] = fd;
    told_count++;
}

void agents_sweep(struct agents *agents)
{
    (void)agents;
}

void agents_stop(struct agents *agents)
{
    (void)agents;
    is_stopped = true;
}

void agents_pass(struct agents *agents)
{
    (void)agents;
}

void agents_adopt(struct agents *agents, const struct agent_parts *parts)
{
    agents_accept(agents, parts->fd);
}

size_t agents_count(const struct agents *agents)
{
    (void)agents;
    return told_count;
}

// ---- the loop

static struct event_base *base;
static struct server *server;

static void set_up(void)
{
    base = event_base_new();
}

static void tear_down(void)
{
    server_free(server);
    event_base_free(base);
}

static void turn(void)
{
    for (int i = 0; i < 5; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
}

static void on_patience(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    (void)context;
    ck_abort_msg("what was waited for has not come");
}

static void run_until_accepted(size_t count)
{
    event_base_once(base, -1, EV_TIMEOUT, on_patience, NULL, &(struct timeval){PATIENCE_S, 0});
    while (accepted_count < count)
        event_base_loop(base, EVLOOP_ONCE);
}

static void start(const char *address)
{
    struct error err = {0};
    ck_assert_msg(server_new(&server, base, address, false, -1, NULL, &err) == 0, "%s", err.text);
}

static int connect_to_server(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    to.sin_port = htons((uint16_t)strtol(strrchr(server_address(server), ':') + 1, NULL, 10));
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

// ---- where it listens

#define NOT_NUMERIC ": accepted is a numeric address and a port, as 127.0.0.1:8377 or [::1]:8377"
#define NOT_LOOPBACK                                                                               \
    ": not loopback, so everybody on the network could reach it; ListenAnywhere=yes allows that"

static const struct {
    const char *address;
    int code;
    const char *says;
} refused[] = {
    {"0.0.0.0:0", -EACCES, NOT_LOOPBACK},
    {"[::]:0", -EACCES, NOT_LOOPBACK},
    {"192.0.2.1:8377", -EACCES, NOT_LOOPBACK},
    {"128.0.0.1:8377", -EACCES, NOT_LOOPBACK},
    {"[::ffff:10.0.0.1]:8377", -EACCES, NOT_LOOPBACK},
    {"[2001:db8::1]:8377", -EACCES, NOT_LOOPBACK},
    {"", -EINVAL, NOT_NUMERIC},
    {":8377", -EINVAL, NOT_NUMERIC},
    {"localhost:8377", -EINVAL, NOT_NUMERIC},
    {"127.0.0.1", -EINVAL, NOT_NUMERIC},
    {"::1", -EINVAL, NOT_NUMERIC},
    {"[::1]", -EINVAL, NOT_NUMERIC},
    {"127.0.0.1:", -EINVAL, NOT_NUMERIC},
    {"127.0.0.1:65536", -EINVAL, NOT_NUMERIC},
    {"127.0.0.1:-1", -EINVAL, NOT_NUMERIC},
    {"127.0.0.1:http", -EINVAL, NOT_NUMERIC},
    {"127.1:8377", -EINVAL, NOT_NUMERIC},
};

START_TEST(address_is_refused)
{
    struct error err = {0};
    char says[256];
    ck_assert_int_eq(server_new(&server, base, refused[_i].address, false, -1, NULL, &err),
                     refused[_i].code);
    ck_assert_ptr_null(server);
    snprintf(says, sizeof(says), "Listen=%s%s", refused[_i].address, refused[_i].says);
    ck_assert_str_eq(err.text, says);
}
END_TEST

START_TEST(loopback_is_listened_on)
{
    static const char *const addresses[] = {"127.0.0.1:0", "127.9.8.7:0"};
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        start(addresses[i]);
        size_t host = strlen(addresses[i]) - 1;
        ck_assert_int_eq(strncmp(server_address(server), addresses[i], host), 0);
        ck_assert_int_gt(strtol(server_address(server) + host, NULL, 10), 0);
        server_free(server);
        server = NULL;
    }
    struct error err = {0}; // where there is IPv6
    if (server_new(&server, base, "[::1]:0", false, -1, NULL, &err) == 0)
        ck_assert_int_eq(strncmp(server_address(server), "[::1]:", 6), 0);
    else
        ck_assert_int_ne(err.code, -EACCES);
}
END_TEST

START_TEST(anywhere_is_listened_on_only_if_allowed)
{
    ck_assert_int_eq(server_new(&server, base, "0.0.0.0:0", true, -1, NULL, NULL), 0);
    ck_assert_int_eq(strncmp(server_address(server), "0.0.0.0:", 8), 0);
    close(connect_to_server());
    run_until_accepted(1);
}
END_TEST

START_TEST(address_in_use_is_told)
{
    struct server *second = NULL;
    struct error err = {0};
    start("127.0.0.1:0");
    ck_assert_int_eq(server_new(&second, base, server_address(server), false, -1, NULL, &err),
                     -EADDRINUSE);
    ck_assert_ptr_nonnull(strstr(err.text, "listening on 127.0.0.1:"));
    ck_assert_ptr_nonnull(strstr(err.text, "Address already in use"));
}
END_TEST

static int passed_socket(in_addr_t host)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(host)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    ck_assert_int_eq(listen(fd, 10), 0);
    return fd;
}

START_TEST(socket_that_is_passed_in_is_checked_too)
{
    struct error err = {0};
    int anywhere = passed_socket(INADDR_ANY);
    ck_assert_int_eq(server_new(&server, base, "127.0.0.1:1", false, anywhere, NULL, &err),
                     -EACCES);
    int loopback = passed_socket(INADDR_LOOPBACK);
    ck_assert_int_eq(server_new(&server, base, "ignored", false, loopback, NULL, &err), 0);
    ck_assert_int_eq(strncmp(server_address(server), "127.0.0.1:", 10), 0);
    close(connect_to_server());
    run_until_accepted(1);
}
END_TEST

// ---- too many

START_TEST(listener_rests_at_the_maximum)
{
    start("127.0.0.1:0");
    told_count = SERVER_CONNECTIONS_MAX - 1;
    int first = connect_to_server(), second;
    run_until_accepted(1);
    second = connect_to_server(); // waits in the backlog
    turn();
    ck_assert_uint_eq(accepted_count, 1);
    told_count = SERVER_CONNECTIONS_MAX - 1;
    the_agents.closed(the_agents.context);
    run_until_accepted(2);
    close(first);
    close(second);
}
END_TEST

START_TEST(server_outlives_the_end_of_its_files)
{
    int clients[FILES_MAX / 2];
    size_t count = 0;
    start("127.0.0.1:0");
    for (; count < 10; count++)
        clients[count] = connect_to_server();
    int highest = clients[count - 1];
    struct rlimit few = {(rlim_t)highest + 5, FILES_MAX};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0); // for half of them
    run_until_accepted(3);
    turn();
    ck_assert_uint_lt(accepted_count, count);
    few.rlim_cur = FILES_MAX;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    run_until_accepted(count); // without anybody closing
    while (count > 0)
        close(clients[--count]);
}
END_TEST

START_TEST(stopped_server_takes_no_more)
{
    start("127.0.0.1:0");
    server_stop(server);
    ck_assert(is_stopped);
    int client = connect_to_server();
    turn();
    told_count = SERVER_CONNECTIONS_MAX - 1;
    the_agents.closed(the_agents.context);
    turn();
    ck_assert_uint_eq(accepted_count, 0);
    ck_assert(!server_is_idle(server));
    told_count = 0;
    ck_assert(server_is_idle(server));
    close(client);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("server");
    TCase *cases = tcase_create("server");
    tcase_set_timeout(cases, 2 * PATIENCE_S);
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_loop_test(cases, address_is_refused, 0, sizeof(refused) / sizeof(refused[0]));
    tcase_add_test(cases, loopback_is_listened_on);
    tcase_add_test(cases, anywhere_is_listened_on_only_if_allowed);
    tcase_add_test(cases, address_in_use_is_told);
    tcase_add_test(cases, socket_that_is_passed_in_is_checked_too);
    tcase_add_test(cases, listener_rests_at_the_maximum);
    tcase_add_test(cases, server_outlives_the_end_of_its_files);
    tcase_add_test(cases, stopped_server_takes_no_more);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
