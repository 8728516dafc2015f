// The fake's parts, and the path of a request through them: connection ▶ api ▶ connection ▶ books.
#pragma once

#include "fake_answer.h"
#include "fake_books.h"
#include "fake_credentials.h"
#include "fake_http.h"
#include "fake_message.h"
#include "fake_script.h"
#include "fake_usage.h"

#include <event2/event.h>
#include <jansson.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAKE_NONCE_MAX 17
#define FAKE_READ_BYTES 65536

struct fake {
    struct event_base *base;
    struct fake_books *books;
    struct fake_credentials *credentials;
    struct fake_scripts *scripts;
    struct fake_cache *cache;
    char *bench_answers[2]; // --bench: one whole, one streamed, no books; else NULL
    bool require_identity;  // subscription tokens serve only Claude Code and the Agent SDK
    struct fake_oauth *oauth;
    struct fake_batches *batches;
    json_t *files;              // id -> {account, answer}
    json_t *threads;            // message id -> {account, tokens of the conversation}
    char nonce[FAKE_NONCE_MAX]; // makes ids differ between processes
    uint64_t last_id;
    uint64_t last_connection;
    struct connection *connections;    // open ones
    char read_buffer[FAKE_READ_BYTES]; // shared by all connections
};

// One request, whole.
struct fake_request {
    struct fake_head head;
    const char *body; // NULL if it was only counted
    size_t body_bytes;
    uint64_t connection;
    bool is_tls;
    bool too_large;
};

// A request's answer and what the books need of it.
struct fake_exchange {
    struct fake_answer answer;
    json_t *entry;
    struct fake_message message; // what is billed, if `is_billed`
    bool is_billed;
};

// fake_api.c

// Bytes that a body for this request may have, and whether it is only counted (uploads of files).
size_t fake_api_body_max(const struct fake_head *head, bool *counted);

// Answers a request. The exchange is closed with fake_api_close().
void fake_api_answer(struct fake *fake, const struct fake_request *request,
                     struct fake_exchange *exchange);

// Enters the exchange into the books. `output_bytes`: of the message's output that was sent.
void fake_api_close(struct fake *fake, struct fake_exchange *exchange, enum fake_end end,
                    size_t output_bytes);

// Writes a new id, such as "msg_…", for `prefix` "msg".
void fake_id_new(struct fake *fake, const char *prefix, char id[static FAKE_ID_MAX]);

// fake_oauth.c

// The token endpoint. Access tokens live `access_s` seconds and `access_uses` requests (-1: any).
struct fake_oauth *fake_oauth_new(int64_t access_s, int64_t access_uses);
void fake_oauth_free(struct fake_oauth *oauth);

// Begins a chain with "REFRESH_TOKEN" or "REFRESH_TOKEN@ACCOUNT".
bool fake_oauth_seed(struct fake_oauth *oauth, const char *refresh_token);

// fake_batches.c

struct fake_batches *fake_batches_new(void);
void fake_batches_free(struct fake_batches *batches);

// fake_connection.c

// Serves a connection that was accepted. Takes `fd`; `tls` may be NULL.
void fake_connection_start(struct fake *fake, int fd, SSL_CTX *tls);

// Ends all connections. What was being answered is in the books as disconnected.
void fake_connections_close(struct fake *fake);

// fake_bench.c

// Makes the answers of --bench to any request: 40 events of about 5 KB, and a message.
void fake_bench_init(struct fake *fake);

// fake_tls.c

// Makes a CA and a certificate for localhost and 127.0.0.1, writes the CA's to `directory`/ca.pem
// and returns a context that serves them, or NULL with a line on stderr.
SSL_CTX *fake_tls_new(const char *directory);
