// Client options: what all commands that talk to the daemon have in common.
#pragma once

#include "config.h"
#include "control.h"
#include "error.h"
#include "paths.h"

struct client_options {
    const char *config_path; // --config; NULL: the default one, which may be missing or unreadable
    const char *state_dir;   // --state-dir or NULL
};

// Loads the configuration and finds the daemon's socket. The caller ends with config_done() in
// every case. -EINVAL: the configuration has a problem.
int client_options_apply(const struct client_options *options, struct config *config,
                         struct paths *paths, struct error *err);

// All of it, and connects. Returns 0, or the exit code of the process after saying why on stderr as
// `command`: 69 where there is no daemon, 78 for a bad configuration.
int client_connect(const struct client_options *options, const char *command,
                   struct control_client **client);

// Sends a request and waits for the one answer; sends it once more where the daemon has gone
// without one, so it has to be one that can be repeated. Returns 0, or the exit code after saying
// why. After success the caller ends with control_message_done().
int client_request(struct control_client *client, const char *command,
                   const struct control_message *request, struct control_message *answer);
