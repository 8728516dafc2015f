// The events of a streamed message, in the API's order, as its script shapes them.

#include "fake_answer.h"
#include "fake_script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DELTA_BYTES 24 // of text an event, unless the script says how many events

struct stream {
    struct fake_answer *answer;
    const struct fake_message *message;
    int64_t delay_ms;
    int64_t events_wanted; // deltas a block; 0: as DELTA_BYTES makes them
    int64_t ping_every;
    int64_t deltas;
    size_t output_bytes;
    bool pinged;
};

// Takes `data`, whose "type" is also the event's name.
static void send_event(struct stream *stream, json_t *data)
{
    const char *end = fake_script_flag(stream->answer->script, "crlf") ? "\r\n" : "\n";
    const char *type = json_string_value(json_object_get(data, "type"));
    char *text = json_dumps(data, JSON_COMPACT);
    char *event = NULL;
    int length = asprintf(&event, "event: %s%sdata: %s%s%s", type, end, text, end, end);
    if (length < 0)
        abort();
    int64_t delay_ms = stream->answer->body.count > 0 ? stream->delay_ms : 0;
    fake_parts_append(&stream->answer->body, event, (size_t)length, delay_ms, stream->output_bytes);
    free(text);
    json_decref(data);
}

static void send_ping(struct stream *stream)
{
    send_event(stream, json_pack("{s:s}", "type", "ping"));
    stream->pinged = true;
}

static void send_start(struct stream *stream)
{
    json_t *message = fake_message_to_json(stream->message);
    json_object_set_new(message, "content", json_array());
    json_object_set_new(message, "stop_reason", json_null());
    json_object_del(message, "stop_details");
    json_object_set(message, "usage", stream->message->start_usage);
    send_event(stream, json_pack("{s:s, s:o}", "type", "message_start", "message", message));
    const json_t *extra = json_object_get(stream->answer->script, "extra_events");
    size_t i;
    json_t *event;
    json_array_foreach(extra, i, event) send_event(stream, json_incref(event));
}

// The next piece of `text`, cut where a character ends.
static size_t piece_length(const struct stream *stream, const char *text, size_t total)
{
    size_t left = strlen(text);
    size_t wanted = DELTA_BYTES;
    if (stream->events_wanted > 0)
        wanted = (total + (size_t)stream->events_wanted - 1) / (size_t)stream->events_wanted;
    size_t length = wanted < left ? wanted : left;
    while (length < left && ((unsigned char)text[length] & 0xc0) == 0x80)
        length++;
    return length;
}

// `text` in deltas of the given type, as their member `name`.
static void send_deltas(struct stream *stream, size_t index, const char *type, const char *name,
                        const char *text)
{
    size_t total = strlen(text);
    while (*text != '\0') {
        size_t length = piece_length(stream, text, total);
        stream->output_bytes += length;
        send_event(stream,
                   json_pack("{s:s, s:i, s:{s:s, s:s%}}", "type", "content_block_delta", "index",
                             (int)index, "delta", "type", type, name, text, length));
        text += length;
        if (stream->ping_every > 0 && ++stream->deltas % stream->ping_every == 0)
            send_ping(stream);
    }
}

// A block as it starts: without what its deltas bring.
static json_t *empty_block(const json_t *block)
{
    json_t *empty = json_deep_copy(block);
    static const char *const filled[] = {"text", "thinking", "signature"};
    for (size_t i = 0; i < sizeof(filled) / sizeof(filled[0]); i++)
        if (json_is_string(json_object_get(empty, filled[i])))
            json_object_set_new(empty, filled[i], json_string(""));
    if (json_is_object(json_object_get(empty, "input")))
        json_object_set_new(empty, "input", json_object());
    return empty;
}

