// Socket owner: who holds the other end of a connection over loopback, as the kernel knows it.
//
//     nlmsghdr | inet_diag_req_v2 (the other end's addresses)  ▶  kernel
//     nlmsghdr | inet_diag_msg (uid, inode) | attributes (cgroup id)  ◀
//     nlmsghdr | nlmsgerr (-ENOENT)                                   ◀

#include "socket_owner.h"

#include "cleanup.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>

#define STALE_MAX 8 // answers to earlier questions that nobody took

struct question {
    struct nlmsghdr head;
    struct inet_diag_req_v2 body;
};

_Static_assert(sizeof(struct question) <= SOCKET_OWNER_REQUEST_MAX, "a question fits");

int socket_owner_open(struct error *err)
{
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    cleanup_fd int fd =
        socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&kernel, sizeof(kernel)) != 0)
        return error_set_errno(err, -errno, "opening sock_diag");
    return take_fd(&fd);
}

static in_port_t port_of(const struct sockaddr_storage *address)
{
    return address->ss_family == AF_INET
               ? ((const struct sockaddr_in *)(const void *)address)->sin_port
               : ((const struct sockaddr_in6 *)(const void *)address)->sin6_port;
}

static void copy_address(const struct sockaddr_storage *address, __be32 words[static 4])
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
    if (address->ss_family == AF_INET)
        words[0] = v4->sin_addr.s_addr;
    else
        memcpy(words, &v6->sin6_addr, sizeof(v6->sin6_addr));
}

size_t socket_owner_ask(const struct socket_ends *ends, uint32_t sequence,
                        unsigned char request[static SOCKET_OWNER_REQUEST_MAX])
{
    sa_family_t family = ends->local.ss_family;
    if ((family != AF_INET && family != AF_INET6) || ends->remote.ss_family != family)
        return 0;
    struct question question = {
        .head = {.nlmsg_len = sizeof(question),
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_flags = NLM_F_REQUEST,
                 .nlmsg_seq = sequence},
        .body = {.sdiag_family = (__u8)family,
                 .sdiag_protocol = IPPROTO_TCP,
                 .idiag_states = ~0U,
                 .id = {.idiag_sport = port_of(&ends->remote),
                        .idiag_dport = port_of(&ends->local),
                        .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}},
    };
    copy_address(&ends->remote, question.body.id.idiag_src);
    copy_address(&ends->local, question.body.id.idiag_dst);
    memcpy(request, &question, sizeof(question));
    return sizeof(question);
}

// The cgroup's id among the attributes, 0 if it is not there.
static uint64_t find_cgroup_id(const unsigned char *attributes, size_t length)
{
    struct nlattr attribute;
    uint64_t id = 0;
    while (length >= sizeof(attribute)) {
        memcpy(&attribute, attributes, sizeof(attribute));
        if (attribute.nla_len < sizeof(attribute) || attribute.nla_len > length)
            return 0;
        if ((attribute.nla_type & NLA_TYPE_MASK) == INET_DIAG_CGROUP_ID &&
            attribute.nla_len == sizeof(attribute) + sizeof(id)) {
            memcpy(&id, attributes + sizeof(attribute), sizeof(id));
            return id;
        }
        size_t step = NLA_ALIGN(attribute.nla_len);
        if (step > length)
            return 0;
        attributes += step;
        length -= step;
    }
    return 0;
}

