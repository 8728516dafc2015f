// Control client: the commands' end of the control socket. It blocks.

#include "control.h"

#include "cleanup.h"
#include "clock.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define READ_BYTES 65536

#define REST_MIN_MS 20 // between attempts to connect again
#define REST_MAX_MS 1000

struct control_client {
    int fd; // -1: lost
    struct sockaddr_un address;
    uint8_t *input; // what was received and not yet handed out
    size_t length;
    size_t capacity;
};

static int connect_to(struct control_client *client, struct error *err)
{
    cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&client->address, sizeof(client->address)) != 0)
        return error_set_errno(err, -errno, "reaching the daemon at %s (is reeve serve running?)",
                               client->address.sun_path);
    client->fd = take_fd(&fd);
    return 0;
}

static void drop_connection(struct control_client *client)
{
    if (client->fd >= 0)
        close(take_fd(&client->fd));
    if (client->input != NULL)
        explicit_bzero(client->input, client->capacity);
    client->length = 0;
}

int control_client_reopen(struct control_client *client, int timeout_ms, struct error *err)
{
    int64_t deadline_us = clock_monotonic_us() + (int64_t)timeout_ms * 1000;
    drop_connection(client);
    for (int rest_ms = REST_MIN_MS;; rest_ms *= 2) {
        int result = connect_to(client, err);
        int64_t left_ms = (deadline_us - clock_monotonic_us()) / 1000;
        if (result == 0 || left_ms <= 0)
            return result;
        rest_ms = rest_ms < REST_MAX_MS ? rest_ms : REST_MAX_MS;
        poll(NULL, 0, rest_ms < left_ms ? rest_ms : (int)left_ms); // there is nothing to wait for
    }
}

int control_client_open_within(struct control_client **client, const char *path, int timeout_ms,
                               struct error *err)
{
    if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
        return error_set(err, -ENAMETOOLONG, "the control socket's path %s is too long", path);
    struct control_client *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return error_set_errno(err, -ENOMEM, "reaching the daemon");
    made->fd = -1;
    made->address.sun_family = AF_UNIX;
    memcpy(made->address.sun_path, path, strlen(path) + 1);
    int result = control_client_reopen(made, timeout_ms, err);
    if (result < 0)
        free(made);
    else
        *client = made;
    return result;
}

int control_client_open(struct control_client **client, const char *path, struct error *err)
{
    return control_client_open_within(client, path, 0, err);
}

void control_client_close(struct control_client *client)
{
    if (client == NULL)
        return;
    drop_connection(client);
    free(client->input);
    free(client);
}

int control_client_send(struct control_client *client, const struct control_message *message,
                        struct error *err)
{
    uint8_t *frame;
    size_t length, sent = 0;
    if (client->fd < 0)
        return error_set(err, -ENOTCONN, "the connection to the daemon is lost");
    int result = control_message_encode(message, &frame, &length, err);
    if (result < 0)
        return result;
    while (sent < length && result == 0) {
        ssize_t count = send(client->fd, frame + sent, length - sent, MSG_NOSIGNAL);
        if (count >= 0)
            sent += (size_t)count;
        else if (errno != EINTR)
            result = error_set_errno(err, -errno, "sending to the daemon");
    }
    explicit_bzero(frame, length);
    free(frame);
    return result;
}

// Makes room for READ_BYTES more, leaving no copy of a secret behind.
static int reserve_input(struct control_client *client)
{
    if (client->capacity - client->length >= READ_BYTES)
        return 0;
    size_t capacity = client->length + 2 * READ_BYTES;
    uint8_t *grown = malloc(capacity);
    if (grown == NULL)
        return -ENOMEM;
    if (client->input != NULL) {
        memcpy(grown, client->input, client->length);
        explicit_bzero(client->input, client->capacity);
        free(client->input);
    }
    client->input = grown;
    client->capacity = capacity;
    return 0;
}

// Decodes and removes the first frame. -ETIMEDOUT: it is not whole yet.
static int take_frame(struct control_client *client, struct control_message *message,
                      struct error *err)
{
    if (client->length < 4)
        return -ETIMEDOUT;
    const uint8_t *head = client->input;
    size_t length =
        (size_t)head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
    if (length > CONTROL_FRAME_MAX)
        return error_set(err, -EBADMSG, "the daemon sent a frame of %zu bytes", length);
    if (client->length < 4 + length)
        return -ETIMEDOUT;
    int result = control_message_decode(head + 4, length, message, err);
    size_t rest = client->length - 4 - length;
    memmove(client->input, client->input + 4 + length, rest);
    explicit_bzero(client->input + rest, client->length - rest);
    client->length = rest;
    return result;
}

int control_client_receive(struct control_client *client, int timeout_ms,
                           struct control_message *message, struct error *err)
{
    int64_t deadline_us = clock_monotonic_us() + (int64_t)timeout_ms * 1000;
    if (client->fd < 0)
        return error_set(err, -ENOTCONN, "the connection to the daemon is lost");
    for (;;) {
        int result = take_frame(client, message, err);
        if (result != -ETIMEDOUT)
            return result;
        int64_t left_ms = (deadline_us - clock_monotonic_us() + 999) / 1000;
        struct pollfd poller = {.fd = client->fd, .events = POLLIN};
        int ready = poll(&poller, 1, timeout_ms < 0 ? -1 : left_ms > 0 ? (int)left_ms : 0);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready == 0)
            return error_set(err, -ETIMEDOUT, "the daemon has not answered in time");
        if (reserve_input(client) < 0)
            return error_set_errno(err, -ENOMEM, "receiving from the daemon");
        ssize_t count = recv(client->fd, client->input + client->length, READ_BYTES, 0);
        if (count < 0 && errno == EINTR)
            continue;
        if (count == 0)
            return error_set(err, -ECONNRESET, "the daemon has closed the connection");
        if (count < 0)
            return error_set_errno(err, -errno, "receiving from the daemon");
        client->length += (size_t)count;
    }
}

static int ask_once(struct control_client *client, const struct control_message *question,
                    int timeout_ms, struct control_message *answer, struct error *err)
{
    int result = control_client_send(client, question, err);
    return result < 0 ? result : control_client_receive(client, timeout_ms, answer, err);
}

int control_client_ask(struct control_client *client, const struct control_message *question,
                       int timeout_ms, struct control_message *answer, struct error *err)
{
    int result = ask_once(client, question, timeout_ms, answer, err);
    // A daemon that is about to end takes connections to the last.
    if ((result == -ECONNRESET || result == -EPIPE) && control_client_reopen(client, 0, err) == 0)
        result = ask_once(client, question, timeout_ms, answer, err);
    return result;
}

int control_client_fd(const struct control_client *client)
{
    return client->fd;
}
