// Agent pass: connections that have nothing under way go to the daemon that succeeds this one, with
// what their agents have sent so far.
//
// proxy.pass_agent takes them, once it is set; the successor goes on by agents_adopt(), as if all
// of it had just come.
#pragma once

#include "http_message.h"
#include "slice.h"

#include <stdbool.h>

#define AGENT_PARTS_BYTES_MAX (192 << 10) // head and what was sent ahead of it

struct agent;
struct agents;
struct request_body;

// A connection on its way: what has been read from it and is still to be used is `bytes`, at most
// AGENT_PARTS_BYTES_MAX, and behind them all of the file `rest_fd`.
struct agent_parts {
    int fd;
    struct slice bytes;
    int rest_fd; // -1: there is no more
};

// Whether connections between two requests are to be passed on.
bool agent_is_to_pass(const struct agent *agent);

// Passes a connection on that is between two requests, with what has come of the next one. It is
// closed here in any case.
void agent_pass(struct agent *agent);

// The same of one whose request is whole and has not been answered; `head` are the bytes that the
// request's head was read from. Its exchange is forgotten. False: nothing has changed.
bool agent_pass_request(struct agent *agent, struct slice head, enum http_framing framing,
                        const struct request_body *body);

// Passes all of those between two requests.
void agents_pass(struct agents *agents);
