// Passed sockets: those on which systemd listens for the daemon (reeve.socket).

#include "passed_sockets.h"

#include <event2/util.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

static bool is_tcp(int fd)
{
    return sd_is_socket(fd, AF_INET, SOCK_STREAM, 1) > 0 ||
           sd_is_socket(fd, AF_INET6, SOCK_STREAM, 1) > 0;
}

int passed_sockets_take(struct passed_sockets *sockets, struct error *err)
{
    struct passed_sockets taken = {.agents_fd = -1, .control_fd = -1};
    int count = sd_listen_fds(1);
    if (count < 0)
        return error_set_errno(err, count, "taking over the sockets from systemd");
    for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + count; fd++) {
        int *place = NULL;
        if (is_tcp(fd))
            place = &taken.agents_fd;
        else if (sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) > 0)
            place = &taken.control_fd;
        if (place == NULL || *place >= 0)
            return error_set(err, -EINVAL,
                             "systemd passes a socket that is of no use: reeve.socket is to have "
                             "one TCP address and one Unix socket to listen on");
        if (evutil_make_socket_nonblocking(fd) != 0)
            return error_set_errno(err, -errno, "taking over the sockets from systemd");
        *place = fd;
    }
    *sockets = taken;
    return 0;
}
