// Head refusal: why a request is refused by its head alone, before any of its body is read.
#pragma once

#include "http_message.h"
#include "proxy.h"
#include "reply.h"
#include "route.h"

// NULL, with *run, if it is not; else what to tell the agent, beside *reply.
const char *head_refusal(const struct proxy *proxy, struct agent *agent,
                         const struct http_head *head, struct route route, struct live_run **run,
                         struct reply *reply);

// What to tell an agent whose run takes no new exchange.
const char *run_closing_message(const struct live_run *run);
