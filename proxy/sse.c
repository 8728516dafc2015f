// SSE: see sse.h. First the end of an event is found, then the event is taken apart.
#include "sse.h"

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

// Sixteen bytes that are compared in one step, on any machine (GCC and Clang vector extension).
typedef uint8_t byte_vector __attribute__((vector_size(16)));
typedef uint64_t word_vector __attribute__((vector_size(16)));

// How many bytes there are before the first CR or LF.
static size_t find_line_end(const char *bytes, size_t length)
{
    size_t at = 0;
    for (; at + sizeof(byte_vector) <= length; at += sizeof(byte_vector)) {
        byte_vector block;
        memcpy(&block, bytes + at, sizeof(block));
        word_vector ends = (word_vector)((block == '\n') | (block == '\r'));
        if ((ends[0] | ends[1]) != 0)
            break;
    }
    while (at < length && bytes[at] != '\n' && bytes[at] != '\r')
        at++;
    return at;
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

// Takes the next line off `rest`, without its end.
static struct slice take_line(struct slice *rest)
{
    size_t length = find_line_end(rest->bytes, rest->length);
    struct slice line = {rest->bytes, length};
    size_t used = length;
    if (used < rest->length)
        used +=
            rest->bytes[used] == '\r' && used + 1 < rest->length && rest->bytes[used + 1] == '\n'
                ? 2
                : 1;
    *rest = (struct slice){rest->bytes + used, rest->length - used};
    return line;
}

// The value of the line if it is field `name`, else NULL bytes. A field without colon has an empty
// one.
static struct slice field_value(struct slice line, const char *name)
{
    size_t length = strlen(name);
    if (!slice_starts_with(line, name) || (line.length > length && line.bytes[length] != ':'))
        return (struct slice){NULL, 0};
    if (line.length == length)
        return (struct slice){line.bytes + length, 0};
    size_t start = length + 1;
    if (start < line.length && line.bytes[start] == ' ')
        start++;
    return (struct slice){line.bytes + start, line.length - start};
}

// Takes apart the event that `block` is. Returns how many "data:" lines it has; data is the first.
static size_t parse_event(struct slice block, struct sse_event *event)
{
    size_t data_lines = 0;
    while (block.length > 0) {
        struct slice line = take_line(&block);
        struct slice name = field_value(line, "event");
        if (name.bytes != NULL)
            event->name = name;
        struct slice data = field_value(line, "data");
        if (data.bytes != NULL && data_lines++ == 0)
            event->data = data;
    }
    return data_lines;
}

// Joins the data lines of a gathered event in place: what is joined is never longer.
static void join_data(struct slice block, char *joined, struct sse_event *event)
{
    size_t length = 0;
    while (block.length > 0) {
        struct slice data = field_value(take_line(&block), "data");
        if (data.bytes == NULL)
            continue;
        memmove(joined + length, data.bytes, data.length);
        length += data.length;
        joined[length++] = '\n';
    }
    event->data = (struct slice){joined, length > 0 ? length - 1 : 0};
}

// The whole event whose last part is `bytes`, as far as it is not oversized.
static struct slice find_block(struct sse_splitter *splitter, const char *bytes, size_t length)
{
    struct slice block = {bytes, length};
    if (splitter->event_length > 0) {
        gather(splitter, bytes, length);
        block = (struct slice){splitter->gathered, splitter->gathered_length};
    }
    if (block.length > SSE_EVENT_BYTES_MAX)
        block.length = SSE_EVENT_BYTES_MAX;
    if (splitter->at_stream_start && slice_starts_with(block, "\xef\xbb\xbf"))
        block = (struct slice){block.bytes + 3, block.length - 3};
    splitter->at_stream_start = false;
    return block;
}

// Hands out the event whose last part is `bytes`. Returns what the callback did.
static bool hand_out(struct sse_splitter *splitter, const char *bytes, size_t length,
                     sse_event_function *on_event, void *context)
{
    struct sse_event event = {.length = splitter->event_length + length};
    struct slice block = find_block(splitter, bytes, length);
    size_t data_lines = parse_event(block, &event);
    char name[SSE_NAME_MAX];
    if (data_lines > 1) {
        // Joining overwrites the event, so it needs a copy of its own, and so does the name.
        slice_copy(event.name, name, sizeof(name));
        event.name = slice_of(name);
        if (splitter->event_length == 0) {
            gather(splitter, block.bytes, block.length);
            block = (struct slice){splitter->gathered, splitter->gathered_length};
        }
        join_data(block, splitter->gathered, &event);
    }
    event.oversized =
        event.length > SSE_EVENT_BYTES_MAX || splitter->event_length > SSE_EVENT_BYTES_MAX;
    if (event.oversized)
        event.data = (struct slice){NULL, 0};
    bool go_on = (data_lines == 0 && !event.oversized) || on_event(context, &event);
    forget_gathered(splitter);
    return go_on;
}

void sse_feed(struct sse_splitter *splitter, const char *bytes, size_t length,
              sse_event_function *on_event, void *context)
{
    size_t start = 0, at = 0; // of the event's part in this piece; where the search has come to
    while (at < length) {
        if (splitter->after_cr) {
            splitter->after_cr = false;
            if (bytes[at] == '\n') {
                at++;
                // The LF of the empty line before: no part of the event that begins.
                if (splitter->event_length == 0 && start == at - 1)
                    start = at;
                continue;
            }
        }
        size_t line_length = find_line_end(bytes + at, length - at);
        bool is_empty = splitter->at_line_start && line_length == 0;
        at += line_length;
        splitter->at_line_start = at < length;
        if (at == length)
            break;
        splitter->after_cr = bytes[at++] == '\r';
        if (!is_empty)
            continue;
        if (!hand_out(splitter, bytes + start, at - 1 - start, on_event, context))
            return;
        start = at;
    }
    if (start < length)
        gather(splitter, bytes + start, length - start);
}