int socket_owner_read(const unsigned char *answer, size_t length, const struct socket_ends *ends,
                      uint32_t sequence, struct socket_owner *owner)
{
    struct nlmsghdr head;
    struct nlmsgerr refusal;
    struct inet_diag_msg found;
    if (length < sizeof(head))
        return -EBADMSG;
    memcpy(&head, answer, sizeof(head));
    if (head.nlmsg_len < sizeof(head) || head.nlmsg_len > length)
        return -EBADMSG;
    if (head.nlmsg_seq != sequence)
        return -EAGAIN;
    size_t body = head.nlmsg_len - sizeof(head);
    answer += sizeof(head);
    if (head.nlmsg_type == NLMSG_ERROR && body >= sizeof(refusal)) {
        memcpy(&refusal, answer, sizeof(refusal));
        return refusal.error < 0 && refusal.error > -4096 ? refusal.error : -EBADMSG;
    }
    if (head.nlmsg_type != SOCK_DIAG_BY_FAMILY || body < sizeof(found))
        return -EBADMSG;
    memcpy(&found, answer, sizeof(found));
    // Where no connection has these addresses, the kernel takes a listener at that port for it.
    // And what is left of a closed socket knows neither owner nor cgroup.
    if (found.id.idiag_sport != port_of(&ends->remote) ||
        found.id.idiag_dport != port_of(&ends->local) || found.idiag_state == TCP_LISTEN ||
        found.idiag_state == TCP_TIME_WAIT || found.idiag_state == TCP_CLOSE)
        return -ENOENT;
    *owner = (struct socket_owner){
        .uid = found.idiag_uid,
        .inode = found.idiag_inode,
        .cgroup_id = find_cgroup_id(answer + sizeof(found), body - sizeof(found)),
    };
    return 0;
}

int socket_owner_find(int diag_fd, int fd, struct socket_owner *owner, struct error *err)
{
    unsigned char request[SOCKET_OWNER_REQUEST_MAX];
    unsigned char answer[SOCKET_OWNER_ANSWER_MAX];
    struct socket_ends ends = {.local.ss_family = AF_UNSPEC};
    socklen_t local_length = sizeof(ends.local), remote_length = sizeof(ends.remote);
    if (getsockname(fd, (struct sockaddr *)&ends.local, &local_length) != 0 ||
        getpeername(fd, (struct sockaddr *)&ends.remote, &remote_length) != 0)
        return error_set_errno(err, errno == ENOTCONN ? -ENOENT : -errno, "asking for its ends");
    uint32_t sequence = port_of(&ends.remote); // tells apart what nobody has taken
    size_t length = socket_owner_ask(&ends, sequence, request);
    if (length == 0)
        return error_set(err, -EAFNOSUPPORT, "it is not a TCP connection");
    if (send(diag_fd, request, length, 0) != (ssize_t)length)
        return error_set_errno(err, -errno, "asking sock_diag");
    for (int i = 0; i < STALE_MAX; i++) {
        ssize_t got = recv(diag_fd, answer, sizeof(answer), MSG_DONTWAIT);
        if (got < 0)
            return error_set_errno(err, -errno, "hearing sock_diag");
        int result = socket_owner_read(answer, (size_t)got, &ends, sequence, owner);
        if (result == -ENOENT)
            return error_set(err, result, "nobody in this network namespace holds its other end");
        if (result != -EAGAIN)
            return result < 0 ? error_set_errno(err, result, "asking sock_diag") : 0;
    }
    return error_set(err, -EBADMSG, "sock_diag answers other questions only");
}

// Two ends of a connection over loopback, both ours.
static int connect_to_self(int *near, int *far, struct error *err)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr *bound = (struct sockaddr *)&address;
    socklen_t length = sizeof(address);
    cleanup_fd int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cleanup_fd int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cleanup_fd int server = -1;
    if (listener >= 0 && client >= 0 && bind(listener, bound, length) == 0 &&
        listen(listener, 1) == 0 && getsockname(listener, bound, &length) == 0 &&
        connect(client, bound, length) == 0)
        server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (server < 0)
        return error_set_errno(err, -errno, "connecting to ourselves");
    *near = take_fd(&server);
    *far = take_fd(&client);
    return 0;
}

int socket_owner_try(int diag_fd, bool *tells_cgroup, struct error *err)
{
    cleanup_fd int near = -1;
    cleanup_fd int far = -1;
    struct socket_owner owner;
    struct stat status;
    int result = connect_to_self(&near, &far, err);
    if (result == 0)
        result = socket_owner_find(diag_fd, near, &owner, err);
    if (result < 0)
        return result;
    if (fstat(far, &status) != 0 || (uint32_t)status.st_ino != owner.inode ||
        owner.uid != geteuid())
        return error_set(err, -ENOTSUP, "sock_diag takes another socket for ours");
    *tells_cgroup = owner.cgroup_id != 0;
    return 0;
}
