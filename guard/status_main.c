// reeve status: what the daemon is doing.

#include "client_options.h"
#include "command_line.h"
#include "status.h"
#include "status_open.h"
#include "subcommands.h"

#include <poll.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#define WATCH_INTERVAL_MS 1000
#define CLEAR_SCREEN "\033[H\033[J"

static const char usage[] =
    "usage: reeve status [OPTION…]\n"
    "\n"
    "Live runs with their spend against their ceilings, slots and queue, credentials, and how far\n"
    "the ledger is behind.\n";

static int show(const struct client_options *options, bool json)
{
    struct control_message answer;
    const struct control_message request = {.type = CONTROL_STATUS};
    struct error err;
    int code = client_ask(options, "status", &request, CLIENT_TIMEOUT_MS, &answer);
    if (code != 0)
        return code;
    if (answer.type != CONTROL_STATUS_REPLY) {
        fputs("reeve status: the daemon answered something else\n", stderr);
        code = EX_PROTOCOL;
    } else if (!json) {
        status_print(&answer.status, stdout);
    } else if (status_print_json(&answer.status, stdout, &err) < 0) {
        fprintf(stderr, "reeve status: %s\n", err.text);
        code = EX_IOERR;
    }
    control_message_done(&answer);
    return code;
}

static int watch(const struct client_options *options)
{
    int code;
    do {
        fputs(CLEAR_SCREEN, stdout);
        code = show(options, false);
        fflush(stdout);
    } while (code == 0 && poll(NULL, 0, WATCH_INTERVAL_MS) == 0);
    return code;
}

int status_main(int argc, char **argv)
{
    struct client_options client = {0};
    bool json = false, watches = false, opens = false;
    const struct command_option options[] = {
        {.name = "watch", .help = "anew each second", .flag = &watches},
        {.name = "open",
         .help = "prints a link to the live page, which works once, and opens it in a browser\n"
                 "where there is one",
         .flag = &opens},
        JSON_OPTION(&json),
        CLIENT_OPTIONS(&client),
        {0},
    };
    const struct command_line line = {"status", usage, options, NULL};
    struct command_words words;
    int code = command_line_read(&line, argc, argv, &words);
    if (code >= 0)
        return code;
    if (watches && (json || opens))
        return command_line_refuse(&line, "--watch goes with neither --json nor --open");
    if (opens)
        return status_open(&client, json);
    return watches ? watch(&client) : show(&client, json);
}
