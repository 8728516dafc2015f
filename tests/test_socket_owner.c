// Tests of socket_owner.c: what is asked, what is made of answers, and the kernel's own ones.
#include "socket_owner.h"
#include "suite_run.h"

#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEQUENCE 7
#define OUR_PORT 8377
#define THEIR_PORT 40001

static struct sockaddr_storage address_v4(uint32_t host, uint16_t port)
{
    struct sockaddr_storage storage = {0};
    const struct sockaddr_in v4 = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(host)};
    memcpy(&storage, &v4, sizeof(v4));
    return storage;
}

static struct sockaddr_storage address_v6(uint16_t port, bool mapped)
{
    struct sockaddr_storage storage = {0};
    struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    if (mapped)
        inet_pton(AF_INET6, "::ffff:127.0.0.1", &v6.sin6_addr);
    memcpy(&storage, &v6, sizeof(v6));
    return storage;
}

static struct socket_ends ends_v4(void)
{
    return (struct socket_ends){.local = address_v4(INADDR_LOOPBACK, OUR_PORT),
                                .remote = address_v4(INADDR_LOOPBACK, THEIR_PORT)};
}

START_TEST(other_end_is_asked_for)
{
    unsigned char request[SOCKET_OWNER_REQUEST_MAX];
    struct nlmsghdr head;
    struct inet_diag_req_v2 body;
    struct socket_ends ends = ends_v4();
    ck_assert_uint_eq(socket_owner_ask(&ends, SEQUENCE, request), sizeof(head) + sizeof(body));
    memcpy(&head, request, sizeof(head));
    memcpy(&body, request + sizeof(head), sizeof(body));
    ck_assert_int_eq(head.nlmsg_type, SOCK_DIAG_BY_FAMILY);
    ck_assert_int_eq(head.nlmsg_flags, NLM_F_REQUEST); // one socket, not a dump
    ck_assert_uint_eq(head.nlmsg_seq, SEQUENCE);
    ck_assert_int_eq(body.sdiag_family, AF_INET);
    ck_assert_int_eq(ntohs(body.id.idiag_sport), THEIR_PORT);
    ck_assert_int_eq(ntohs(body.id.idiag_dport), OUR_PORT);
    ck_assert_uint_eq(ntohl(body.id.idiag_src[0]), INADDR_LOOPBACK);
    ends.remote.ss_family = AF_INET6;
    ck_assert_uint_eq(socket_owner_ask(&ends, SEQUENCE, request), 0);
    ends.local.ss_family = ends.remote.ss_family = AF_UNIX;
    ck_assert_uint_eq(socket_owner_ask(&ends, SEQUENCE, request), 0);
}
END_TEST

// ---- answers

struct answer {
    struct nlmsghdr head;
    struct inet_diag_msg body;
    struct {
        struct nlattr head;
        uint8_t value;
        uint8_t padding[3];
    } shutdown;
    struct {
        struct nlattr head;
        uint8_t id[8];
    } cgroup;
};

static struct answer good_answer(void)
{
    const uint64_t id = 4242;
    struct answer answer = {
        .head = {.nlmsg_len = sizeof(answer),
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_seq = SEQUENCE},
        .body = {.idiag_family = AF_INET,
                 .idiag_state = TCP_ESTABLISHED,
                 .id = {.idiag_sport = htons(THEIR_PORT), .idiag_dport = htons(OUR_PORT)},
                 .idiag_uid = 1000,
                 .idiag_inode = 99},
        .shutdown.head = {.nla_len = sizeof(struct nlattr) + 1, .nla_type = INET_DIAG_SHUTDOWN},
        .cgroup.head = {.nla_len = sizeof(struct nlattr) + sizeof(id),
                        .nla_type = INET_DIAG_CGROUP_ID},
    };
    memcpy(answer.cgroup.id, &id, sizeof(id));
    return answer;
}

