// Agent: a connection that an agent has opened: requests in, answers out, framing and time.
//
// One request at a time; what an agent sends ahead waits. exchange.c knows what a request means.
#pragma once

#include "error.h"
#include "http_message.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#define AGENT_READ_BYTES 65536 // the most that one exchange_body() brings

struct agent;
struct agents; // all connections of one server
struct event_base;
struct proxy;

// ---- what the server does with connections

// `closed` is called after a connection has closed. -ENOMEM.
int agents_new(struct agents **agents, struct event_base *base, struct proxy *proxy,
               void (*closed)(void *context), void *context, struct error *err);

// Closes every connection. Their exchanges hear that the agent is gone. NULL is allowed.
void agents_free(struct agents *agents);

// Serves the connected, non-blocking socket `fd`, which is taken over in any case.
void agents_accept(struct agents *agents, int fd);

// Closes whoever has let a deadline pass. To be called every second or so.
void agents_sweep(struct agents *agents);

// From now on connections close after the answer at hand; those between two requests at once.
void agents_stop(struct agents *agents);

size_t agents_count(const struct agents *agents);

// ---- what an exchange does with its agent

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
