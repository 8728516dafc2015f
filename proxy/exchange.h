// Exchange: one request of an agent and its response, from the head to the settled account.
//
//     begin → identify → body → admit → authorize → send → relay → meter → settle → end
//
// The spine of the proxy. The server calls it as the agent's bytes come in, the upstream as the
// response does; it decides, and leaves the doing to its leaves.
#pragma once

#include "budget.h"
#include "http_message.h"
#include "proxy.h"
#include "run.h"

struct agent;
struct exchange;

// A request's head is there; `bytes`, which it points into, become the exchange's. Returns NULL if
// the request has been answered already.
struct exchange *exchange_begin(struct proxy *proxy, struct agent *agent,
                                const struct http_head *head, char *bytes);

// A piece of its body, and the end of it (also without any).
void exchange_body(struct exchange *exchange, const char *bytes, size_t length);
void exchange_body_end(struct exchange *exchange);

// Whether a part of the answer may be on its way already.
bool exchange_is_answering(const struct exchange *exchange);

// The agent has taken everything that was written to it.
void exchange_agent_drained(struct exchange *exchange);

// The agent has left. Whether or not the exchange goes on, it does not touch the agent any more.
void exchange_agent_gone(struct exchange *exchange);

// Credentials have changed: those that are parked for one ask again, from the event loop.
void exchange_wake_parked(struct proxy *proxy);

// Visits the reservations of all exchanges that have one.
void exchange_each_reservation(const struct proxy *proxy,
                               void (*visit)(const uint8_t exchange_id[static EXCHANGE_ID_BYTES],
                                             const struct budget_reservation *reservation,
                                             void *context),
                               void *context);

// Ends all exchanges of a run at once, as it is being killed; of every run if it is NULL.
void exchange_cancel_run(struct proxy *proxy, const struct live_run *run);
