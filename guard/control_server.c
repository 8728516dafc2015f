// Control server: the daemon's end of the control socket, on its event loop.
//
// A peer is freed by the loop, never inside a call: handlers may close any peer at any time.

#include "control.h"

#include "cleanup.h"

#include <assert.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define REQUEST_MAX 65536       // bytes of a frame from a client
#define CLOSE_TIMEOUT_SECONDS 5 // for a peer to read what it was sent before it was closed

enum peer_state {
    PEER_OPEN,
    PEER_CLOSING, // closed by us; what is queued still goes out
    PEER_CLOSED,  // gone: the handlers are to be told, then it is freed
};

struct control_peer {
    struct control_server *server;
    struct control_peer *next;
    struct bufferevent *stream;
    enum peer_state state;
    struct ucred credentials;
    void *owner;
};

struct control_server {
    struct event_base *base;
    struct evconnlistener *listener;
    struct event *reap; // frees peers, outside of any call
    struct control_peer *peers;
    size_t peer_count;
    struct control_handlers handlers;
    struct sockaddr_un address;
    struct stat socket_file; // as we made it
};

static void peer_enter(struct control_peer *peer, enum peer_state state)
{
    assert(state > peer->state);
    peer->state = state;
    if (state == PEER_CLOSED)
        event_active(peer->server->reap, EV_TIMEOUT, 0);
}

static void peer_fail(struct control_peer *peer)
{
    if (peer->state != PEER_CLOSED)
        peer_enter(peer, PEER_CLOSED);
}

static void reap_peers(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct control_server *server = context;
    for (struct control_peer **link = &server->peers; *link != NULL;) {
        struct control_peer *peer = *link;
        if (peer->state != PEER_CLOSED) {
            link = &peer->next;
            continue;
        }
        server->handlers.gone(peer, server->handlers.context);
        *link = peer->next;
        server->peer_count--;
        bufferevent_free(peer->stream);
        free(peer);
    }
}

// Takes one whole frame off the input and hands it on. False: there is none, or it was bad.
static bool receive_frame(struct control_peer *peer)
{
    struct evbuffer *input = bufferevent_get_input(peer->stream);
    uint8_t head[4];
    struct control_message message;
    struct error err;
    if (evbuffer_copyout(input, head, sizeof(head)) < (ev_ssize_t)sizeof(head))
        return false;
    size_t length =
        (size_t)head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
    if (length > REQUEST_MAX) {
        peer_fail(peer);
        return false;
    }
    if (evbuffer_get_length(input) < sizeof(head) + length)
        return false;
    evbuffer_drain(input, sizeof(head));
    const uint8_t *payload = evbuffer_pullup(input, (ev_ssize_t)length);
    if ((payload == NULL && length > 0) ||
        control_message_decode(payload, length, &message, &err) < 0) {
        peer_fail(peer);
        return false;
    }
    evbuffer_drain(input, length);
    peer->server->handlers.received(peer, &message, peer->server->handlers.context);
    control_message_done(&message);
    return true;
}

static void on_readable(struct bufferevent *stream, void *context)
{
    (void)stream;
    struct control_peer *peer = context;
    while (peer->state == PEER_OPEN && receive_frame(peer))
        ;
}

static void on_drained(struct bufferevent *stream, void *context)
{
    (void)stream;
    struct control_peer *peer = context;
    if (peer->state == PEER_CLOSING)
        peer_enter(peer, PEER_CLOSED);
}

static void on_event(struct bufferevent *stream, short what, void *context)
{
    (void)stream;
    (void)what;
    peer_fail(context);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int address_length, void *context)
{
    (void)listener;
    (void)address;
    (void)address_length;
    struct control_server *server = context;
    socklen_t length = sizeof(struct ucred);
    struct control_peer *peer = calloc(1, sizeof(*peer));
    if (peer == NULL || server->peer_count >= CONTROL_CLIENTS_MAX ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer->credentials, &length) != 0 ||
        (peer->stream = bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE)) == NULL) {
        free(peer);
        close(fd);
        return;
    }
    peer->server = server;
    peer->next = server->peers;
    server->peers = peer;
    server->peer_count++;
    bufferevent_setcb(peer->stream, on_readable, on_drained, on_event, peer);
    bufferevent_setwatermark(peer->stream, EV_READ, 0, REQUEST_MAX + 4);
    bufferevent_enable(peer->stream, EV_READ | EV_WRITE);
}

static bool socket_is_alive(const struct sockaddr_un *address)
{
    cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;
}

// A listening socket at the server's path. Returns its descriptor or a negative errno.
static int listen_at(struct control_server *server, struct error *err)
{
    const char *path = server->address.sun_path;
    const struct sockaddr *address = (const struct sockaddr *)&server->address;
    cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_set_errno(err, -errno, "making the control socket");
    mode_t mask = umask(0117); // 0660
    int result = bind(fd, address, sizeof(server->address));
    if (result != 0 && errno == EADDRINUSE && !socket_is_alive(&server->address)) {
        unlink(path); // left behind by a daemon that was killed
        result = bind(fd, address, sizeof(server->address));
    }
    int code = result != 0 ? -errno : 0;
    umask(mask);
    if (code == -EADDRINUSE)
        return error_set(err, code, "another reeve serves at %s", path);
    if (code < 0)
        return error_set_errno(err, code, "binding the control socket %s", path);
    if (listen(fd, SOMAXCONN) != 0 || lstat(path, &server->socket_file) != 0)
        return error_set_errno(err, -errno, "listening on %s", path);
    return take_fd(&fd);
}

