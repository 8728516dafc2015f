// Relay: the response on its way to the agent: head, pieces of body, end; with back-pressure.
//
// The head waits for the first piece of the body, so that most answers begin with one send. Nothing
// leaves while the relay is held. A piece is framed as one chunk where the length is not known.
#pragma once

#include "error.h"
#include "http_message.h"

#include <stdbool.h>
#include <stddef.h>

struct agent;

enum relay_framing {
    RELAY_AS_LENGTH, // the length was announced, or there is no body
    RELAY_CHUNKED,
    RELAY_UNTIL_CLOSE, // for HTTP/1.0
};

struct relay {
    struct agent *agent; // NULL once the agent has left: everything is passed over
    char *head;          // owned; not yet written
    size_t head_length;
    enum relay_framing framing;
    bool ended; // the last chunk has been written
};

// Takes the response's head, without hop-by-hop headers. `with_body` false: none follows.
// -ENOMEM, -EMSGSIZE.
int relay_head(struct relay *relay, struct agent *agent, const struct http_head *head,
               struct error *err);

// Takes a piece of the body; `last`: none follows but relay_end(). True: the agent has not taken
// all; pause the upstream until exchange_agent_drained().
bool relay_body(struct relay *relay, const char *bytes, size_t length, bool last);

// Writes the head if no piece of body has taken it along yet.
void relay_flush(struct relay *relay);

// The response is whole: ends the agent's answer.
void relay_end(struct relay *relay);

// The response will not become whole: breaks the agent's connection off, so that it can tell.
void relay_abort(struct relay *relay);

// The agent has left. Frees what is held.
void relay_done(struct relay *relay);
