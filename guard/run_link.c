// Run link: keeps a live run connected to the daemon, over restarts of the daemon.

#include "run_link.h"

#include "cleanup.h"
#include "log.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>

#define REST_MIN_MS 50
#define REST_MAX_MS 1000

enum run_link_state {
    LINK_UP,
    LINK_DOWN,
    LINK_RETURNING, // connected again, not adopted yet
    LINK_DISOWNED,  // the daemon does not know the run any more
    LINK_STATES,
};

struct run_link {
    struct run_link_options options;
    enum run_link_state state;
    struct event *readable; // NULL without a connection
    struct event *rest;     // until the next attempt
    int rest_ms;
};

static void link_enter(struct run_link *link, enum run_link_state state)
{
    static const bool legal[LINK_STATES][LINK_STATES] = {
        [LINK_UP] = {[LINK_DOWN] = true},
        [LINK_DOWN] = {[LINK_RETURNING] = true},
        [LINK_RETURNING] = {[LINK_UP] = true, [LINK_DOWN] = true, [LINK_DISOWNED] = true},
        [LINK_DISOWNED] = {false},
    };
    assert(legal[link->state][state]);
    link->state = state;
}

void run_link_tell_escape(struct control_client *client, const char *text)
{
    struct control_message message = {.type = CONTROL_RUN_ESCAPED};
    snprintf(message.run_escaped.text, sizeof(message.run_escaped.text), "%s", text);
    control_client_send(client, &message, NULL);
}

int run_link_return(struct control_client *client, const struct control_run_adopt *adopt,
                    int timeout_ms, struct error *err)
{
    struct control_message message = {.type = CONTROL_RUN_ADOPT, .run_adopt = *adopt};
    int result = control_client_reopen(client, timeout_ms, err);
    if (result == 0)
        result = control_client_send(client, &message, err);
    control_message_done(&message);
    return result;
}

static void rest(struct run_link *link)
{
    struct timeval delay = {link->rest_ms / 1000, link->rest_ms % 1000 * 1000};
    link->rest_ms = link->rest_ms * 2 < REST_MAX_MS ? link->rest_ms * 2 : REST_MAX_MS;
    event_add(link->rest, &delay);
}

static void stop_listening(struct run_link *link)
{
    if (link->readable != NULL)
        event_free(take_pointer(&link->readable));
}

static void lose(struct run_link *link, const struct error *err)
{
    if (link->state == LINK_UP)
        log_event(LOG_WARNING, "daemon_is_gone", "error", err->text, NULL);
    stop_listening(link);
    link_enter(link, LINK_DOWN);
    rest(link);
}

static void handle(struct run_link *link, const struct control_message *message)
{
    if (message->type == CONTROL_RUN_ADOPTED && link->state == LINK_RETURNING) {
        log_event(LOG_NOTICE, "daemon_is_back", NULL);
        link_enter(link, LINK_UP);
        link->rest_ms = REST_MIN_MS;
    } else if (message->type == CONTROL_REFUSED && link->state == LINK_RETURNING) {
        link_enter(link, LINK_DISOWNED);
        link->options.received(message, link->options.context);
    } else if (message->type == CONTROL_RUN_KILL) {
        link->options.received(message, link->options.context);
    }
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct run_link *link = context;
    struct control_message message;
    struct error err;
    int result;
    while ((result = control_client_receive(link->options.client, 0, &message, &err)) == 0) {
        handle(link, &message);
        control_message_done(&message);
    }
    if (result == -ETIMEDOUT)
        return;
    if (link->state == LINK_DISOWNED)
        stop_listening(link);
    else
        lose(link, &err);
}

// Listens to the connection that there is now. False: out of memory.
static bool start_listening(struct run_link *link)
{
    link->readable = event_new(link->options.base, control_client_fd(link->options.client),
                               EV_READ | EV_PERSIST, on_readable, link);
    if (link->readable == NULL || event_add(link->readable, NULL) != 0)
        return false;
    event_active(link->readable, EV_READ, 1); // a message may have come with an earlier one
    return true;
}

static void on_rest(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct run_link *link = context;
    if (run_link_return(link->options.client, link->options.adopt, 0, NULL) < 0) {
        rest(link);
        return;
    }
    link_enter(link, LINK_RETURNING);
    if (!start_listening(link))
        lose(link, &(struct error){0});
}

int run_link_new(struct run_link **link, const struct run_link_options *options, struct error *err)
{
    struct run_link *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return error_set_errno(err, -ENOMEM, "preparing to listen to the daemon");
    made->options = *options;
    made->rest_ms = REST_MIN_MS;
    made->rest = evtimer_new(options->base, on_rest, made);
    if (made->rest == NULL) {
        free(made);
        return error_set_errno(err, -ENOMEM, "preparing to listen to the daemon");
    }
    *link = made;
    return 0;
}

void run_link_free(struct run_link *link)
{
    if (link == NULL)
        return;
    stop_listening(link);
    event_free(link->rest);
    free(link);
}

void run_link_start(struct run_link *link)
{
    if (!start_listening(link))
        lose(link, &(struct error){0});
}

bool run_link_is_up(const struct run_link *link)
{
    return link->state == LINK_UP;
}
