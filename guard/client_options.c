// Client options: what all commands that talk to the daemon have in common.

#include "client_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

int client_options_apply(const struct client_options *options, struct config *config,
                         struct paths *paths, struct error *err)
{
    int result = config_load(config, options->config_path, NULL, err);
    if (result == -EACCES && options->config_path == NULL) // the daemon's alone to read
        result = config_init(config, err);
    return result < 0 ? result : paths_find(paths, options->state_dir, config, err);
}

int client_connect(const struct client_options *options, const char *command,
                   struct control_client **client)
{
    struct config config;
    struct paths paths;
    struct error err;
    int result = client_options_apply(options, &config, &paths, &err);
    config_done(&config);
    if (result < 0) {
        fprintf(stderr, "reeve %s: %s\n", command, err.text);
        return EX_CONFIG;
    }
    if (control_client_open(client, paths.control_socket, &err) < 0) {
        fprintf(stderr, "reeve %s: %s\n", command, err.text);
        return EX_UNAVAILABLE;
    }
    return 0;
}

int client_request(struct control_client *client, const char *command,
                   const struct control_message *request, int timeout_ms,
                   struct control_message *answer)
{
    struct error err;
    if (control_client_ask(client, request, timeout_ms, answer, &err) < 0) {
        fprintf(stderr, "reeve %s: %s\n", command, err.text);
        return EX_UNAVAILABLE;
    }
    if (answer->type != CONTROL_REFUSED)
        return 0;
    fprintf(stderr, "reeve %s: %s\n", command, answer->refused.text);
    control_message_done(answer);
    return EXIT_FAILURE;
}

int client_ask(const struct client_options *options, const char *command,
               const struct control_message *request, int timeout_ms,
               struct control_message *answer)
{
    struct control_client *client;
    int code = client_connect(options, command, &client);
    if (code != 0)
        return code;
    code = client_request(client, command, request, timeout_ms, answer);
    control_client_close(client);
    return code;
}
