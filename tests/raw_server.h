// A server in the loop of the test, that says what the test wants, byte for byte.
#pragma once

#include <arpa/inet.h>
#include <check.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define PEERS_MAX 600
#define RECEIVED_MAX (4 << 20)
#define PATIENCE_S 20 // for what is going to happen anyway

// A connection that came.
struct peer {
    int fd; // -1 once closed
    struct event *readable;
    size_t length;
    bool gone; // the other end has closed
};

static struct event_base *base;
static int listener;
static struct event *acceptable, *patience;
static struct peer peers[PEERS_MAX];
static size_t peer_count;
static char received[RECEIVED_MAX]; // of the peer that received last
static size_t received_total;       // of all
static char url[64];

static inline void on_peer_readable(evutil_socket_t fd, short what, void *context)
{
    struct peer *peer = context;
    (void)what;
    if (peer->length == 0)
        received[0] = '\0';
    ssize_t got = recv(fd, received + peer->length, sizeof(received) - 1 - peer->length, 0);
    if (got <= 0) {
        peer->gone = true;
        event_del(peer->readable);
        return;
    }
    peer->length += (size_t)got;
    received_total += (size_t)got;
    received[peer->length] = '\0';
}

static inline void on_acceptable(evutil_socket_t fd, short what, void *context)
{
    (void)what;
    (void)context;
    struct peer *peer = &peers[peer_count++];
    ck_assert_uint_le(peer_count, PEERS_MAX);
    peer->fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    ck_assert_int_ge(peer->fd, 0);
    peer->readable = event_new(base, peer->fd, EV_READ | EV_PERSIST, on_peer_readable, peer);
    event_add(peer->readable, NULL);
}

static inline void peer_say(struct peer *peer, const char *bytes, size_t length)
{
    ck_assert_int_eq(send(peer->fd, bytes, length, MSG_NOSIGNAL), (ssize_t)length);
}

static inline void say(const char *text)
{
    peer_say(&peers[peer_count - 1], text, strlen(text));
}

static inline void peer_close(struct peer *peer)
{
    event_free(peer->readable);
    close(peer->fd);
    peer->fd = -1;
}

static inline void hang_up(void)
{
    peer_close(&peers[peer_count - 1]);
}

static inline void on_patience(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    (void)context;
    ck_abort_msg("what was waited for has not come; received: %s", received);
}

static inline void turn(void)
{
    for (int i = 0; i < 20; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
}

#define run_until(condition)                                                                       \
    do {                                                                                           \
        event_add(patience, &(struct timeval){PATIENCE_S, 0});                                     \
        while (!(condition))                                                                       \
            event_base_loop(base, EVLOOP_ONCE);                                                    \
        event_del(patience);                                                                       \
    } while (0)

static inline void server_start(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    base = event_base_new();
    patience = evtimer_new(base, on_patience, NULL);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(listener, 1024), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u", ntohs(address.sin_port));
    acceptable = event_new(base, listener, EV_READ | EV_PERSIST, on_acceptable, NULL);
    event_add(acceptable, NULL);
}

static inline void server_stop_and_free(void)
{
    for (size_t i = 0; i < peer_count; i++)
        if (peers[i].fd >= 0)
            peer_close(&peers[i]);
    event_free(acceptable);
    event_free(patience);
    close(listener);
    event_base_free(base);
}
