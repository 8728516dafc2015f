// Agent: a connection that an agent has opened: requests in, answers out, framing and time.
//
// One request at a time; what an agent sends ahead waits. exchange.c knows what a request means.
#pragma once

#include "http_message.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#define AGENT_READ_BYTES 65536 // the most that one exchange_body() brings

struct agent;
struct live_run;

// Whether the connection can serve another request after this one, as things stand.
bool agent_keeps_alive(const struct agent *agent);

// Whether the request is a HEAD, whose answer has no body.
bool agent_asked_head(const struct agent *agent);

// 0 for HTTP/1.0, whose answers cannot be chunked, else 1.
int agent_minor_version(const struct agent *agent);

// Why a request of this agent's is refused that bears the key of `run`, NULL if it is not: the
// agent is not of that run. See caller.h.
const char *agent_stranger_refusal(struct agent *agent, struct live_run *run);

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

// Goes on with an answer that no exchange gives: more of it follows by agent_write() until
// agent_abort(), and `gone` is called once when the connection has closed, whoever has closed it.
void agent_keep(struct agent *agent, void (*gone)(void *context), void *context);

// Whether the other end is on this machine.
bool agent_is_on_this_machine(const struct agent *agent);

// reeve itself answers with an error: counts it.
void agent_count_refusal(const struct agent *agent, int status);

// Breaks the connection off: the answer cannot be completed. The agent's exchange is forgotten.
void agent_abort(struct agent *agent);
