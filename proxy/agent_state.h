// Agent state: what a connection is made of; for agent.c, which serves one, and agents.c, which
// keeps them all.
#pragma once

#include "agent.h"
#include "agents.h"
#include "caller.h"
#include "http_chunk.h"

#include <event2/event_struct.h>
#include <sys/queue.h>

#define AGENT_HEAD_TIMEOUT_US (INT64_C(30) * 1000000)  // from a head's first byte to its last
#define AGENT_IDLE_TIMEOUT_US (INT64_C(600) * 1000000) // between two requests

enum agent_state {
    AGENT_HEAD,   // between requests, or a head is coming in
    AGENT_BODY,   // the exchange takes the body
    AGENT_ANSWER, // the request is whole
    AGENT_LINGER, // answered and shut down for writing; reads on so that the answer is not reset
    AGENT_CLOSED, // freed by the reaper
};

struct agent {
    struct agents *agents;
    LIST_ENTRY(agent) link;
    struct exchange *exchange;   // set in BODY and ANSWER, unless it has answered early
    void (*gone)(void *context); // of an answer that is kept, see agent_keep(); else NULL
    void *gone_context;
    struct event readable, writable;
    int fd;
    struct caller caller;
    enum agent_state state;
    int64_t deadline_us; // monotonic; INT64_MAX none
    // Bytes that were read and not used: a head that is coming in, or what was sent ahead.
    char *input;
    size_t input_length, input_capacity, searched;
    enum http_framing framing;
    int64_t body_left;
    struct http_chunk_decoder chunks;
    char *unsent;
    size_t unsent_from, unsent_to, unsent_capacity;
    bool corked;
    bool paused;
    bool keep_alive;
    bool expects_continue;
    bool asked_head;
    int minor_version;
    bool closing; // once everything is sent
    int64_t lingered_bytes;
};

struct agents {
    struct event_base *base;
    struct event *reaper;
    struct proxy *proxy;
    LIST_HEAD(agent_list, agent) open, closed;
    size_t count;
    void (*on_closed)(void *context);
    void *context;
    bool stopping;
    char buffer[AGENT_READ_BYTES]; // of whichever connection is at work
};

// Uses bytes that it has sent. They are changed.
void agent_take(struct agent *agent, char *bytes, size_t length);

// The events of its socket.
void agent_on_readable(evutil_socket_t fd, short what, void *agent);
void agent_on_writable(evutil_socket_t fd, short what, void *agent);

// A request that cannot be answered in sync: says why and closes.
void agent_refuse(struct agent *agent, int status, const char *text);

// Closes it; its exchange hears that the agent is gone. It is freed after the batch of events.
void agent_close(struct agent *agent);
