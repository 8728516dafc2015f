// Meter message: see meter_message.h. Collecting; what it comes to is worked out in meter_result.c.
#include "meter_message.h"

#include "json_walk.h"

#include <stdlib.h>

void meter_message_done(struct meter_message *message)
{
    free(message->usage.bytes);
    free(message->fallbacks);
    *message = (struct meter_message){.state = METER_MESSAGE_OPEN};
}

static void spoil(struct meter_message *message, const char *problem)
{
    if (message->problem == NULL)
        message->problem = problem;
}

void meter_message_end(struct meter_message *message, enum meter_message_state state)
{
    if (message->state == METER_MESSAGE_OPEN)
        message->state = state;
}

static void take_text(struct slice value, char *text, size_t size)
{
    struct slice raw = json_string_text(value);
    if (raw.bytes != NULL)
        slice_copy(raw, text, size);
}

static void take_usage(struct meter_message *message, struct slice usage)
{
    const char *problem = "usage is missing or too long";
    if (usage.bytes != NULL)
        problem = usage_json_merge(&message->usage, usage);
    if (problem != NULL)
        spoil(message, problem);
}

static void take_stop_details(struct meter_message *message, struct slice details)
{
    take_text(json_member(details, "category"), message->category, sizeof(message->category));
}

static void take_error(struct meter_message *message, struct slice error)
{
    take_text(json_member(error, "type"), message->error_type, sizeof(message->error_type));
    if (message->error_type[0] == '\0')
        slice_copy(slice_of("unknown"), message->error_type, sizeof(message->error_type));
    meter_message_end(message, METER_MESSAGE_FAILED);
}

// A content block says that another model goes on from here.
static void take_block(struct meter_message *message, struct slice block)
{
    if (block.bytes == NULL || memmem(block.bytes, block.length, "fallback", 8) == NULL ||
        !json_text_is(json_string_text(json_member(block, "type")), "fallback"))
        return;
    if (message->fallback_count == METER_FALLBACKS_MAX) {
        spoil(message, "more than 8 fallbacks in one message");
        return;
    }
    if (message->fallbacks == NULL)
        message->fallbacks = calloc(METER_FALLBACKS_MAX, sizeof(*message->fallbacks));
    if (message->fallbacks == NULL) {
        spoil(message, "out of memory");
        return;
    }
    struct meter_fallback *fallback = &message->fallbacks[message->fallback_count++];
    struct slice trigger = json_member(block, "trigger");
    slice_copy(slice_of("none"), fallback->category, sizeof(fallback->category));
    take_text(json_member(trigger, "category"), fallback->category, sizeof(fallback->category));
    // Only a refusal can be free; whatever else made the model give way is taken as billed.
    if (!json_text_is(json_string_text(json_member(trigger, "type")), "refusal"))
        slice_copy(slice_of("not a refusal"), fallback->category, sizeof(fallback->category));
    take_text(json_member(json_member(block, "from"), "model"), fallback->from,
              sizeof(fallback->from));
    take_text(json_member(json_member(block, "to"), "model"), fallback->to, sizeof(fallback->to));
    fallback->text_bytes = message->text_bytes;
    message->text_bytes = 0;
    message->spoke = false;
}

// The text of a delta event in the form that the API writes it in, or NULL bytes: 40 of these come
// in a short answer, and a walk over each would cost as much as all the rest of relaying it.
static struct slice find_delta_text(struct slice data)
{
    static const char start[] = "{\"type\":\"content_block_delta\",\"index\":";
    static const char *const texts[] = {
        ",\"delta\":{\"type\":\"text_delta\",\"text\":\"",
        ",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"",
        ",\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\""};
    if (!slice_starts_with(data, start))
        return (struct slice){NULL, 0};
    size_t at = sizeof(start) - 1;
    while (at < data.length && data.bytes[at] >= '0' && data.bytes[at] <= '9')
        at++;
    struct slice rest = {data.bytes + at, data.length - at};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (slice_starts_with(rest, texts[i])) {
            size_t skipped = strlen(texts[i]);
            rest = (struct slice){rest.bytes + skipped, rest.length - skipped};
            size_t plain = json_plain_length(rest.bytes, rest.length);
            bool ends = plain < rest.length && rest.bytes[plain] == '"';
            return ends ? (struct slice){rest.bytes, plain} : (struct slice){NULL, 0};
        }
    return (struct slice){NULL, 0};
}

