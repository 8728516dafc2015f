// Alert channel: one way to tell somebody, and one attempt at it.
//
// A section [Alert ops] makes up to three: "ops/url", "ops/exec" and "ops/journal" (the system's).
// Each has its own queue, so that one that fails does not have another told twice.
#pragma once

#include "alert.h"
#include "config.h"
#include "curl_loop.h"
#include "error.h"
#include "paths.h"

#define ALERT_SECRET_MAX 4096 // bytes of a SecretFile= or UrlFile=
#define ALERT_TARGET_MAX 256
#define SYSTEM_JOURNAL_SOCKET "/run/systemd/journal/socket"

struct event_base;
struct alert_attempt;

enum alert_channel_type { ALERT_TO_URL, ALERT_TO_EXEC, ALERT_TO_JOURNAL };

struct alert_channel {
    char name[ALERT_CHANNEL_MAX];
    enum alert_channel_type type;
    const struct config_alert *config; // outlives the channel
    char *url;                         // ALERT_TO_URL
    char *secret;                      // NULL: nothing is signed
    size_t secret_length;
};

// Makes the channels of a configuration, in its order, and reads the files with secrets, which are
// for their owner alone. -E2BIG: more than ALERT_CHANNELS_MAX. alert_channels_done() in every case.
int alert_channels_make(struct alert_channel channels[static ALERT_CHANNELS_MAX], size_t *count,
                        const struct config *config, const struct paths *paths, struct error *err);
void alert_channels_done(struct alert_channel *channels, size_t count); // wipes the secrets

// Whether alerts of that kind go there. A test goes everywhere.
bool alert_channel_takes(const struct alert_channel *channel, const char *kind);

// Where it goes, without what can be a secret: "https://hooks.example.com/...", "/usr/bin/page
// ...".
const char *alert_channel_target(const struct alert_channel *channel,
                                 char text[static ALERT_TARGET_MAX]);

// How an attempt ended: `failure` is NULL if the alert was delivered; the channel asks for
// `retry_after_us` of peace, or 0.
struct alert_receiver {
    void (*done)(void *context, const struct error *failure, int64_t retry_after_us);
    void *context;
};

// What attempts run on.
struct alert_place {
    struct event_base *base;
    struct curl_loop *curl;
    const char *host;
};

// Tries once to deliver the alert, within the section's TimeoutSec=. `done` is called once, later;
// then the attempt is gone.
int alert_attempt_start(struct alert_attempt **attempt, const struct alert_channel *channel,
                        const struct alert_place *place, const struct journal_alert *alert,
                        const struct alert_receiver *receiver, struct error *err);

// Nothing is called any more; the alert may have arrived all the same. NULL is allowed.
void alert_attempt_cancel(struct alert_attempt *attempt);
