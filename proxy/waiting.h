// Waiting: exchanges held before their response head until reserved money is free again.
//
// First come, first served: who waits for a ceiling is passed by nobody that the ceiling covers, so
// that a large request is not starved by small ones. Exchanges under other ceilings go on.
#pragma once

#include "budget.h"
#include "reply.h"

#include <stdbool.h>
#include <stdint.h>

struct exchange;
struct proxy;

// The scope of the ceiling that the first exchange before this one waits for, if that ceiling
// covers this one as well; BUDGET_SCOPES if it is its turn.
enum budget_scope waiting_find_ahead(const struct exchange *exchange);

// How many others wait for a ceiling that covers this one as well.
int waiting_count(const struct exchange *exchange);

// How many wait, for whatever ceiling.
int64_t waiting_total(const struct proxy *proxy);

// Joins the end of the queue, for a ceiling of that scope, for WaitMax= at most; or stays in its
// place.
void waiting_join(struct exchange *exchange, enum budget_scope scope);

// Leaves it, if it is in it.
void waiting_leave(struct exchange *exchange);

// Money has been freed: has everybody ask again, in turn, from the event loop.
void waiting_retry(struct proxy *proxy);

// What to tell an exchange that has waited in vain: 429, and when to come back.
#define WAITING_MESSAGE_MAX 512
struct reply waiting_refusal(const struct exchange *exchange,
                             char message[static WAITING_MESSAGE_MAX]);
