// Control: the Unix socket between the daemon and its supervisors and client commands. Both ends.
//
// The daemon's end lives on its event loop and never blocks; a client that does not read what it is
// sent is dropped at CONTROL_BACKLOG_MAX. The other end is used by short-lived commands: it blocks
// while it sends, and hands out messages one by one, so that a supervisor can poll its descriptor.
#pragma once

#include "control_message.h"
#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define CONTROL_CLIENTS_MAX 2048
#define CONTROL_BACKLOG_MAX (4 << 20) // bytes that wait to be read by a client

struct event_base;
struct control_server;
struct control_peer; // a client, as the daemon sees it

struct control_handlers {
    // A message has come. It is valid during the call only. The handler may send to, and close, any
    // peer.
    void (*received)(struct control_peer *peer, const struct control_message *message,
                     void *context);
    // The peer has gone, broke the protocol, or was closed. Called once for each peer, which is
    // freed after the call; not from control_server_free().
    void (*gone)(struct control_peer *peer, void *context);
    void *context;
};

// Listens on `path` (a stale socket there is replaced; a live one is -EADDRINUSE: another daemon
// has this state directory), mode 0660. With `listen_fd` >= 0 that socket is taken instead.
int control_server_new(struct control_server **server, struct event_base *base, const char *path,
                       int listen_fd, const struct control_handlers *handlers, struct error *err);

// Drops all peers without a call, unlinks the socket that it made and frees. NULL is allowed.
void control_server_free(struct control_server *server);

// The listening socket, which stays the server's; and whether the server has made its file, to
// remove it at the end.
int control_server_listening_fd(const struct control_server *server);
bool control_server_owns_file(const struct control_server *server);

// A successor has the listening socket, and the file: closes it, and drops all peers but `kept`
// (may be NULL) without a call. From that one nothing is received any more.
void control_server_hand_over(struct control_server *server, const struct control_peer *kept);

// The listening socket was passed by a predecessor that had made its file: it is the server's now.
void control_server_own_file(struct control_server *server);

// Queues a message. A peer that cannot take it is dropped from the event loop, later.
void control_peer_send(struct control_peer *peer, const struct control_message *message);

// Sends CONTROL_REFUSED and then closes.
__attribute__((format(printf, 3, 4))) void
control_peer_refuse(struct control_peer *peer, enum control_refusal code, const char *format, ...);

// Closes once everything queued has been sent; nothing is received any more and `gone` is not
// called.
void control_peer_close(struct control_peer *peer);

// Who is at the other end, as the kernel said at connect time (SO_PEERCRED).
pid_t control_peer_pid(const struct control_peer *peer);
uid_t control_peer_uid(const struct control_peer *peer);

// A pointer of the handlers' own, NULL at first.
void control_peer_set_owner(struct control_peer *peer, void *owner);
void *control_peer_owner(const struct control_peer *peer);

struct control_client;

// Connects. -ECONNREFUSED or -ENOENT: no daemon listens there.
int control_client_open(struct control_client **client, const char *path, struct error *err);

// The same, but tries for up to `timeout_ms`, with longer and longer rests.
int control_client_open_within(struct control_client **client, const char *path, int timeout_ms,
                               struct error *err);

// Connects again, to the same daemon or its successor, once the connection is lost; tries for up to
// `timeout_ms` as well. What had been received is forgotten.
int control_client_reopen(struct control_client *client, int timeout_ms, struct error *err);

void control_client_close(struct control_client *client); // NULL is allowed

int control_client_send(struct control_client *client, const struct control_message *message,
                        struct error *err);

// Waits up to `timeout_ms` (-1 for ever, 0 not at all) for a message. -ETIMEDOUT: none yet;
// -ECONNRESET: the daemon has closed. After success the caller ends with control_message_done().
int control_client_receive(struct control_client *client, int timeout_ms,
                           struct control_message *message, struct error *err);

// Sends a question and waits up to `timeout_ms` for the one answer. Where the daemon goes without
// one, its successor is asked, once: so it has to be a question that can be repeated, on a
// connection that has no other use. Errors as above.
int control_client_ask(struct control_client *client, const struct control_message *question,
                       int timeout_ms, struct control_message *answer, struct error *err);

// To poll for reading; then receive with a time-out of 0 until -ETIMEDOUT.
int control_client_fd(const struct control_client *client);
