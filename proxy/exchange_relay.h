// Exchange relay: the answer of an exchange on its way to the agent, from the head to the end.
//
// None of it leaves before the reservation is on the disk. For exchange.c alone.
#pragma once

#include "http_message.h"
#include "journal.h"
#include "upstream.h"

#include <stdbool.h>

struct exchange;

// The answer is the agent's from here on; what only another attempt would need is forgotten. False:
// the head could not be taken, and the exchange is gone.
bool exchange_relay_head(struct exchange *exchange, const struct http_head *head);

// Of an answer that is kept back, a piece of its body. True: it is too long for that, and is being
// relayed from now on, with this piece as the next.
bool exchange_relay_or_keep(struct exchange *exchange, const char *bytes, size_t length);

// Relays the whole body that has been kept back, behind its head, and ends the exchange.
void exchange_relay_kept(struct exchange *exchange);

// The upstream has ended: ends the exchange, as soon as the agent may have it all.
void exchange_relay_end(struct exchange *exchange, enum upstream_end end);

// The reservation is on the disk, or never will be: journal_waiter.synced.
void exchange_relay_durable(struct journal_waiter *waiter, int result);
