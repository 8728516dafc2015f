// reeve reload: a new daemon takes the place of the one that serves, and nobody notices.

#include "client_options.h"
#include "command_line.h"
#include "subcommands.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#define RELOAD_TIMEOUT_MS 180000 // to prepare, and to wait for a refresh that is under way

static const char usage[] =
    "usage: reeve reload [OPTION…]\n"
    "\n"
    "Has the daemon started anew: its program and its configuration as they are now. The new one\n"
    "takes all requests from then on; the old one finishes the answers that it is giving, and "
    "ends.\n"
    "Returns once the new one serves. If it cannot, says why, and the daemon goes on as it was.\n";

static void print(const struct control_reloaded *reloaded, bool json)
{
    if (json)
        printf("{\"pid_before\": %" PRId64 ", \"pid\": %" PRId64
               ", \"exchanges_in_flight\": %" PRId64 "}\n",
               reloaded->pid_before, reloaded->pid, reloaded->exchanges_in_flight);
    else
        printf("process %" PRId64 " serves in place of %" PRId64 ", which still finishes %" PRId64
               " exchange%s\n",
               reloaded->pid, reloaded->pid_before, reloaded->exchanges_in_flight,
               reloaded->exchanges_in_flight == 1 ? "" : "s");
}

// Not control_client_ask(): a successor that was asked again would be replaced as well.
static int reload(const struct client_options *options, bool json)
{
    const struct control_message request = {.type = CONTROL_RELOAD};
    struct control_message answer;
    struct control_client *client;
    struct error err;
    int code = client_connect(options, "reload", &client);
    if (code != 0)
        return code;
    int result = control_client_send(client, &request, &err);
    if (result == 0)
        result = control_client_receive(client, RELOAD_TIMEOUT_MS, &answer, &err);
    control_client_close(client);
    if (result < 0) {
        fprintf(stderr, "reeve reload: %s\n", err.text);
        return EX_UNAVAILABLE;
    }
    if (answer.type == CONTROL_RELOADED) {
        print(&answer.reloaded, json);
    } else {
        fprintf(stderr, "reeve reload: %s\n",
                answer.type == CONTROL_REFUSED ? answer.refused.text
                                               : "the daemon answered something else");
        code = EXIT_FAILURE;
    }
    control_message_done(&answer);
    return code;
}

int reload_main(int argc, char **argv)
{
    struct client_options client = {0};
    bool json = false;
    const struct command_option options[] = {JSON_OPTION(&json), CLIENT_OPTIONS(&client), {0}};
    const struct command_line line = {"reload", usage, options, NULL};
    struct command_words words;
    int code = command_line_read(&line, argc, argv, &words);
    return code >= 0 ? code : reload(&client, json);
}
