// Server: listens on loopback, and keeps the agents' connections: requests in, answers out.
//
// One request at a time on a connection; what an agent sends ahead waits. The server knows framing
// and time, exchange.c knows what a request means.
#pragma once

#include "error.h"
#include "http_message.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#define SERVER_CONNECTIONS_MAX 4096 // the listener rests at this number
#define SERVER_READ_BYTES 65536

struct event_base;
struct exchange;
struct proxy;
struct server;
struct agent; // a connection that an agent has opened

// Listens on `address`, "HOST:PORT" with a numeric host ("127.0.0.1:8377", "[::1]:0"). Anything but
// loopback is refused unless `anywhere`. With `listen_fd` >= 0 that socket is taken instead.
int server_new(struct server **server, struct event_base *base, const char *address, bool anywhere,
               int listen_fd, struct proxy *proxy, struct error *err);

// Takes no more connections, and closes those that are between two requests.
void server_stop(struct server *server);

// Closes everything. Exchanges must have ended.
void server_free(struct server *server);

// The address that it listens on, as "HOST:PORT".
const char *server_address(const struct server *server);

size_t server_connection_count(const struct server *server);

// ---- what an exchange does with its agent's connection

// Whether the connection can serve another request after this one, as things stand.
bool agent_keeps_alive(const struct agent *agent);

// Whether the request is a HEAD, whose answer has no body.
bool agent_asked_head(const struct agent *agent);

// 0 for HTTP/1.0, whose answers cannot be chunked, else 1.
int agent_minor_version(const struct agent *agent);

// "100 Continue", if the agent waits for it.
void agent_continue(struct agent *agent);

// Writes now what the socket takes and keeps the rest, at most what one call brought beside a
// response head. Nothing is sent while corked.
void agent_write(struct agent *agent, const struct iovec *parts, int part_count);
void agent_cork(struct agent *agent);
void agent_uncork(struct agent *agent);

// Bytes that the socket has not taken. When they reach 0 again, exchange_agent_drained() is called.
size_t agent_unsent(const struct agent *agent);

// Stops and resumes reading the request's body.
void agent_pause(struct agent *agent);
void agent_resume(struct agent *agent);

// The answer is complete: the agent's exchange is forgotten, and the connection serves the next
// request, or is closed in sync when `keep_alive` is false or the request was not read whole.
void agent_answered(struct agent *agent, bool keep_alive);

// Breaks the connection off: the answer cannot be completed. The agent's exchange is forgotten.
void agent_abort(struct agent *agent);