int control_server_new(struct control_server **server, struct event_base *base, const char *path,
                       int listen_fd, const struct control_handlers *handlers, struct error *err)
{
    struct control_server *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return error_set_errno(err, -ENOMEM, "making the control server");
    made->base = base;
    made->handlers = *handlers;
    made->address.sun_family = AF_UNIX;
    if (strlen(path) >= sizeof(made->address.sun_path)) {
        free(made);
        return error_set(err, -ENAMETOOLONG, "the control socket's path %s is too long", path);
    }
    memcpy(made->address.sun_path, path, strlen(path) + 1);
    int fd = listen_fd >= 0 ? listen_fd : listen_at(made, err);
    if (fd < 0) {
        free(made);
        return fd;
    }
    made->reap = event_new(base, -1, 0, reap_peers, made);
    made->listener = evconnlistener_new(base, on_accept, made,
                                        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (made->reap == NULL || made->listener == NULL) {
        if (made->listener == NULL)
            close(fd);
        control_server_free(made);
        return error_set_errno(err, -ENOMEM, "making the control server");
    }
    *server = made;
    return 0;
}

void control_server_free(struct control_server *server)
{
    if (server == NULL)
        return;
    struct stat now;
    if (lstat(server->address.sun_path, &now) == 0 && now.st_ino == server->socket_file.st_ino &&
        now.st_dev == server->socket_file.st_dev)
        unlink(server->address.sun_path); // and not that of a successor
    if (server->listener != NULL)
        evconnlistener_free(server->listener);
    if (server->reap != NULL)
        event_free(server->reap);
    for (struct control_peer *peer; (peer = server->peers) != NULL;) {
        server->peers = peer->next;
        bufferevent_free(peer->stream);
        free(peer);
    }
    free(server);
}

static void ignore_message(struct control_peer *peer, const struct control_message *message,
                           void *context)
{
    (void)peer;
    (void)message;
    (void)context;
}

static void ignore_end(struct control_peer *peer, void *context)
{
    (void)peer;
    (void)context;
}

int control_server_listening_fd(const struct control_server *server)
{
    return evconnlistener_get_fd(server->listener);
}

bool control_server_owns_file(const struct control_server *server)
{
    return server->socket_file.st_ino != 0;
}

void control_server_hand_over(struct control_server *server, const struct control_peer *kept)
{
    server->socket_file = (struct stat){0};
    server->handlers = (struct control_handlers){.received = ignore_message, .gone = ignore_end};
    evconnlistener_free(take_pointer(&server->listener));
    for (struct control_peer **link = &server->peers; *link != NULL;) {
        struct control_peer *peer = *link;
        if (peer == kept) {
            link = &peer->next;
            continue;
        }
        *link = peer->next;
        server->peer_count--;
        bufferevent_free(peer->stream);
        free(peer);
    }
}

void control_server_own_file(struct control_server *server)
{
    if (lstat(server->address.sun_path, &server->socket_file) != 0)
        server->socket_file = (struct stat){0};
}

static void wipe_frame(const void *frame, size_t length, void *context)
{
    explicit_bzero(context, length);
    free(context);
    (void)frame;
}

void control_peer_send(struct control_peer *peer, const struct control_message *message)
{
    uint8_t *frame;
    size_t length;
    if (peer->state != PEER_OPEN)
        return;
    if (control_message_encode(message, &frame, &length, NULL) < 0) {
        peer_fail(peer);
        return;
    }
    struct evbuffer *output = bufferevent_get_output(peer->stream);
    if (evbuffer_get_length(output) + length > CONTROL_BACKLOG_MAX ||
        evbuffer_add_reference(output, frame, length, wipe_frame, frame) != 0) {
        wipe_frame(frame, length, frame);
        peer_fail(peer);
    }
}

void control_peer_refuse(struct control_peer *peer, enum control_refusal code, const char *format,
                         ...)
{
    struct control_message message = {.type = CONTROL_REFUSED, .refused.code = code};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message.refused.text, sizeof(message.refused.text), format, arguments);
    va_end(arguments);
    control_peer_send(peer, &message);
    control_peer_close(peer);
}

void control_peer_close(struct control_peer *peer)
{
    static const struct timeval timeout = {.tv_sec = CLOSE_TIMEOUT_SECONDS};
    if (peer->state != PEER_OPEN)
        return;
    peer_enter(peer, PEER_CLOSING);
    bufferevent_disable(peer->stream, EV_READ);
    bufferevent_set_timeouts(peer->stream, NULL, &timeout);
    if (evbuffer_get_length(bufferevent_get_output(peer->stream)) == 0)
        peer_enter(peer, PEER_CLOSED);
}

pid_t control_peer_pid(const struct control_peer *peer)
{
    return peer->credentials.pid;
}

uid_t control_peer_uid(const struct control_peer *peer)
{
    return peer->credentials.uid;
}

void control_peer_set_owner(struct control_peer *peer, void *owner)
{
    peer->owner = owner;
}

void *control_peer_owner(const struct control_peer *peer)
{
    return peer->owner;
}
