// Agents: all connections that agents have opened to one server.
#pragma once

#include "error.h"

#include <stddef.h>

struct agent_parts;
struct agents;
struct event_base;
struct proxy;

// `closed` is called after a connection has closed. -ENOMEM.
int agents_new(struct agents **agents, struct event_base *base, struct proxy *proxy,
               void (*closed)(void *context), void *context, struct error *err);

// Closes every connection. Their exchanges hear that the agent is gone. NULL is allowed.
void agents_free(struct agents *agents);

// Serves the connected, non-blocking socket `fd`, which is taken over in any case.
void agents_accept(struct agents *agents, int fd);

// Goes on with a connection that a predecessor has passed on, see agent_pass.h; both descriptors
// are taken over in any case.
void agents_adopt(struct agents *agents, const struct agent_parts *parts);

// Closes whoever has let a deadline pass. To be called every second or so.
void agents_sweep(struct agents *agents);

// From now on connections close after the answer at hand; those between two requests at once. One
// on which a request is on its way, as it is new or bytes have come, is served first.
void agents_stop(struct agents *agents);

size_t agents_count(const struct agents *agents);
