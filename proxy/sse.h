// SSE: splits a stream of server-sent events that arrives in any pieces (WHATWG HTML, 9.2). Pure.
//
// Lines end with LF, CR or CRLF. An event that lies whole in one piece is handed out where it is;
// only one that is split over pieces is gathered, up to SSE_EVENT_BYTES_MAX.
#pragma once

#include "slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SSE_EVENT_BYTES_MAX (128 * 1024) // with its field names; a larger event is passed over
#define SSE_NAME_MAX 64 // with NUL; of an event with several data lines, a longer name is cut

struct sse_event {
    struct slice name; // of its last "event:" line; empty without one
    struct slice data; // its "data:" lines, joined with LF; empty if `oversized`
    bool oversized;    // larger than SSE_EVENT_BYTES_MAX; its name is known if it came first
    size_t length;     // bytes of the event in the stream, without the empty line after it
};

// Returns false to stop: sse_feed() then leaves the rest of the piece alone.
typedef bool sse_event_function(void *context, const struct sse_event *event);

struct sse_splitter {
    char *gathered; // owned: the start of an event whose end is still to come
    size_t gathered_length;
    size_t gathered_capacity;
    size_t event_length;  // of the event so far, gathered or not
    bool at_line_start;   // the next byte begins a line
    bool after_cr;        // a LF that comes next belongs to that CR
    bool at_stream_start; // a byte order mark may come
};

void sse_init(struct sse_splitter *splitter);
void sse_done(struct sse_splitter *splitter);

// Takes the next piece and calls `on_event` for every event that ends in it. Slices in the event
// are valid during the call only.
void sse_feed(struct sse_splitter *splitter, const char *bytes, size_t length,
              sse_event_function *on_event, void *context);
