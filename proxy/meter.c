// Meter: see meter.h. Chooses how to read the response and takes its content coding off.
#include "meter.h"

#include "json_pieces.h"
#include "json_walk.h"
#include "meter_message.h"
#include "sse.h"
#include "usage_json.h"

#include <stdlib.h>
#include <zlib.h>

#define INFLATED_PIECE_BYTES 16384
#define MEMBER_BYTES_MAX 4096 // ids, reasons, an error, a fallback block

enum meter_form { METER_FORM_EVENTS, METER_FORM_JSON };

enum meter_coding {
    METER_CODING_NONE,
    METER_CODING_ZLIB,    // gzip or deflate
    METER_CODING_UNKNOWN, // none that we can read
};

struct meter {
    enum meter_form form;
    enum meter_coding coding;
    bool success; // the status is 2xx; anything else is not billed
    bool ended;
    const char *free_refusals;
    z_stream *inflater; // owned, NULL unless METER_CODING_ZLIB
    int64_t decoded_bytes;
    struct meter_message message;
    struct sse_splitter events;
    struct json_pieces pieces;
};

static const struct json_wanted message_members[] = {
    {"usage", USAGE_JSON_BYTES_MAX, false},    {"model", MEMBER_BYTES_MAX, false},
    {"id", MEMBER_BYTES_MAX, false},           {"stop_reason", MEMBER_BYTES_MAX, false},
    {"stop_details", MEMBER_BYTES_MAX, false}, {"error", MEMBER_BYTES_MAX, false},
    {"content", MEMBER_BYTES_MAX, true},       {NULL, 0, false},
};

static const struct json_wanted error_members[] = {
    {"error", MEMBER_BYTES_MAX, false},
    {NULL, 0, false},
};

// Takes the last coding named; a list of several is not decoded.
static enum meter_coding find_coding(struct slice content_encoding)
{
    if (content_encoding.length == 0 || slice_is_any_case(content_encoding, "identity"))
        return METER_CODING_NONE;
    if (slice_is_any_case(content_encoding, "gzip") ||
        slice_is_any_case(content_encoding, "x-gzip") ||
        slice_is_any_case(content_encoding, "deflate"))
        return METER_CODING_ZLIB;
    return METER_CODING_UNKNOWN;
}

// From here on the client may see what we cannot. An error's body says nothing that is billed.
static void lose_sight(struct meter *meter, const char *because)
{
    meter->coding = METER_CODING_UNKNOWN;
    if (meter->success)
        meter->message.problem = because;
}

static z_stream *inflater_new(void)
{
    z_stream *inflater = calloc(1, sizeof(*inflater));
    // 15 is the largest window, + 32 tells gzip from zlib by the header.
    if (inflater != NULL && inflateInit2(inflater, 15 + 32) != Z_OK) {
        free(inflater);
        return NULL;
    }
    return inflater;
}

struct meter *meter_new(int http_status, struct slice content_type, struct slice content_encoding,
                        const char *free_refusals)
{
    struct meter *meter = calloc(1, sizeof(*meter));
    if (meter == NULL)
        return NULL;
    meter->success = http_status >= 200 && http_status < 300;
    meter->free_refusals = free_refusals;
    // What is neither events nor JSON has no usage, and so ends up as unreadable.
    meter->form = meter->success && slice_starts_with_any_case(content_type, "text/event-stream")
                      ? METER_FORM_EVENTS
                      : METER_FORM_JSON;
    meter->coding = find_coding(content_encoding);
    if (meter->coding == METER_CODING_UNKNOWN)
        lose_sight(meter, "the response's content coding is none that can be decoded");
    sse_init(&meter->events);
    json_pieces_init(&meter->pieces, meter->success ? message_members : error_members);
    if (meter->coding == METER_CODING_ZLIB) {
        meter->inflater = inflater_new();
        if (meter->inflater == NULL) {
            free(meter);
            return NULL;
        }
    }
    return meter;
}

void meter_free(struct meter *meter)
{
    if (meter == NULL)
        return;
    if (meter->inflater != NULL)
        inflateEnd(meter->inflater);
    free(meter->inflater);
    sse_done(&meter->events);
    json_pieces_done(&meter->pieces);
    meter_message_done(&meter->message);
    free(meter);
}

