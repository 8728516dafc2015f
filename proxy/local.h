// Local: requests that reeve answers itself: a client's warm-up, and the paths of its own.
//
// What the own paths show is the guard's: proxy->serve_local(). Here is only who may ask at all,
// which is nobody on another machine, whatever Listen= says.
#pragma once

#include "http_message.h"
#include "proxy.h"
#include "route.h"

#include <stdbool.h>

// Answers a request that is not for the upstream, or has it answered. False: it is an exchange.
bool local_answer(struct proxy *proxy, struct agent *agent, const struct http_head *head,
                  struct route route);
