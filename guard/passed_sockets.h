// Passed sockets: those on which systemd listens for the daemon (reeve.socket), so that nobody is
// refused while it restarts.
#pragma once

#include "error.h"

struct passed_sockets {
    int agents_fd;  // TCP, for the proxy; -1: none was passed
    int control_fd; // Unix, for the control socket; -1: none was passed
};

// Takes them over (sd_listen_fds(3)): non-blocking, and not for processes that are started later.
// -EINVAL: another kind of socket, or two of a kind.
int passed_sockets_take(struct passed_sockets *sockets, struct error *err);