static void take_delta(struct meter_message *message, struct slice data)
{
    static const char *const names[] = {"text", "thinking", "partial_json", "content"};
    struct slice text = find_delta_text(data);
    message->spoke = true;
    if (text.bytes != NULL) {
        message->text_bytes += (int64_t)text.length;
        return;
    }
    struct slice delta = json_member(data, "delta");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        text = json_string_text(json_member(delta, names[i]));
        if (text.bytes != NULL)
            message->text_bytes += (int64_t)json_text_utf8_length(text);
    }
}

static void take_message_start(struct meter_message *message, struct slice data)
{
    struct json_members start;
    if (!json_members_read(json_member(data, "message"), &start)) {
        spoil(message, "message_start has no message");
        return;
    }
    struct slice usage = json_members_find(&start, "usage");
    take_text(json_members_find(&start, "model"), message->model, sizeof(message->model));
    take_text(json_members_find(&start, "id"), message->id, sizeof(message->id));
    if (usage.bytes != NULL && !slice_is(usage, "null"))
        take_usage(message, usage);
}

// Its counts are totals for the whole message: they replace what was known, and so does the last.
static void take_message_delta(struct meter_message *message, struct slice data)
{
    struct json_members members;
    if (!json_members_read(data, &members)) {
        spoil(message, "message_delta cannot be read");
        return;
    }
    struct slice usage = json_members_find(&members, "usage");
    struct slice delta = json_members_find(&members, "delta");
    take_text(json_member(delta, "stop_reason"), message->stop_reason,
              sizeof(message->stop_reason));
    take_stop_details(message, json_member(delta, "stop_details"));
    if (usage.bytes == NULL || slice_is(usage, "null"))
        return;
    take_usage(message, usage);
    message->counted = true;
    message->text_bytes = 0;
}

// An event that is too large to be read: lost counts spoil the usage, lost text counts as a whole.
static void take_oversized(struct meter_message *message, struct slice name, size_t length)
{
    if (slice_is(name, "content_block_delta")) {
        message->text_bytes += (int64_t)length;
        message->spoke = true;
    } else if (name.length == 0 || slice_starts_with(name, "message_")) {
        spoil(message, "an event is larger than 128 KB");
    }
}

bool meter_message_take_event(struct meter_message *message, const struct sse_event *event)
{
    struct slice name = event->name;
    if (event->oversized) {
        take_oversized(message, name, event->length);
        return true;
    }
    if (name.length == 0) // some gateways strip the event lines
        name = json_string_text(json_member(event->data, "type"));
    if (name.bytes == NULL || slice_is(name, "ping"))
        return true;
    if (slice_is(name, "content_block_delta")) {
        take_delta(message, event->data);
    } else if (slice_is(name, "content_block_start")) {
        take_block(message, json_member(event->data, "content_block"));
    } else if (slice_is(name, "message_start")) {
        take_message_start(message, event->data);
    } else if (slice_is(name, "message_delta")) {
        take_message_delta(message, event->data);
    } else if (slice_is(name, "message_stop")) {
        meter_message_end(message, METER_MESSAGE_WHOLE);
        return false;
    } else if (slice_is(name, "error")) {
        take_error(message, json_member(event->data, "error"));
        return false;
    }
    return true;
}

void meter_message_take_member(struct meter_message *message, const char *name, struct slice value)
{
    if (strcmp(name, "usage") == 0 && !slice_is(value, "null")) {
        take_usage(message, value);
        message->counted = true;
    } else if (strcmp(name, "model") == 0)
        take_text(value, message->model, sizeof(message->model));
    else if (strcmp(name, "id") == 0)
        take_text(value, message->id, sizeof(message->id));
    else if (strcmp(name, "stop_reason") == 0)
        take_text(value, message->stop_reason, sizeof(message->stop_reason));
    else if (strcmp(name, "stop_details") == 0)
        take_stop_details(message, value);
    else if (strcmp(name, "content") == 0)
        take_block(message, value);
    else if (strcmp(name, "error") == 0)
        take_error(message, value);
}
