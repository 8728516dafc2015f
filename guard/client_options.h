// Client options: what all commands that talk to the daemon have in common.
#pragma once

#include "command_line.h"
#include "config.h"
#include "control.h"
#include "error.h"
#include "paths.h"

#define CLIENT_TIMEOUT_MS 30000 // for what the daemon answers at once

struct client_options {
    const char *config_path; // --config; NULL: the default one, which may be missing or unreadable
    const char *state_dir;   // --state-dir or NULL
};

// Their rows in a table of options.
#define CLIENT_OPTIONS(where)                                                                      \
    CONFIG_OPTION(&(where)->config_path), STATE_DIR_OPTION(&(where)->state_dir)

// Loads the configuration and finds the daemon's socket. The caller ends with config_done() in
// every case. -EINVAL: the configuration has a problem.
int client_options_apply(const struct client_options *options, struct config *config,
                         struct paths *paths, struct error *err);

// All of it, and connects. Returns 0, or the exit code of the process after saying why on stderr as
// `command`: 69 where there is no daemon, 78 for a bad configuration.
int client_connect(const struct client_options *options, const char *command,
                   struct control_client **client);

// Sends a request and waits up to `timeout_ms` for the one answer, as control_client_ask() does.
// Returns 0, or the exit code after saying why. After success the caller ends with
// control_message_done().
int client_request(struct control_client *client, const char *command,
                   const struct control_message *request, int timeout_ms,
                   struct control_message *answer);

// Both, on a connection of its own.
int client_ask(const struct client_options *options, const char *command,
               const struct control_message *request, int timeout_ms,
               struct control_message *answer);
