// Cgroup helper, from outside: what a supervisor and the daemon say to it.

#include "cgroup_helper_client.h"

#include "cleanup.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define ANSWER_MAX_MS 30000 // systemd takes its time on a busy machine

// Connects and sends. Returns the connection.
static int send_request(const char *socket_path, const struct cgroup_helper_request *request,
                        int flags, struct error *err)
{
    char text[CGROUP_HELPER_MESSAGE_MAX];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(socket_path) >= sizeof(address.sun_path))
        return error_set(err, -ENAMETOOLONG, "the path %s is too long", socket_path);
    memcpy(address.sun_path, socket_path, strlen(socket_path) + 1);
    size_t length = cgroup_helper_request_write(request, text);
    cleanup_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        send(fd, text, length, MSG_NOSIGNAL) != (ssize_t)length)
        return error_set_errno(err, -errno, "asking the helper at %s", socket_path);
    return take_fd(&fd);
}

int cgroup_helper_ask(const char *socket_path, const struct cgroup_helper_request *request,
                      struct error *err)
{
    char text[CGROUP_HELPER_MESSAGE_MAX + 1];
    cleanup_fd int fd = send_request(socket_path, request, 0, err);
    if (fd < 0)
        return fd;
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    int ready = poll(&readable, 1, ANSWER_MAX_MS);
    ssize_t length = ready == 1 ? recv(fd, text, sizeof(text) - 1, 0) : -1;
    if (ready == 0)
        return error_set(err, -ETIMEDOUT, "the helper at %s does not answer", socket_path);
    if (length <= 0)
        return error_set_errno(err, length == 0 ? -ECONNRESET : -errno,
                               "waiting for the helper at %s", socket_path);
    text[length] = '\0';
    return strcmp(text, CGROUP_HELPER_DONE) == 0
               ? 0
               : error_set(err, -EPERM, "the helper at %s refuses: %s", socket_path, text);
}

void cgroup_helper_kill(const char *socket_path, const char *run_id)
{
    struct cgroup_helper_request request = {.verb = CGROUP_HELPER_KILL};
    snprintf(request.run_id, sizeof(request.run_id), "%s", run_id);
    cleanup_fd int fd = send_request(socket_path, &request, SOCK_NONBLOCK, NULL);
    (void)fd; // what has been sent arrives
}