static void as_it_is(struct answer *answer)
{
    (void)answer;
}
static void half_closed(struct answer *answer)
{
    answer->body.idiag_state = TCP_FIN_WAIT2;
}
static void listener(struct answer *answer)
{
    answer->body.idiag_state = TCP_LISTEN;
}
static void left_over(struct answer *answer)
{
    answer->body.idiag_state = TCP_TIME_WAIT;
}
static void other_port(struct answer *answer)
{
    answer->body.id.idiag_sport ^= 1;
}
static void no_peer(struct answer *answer)
{
    answer->body.id.idiag_dport = 0;
}
static void other_question(struct answer *answer)
{
    answer->head.nlmsg_seq++;
}
static void other_type(struct answer *answer)
{
    answer->head.nlmsg_type = NLMSG_DONE;
}
static void too_long(struct answer *answer)
{
    answer->head.nlmsg_len++;
}
static void too_short(struct answer *answer)
{
    answer->head.nlmsg_len = sizeof(answer->head) - 1;
}
static void no_body(struct answer *answer)
{
    answer->head.nlmsg_len = sizeof(answer->head);
}
static void no_cgroup(struct answer *answer)
{
    answer->cgroup.head.nla_type = INET_DIAG_MARK;
}
static void cut_cgroup(struct answer *answer)
{
    answer->head.nlmsg_len -= 4;
}
static void small_cgroup(struct answer *answer)
{
    answer->cgroup.head.nla_len -= 4;
}
static void empty_attribute(struct answer *answer)
{
    answer->shutdown.head.nla_len = 0;
}
static void long_attribute(struct answer *answer)
{
    answer->shutdown.head.nla_len = 60000;
}

static void refused(struct answer *answer, int code)
{
    const struct nlmsgerr refusal = {.error = code};
    answer->head.nlmsg_type = NLMSG_ERROR;
    memcpy(&answer->body, &refusal, sizeof(refusal));
}
static void not_there(struct answer *answer)
{
    refused(answer, -ENOENT);
}
static void not_allowed(struct answer *answer)
{
    refused(answer, -EPERM);
}
static void acknowledged(struct answer *answer)
{
    refused(answer, 0);
}
static void refused_oddly(struct answer *answer)
{
    refused(answer, INT32_MIN);
}

static const struct {
    void (*change)(struct answer *answer);
    int result;
    uint64_t cgroup_id;
} answers[] = {
    {as_it_is, 0, 4242},          {half_closed, 0, 4242},       {listener, -ENOENT, 0},
    {left_over, -ENOENT, 0},      {other_port, -ENOENT, 0},     {no_peer, -ENOENT, 0},
    {other_question, -EAGAIN, 0}, {other_type, -EBADMSG, 0},    {too_long, -EBADMSG, 0},
    {too_short, -EBADMSG, 0},     {no_body, -EBADMSG, 0},       {no_cgroup, 0, 0},
    {cut_cgroup, 0, 0},           {small_cgroup, 0, 0},         {empty_attribute, 0, 0},
    {long_attribute, 0, 0},       {not_there, -ENOENT, 0},      {not_allowed, -EPERM, 0},
    {acknowledged, -EBADMSG, 0},  {refused_oddly, -EBADMSG, 0},
};

START_TEST(answer_is_read)
{
    const struct socket_ends ends = ends_v4();
    struct answer answer = good_answer();
    struct socket_owner owner = {.inode = 1};
    answers[_i].change(&answer);
    int result =
        socket_owner_read((const unsigned char *)&answer, sizeof(answer), &ends, SEQUENCE, &owner);
    ck_assert_msg(result == answers[_i].result, "%d: %d, not %d", _i, result, answers[_i].result);
    ck_assert_uint_eq(owner.inode, result == 0 ? 99 : 1);
    ck_assert_uint_eq(owner.uid, result == 0 ? 1000 : 0);
    ck_assert_msg(owner.cgroup_id == answers[_i].cgroup_id, "%d", _i);
}
END_TEST

START_TEST(answer_that_is_cut_is_none)
{
    const struct socket_ends ends = ends_v4();
    const struct answer answer = good_answer();
    struct socket_owner owner;
    for (size_t length = 0; length < sizeof(answer); length++)
        ck_assert_int_eq(
            socket_owner_read((const unsigned char *)&answer, length, &ends, SEQUENCE, &owner),
            -EBADMSG);
}
END_TEST

// ---- the kernel

static const struct {
    const char *name;
    int listen_family, connect_family;
    bool mapped;
} ways[] = {{"IPv4", AF_INET, AF_INET, false},
            {"IPv6", AF_INET6, AF_INET6, false},
            {"IPv4 in IPv6's clothes", AF_INET, AF_INET6, true}};

