// Socket owner: who holds the other end of a connection over loopback, as the kernel knows it.
//
// Asked by sock_diag(7) for exactly the one socket that has our end's addresses the other way
// round. The kernel answers before the request returns, so this never waits. It looks in our own
// network namespace alone: of another one's sockets it knows nothing.
#pragma once

#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#define SOCKET_OWNER_REQUEST_MAX 128
#define SOCKET_OWNER_ANSWER_MAX 4096

struct socket_owner {
    uid_t uid;
    uint32_t inode;     // "socket:[INODE]" in /proc/PID/fd; 0 once no process has it open
    uint64_t cgroup_id; // in cgroup v2, of who made it: its directory's inode; 0: not told, which
                        // kernels before Linux 5.9 never do
};

// A connection's two ends, ours first.
struct socket_ends {
    struct sockaddr_storage local, remote;
};

// Opens the way to ask. -EACCES and others: this process may not, or the kernel cannot.
int socket_owner_open(struct error *err);

// Whether the answers are right here, tried on a connection to ourselves. *tells_cgroup: they name
// the cgroup.
int socket_owner_try(int diag_fd, bool *tells_cgroup, struct error *err);

// Who holds the other end of the connected TCP socket `fd`. -ENOENT: nobody in this network
// namespace, be it that the other end is in another one, or that it is closed and done with.
int socket_owner_find(int diag_fd, int fd, struct socket_owner *owner, struct error *err);

// Parts of it, pure. Writes the question; returns its length, 0 for addresses that are neither IPv4
// nor IPv6.
size_t socket_owner_ask(const struct socket_ends *ends, uint32_t sequence,
                        unsigned char request[static SOCKET_OWNER_REQUEST_MAX]);

// Reads an answer to it. -EAGAIN: it is to another question; -EBADMSG: it is none; else as
// socket_owner_find().
int socket_owner_read(const unsigned char *answer, size_t length, const struct socket_ends *ends,
                      uint32_t sequence, struct socket_owner *owner);
