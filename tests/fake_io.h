// A connected socket of the fake, plain or TLS, non-blocking, with what is still to be sent.
#pragma once

#include <event2/buffer.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/types.h>

struct fake_io {
    int fd;
    SSL *tls; // NULL: plain
    struct evbuffer *unsent;
};

// Takes the connected, non-blocking `fd`. `tls` may be NULL. Returns 0, or -ENOMEM with fd closed.
int fake_io_init(struct fake_io *io, int fd, SSL_CTX *tls);

// Closes; `reset` makes it an abrupt TCP reset without a TLS farewell.
void fake_io_done(struct fake_io *io, bool reset);

// Bytes read (> 0), 0 at the end, -EAGAIN for nothing now, another negative errno when broken.
ssize_t fake_io_read(struct fake_io *io, void *buffer, size_t size);

// Sends what is unsent. Returns 0 when nothing is left, -EAGAIN when the peer must read first.
int fake_io_flush(struct fake_io *io);

// Sends `bytes`, keeping a copy of what the socket does not take. Returns as fake_io_flush().
int fake_io_send(struct fake_io *io, const void *bytes, size_t length);

// Says that nothing more will be sent; reading goes on.
void fake_io_end(struct fake_io *io);