// `near` is what a server accepts, `far` what its client has.
static void connect_pair(int way, int *near, int *far)
{
    struct sockaddr_storage address =
        ways[way].listen_family == AF_INET ? address_v4(INADDR_LOOPBACK, 0) : address_v6(0, false);
    socklen_t length = sizeof(address);
    int fd = socket(ways[way].listen_family, SOCK_STREAM, 0);
    *far = socket(ways[way].connect_family, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    if (ways[way].mapped)
        address = address_v6(ntohs(((struct sockaddr_in *)(void *)&address)->sin_port), true);
    ck_assert_int_eq(connect(*far, (struct sockaddr *)&address, sizeof(struct sockaddr_in6)), 0);
    *near = accept(fd, NULL, NULL);
    ck_assert_int_ge(*near, 0);
    close(fd);
}

static ino_t inode_of(int fd)
{
    struct stat status;
    ck_assert_int_eq(fstat(fd, &status), 0);
    return status.st_ino;
}

START_TEST(kernel_knows_who_holds_the_other_end)
{
    struct error err;
    struct socket_owner owner;
    bool tells_cgroup;
    int near, far, diag_fd = socket_owner_open(&err);
    ck_assert_msg(diag_fd >= 0 && socket_owner_try(diag_fd, &tells_cgroup, &err) == 0, "%s",
                  err.text);
    connect_pair(_i, &near, &far);
    ck_assert_msg(socket_owner_find(diag_fd, near, &owner, &err) == 0, "%s: %s", ways[_i].name,
                  err.text);
    ck_assert_msg(owner.inode == (uint32_t)inode_of(far), "%s", ways[_i].name);
    ck_assert_uint_eq(owner.uid, geteuid());
    ck_assert_int_eq(owner.cgroup_id != 0, tells_cgroup);
    // Half closed it is still somebody's; closed it is nobody's.
    shutdown(far, SHUT_WR);
    ck_assert_int_eq(socket_owner_find(diag_fd, near, &owner, &err), 0);
    ck_assert_uint_eq(owner.inode, (uint32_t)inode_of(far));
    close(far);
    if (socket_owner_find(diag_fd, near, &owner, &err) == 0)
        ck_assert_uint_eq(owner.inode, 0);
    close(near);
    close(diag_fd);
}
END_TEST

// The id is the inode of the directory in which this process is.
START_TEST(cgroup_is_the_own_one)
{
    char line[1024], path[1100] = "";
    struct stat status = {0};
    struct socket_owner owner;
    int near, far, diag_fd = socket_owner_open(NULL);
    FILE *file = fopen("/proc/self/cgroup", "r");
    while (fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, "0::", 3) == 0)
            snprintf(path, sizeof(path), "%.*s", (int)strcspn(line + 3, "\n"), line + 3);
    fclose(file);
    for (int i = 0; i < 2 && status.st_ino == 0; i++) {
        char full[1200];
        const char *const mounts[] = {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"};
        snprintf(full, sizeof(full), "%s%s", mounts[i], path);
        if (stat(full, &status) != 0)
            status.st_ino = 0;
    }
    connect_pair(0, &near, &far);
    ck_assert_int_eq(socket_owner_find(diag_fd, near, &owner, NULL), 0);
    if (owner.cgroup_id != 0 && status.st_ino != 0) // in a container the way to it can be hidden
        ck_assert_uint_eq(owner.cgroup_id, status.st_ino);
}
END_TEST

// Of another network namespace's connections nothing is known.
START_TEST(other_namespace_is_not_seen)
{
    int near, far, status;
    connect_pair(0, &near, &far);
    pid_t pid = fork();
    if (pid == 0) {
        struct socket_owner owner;
        if (unshare(CLONE_NEWNET) != 0)
            _exit(2); // not root
        int diag_fd = socket_owner_open(NULL);
        _exit(socket_owner_find(diag_fd, near, &owner, NULL) == -ENOENT ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_ne(WEXITSTATUS(status), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("socket_owner");
    TCase *cases = tcase_create("socket_owner");
    tcase_add_test(cases, other_end_is_asked_for);
    tcase_add_loop_test(cases, answer_is_read, 0, sizeof(answers) / sizeof(answers[0]));
    tcase_add_test(cases, answer_that_is_cut_is_none);
    tcase_add_loop_test(cases, kernel_knows_who_holds_the_other_end, 0,
                        sizeof(ways) / sizeof(ways[0]));
    tcase_add_test(cases, cgroup_is_the_own_one);
    tcase_add_test(cases, other_namespace_is_not_seen);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