static bool on_event(void *context, const struct sse_event *event)
{
    struct meter *meter = context;
    meter->ended = !meter_message_take_event(&meter->message, event);
    return !meter->ended;
}

static void on_member(void *context, const struct json_wanted *wanted, struct slice value)
{
    struct meter *meter = context;
    meter_message_take_member(&meter->message, wanted->name, value);
}

static void feed_plain(struct meter *meter, const char *bytes, size_t length)
{
    if (meter->form == METER_FORM_EVENTS) {
        sse_feed(&meter->events, bytes, length, on_event, meter);
        return;
    }
    if (json_pieces_feed(&meter->pieces, bytes, length, on_member, meter) == JSON_PIECES_WHOLE) {
        meter_message_end(&meter->message, METER_MESSAGE_WHOLE);
        meter->ended = true;
    }
}

static void feed_compressed(struct meter *meter, const char *bytes, size_t length)
{
    z_stream *inflater = meter->inflater;
    unsigned char piece[INFLATED_PIECE_BYTES];
    inflater->next_in = (unsigned char *)(uintptr_t)bytes;
    inflater->avail_in = (unsigned)length;
    do {
        inflater->next_out = piece;
        inflater->avail_out = sizeof(piece);
        int outcome = inflate(inflater, Z_NO_FLUSH);
        size_t inflated = sizeof(piece) - inflater->avail_out;
        meter->decoded_bytes += (int64_t)inflated;
        if (inflated > 0)
            feed_plain(meter, (const char *)piece, inflated);
        if (meter->ended)
            return;
        if (outcome == Z_STREAM_END) // another member may follow (RFC 1952, 2.2)
            outcome = inflateReset(inflater);
        if (outcome != Z_OK && outcome != Z_BUF_ERROR)
            return lose_sight(meter, "the response's content coding is broken");
        if (meter->decoded_bytes > METER_DECODED_BYTES_MAX)
            return lose_sight(meter, "the decoded response is larger than 1 GB");
    } while (inflater->avail_in > 0 || inflater->avail_out == 0);
}

enum meter_progress meter_feed(struct meter *meter, const char *bytes, size_t length)
{
    if (!meter->ended && length > 0) {
        if (meter->coding == METER_CODING_NONE)
            feed_plain(meter, bytes, length);
        else if (meter->coding == METER_CODING_ZLIB)
            feed_compressed(meter, bytes, length);
    }
    return meter->ended ? METER_FINAL : METER_MORE;
}

void meter_finish(struct meter *meter, struct meter_result *result)
{
    if (!meter->success)
        meter_message_end(&meter->message, METER_MESSAGE_FAILED);
    meter_message_finish(&meter->message, meter->free_refusals, result);
}

bool meter_read_batch_line(const char *line, size_t length, const char *free_refusals,
                           struct meter_batch_line *read)
{
    struct slice whole = {line, length};
    struct slice custom_id = json_string_text(json_member(whole, "custom_id"));
    struct slice outcome = json_member(whole, "result");
    struct slice type = json_string_text(json_member(outcome, "type"));
    if (custom_id.bytes == NULL || type.bytes == NULL)
        return false;
    *read = (struct meter_batch_line){.custom_id = ""};
    if (!slice_copy(custom_id, read->custom_id, sizeof(read->custom_id)))
        return false;
    slice_copy(type, read->type, sizeof(read->type));
    struct meter_message message = {.state = METER_MESSAGE_OPEN};
    if (slice_is(type, "succeeded")) {
        struct slice body = json_member(outcome, "message");
        for (const struct json_wanted *wanted = message_members; wanted->name != NULL; wanted++) {
            struct slice value = json_member(body, wanted->name);
            if (value.bytes != NULL && !wanted->elements && value.length <= wanted->bytes_max)
                meter_message_take_member(&message, wanted->name, value);
        }
        meter_message_end(&message, METER_MESSAGE_WHOLE);
    }
    // Errored, canceled and expired requests are not billed.
    meter_message_end(&message, METER_MESSAGE_FAILED);
    meter_message_finish(&message, free_refusals, &read->result);
    read->result.usage.tier = USAGE_TIER_BATCH;
    meter_message_done(&message);
    return true;
}
