// SSE: see sse.h. First the end of an event is found, then the event is taken apart.
#include "sse.h"

#include "byte_scan.h"

#include <stdint.h>
#include <stdlib.h>

#define GATHERED_BYTES_KEPT 4096 // a larger buffer is given back after its event

void sse_init(struct sse_splitter *splitter)
{
    *splitter = (struct sse_splitter){.at_line_start = true, .at_stream_start = true};
}

void sse_done(struct sse_splitter *splitter)
{
    free(splitter->gathered);
    *splitter = (struct sse_splitter){.gathered = NULL};
}

// Keeps the next part of an event whose end is still to come. Out of memory makes it oversized.
static void gather(struct sse_splitter *splitter, const char *bytes, size_t length)
{
    size_t room = SSE_EVENT_BYTES_MAX - splitter->gathered_length;
    splitter->event_length += length;
    if (length > room)
        length = room;
    size_t needed = splitter->gathered_length + length;
    if (needed > splitter->gathered_capacity) {
        size_t capacity = needed < 512 ? 512 : needed * 2;
        char *grown = realloc(splitter->gathered, capacity);
        if (grown == NULL) {
            splitter->event_length += SSE_EVENT_BYTES_MAX;
            return;
        }
        splitter->gathered = grown;
        splitter->gathered_capacity = capacity;
    }
    if (length > 0)
        memcpy(splitter->gathered + splitter->gathered_length, bytes, length);
    splitter->gathered_length = needed;
}

static void forget_gathered(struct sse_splitter *splitter)
{
    splitter->gathered_length = 0;
    splitter->event_length = 0;
    if (splitter->gathered_capacity > GATHERED_BYTES_KEPT) {
        free(splitter->gathered);
        splitter->gathered = NULL;
        splitter->gathered_capacity = 0;
    }
}

// What the lines of an event say.
struct fields {
    struct slice name;
    struct slice data; // of the first "data:" line
    size_t data_lines;
};

// The value of the line if it is field `name`, else NULL bytes. A field without colon has an empty
// one.
static inline struct slice field_value(struct slice line, const char *name, size_t length)
{
    if (line.length < length || memcmp(line.bytes, name, length) != 0 ||
        (line.length > length && line.bytes[length] != ':'))
        return (struct slice){NULL, 0};
    size_t start = line.length > length ? length + 1 : length;
    if (start < line.length && line.bytes[start] == ' ')
        start++;
    return (struct slice){line.bytes + start, line.length - start};
}

static struct slice data_value(struct slice line)
{
    return field_value(line, "data", 4);
}

static void note_line(struct fields *fields, struct slice line)
{
    struct slice name = field_value(line, "event", 5), data = data_value(line);
    if (name.bytes != NULL)
        fields->name = name;
    if (data.bytes != NULL && fields->data_lines++ == 0)
        fields->data = data;
}

// Takes the next line off `rest`, without its end.
static struct slice take_line(struct slice *rest)
{
    size_t length = byte_scan_line_end(rest->bytes, rest->length);
    struct slice line = {rest->bytes, length};
    bool crlf =
        length + 1 < rest->length && rest->bytes[length] == '\r' && rest->bytes[length + 1] == '\n';
    size_t used = length + (length == rest->length ? 0 : crlf ? 2 : 1);
    *rest = (struct slice){rest->bytes + used, rest->length - used};
    return line;
}

// Takes apart an event that was gathered from several pieces.
static struct fields take_apart(struct slice block)
{
    struct fields fields = {.data_lines = 0};
    while (block.length > 0)
        note_line(&fields, take_line(&block));
    return fields;
}

// Joins the data lines of a gathered event in place: what is joined is never longer.
static struct slice join_data(struct slice block, char *joined)
{
    size_t length = 0;
    while (block.length > 0) {
        struct slice data = data_value(take_line(&block));
        if (data.bytes == NULL)
            continue;
        memmove(joined + length, data.bytes, data.length);
        length += data.length;
        joined[length++] = '\n';
    }
    return (struct slice){joined, length - 1};
}

// The gathered event, as far as it is not oversized, without a byte order mark at its start.
static struct slice gathered_block(struct sse_splitter *splitter, bool at_stream_start)
{
    struct slice block = {splitter->gathered, splitter->gathered_length};
    if (at_stream_start && slice_starts_with(block, "\xef\xbb\xbf"))
        block = (struct slice){block.bytes + 3, block.length - 3};
    return block;
}

// Hands out the event whose last part is `bytes`; `fields` are those of all its lines, if they are
// in that part. Returns what the callback did.
static bool hand_out(struct sse_splitter *splitter, const char *bytes, size_t length,
                     struct fields fields, sse_event_function *on_event, void *context)
{
    struct sse_event event = {.length = splitter->event_length + length};
    bool at_stream_start = splitter->at_stream_start;
    char name[SSE_NAME_MAX];
    splitter->at_stream_start = false;
    // Rarely is an event not whole in one piece, the first, of several data lines, or too large.
    if (splitter->event_length > 0 || at_stream_start || fields.data_lines > 1 ||
        event.length > SSE_EVENT_BYTES_MAX) {
        gather(splitter, bytes, length);
        struct slice block = gathered_block(splitter, at_stream_start);
        fields = take_apart(block);
        if (fields.data_lines > 1) { // joined in place, over the name
            slice_copy(fields.name, name, sizeof(name));
            fields.name = slice_of(name);
            fields.data = join_data(block, splitter->gathered);
        }
        event.oversized = splitter->event_length > SSE_EVENT_BYTES_MAX;
    }
    event.name = fields.name;
    if (!event.oversized)
        event.data = fields.data;
    bool go_on = (fields.data_lines == 0 && !event.oversized) || on_event(context, &event);
    forget_gathered(splitter);
    return go_on;
}

void sse_feed(struct sse_splitter *splitter, const char *bytes, size_t length,
              sse_event_function *on_event, void *context)
{
    struct fields fields = {.data_lines = 0}; // of the lines since `start`
    size_t start = 0, at = 0; // of the event's part in this piece; where the search has come to
    while (at < length) {
        if (splitter->after_cr) {
            splitter->after_cr = false;
            if (bytes[at] == '\n') {
                at++;
                // The LF of the empty line before is no part of the event that begins.
                if (splitter->event_length == 0 && start == at - 1)
                    start = at;
                continue;
            }
        }
        struct slice line = {bytes + at, byte_scan_line_end(bytes + at, length - at)};
        bool is_empty = splitter->at_line_start && line.length == 0;
        at += line.length;
        splitter->at_line_start = at < length;
        if (at == length)
            break;
        splitter->after_cr = bytes[at++] == '\r';
        if (!is_empty) {
            note_line(&fields, line);
            continue;
        }
        if (!hand_out(splitter, bytes + start, at - 1 - start, fields, on_event, context))
            return;
        fields = (struct fields){.data_lines = 0};
        start = at;
    }
    if (start < length)
        gather(splitter, bytes + start, length - start);
}
