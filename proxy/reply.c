// Reply: what reeve itself answers, in the API's error shape.

#include "reply.h"

#include "agent.h"
#include "http_write.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define REQUEST_ID_PREFIX "req_reeve_"
#define REQUEST_ID_MAX 40
#define REPLY_HEAD_MAX 512

// Claude API, errors: the type that goes with a status.
static const char *error_type(int status)
{
    static const struct {
        int status;
        const char *type;
    } types[] = {
        {401, "authentication_error"}, {402, "billing_error"},  {403, "permission_error"},
        {404, "not_found_error"},      {409, "conflict_error"}, {413, "request_too_large"},
        {429, "rate_limit_error"},     {504, "timeout_error"},  {529, "overloaded_error"},
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (types[i].status == status)
            return types[i].type;
    return status < 500 ? "invalid_request_error" : "api_error";
}

static void request_id_draw(char id[static REQUEST_ID_MAX])
{
    static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"; // Crockford's base 32
    unsigned char random[20] = {0};
    size_t length = sizeof(REQUEST_ID_PREFIX) - 1;
    ssize_t drawn = getrandom(random, sizeof(random), GRND_NONBLOCK);
    (void)drawn; // an id that is not random still answers the request
    memcpy(id, REQUEST_ID_PREFIX, length);
    for (size_t i = 0; i < sizeof(random); i++)
        id[length++] = alphabet[random[i] & 31];
    id[length] = '\0';
}

void reply_error_with(struct agent *agent, const struct reply *reply, const char *message)
{
    char head[REPLY_HEAD_MAX], request_id[REQUEST_ID_MAX];
    agent_count_refusal(agent, reply->status);
    request_id_draw(request_id);
    json_t *json =
        json_pack("{s:s, s:{s:s, s:s}, s:s}", "type", "error", "error", "type",
                  error_type(reply->status), "message", message, "request_id", request_id);
    char *body = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (body == NULL) { // out of memory, or a message that is not UTF-8
        agent_abort(agent);
        return;
    }
    struct http_writer writer;
    http_writer_init(&writer, head, sizeof(head));
    http_write_status_line(&writer, reply->status, NULL);
    http_write_text(&writer, "Content-Type", "application/json");
    http_write_number(&writer, "Content-Length", (int64_t)strlen(body));
    http_write_text(&writer, "request-id", request_id);
    if (reply->never_retry)
        http_write_text(&writer, "x-should-retry", "false");
    if (reply->retry_after_s > 0)
        http_write_number(&writer, "retry-after", reply->retry_after_s);
    if (!agent_keeps_alive(agent))
        http_write_text(&writer, "Connection", "close");
    int result = http_write_end(&writer, NULL);
    assert(result == 0);
    struct iovec parts[] = {{head, writer.length}, {body, strlen(body)}};
    agent_write(agent, parts, agent_asked_head(agent) ? 1 : 2);
    free(body);
    agent_answered(agent, true);
}

void reply_error(struct agent *agent, int status, const char *message)
{
    reply_error_with(agent, &(struct reply){.status = status}, message);
}

void reply_empty(struct agent *agent)
{
    char head[REPLY_HEAD_MAX];
    struct http_writer writer;
    http_writer_init(&writer, head, sizeof(head));
    http_write_status_line(&writer, 200, NULL);
    http_write_number(&writer, "Content-Length", 0);
    if (!agent_keeps_alive(agent))
        http_write_text(&writer, "Connection", "close");
    http_write_end(&writer, NULL);
    struct iovec part = {head, writer.length};
    agent_write(agent, &part, 1);
    agent_answered(agent, true);
}
