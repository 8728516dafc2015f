// Source state link: see source_state_link.h.
#include "source_state_link.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

static int send_packet(int fd, const void *packet, size_t length, struct error *err)
{
    if (send(fd, packet, length, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
        return 0;
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
        return error_set(err, -EAGAIN, "too many questions are waiting for the ledger");
    return error_set_errno(err, -errno, "sending a question or an answer about state");
}

// Returns the packet's length or a negative errno.
static ssize_t receive_packet(int fd, void *packet, size_t size, struct error *err)
{
    ssize_t length = recv(fd, packet, size, MSG_DONTWAIT | MSG_TRUNC);
    if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return error_set(err, -EAGAIN, "nothing about state is there yet");
    if (length == 0 || (length < 0 && errno == ECONNRESET))
        return error_set(err, -EPIPE, "the other end of the state's socket has gone");
    if (length < 0)
        return error_set_errno(err, -errno, "reading a question or an answer about state");
    if ((size_t)length > size)
        return error_set(err, -EPROTO, "a packet of %zd bytes about state", length);
    return length;
}

#define is_text(array) (memchr((array), '\0', sizeof(array)) != NULL)

int source_state_send_question(int fd, const struct source_state_question *question,
                               struct error *err)
{
    size_t length = offsetof(struct source_state_question, text) + strlen(question->text) + 1;
    return send_packet(fd, question, length, err);
}

int source_state_receive_question(int fd, struct source_state_question *question, struct error *err)
{
    struct source_state_question received = {0};
    ssize_t length = receive_packet(fd, &received, sizeof(received), err);
    if (length < 0)
        return (int)length;
    if ((size_t)length <= offsetof(struct source_state_question, text) ||
        received.action >= SOURCE_STATE_ACTIONS || !is_text(received.job) ||
        !is_text(received.key) || !is_text(received.holder) || !is_text(received.text))
        return error_set(err, -EPROTO, "not a question about state: %zd bytes", length);
    *question = received;
    return 0;
}

int source_state_send_answer(int fd, const struct source_state_answer *answer, struct error *err)
{
    size_t length =
        offsetof(struct source_state_answer, rows) + answer->row_count * sizeof(answer->rows[0]);
    return send_packet(fd, answer, length, err);
}

static bool row_is_sound(const struct source_state_row *row)
{
    return row->state < SOURCE_STATES && is_text(row->job) && is_text(row->key) &&
           is_text(row->holder) && is_text(row->host);
}

int source_state_receive_answer(int fd, struct source_state_answer *answer, struct error *err)
{
    struct source_state_answer received;
    ssize_t length = receive_packet(fd, &received, sizeof(received), err);
    if (length < 0)
        return (int)length;
    size_t head = offsetof(struct source_state_answer, rows);
    bool is_sound = (size_t)length >= head && received.row_count <= SOURCE_STATE_ROWS_MAX &&
                    (size_t)length == head + received.row_count * sizeof(received.rows[0]) &&
                    received.action < SOURCE_STATE_ACTIONS &&
                    received.outcome < SOURCE_STATE_OUTCOMES && is_text(received.text) &&
                    is_text(received.result);
    for (size_t i = 0; is_sound && i < received.row_count; i++)
        is_sound = row_is_sound(&received.rows[i]);
    if (!is_sound)
        return error_set(err, -EPROTO, "not an answer about state: %zd bytes", length);
    memcpy(answer, &received, (size_t)length);
    return 0;
}
