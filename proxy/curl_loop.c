// Curl loop: libcurl's multi interface on the libevent loop.

#include "curl_loop.h"

#include <event2/event.h>
#include <stdlib.h>

struct curl_loop {
    struct event_base *base;
    CURLM *multi;
    struct event *timer;
};

static void messages_dispatch(struct curl_loop *loop)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(loop->multi, &left)) != NULL) {
        struct curl_loop_job *job = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode result = message->data.result; // the message dies with the next call into curl
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&job);
        job->done(job, result);
    }
}

static void on_socket_event(evutil_socket_t fd, short what, void *context)
{
    struct curl_loop *loop = context;
    int running;
    int action = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);
    curl_multi_socket_action(loop->multi, fd, action, &running);
    messages_dispatch(loop);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    struct curl_loop *loop = context;
    int running;
    (void)fd;
    (void)what;
    curl_multi_socket_action(loop->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    messages_dispatch(loop);
}

static int on_socket_interest(CURL *easy, curl_socket_t fd, int what, void *context,
                              void *socket_context)
{
    struct curl_loop *loop = context;
    struct event *event = socket_context;
    (void)easy;
    if (event != NULL)
        event_free(event);
    event = NULL;
    if (what != CURL_POLL_REMOVE) {
        short interest = (short)(EV_PERSIST | (what & CURL_POLL_IN ? EV_READ : 0) |
                                 (what & CURL_POLL_OUT ? EV_WRITE : 0));
        event = event_new(loop->base, fd, interest, on_socket_event, loop);
        if (event == NULL)
            return -1;
        event_add(event, NULL);
    }
    curl_multi_assign(loop->multi, fd, event);
    return 0;
}

static int on_timer_interest(CURLM *multi, long timeout_ms, void *context)
{
    struct curl_loop *loop = context;
    (void)multi;
    if (timeout_ms < 0) {
        event_del(loop->timer);
        return 0;
    }
    struct timeval delay = {timeout_ms / 1000, (timeout_ms % 1000) * 1000};
    return event_add(loop->timer, &delay);
}

int curl_loop_new(struct curl_loop **loop, struct event_base *base, struct error *err)
{
    struct curl_loop *new_loop = calloc(1, sizeof(*new_loop));
    if (new_loop == NULL)
        return error_set(err, -ENOMEM, "out of memory for the curl loop");
    new_loop->base = base;
    new_loop->multi = curl_multi_init();
    new_loop->timer = evtimer_new(base, on_timer, new_loop);
    if (new_loop->multi == NULL || new_loop->timer == NULL) {
        curl_loop_free(new_loop);
        return error_set(err, -ENOMEM, "out of memory for the curl loop");
    }
    curl_multi_setopt(new_loop->multi, CURLMOPT_SOCKETFUNCTION, on_socket_interest);
    curl_multi_setopt(new_loop->multi, CURLMOPT_SOCKETDATA, new_loop);
    curl_multi_setopt(new_loop->multi, CURLMOPT_TIMERFUNCTION, on_timer_interest);
    curl_multi_setopt(new_loop->multi, CURLMOPT_TIMERDATA, new_loop);
    *loop = new_loop;
    return 0;
}

void curl_loop_free(struct curl_loop *loop)
{
    if (loop == NULL)
        return;
    if (loop->multi != NULL)
        curl_multi_cleanup(loop->multi);
    if (loop->timer != NULL)
        event_free(loop->timer);
    free(loop);
}

int curl_loop_add(struct curl_loop *loop, CURL *easy, struct error *err)
{
    CURLMcode code = curl_multi_add_handle(loop->multi, easy);
    if (code != CURLM_OK)
        return error_set(err, -EIO, "libcurl: %s", curl_multi_strerror(code));
    return 0;
}

void curl_loop_remove(struct curl_loop *loop, CURL *easy)
{
    curl_multi_remove_handle(loop->multi, easy);
}
