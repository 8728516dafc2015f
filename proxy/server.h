// Server: listens on loopback and accepts the agents' connections.
#pragma once

#include "error.h"

#include <stdbool.h>
#include <stddef.h>

#define SERVER_CONNECTIONS_MAX 4096 // the listener rests at this number

struct agent_parts;
struct event_base;
struct proxy;
struct server;

// Listens on `address`, "HOST:PORT" with a numeric host ("127.0.0.1:8377", "[::1]:0"). Anything but
// loopback is refused unless `anywhere`. With `listen_fd` >= 0 that socket is taken instead.
int server_new(struct server **server, struct event_base *base, const char *address, bool anywhere,
               int listen_fd, struct proxy *proxy, struct error *err);

// Takes no more connections, and closes each once it is between two requests.
void server_stop(struct server *server);

// The listening socket, which stays the server's.
int server_listening_fd(const struct server *server);

// A successor has it now: closes it. Connections go on; proxy.pass_agent is to be set, and then
// server_pass() called, once the successor can take those that have nothing under way.
void server_hand_over(struct server *server);
void server_pass(struct server *server);

// Goes on with a connection of a predecessor's, see agent_pass.h.
void server_adopt(struct server *server, const struct agent_parts *parts);

// Whether no connection is open.
bool server_is_idle(const struct server *server);

// Closes everything. Exchanges must have ended.
void server_free(struct server *server);

// The address that it listens on, as "HOST:PORT".
const char *server_address(const struct server *server);
