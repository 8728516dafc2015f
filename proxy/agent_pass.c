// Agent pass: connections that have nothing under way go to the daemon that succeeds this one.
//
// A body that came in chunks goes on as a single chunk, so that the head need not be written anew:
//
//     bytes    head | size CR LF
//     rest            body | CR LF 0 CR LF CR LF | what was sent ahead

#include "agent_pass.h"

#include "agent_state.h"
#include "cleanup.h"
#include "proxy.h"
#include "request_body.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

bool agent_is_to_pass(const struct agent *agent)
{
    const struct proxy *proxy = agent->agents->proxy;
    return agent->state == AGENT_HEAD && proxy != NULL && proxy->pass_agent != NULL;
}

static bool parts_pass(const struct agent *agent, const struct agent_parts *parts)
{
    const struct proxy *proxy = agent->agents->proxy;
    return parts->bytes.length <= AGENT_PARTS_BYTES_MAX && proxy->pass_agent(parts, proxy->context);
}

void agent_pass(struct agent *agent)
{
    parts_pass(agent, &(struct agent_parts){
                          .fd = agent->fd,
                          .bytes = {agent->input, agent->input_length},
                          .rest_fd = -1,
                      });
    agent_close(agent);
}

void agents_pass(struct agents *agents)
{
    for (struct agent *agent = LIST_FIRST(&agents->open), *next; agent != NULL; agent = next) {
        next = LIST_NEXT(agent, link);
        if (agent_is_to_pass(agent))
            agent_pass(agent);
    }
}

static bool write_all(int fd, struct slice bytes)
{
    while (bytes.length > 0) {
        ssize_t written = write(fd, bytes.bytes, bytes.length);
        if (written < 0)
            return false;
        bytes = (struct slice){bytes.bytes + written, bytes.length - (size_t)written};
    }
    return true;
}

// The file of all that follows the head: a body's own, which has no other reader, or one in memory.
// Negative: there is none to be had.
static int rest_open(const struct request_body *body, const char *end, struct slice ahead)
{
    struct slice whole = request_body_slice(body);
    cleanup_fd int fd = body->file >= 0 ? fcntl(body->file, F_DUPFD_CLOEXEC, 0)
                                        : memfd_create("reeve request", MFD_CLOEXEC);
    if (fd < 0 || (body->file < 0 && !write_all(fd, whole)) || !write_all(fd, slice_of(end)) ||
        !write_all(fd, ahead))
        return -1;
    return take_fd(&fd);
}

bool agent_pass_request(struct agent *agent, struct slice head, enum http_framing framing,
                        const struct request_body *body)
{
    bool is_chunked = framing == HTTP_BODY_CHUNKED;
    bool is_empty = body->length == 0;
    char size[32] = "";
    const char *end = "";
    if (is_chunked && !is_empty)
        snprintf(size, sizeof(size), "%llx\r\n", (unsigned long long)body->length);
    if (is_chunked)
        end = is_empty ? "0\r\n\r\n" : "\r\n0\r\n\r\n";
    size_t length = head.length + strlen(size);
    cleanup_free char *bytes = malloc(length + 1);
    if (bytes == NULL)
        return false;
    cleanup_fd int rest_fd =
        rest_open(body, end, (struct slice){agent->input, agent->input_length});
    memcpy(bytes, head.bytes, head.length);
    memcpy(bytes + head.length, size, strlen(size));
    bool passed = rest_fd >= 0 &&
                  parts_pass(agent, &(struct agent_parts){agent->fd, {bytes, length}, rest_fd});
    explicit_bzero(bytes, length); // the head holds the run key
    if (!passed)
        return false;
    agent->exchange = NULL;
    agent_close(agent);
    return true;
}
