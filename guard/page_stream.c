// Page stream: browsers that look at the page, told once a second what there is.

#include "page_stream.h"

#include "agent.h"
#include "clock.h"
#include "page_answer.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

// Ends a line, and then the event; how long a browser waits before it comes back.
#define EVENT_BEGIN "data: "
#define EVENT_END "\n\n"
#define RETRY "retry: 2000\n\n"

struct page_stream {
    struct page_streams *streams;
    struct agent *agent; // NULL: the place is free
    int64_t expires_at_us;
    int behind; // events that it has missed
};

struct page_streams {
    struct event *tick;
    int64_t interval_us;
    char *(*snapshot)(void *context);
    void *context;
    char *text; // the newest event; NULL: there is none
    int64_t made_at_us;
    int count;
    struct page_stream places[PAGE_STREAMS_MAX];
};

static void on_gone(void *context)
{
    struct page_stream *stream = context;
    stream->agent = NULL;
    stream->streams->count--;
}

// Makes the event anew, unless that was done within this interval: false.
static bool refresh(struct page_streams *streams)
{
    int64_t now_us = clock_monotonic_us();
    // Half an interval: the timer is not exact.
    if (streams->text != NULL && now_us - streams->made_at_us < streams->interval_us / 2)
        return false;
    free(streams->text);
    streams->text = streams->snapshot(streams->context);
    streams->made_at_us = now_us;
    return true;
}

static void stream_send(struct page_stream *stream)
{
    char *text = stream->streams->text;
    if (agent_unsent(stream->agent) > 0) {
        if (++stream->behind > PAGE_STREAM_BEHIND_MAX)
            agent_abort(stream->agent);
        return;
    }
    stream->behind = 0;
    if (text == NULL)
        return;
    struct iovec parts[] = {{(void *)(uintptr_t)EVENT_BEGIN, strlen(EVENT_BEGIN)},
                            {text, strlen(text)},
                            {(void *)(uintptr_t)EVENT_END, strlen(EVENT_END)}};
    agent_write(stream->agent, parts, 3);
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    struct page_streams *streams = context;
    int64_t now_us = clock_monotonic_us();
    (void)fd;
    (void)what;
    bool is_new = streams->count > 0 && refresh(streams);
    for (int i = 0; i < PAGE_STREAMS_MAX; i++) {
        struct page_stream *stream = &streams->places[i];
        if (stream->agent != NULL && now_us >= stream->expires_at_us)
            agent_abort(stream->agent);
        else if (stream->agent != NULL && is_new)
            stream_send(stream);
    }
    if (streams->count == 0)
        event_del(streams->tick);
}

int page_streams_new(struct page_streams **streams, struct event_base *base, int64_t interval_us,
                     char *(*snapshot)(void *context), void *context, struct error *err)
{
    struct page_streams *made = calloc(1, sizeof(*made));
    if (made != NULL)
        made->tick = event_new(base, -1, EV_PERSIST, on_tick, made);
    if (made == NULL || made->tick == NULL) {
        free(made);
        return error_set(err, -ENOMEM, "out of memory for the page");
    }
    made->interval_us = interval_us;
    made->snapshot = snapshot;
    made->context = context;
    *streams = made;
    return 0;
}

void page_streams_free(struct page_streams *streams)
{
    if (streams == NULL)
        return;
    for (int i = 0; i < PAGE_STREAMS_MAX; i++)
        if (streams->places[i].agent != NULL)
            agent_abort(streams->places[i].agent);
    event_free(streams->tick);
    free(streams->text);
    free(streams);
}

bool page_streams_add(struct page_streams *streams, struct agent *agent, int64_t expires_at_us)
{
    if (streams->count == PAGE_STREAMS_MAX)
        return false;
    struct page_stream *stream = streams->places;
    while (stream->agent != NULL)
        stream++;
    *stream =
        (struct page_stream){.streams = streams, .agent = agent, .expires_at_us = expires_at_us};
    if (streams->count++ == 0)
        event_add(streams->tick, &(struct timeval){streams->interval_us / 1000000,
                                                   streams->interval_us % 1000000});
    agent_keep(agent, on_gone, stream);
    page_answer_stream(agent, RETRY);
    refresh(streams);
    stream_send(stream);
    return true;
}

int page_streams_count(const struct page_streams *streams)
{
    return streams->count;
}
