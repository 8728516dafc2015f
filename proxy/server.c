// Server: listens on loopback and accepts the agents' connections.

#include "server.h"

#include "agent_pass.h"
#include "agents.h"
#include "cleanup.h"
#include "log.h"
#include "slice.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define LISTEN_BACKLOG 1024
#define SWEEP_INTERVAL_S 1

struct server {
    struct agents *agents;
    struct evconnlistener *listener;
    struct event *sweep;
    char address[INET6_ADDRSTRLEN + 16];
    bool stopping;
};

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int address_length, void *context)
{
    struct server *server = context;
    (void)address;
    (void)address_length;
    agents_accept(server->agents, fd);
    if (agents_count(server->agents) >= SERVER_CONNECTIONS_MAX)
        evconnlistener_disable(listener);
}

// Mostly no file descriptors are left. A listener that went on would spin; the sweep wakes it.
static void on_accept_failed(struct evconnlistener *listener, void *context)
{
    (void)context;
    log_event(LOG_ERR, "accept_failed", "error", strerror(errno), NULL);
    evconnlistener_disable(listener);
}

static void on_agent_closed(void *context)
{
    struct server *server = context;
    if (!server->stopping && agents_count(server->agents) == SERVER_CONNECTIONS_MAX - 1)
        evconnlistener_enable(server->listener);
}

static void on_sweep(evutil_socket_t fd, short what, void *context)
{
    struct server *server = context;
    (void)fd;
    (void)what;
    agents_sweep(server->agents);
    if (!server->stopping && agents_count(server->agents) < SERVER_CONNECTIONS_MAX)
        evconnlistener_enable(server->listener);
}

static bool address_is_loopback(const struct sockaddr *address)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
    return address->sa_family == AF_INET ? ntohl(v4->sin_addr.s_addr) >> 24 == 127
                                         : IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

// "127.0.0.1:8377" or "[::1]:8377"; port 0 takes a free one. Returns its length, 0 if it is
// neither.
static socklen_t address_parse(const char *text, struct sockaddr_storage *address)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)address;
    char host[INET6_ADDRSTRLEN + 2];
    const char *colon = strrchr(text, ':');
    size_t digits = colon != NULL ? strspn(colon + 1, "0123456789") : 0;
    if (digits == 0 || digits > 5 || colon[1 + digits] != '\0' ||
        !slice_copy((struct slice){text, (size_t)(colon - text)}, host, sizeof(host)))
        return 0;
    long port = strtol(colon + 1, NULL, 10);
    size_t host_length = strlen(host);
    if (port > UINT16_MAX)
        return 0;
    memset(address, 0, sizeof(*address));
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        return sizeof(*v4);
    }
    if (host[0] != '[' || host[host_length - 1] != ']')
        return 0;
    host[host_length - 1] = '\0';
    if (inet_pton(AF_INET6, host + 1, &v6->sin6_addr) != 1)
        return 0;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((uint16_t)port);
    return sizeof(*v6);
}

// The socket to listen on, made or checked.
static int socket_listen(const char *address, bool anywhere, int listen_fd, struct error *err)
{
    struct sockaddr_storage storage;
    socklen_t length = sizeof(storage);
    int on = 1;
    struct sockaddr *parsed = (struct sockaddr *)&storage;
    if (listen_fd >= 0) {
        if (getsockname(listen_fd, parsed, &length) < 0)
            return error_set_errno(err, -errno, "the socket that was passed in");
    } else if ((length = address_parse(address, &storage)) == 0) {
        return error_set(err, -EINVAL,
                         "Listen=%s: accepted is a numeric address and a port, as 127.0.0.1:8377 "
                         "or [::1]:8377",
                         address);
    }
    if (!anywhere && !address_is_loopback(parsed))
        return error_set(err, -EACCES,
                         "Listen=%s: not loopback, so everybody on the network could reach it; "
                         "ListenAnywhere=yes allows that",
                         address);
    if (listen_fd >= 0)
        return listen_fd;
    cleanup_fd int fd = socket(parsed->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(fd, parsed, length) < 0)
        return error_set_errno(err, -errno, "listening on %s", address);
    return take_fd(&fd);
}

static void address_read(struct server *server, int fd)
{
    struct sockaddr_storage storage;
    socklen_t length = sizeof(storage);
    char host[INET6_ADDRSTRLEN] = "?";
    if (getsockname(fd, (struct sockaddr *)&storage, &length) < 0)
        return;
    if (storage.ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&storage;
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
        snprintf(server->address, sizeof(server->address), "%s:%u", host, ntohs(v4->sin_port));
    } else {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&storage;
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
        snprintf(server->address, sizeof(server->address), "[%s]:%u", host, ntohs(v6->sin6_port));
    }
}

int server_new(struct server **server, struct event_base *base, const char *address, bool anywhere,
               int listen_fd, struct proxy *proxy, struct error *err)
{
    cleanup_fd int fd = socket_listen(address, anywhere, listen_fd, err);
    if (fd < 0)
        return fd;
    struct server *new_server = calloc(1, sizeof(*new_server));
    if (new_server == NULL)
        return error_set(err, -ENOMEM, "out of memory for the server");
    int result = agents_new(&new_server->agents, base, proxy, on_agent_closed, new_server, err);
    if (result == 0) {
        new_server->sweep = event_new(base, -1, EV_PERSIST, on_sweep, new_server);
        new_server->listener =
            evconnlistener_new(base, on_accept, new_server,
                               LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, LISTEN_BACKLOG, fd);
        if (new_server->listener != NULL)
            address_read(new_server, take_fd(&fd));
        if (new_server->sweep == NULL || new_server->listener == NULL)
            result = error_set_errno(err, errno > 0 ? -errno : -ENOMEM, "listening on %s", address);
    }
    if (result < 0) {
        server_free(new_server);
        return result;
    }
    evconnlistener_set_error_cb(new_server->listener, on_accept_failed);
    event_add(new_server->sweep, &(struct timeval){SWEEP_INTERVAL_S, 0});
    *server = new_server;
    return 0;
}

void server_stop(struct server *server)
{
    server->stopping = true;
    if (server->listener != NULL)
        evconnlistener_disable(server->listener);
    agents_stop(server->agents);
}

int server_listening_fd(const struct server *server)
{
    return evconnlistener_get_fd(server->listener);
}

void server_hand_over(struct server *server)
{
    server->stopping = true;
    evconnlistener_free(take_pointer(&server->listener));
}

void server_pass(struct server *server)
{
    agents_pass(server->agents);
}

void server_adopt(struct server *server, const struct agent_parts *parts)
{
    agents_adopt(server->agents, parts);
}

bool server_is_idle(const struct server *server)
{
    return agents_count(server->agents) == 0;
}

void server_free(struct server *server)
{
    if (server == NULL)
        return;
    server->stopping = true;
    agents_free(server->agents);
    if (server->listener != NULL)
        evconnlistener_free(server->listener);
    if (server->sweep != NULL)
        event_free(server->sweep);
    free(server);
}

const char *server_address(const struct server *server)
{
    return server->address;
}
