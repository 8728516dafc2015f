// Count: asks the upstream, for free, how many tokens a prompt has.

#include "count.h"

#include "authorize.h"
#include "cleanup.h"
#include "json_walk.h"

#include <stdlib.h>
#include <string.h>

#define COUNT_TARGET "/v1/messages/count_tokens"
#define TARGET_MAX (sizeof(COUNT_TARGET) + 1024)

struct count {
    struct upstream_transfer *transfer;
    void (*done)(void *context, int64_t input_tokens, int http_status);
    void *context;
    char *body; // owned
    size_t body_length;
    int status;
    char answer[COUNT_ANSWER_BYTES_MAX];
    size_t answer_length;
};

// Claude API, count tokens: its parameters are those of a message that shape the prompt.
static bool member_counts(struct slice name)
{
    static const char *const names[] = {
        "messages",           "system",        "tools",         "tool_choice",
        "thinking",           "mcp_servers",   "cache_control", "output_format",
        "context_management", "output_config", "thread",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (slice_is(name, names[i]))
            return true;
    return false;
}

static void text_append(char *text, size_t *length, struct slice piece)
{
    memcpy(text + *length, piece.bytes, piece.length);
    *length += piece.length;
}

char *count_body_make(struct slice body, const char *model, size_t *length)
{
    static const char head[] = "{\"model\":\"";
    struct json_walker walker;
    char *made = malloc(sizeof(head) + strlen(model) + body.length + 2); // the rest is the body's
    if (made == NULL)
        return NULL;
    *length = 0;
    text_append(made, length, slice_of(head));
    text_append(made, length, slice_of(model));
    text_append(made, length, slice_of("\""));
    json_walker_init(&walker, body.bytes, body.length);
    json_walker_next(&walker);
    while (json_walker_next(&walker) == JSON_TOKEN_NAME) {
        const char *start = walker.text.bytes - 1; // the member, its name's quote first
        bool counts = member_counts(walker.text);
        json_walker_skip(&walker, json_walker_next(&walker));
        if (!counts)
            continue;
        text_append(made, length, slice_of(","));
        text_append(made, length, (struct slice){start, (size_t)(body.bytes + walker.at - start)});
    }
    text_append(made, length, slice_of("}"));
    return made;
}

static void count_free(struct count *count)
{
    free(count->body);
    free(count);
}

static size_t on_body_peek(void *context, uint64_t offset, const char **bytes)
{
    struct count *count = context;
    *bytes = count->body + offset;
    return count->body_length - (size_t)offset;
}

static void on_head(void *context, const struct http_head *head)
{
    struct count *count = context;
    count->status = head->status;
}

static void on_body(void *context, const char *bytes, size_t length, bool last)
{
    struct count *count = context;
    size_t room = sizeof(count->answer) - count->answer_length;
    (void)last;
    if (length > room)
        length = room;
    memcpy(count->answer + count->answer_length, bytes, length);
    count->answer_length += length;
}

static void on_done(void *context, enum upstream_end end, const struct error *err)
{
    struct count *count = context;
    int64_t tokens = -1;
    (void)err;
    if (end == UPSTREAM_COMPLETE && count->status == 200) {
        struct slice answer = {count->answer, count->answer_length};
        if (!json_number_integer(json_member(answer, "input_tokens"), &tokens) || tokens < 0)
            tokens = -1;
    }
    void (*done)(void *, int64_t, int) = count->done;
    void *done_context = count->context;
    int status = count->status;
    count_free(count);
    done(done_context, tokens, status);
}

static const struct upstream_receiver receiver = {
    .body_peek = on_body_peek, .head = on_head, .body = on_body, .done = on_done};

int count_start(struct count **count, struct upstream *upstream, const struct http_head *head,
                struct slice body, const char *model, const struct credential_secret *secret,
                void (*done)(void *context, int64_t input_tokens, int http_status), void *context,
                struct error *err)
{
    struct authorized_request authorized;
    char target[TARGET_MAX];
    struct count *started = calloc(1, sizeof(*started));
    if (started != NULL)
        started->body = count_body_make(body, model, &started->body_length);
    if (started == NULL || started->body == NULL) {
        free(started);
        return error_set(err, -ENOMEM, "out of memory to count a prompt");
    }
    started->done = done;
    started->context = context;
    snprintf(target, sizeof(target), "%s%s%.*s", COUNT_TARGET, head->query.bytes != NULL ? "?" : "",
             (int)(head->query.length < 1000 ? head->query.length : 1000),
             head->query.bytes != NULL ? head->query.bytes : "");
    int result = authorize(&authorized, head, secret, err);
    if (result == 0)
        result = upstream_open(upstream,
                               &(struct upstream_request){
                                   .method = slice_of("POST"),
                                   .target = slice_of(target),
                                   .headers = authorized.headers,
                                   .header_count = authorized.header_count,
                                   .body_length = (int64_t)started->body_length,
                               },
                               &receiver, started, &started->transfer, err);
    explicit_bzero(authorized.authorization, sizeof(authorized.authorization));
    if (result < 0) {
        count_free(started);
        return result;
    }
    *count = started;
    return 0;
}

void count_cancel(struct count *count)
{
    upstream_cancel(count->transfer);
    count_free(count);
}
