// Relay: the response on its way to the agent: head, pieces of body, end; with back-pressure.

#include "relay.h"

#include "agent.h"
#include "cleanup.h"
#include "http_write.h"

#include <stdlib.h>

#define CHUNK_LINE_MAX 20
#define REASON_MAX 64
#define HEAD_ADDED_MAX 192 // a reason, framing and Connection

static enum relay_framing framing_choose(const struct agent *agent, const struct http_head *head)
{
    if (head->framing == HTTP_BODY_NONE || head->framing == HTTP_BODY_LENGTH)
        return RELAY_AS_LENGTH;
    return agent_minor_version(agent) > 0 ? RELAY_CHUNKED : RELAY_UNTIL_CLOSE;
}

int relay_head(struct relay *relay, struct agent *agent, const struct http_head *head,
               struct error *err)
{
    struct http_writer writer;
    char reason[REASON_MAX];
    // A space is written after each colon, whether or not one was read.
    size_t capacity = head->length + head->header_count + HEAD_ADDED_MAX;
    cleanup_free char *bytes = malloc(capacity);
    if (bytes == NULL)
        return error_set(err, -ENOMEM, "out of memory for the response's head");
    relay->agent = agent;
    relay->framing = framing_choose(agent, head);
    slice_copy(head->reason, reason, sizeof(reason));
    http_writer_init(&writer, bytes, capacity);
    http_write_status_line(&writer, head->status, reason[0] != '\0' ? reason : NULL);
    for (size_t i = 0; i < head->header_count; i++) {
        const struct http_header *header = &head->headers[i];
        if (!http_header_is_hop_by_hop(head, header))
            http_write_header(&writer, header->name, header->value);
    }
    if (relay->framing == RELAY_CHUNKED)
        http_write_text(&writer, "Transfer-Encoding", "chunked");
    if (!agent_keeps_alive(agent) || relay->framing == RELAY_UNTIL_CLOSE)
        http_write_text(&writer, "Connection", "close");
    else if (agent_minor_version(agent) == 0)
        http_write_text(&writer, "Connection", "keep-alive");
    int result = http_write_end(&writer, err);
    if (result < 0)
        return result;
    relay->head = take_pointer(&bytes);
    relay->head_length = writer.length;
    return 0;
}

bool relay_body(struct relay *relay, const char *bytes, size_t length, bool last)
{
    static char chunk_end[] = "\r\n", body_end[] = "\r\n0\r\n\r\n";
    char chunk_line[CHUNK_LINE_MAX];
    struct iovec parts[4];
    int count = 0;
    if (relay->agent == NULL)
        return false;
    if (relay->head != NULL)
        parts[count++] = (struct iovec){relay->head, relay->head_length};
    if (relay->framing == RELAY_CHUNKED) {
        int line = snprintf(chunk_line, sizeof(chunk_line), "%zx\r\n", length);
        parts[count++] = (struct iovec){chunk_line, (size_t)line};
    }
    parts[count++] = (struct iovec){(void *)(uintptr_t)bytes, length};
    if (relay->framing == RELAY_CHUNKED)
        parts[count++] = last ? (struct iovec){body_end, sizeof(body_end) - 1}
                              : (struct iovec){chunk_end, sizeof(chunk_end) - 1};
    relay->ended = last;
    agent_write(relay->agent, parts, count);
    free(take_pointer(&relay->head));
    return agent_unsent(relay->agent) > 0;
}

void relay_flush(struct relay *relay)
{
    if (relay->agent == NULL || relay->head == NULL)
        return;
    struct iovec part = {relay->head, relay->head_length};
    agent_write(relay->agent, &part, 1);
    free(take_pointer(&relay->head));
}

void relay_end(struct relay *relay)
{
    struct agent *agent = relay->agent;
    if (agent == NULL)
        return;
    relay_flush(relay);
    if (relay->framing == RELAY_CHUNKED && !relay->ended) {
        static char last_chunk[] = "0\r\n\r\n";
        struct iovec part = {last_chunk, sizeof(last_chunk) - 1};
        agent_write(agent, &part, 1);
    }
    relay->agent = NULL;
    agent_answered(agent, relay->framing != RELAY_UNTIL_CLOSE);
}

void relay_abort(struct relay *relay)
{
    struct agent *agent = take_pointer(&relay->agent);
    free(take_pointer(&relay->head));
    if (agent != NULL)
        agent_abort(agent);
}

void relay_done(struct relay *relay)
{
    relay->agent = NULL;
    free(take_pointer(&relay->head));
}
