// A connected socket of the fake, plain or TLS, non-blocking, with what is still to be sent.

#include "fake_io.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#define SEND_SPAN_MAX 65536

int fake_io_init(struct fake_io *io, int fd, SSL_CTX *tls)
{
    int on = 1;
    *io = (struct fake_io){.fd = fd, .unsent = evbuffer_new()};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (tls != NULL && io->unsent != NULL) {
        io->tls = SSL_new(tls);
        if (io->tls != NULL && SSL_set_fd(io->tls, fd) == 1)
            SSL_set_accept_state(io->tls);
    }
    if (io->unsent != NULL && (tls == NULL || io->tls != NULL))
        return 0;
    fake_io_done(io, true);
    return -ENOMEM;
}

void fake_io_done(struct fake_io *io, bool reset)
{
    if (io->tls != NULL) {
        ERR_clear_error();
        if (!reset)
            SSL_shutdown(io->tls);
        SSL_free(io->tls);
    }
    if (reset) {
        struct linger linger = {.l_onoff = 1, .l_linger = 0};
        setsockopt(io->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    }
    close(io->fd);
    if (io->unsent != NULL)
        evbuffer_free(io->unsent);
    *io = (struct fake_io){.fd = -1};
}

static ssize_t tls_result(struct fake_io *io, int result)
{
    if (result > 0)
        return result;
    switch (SSL_get_error(io->tls, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        return -EPROTO;
    }
}

ssize_t fake_io_read(struct fake_io *io, void *buffer, size_t size)
{
    if (io->tls != NULL) {
        ERR_clear_error();
        return tls_result(io, SSL_read(io->tls, buffer, (int)size));
    }
    ssize_t length = recv(io->fd, buffer, size, 0);
    return length >= 0 ? length : errno == EINTR ? -EAGAIN : -errno;
}

// Bytes taken by the socket, or a negative errno; never 0 for a length that is not 0.
static ssize_t io_write(struct fake_io *io, const void *bytes, size_t length)
{
    if (io->tls != NULL) {
        ERR_clear_error();
        ssize_t result = tls_result(io, SSL_write(io->tls, bytes, (int)length));
        return result == 0 ? -EPIPE : result;
    }
    ssize_t result = send(io->fd, bytes, length, MSG_NOSIGNAL);
    return result >= 0 ? result : errno == EINTR ? -EAGAIN : -errno;
}

int fake_io_flush(struct fake_io *io)
{
    size_t length;
    while ((length = evbuffer_get_contiguous_space(io->unsent)) > 0) {
        size_t span = length < SEND_SPAN_MAX ? length : SEND_SPAN_MAX;
        ssize_t sent = io_write(io, evbuffer_pullup(io->unsent, (ssize_t)span), span);
        if (sent < 0)
            return (int)sent;
        evbuffer_drain(io->unsent, (size_t)sent);
    }
    return 0;
}

int fake_io_send(struct fake_io *io, const void *bytes, size_t length)
{
    const char *rest = bytes;
    while (length > 0 && evbuffer_get_length(io->unsent) == 0) {
        size_t span = length < SEND_SPAN_MAX ? length : SEND_SPAN_MAX;
        ssize_t sent = io_write(io, rest, span);
        if (sent == -EAGAIN)
            break;
        if (sent < 0)
            return (int)sent;
        rest += sent;
        length -= (size_t)sent;
    }
    if (length == 0)
        return 0;
    return evbuffer_add(io->unsent, rest, length) == 0 ? -EAGAIN : -ENOMEM;
}

void fake_io_end(struct fake_io *io)
{
    if (io->tls != NULL)
        SSL_shutdown(io->tls);
    else
        shutdown(io->fd, SHUT_WR);
}
