// Upstream: a warm pool of verified connections to the Claude API, one exchange at a time on each.
//
// The engine: libcurl resolves, connects through proxies and verifies TLS (CURLOPT_CONNECT_ONLY);
// the HTTP/1.1 framing on the connection is ours. That costs half of nginx's CPU where ordinary
// libcurl transfers cost 1.2 to 1.4 of it, and does without HTTP/2. Nothing here says so: request
// and response pass in parts, so that another engine can stand behind this header.
#pragma once

#include "error.h"
#include "http_message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UPSTREAM_CONNECTIONS_MAX 512 // exchanges beyond these wait in line
#define UPSTREAM_WAITING_MAX 1024    // transfers in line; one more is refused
#define UPSTREAM_READ_BYTES 65536    // the most that one body() callback delivers

struct event_base;
struct curl_loop;
struct upstream;
struct upstream_transfer;

struct upstream_options {
    const char *base_url;   // "https://api.anthropic.com"; a path in it is put before every target
    const char *ca_file;    // PEM, NULL for the system's
    int connections_warm;   // idle connections to keep open
    int64_t silence_max_us; // of the upstream, once a request is out; 0 or INT64_MAX: any
};

struct upstream_header {
    struct slice name, value;
};

struct upstream_request {
    struct slice method;
    struct slice target;                   // path and query, from the slash on
    const struct upstream_header *headers; // without Host and framing, which the engine adds
    size_t header_count;
    int64_t body_length; // 0 without a body, UPSTREAM_LENGTH_UNKNOWN when it streams
};

#define UPSTREAM_LENGTH_UNKNOWN (-1)
#define UPSTREAM_BODY_END SIZE_MAX

enum upstream_end {
    UPSTREAM_COMPLETE,
    UPSTREAM_NOT_SENT, // not a byte of the request went out
    UPSTREAM_CUT,      // something went out, and the response is not whole
};

// What a transfer tells its owner. None is called from within upstream_open() or upstream_cancel().
struct upstream_receiver {
    // Body bytes from `offset` on: sets *bytes, valid until the next call into the transfer, and
    // returns how many; 0 when there are none yet (then upstream_body_ready() later), or
    // UPSTREAM_BODY_END after the last byte of a body of unknown length.
    size_t (*body_peek)(void *context, uint64_t offset, const char **bytes);
    // The final response head; 1xx have been passed over. Slices are valid during the call.
    void (*head)(void *context, const struct http_head *head);
    // Payload, transfer coding removed. `last`: done() follows at once.
    void (*body)(void *context, const char *bytes, size_t length, bool last);
    // The last call; the transfer is gone. `err` is set unless the end is UPSTREAM_COMPLETE.
    void (*done)(void *context, enum upstream_end end, const struct error *err);
};

int upstream_new(struct upstream **upstream, struct event_base *base, struct curl_loop *loop,
                 const struct upstream_options *options, struct error *err);

// All transfers must have ended or been cancelled.
void upstream_free(struct upstream *upstream);

// Starts a transfer. `request` is copied. -EAGAIN: UPSTREAM_WAITING_MAX.
int upstream_open(struct upstream *upstream, const struct upstream_request *request,
                  const struct upstream_receiver *receiver, void *context,
                  struct upstream_transfer **transfer, struct error *err);

// More of the request's body has arrived.
void upstream_body_ready(struct upstream_transfer *transfer);

// Stops and resumes reading the response. What one read has brought is still delivered.
void upstream_pause(struct upstream_transfer *transfer);
void upstream_resume(struct upstream_transfer *transfer);

// Whether any byte of the request has gone out.
bool upstream_has_sent(const struct upstream_transfer *transfer);

// Drops the transfer and its connection. No callback follows.
void upstream_cancel(struct upstream_transfer *transfer);

struct upstream_counts {
    size_t connections, idle, waiting;
};
struct upstream_counts upstream_count(const struct upstream *upstream);
