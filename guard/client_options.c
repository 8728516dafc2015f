// Client options: what all commands that talk to the daemon have in common.

#include "client_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define ANSWER_TIMEOUT_MS 30000

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

static int ask(struct control_client *client, const struct control_message *request,
               struct control_message *answer, struct error *err)
{
    int result = control_client_send(client, request, err);
    return result < 0 ? result : control_client_receive(client, ANSWER_TIMEOUT_MS, answer, err);
}

int client_request(struct control_client *client, const char *command,
                   const struct control_message *request, struct control_message *answer)
{
    struct error err;
    int result = ask(client, request, answer, &err);
    // A daemon that is about to end takes connections to the last: then its successor is asked.
    if ((result == -ECONNRESET || result == -EPIPE) && control_client_reopen(client, 0, &err) == 0)
        result = ask(client, request, answer, &err);
    if (result < 0) {
        fprintf(stderr, "reeve %s: %s\n", command, err.text);
        return EX_UNAVAILABLE;
    }
    if (answer->type != CONTROL_REFUSED)
        return 0;
    fprintf(stderr, "reeve %s: %s\n", command, answer->refused.text);
    control_message_done(answer);
    return EXIT_FAILURE;
}
