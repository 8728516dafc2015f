// Exchange pass: requests that have not gone upstream go to the daemon that succeeds this one, once
// there is one; see agent_pass.h.
//
// Uploads stay: their bodies are on their way.
#pragma once

#include <stdbool.h>

struct exchange;
struct proxy;

// Whether there is a successor, and the request has to go to it, if nothing of it is upstream.
bool exchange_is_to_pass(const struct exchange *exchange);

// Passes it on: it is whole, and its agent has seen nothing of an answer. Ends the exchange.
void exchange_pass(struct exchange *exchange);

// Passes all of those that are whole and have not gone upstream; those that wait for money first,
// in their order.
void exchanges_pass(struct proxy *proxy);
