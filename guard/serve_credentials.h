// Serve credentials: the daemon's credentials as one part: the pool and its keeper, what fills it,
// and what `reeve credential` asks of it.
#pragma once

#include "control.h"
#include "credential_pool.h"
#include "error.h"
#include "paths.h"

#include <stdbool.h>

struct config;
struct credential_keeper;
struct curl_loop;
struct event_base;
struct proxy;
struct serve_alerts;
struct serve_credentials;
struct sticky;
struct upstream;

struct serve_credentials_options {
    struct event_base *base;
    struct curl_loop *curl;
    struct upstream *upstream;
    const struct paths *paths;
    const struct config *config;
    const char *config_path;     // --config or NULL
    const char *credential_file; // --credential or NULL
    struct serve_alerts *alerts; // hears of what a person has to do
    struct proxy *proxy;         // its exchanges are woken when there is something to serve them
};

// Reads them, and leaves them alone until serve_credentials_wake().
int serve_credentials_new(struct serve_credentials **credentials,
                          const struct serve_credentials_options *options, struct error *err);
void serve_credentials_free(struct serve_credentials *credentials); // NULL is allowed

// Begins to look after them, as they are now. To be called once.
void serve_credentials_wake(struct serve_credentials *credentials);

// A successor looks after them from now on. No refresh is under way, and nobody asks any more.
void serve_credentials_hand_over(struct serve_credentials *credentials);

// For the proxy; they stay the part's.
struct credential_keeper *serve_credentials_keeper(struct serve_credentials *credentials);
struct sticky *serve_credentials_sticky(struct serve_credentials *credentials);

const struct credential_pool *serve_credentials_pool(const struct serve_credentials *credentials);

// A refresh is under way, whose answer should not be lost.
bool serve_credentials_are_refreshing(const struct serve_credentials *credentials);

// True if the message is for this part.
bool serve_credentials_receive(struct serve_credentials *credentials, struct control_peer *peer,
                               const struct control_message *message);
void serve_credentials_peer_gone(struct serve_credentials *credentials, struct control_peer *peer);