static void send_block(struct stream *stream, size_t index, const json_t *block)
{
    const json_t *text = json_object_get(block, "text");
    const json_t *thinking = json_object_get(block, "thinking");
    const json_t *input = json_object_get(block, "input");
    send_event(stream, json_pack("{s:s, s:i, s:o}", "type", "content_block_start", "index",
                                 (int)index, "content_block", empty_block(block)));
    if (!stream->pinged)
        send_ping(stream);
    if (json_is_string(text))
        send_deltas(stream, index, "text_delta", "text", json_string_value(text));
    if (json_is_string(thinking)) {
        send_deltas(stream, index, "thinking_delta", "thinking", json_string_value(thinking));
        send_event(stream, json_pack("{s:s, s:i, s:{s:s, s:O?}}", "type", "content_block_delta",
                                     "index", (int)index, "delta", "type", "signature_delta",
                                     "signature", json_object_get(block, "signature")));
    }
    if (json_is_object(input)) {
        char *json = json_dumps(input, JSON_COMPACT);
        send_deltas(stream, index, "input_json_delta", "partial_json", json);
        free(json);
    }
    send_event(stream, json_pack("{s:s, s:i}", "type", "content_block_stop", "index", (int)index));
}

// The members that message_delta carries: cumulative totals, without split, tier, place and speed.
static json_t *delta_usage(const struct fake_message *message, bool with_nulls)
{
    static const char *const names[] = {
        "input_tokens",    "cache_creation_input_tokens", "cache_read_input_tokens",
        "server_tool_use", "output_tokens_details",       "iterations",
        "fallback_credit",
    };
    json_t *usage = json_object();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        json_t *value = json_object_get(message->usage, names[i]);
        json_t *start = json_object_get(message->start_usage, names[i]);
        if (with_nulls && (value == NULL || json_equal(value, start)))
            json_object_set_new(usage, names[i], json_null());
        else if (value != NULL)
            json_object_set(usage, names[i], value);
    }
    json_object_set(usage, "output_tokens", json_object_get(message->usage, "output_tokens"));
    return usage;
}

// `count` message_deltas, the last with the totals, those before it with a part of the output.
static void send_message_deltas(struct stream *stream, int64_t count)
{
    const struct fake_message *message = stream->message;
    bool with_nulls = fake_script_flag(stream->answer->script, "null_usage");
    for (int64_t i = 1; i <= count; i++) {
        json_t *usage = delta_usage(message, with_nulls);
        json_int_t output = json_integer_value(json_object_get(usage, "output_tokens"));
        bool last = i == count;
        json_object_set_new(usage, "output_tokens", json_integer(output * i / count));
        json_t *delta = json_pack("{s:s?, s:n}", "stop_reason", last ? message->stop_reason : NULL,
                                  "stop_sequence");
        if (last && message->stop_details != NULL)
            json_object_set(delta, "stop_details", message->stop_details);
        send_event(stream, json_pack("{s:s, s:o, s:o}", "type", "message_delta", "delta", delta,
                                     "usage", usage));
    }
}

// Cuts the events after `count` and puts an error event there.
static void fail_stream(struct stream *stream, const char *type, int64_t count)
{
    struct fake_parts *body = &stream->answer->body;
    while (body->count > (size_t)count && body->count > 1)
        free(body->list[--body->count].bytes);
    stream->output_bytes = body->list[body->count - 1].output_bytes;
    stream->answer->failed = true;
    send_event(
        stream,
        json_pack("{s:s, s:{s:s, s:s}}", "type", "error", "error", "type", type, "message",
                  strcmp(type, "overloaded_error") == 0 ? "Overloaded" : "Internal server error"));
}

void fake_stream_compose(struct fake_answer *answer, const struct fake_message *message)
{
    const json_t *script = answer->script;
    struct stream stream = {
        .answer = answer,
        .message = message,
        .delay_ms = fake_script_integer(script, "events_delay_ms", 0),
        .events_wanted = fake_script_integer(script, "events", 0),
        .ping_every = fake_script_integer(script, "ping_every", 0),
    };
    answer->streamed = true;
    fake_answer_set_header(answer, "content-type", "text/event-stream; charset=utf-8");
    fake_answer_set_header(answer, "cache-control", "no-cache");
    send_start(&stream);
    size_t i;
    const json_t *block;
    json_array_foreach(message->content, i, block) send_block(&stream, i, block);
    if (!stream.pinged)
        send_ping(&stream);
    send_message_deltas(&stream, fake_script_integer(script, "message_deltas", 1));
    send_event(&stream, json_pack("{s:s}", "type", "message_stop"));
    const char *failure = fake_script_string(script, "stream_error", NULL);
    if (failure != NULL)
        fail_stream(
            &stream, failure,
            fake_script_integer(script, "error_after_events", (int64_t)answer->body.count / 2));
}
