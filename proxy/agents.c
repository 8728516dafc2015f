// Agents: all connections that agents have opened to one server.

#include "agents.h"

#include "agent_pass.h"
#include "agent_state.h"
#include "cleanup.h"
#include "clock.h"
#include "metrics.h"
#include "proxy.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STOP_PATIENCE_US INT64_C(1000000) // with a new connection, for the first byte

static void agent_free(struct agent *agent)
{
    if (agent->input != NULL)
        explicit_bzero(agent->input, agent->input_capacity); // heads hold run keys
    free(agent->input);
    free(agent->unsent);
    free(agent);
}

// After the batch of events in which they were closed.
static void on_reap(evutil_socket_t fd, short what, void *context)
{
    struct agents *agents = context;
    (void)fd;
    (void)what;
    while (!LIST_EMPTY(&agents->closed)) {
        struct agent *agent = LIST_FIRST(&agents->closed);
        LIST_REMOVE(agent, link);
        agent_free(agent);
    }
}

int agents_new(struct agents **agents, struct event_base *base, struct proxy *proxy,
               void (*closed)(void *context), void *context, struct error *err)
{
    struct agents *new_agents = calloc(1, sizeof(*new_agents));
    if (new_agents != NULL)
        new_agents->reaper = event_new(base, -1, 0, on_reap, new_agents);
    if (new_agents == NULL || new_agents->reaper == NULL) {
        free(new_agents);
        return error_set(err, -ENOMEM, "out of memory for the server");
    }
    new_agents->base = base;
    new_agents->proxy = proxy;
    new_agents->on_closed = closed;
    new_agents->context = context;
    *agents = new_agents;
    return 0;
}

// NULL, and the socket closed, when out of memory.
static struct agent *agent_new(struct agents *agents, int fd)
{
    struct agent *agent = calloc(1, sizeof(*agent));
    int on = 1;
    if (agent == NULL) {
        close(fd);
        return NULL;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    agent->agents = agents;
    agent->fd = fd;
    agent->deadline_us = clock_monotonic_us() + AGENT_HEAD_TIMEOUT_US;
    LIST_INSERT_HEAD(&agents->open, agent, link);
    agents->count++;
    event_assign(&agent->readable, agents->base, fd, EV_READ | EV_PERSIST, agent_on_readable,
                 agent);
    event_assign(&agent->writable, agents->base, fd, EV_WRITE, agent_on_writable, agent);
    event_add(&agent->readable, NULL);
    return agent;
}

void agents_accept(struct agents *agents, int fd)
{
    agent_new(agents, fd);
}

void agents_sweep(struct agents *agents)
{
    int64_t now_us = clock_monotonic_us();
    for (struct agent *agent = LIST_FIRST(&agents->open), *next; agent != NULL; agent = next) {
        next = LIST_NEXT(agent, link);
        if (now_us < agent->deadline_us)
            continue;
        if (agent->state == AGENT_BODY)
            agent_refuse(agent, 408, "the request's body has stopped arriving");
        else if (agent->state == AGENT_HEAD && agent->input_length > 0)
            agent_refuse(agent, 408, "the request's head has stopped arriving");
        else
            agent_close(agent);
    }
}

// Nobody connects without something to ask; to close then would lose a request, not only a
// connection.
static bool has_request_on_its_way(const struct agent *agent)
{
    char byte;
    bool is_new = !agent->keep_alive; // else it has been served, and kept
    return is_new || recv(agent->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

// One that is between two requests, while no more are to come.
static void agent_stop(struct agent *agent)
{
    int64_t patience_us = clock_monotonic_us() + STOP_PATIENCE_US;
    if (agent->state != AGENT_HEAD || agent->input_length > 0)
        return;
    if (!has_request_on_its_way(agent))
        agent_close(agent);
    else if (agent->deadline_us > patience_us)
        agent->deadline_us = patience_us;
}

void agents_stop(struct agents *agents)
{
    agents->stopping = true;
    for (struct agent *agent = LIST_FIRST(&agents->open), *next; agent != NULL; agent = next) {
        next = LIST_NEXT(agent, link);
        agent_stop(agent);
    }
}

// Takes what is in the file, as if it had been read from the socket.
static void agent_take_file(struct agent *agent, int fd)
{
    char *buffer = agent->agents->buffer;
    ssize_t got;
    for (off_t offset = 0; agent->state != AGENT_CLOSED; offset += got) {
        got = pread(fd, buffer, AGENT_READ_BYTES, offset);
        if (got == 0)
            return;
        if (got < 0)
            agent_close(agent);
        else
            agent_take(agent, buffer, (size_t)got);
    }
}

void agents_adopt(struct agents *agents, const struct agent_parts *parts)
{
    struct agent *agent = agent_new(agents, parts->fd);
    cleanup_fd int rest_fd = parts->rest_fd;
    struct slice left = parts->bytes;
    if (agent == NULL)
        return;
    agent->keep_alive = true; // it has been served, or has sent something
    agent->deadline_us = clock_monotonic_us() + AGENT_IDLE_TIMEOUT_US;
    while (left.length > 0 && agent->state != AGENT_CLOSED) {
        size_t length = left.length < AGENT_READ_BYTES ? left.length : AGENT_READ_BYTES;
        memcpy(agents->buffer, left.bytes, length);
        left = (struct slice){left.bytes + length, left.length - length};
        agent_take(agent, agents->buffer, length);
    }
    if (rest_fd >= 0)
        agent_take_file(agent, rest_fd);
    if (agents->stopping)
        agent_stop(agent);
}

void agents_free(struct agents *agents)
{
    if (agents == NULL)
        return;
    agents->stopping = true;
    while (!LIST_EMPTY(&agents->open))
        agent_close(LIST_FIRST(&agents->open));
    on_reap(-1, 0, agents);
    event_free(agents->reaper);
    free(agents);
}

bool agent_is_on_this_machine(const struct agent *agent)
{
    struct sockaddr_storage storage = {.ss_family = AF_UNSPEC};
    socklen_t length = sizeof(storage);
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&storage;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&storage;
    if (getpeername(agent->fd, (struct sockaddr *)&storage, &length) < 0)
        return false;
    if (storage.ss_family == AF_INET)
        return ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    return storage.ss_family == AF_UNIX || IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

void agent_count_refusal(const struct agent *agent, int status)
{
    if (agent->agents->proxy != NULL)
        metrics_refused(agent->agents->proxy->metrics, status);
}

size_t agents_count(const struct agents *agents)
{
    return agents->count;
}
