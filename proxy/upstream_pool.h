// Upstream, inside: what its three rooms share. Nothing else includes this.
//
//     upstream.c             the public face
//     upstream_connection.c  connections: opened by libcurl, idle, given to those in line, dead
//     upstream_transfer.c    one request and its response on a connection
#pragma once

#include "curl_loop.h"
#include "http_chunk.h"
#include "upstream.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/queue.h>

#define CHUNK_FRAME_MAX 24 // "<hex length>\r\n" and the "\r\n" before it

enum connection_state {
    CONNECTION_CONNECTING,
    CONNECTION_IDLE,
    CONNECTION_HEAD, // a transfer has it; the response head is not whole
    CONNECTION_BODY,
    CONNECTION_DEAD, // off all lists but the dead one, freed by the reaper
};

struct connection {
    struct curl_loop_job job; // first: curl hands it back
    struct upstream *upstream;
    LIST_ENTRY(connection) link; // in the list of its state
    struct upstream_transfer *transfer;
    CURL *easy;
    struct event readable, writable, again;
    int64_t idle_since_us;
    int64_t moved_us; // when bytes went in or out last; monotonic
    bool is_spare;    // it was opened for the pool, and not for somebody in line
    enum connection_state state;
    char error_text[CURL_ERROR_SIZE];
    bool keep_alive;
    // The response being read.
    struct http_chunk_decoder chunks;
    enum http_framing framing;
    int64_t body_left; // with HTTP_BODY_LENGTH
    char *kept;        // the beginning of a head that came in parts
    size_t kept_length, searched;
};

enum transfer_state {
    TRANSFER_WAITING, // in line for a connection
    TRANSFER_SENDING,
    TRANSFER_SENT,
    TRANSFER_BROKEN, // sending failed; an answer may be there all the same
};

struct upstream_transfer {
    struct upstream *upstream;
    TAILQ_ENTRY(upstream_transfer) link; // in line
    struct connection *connection;       // NULL while waiting
    const struct upstream_receiver *receiver;
    void *context;
    char *head;
    size_t head_length, head_sent;
    char frame[CHUNK_FRAME_MAX]; // chunk framing not yet sent, for bodies of unknown length
    size_t frame_length, frame_sent;
    size_t chunk_left; // of the chunk whose frame has been made
    int64_t body_length;
    uint64_t body_sent;
    enum transfer_state state;
    bool any_sent;
    bool paused;
    bool body_ended; // of unknown length: the last chunk is in `frame`
    bool head_request;
};

// As the log knows it.
enum upstream_reach { UPSTREAM_UNTRIED, UPSTREAM_REACHED, UPSTREAM_UNREACHABLE };

struct upstream {
    struct event_base *base;
    struct curl_loop *loop;
    char *url;  // scheme, host and port
    char *host; // for the Host header
    char *path; // before every target, "" or "/prefix"
    char *ca_file;
    CURLSH *share;                                           // TLS sessions and names resolved
    LIST_HEAD(connection_list, connection) idle, used, dead; // latest first
    TAILQ_HEAD(transfer_line, upstream_transfer) waiting;
    size_t idle_count, used_count, waiting_count, connecting_count;
    size_t connections_warm;
    int64_t silence_max_us;
    enum upstream_reach reach;
    struct event *reaper, *upkeep;
    char buffer[UPSTREAM_READ_BYTES + HTTP_HEAD_BYTES_MAX]; // of whichever connection is at work
};

// upstream_connection.c

void connection_enter(struct connection *connection, enum connection_state state);

// Takes it off its list and frees it once the batch of events at hand is through.
void connection_close(struct connection *connection);

// Gives idle connections to those in line, and opens connections for the rest.
void connections_advance(struct upstream *upstream);

// Closes what has been idle for long and keeps the pool warm; then connections_advance(). Cuts off
// responses of an upstream that has been silent for too long.
void connections_keep_up(struct upstream *upstream);

// Frees what has been closed. Not to be called from a callback of libcurl.
void connections_reap(struct upstream *upstream);

// upstream_transfer.c

// Sends what the connection takes now.
void transfer_send(struct upstream_transfer *transfer);

// Ends it early; the connection is closed.
void transfer_cut(struct upstream_transfer *transfer, const char *why);

// Reads and delivers what has arrived.
void connection_read(struct connection *connection);

void transfer_free(struct upstream_transfer *transfer);
