// Curl loop: libcurl's multi interface on the libevent loop.
//
// Connections to the upstream are opened through it; ordinary transfers (token refresh, webhooks)
// run on it whole. See curl_multi_socket_action(3).
#pragma once

#include "error.h"

#include <curl/curl.h>

struct event_base;
struct curl_loop;

// What an easy handle's CURLOPT_PRIVATE must point to before curl_loop_add().
struct curl_loop_job {
    // Called once when the transfer, or with CURLOPT_CONNECT_ONLY the connect, has ended.
    void (*done)(struct curl_loop_job *job, CURLcode result);
};

int curl_loop_new(struct curl_loop **loop, struct event_base *base, struct error *err);
void curl_loop_free(struct curl_loop *loop);

// Starts the handle's transfer. `easy` stays the caller's, who takes it off with curl_loop_remove()
// after it is done; a CONNECT_ONLY connection lives only while its handle is on the loop.
int curl_loop_add(struct curl_loop *loop, CURL *easy, struct error *err);
void curl_loop_remove(struct curl_loop *loop, CURL *easy);
