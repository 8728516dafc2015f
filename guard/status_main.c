// reeve status: what the daemon is doing.

#include "client_options.h"
#include "status.h"
#include "status_open.h"
#include "subcommands.h"

#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#define WATCH_INTERVAL_MS 1000
#define CLEAR_SCREEN "\033[H\033[J"

static const char usage[] =
    "usage: reeve status [--json] [--watch | --open] [--state-dir DIR] [--config FILE]\n"
    "\n"
    "Live runs with their spend against their ceilings, slots and queue, credentials, and how far\n"
    "the ledger is behind. --watch shows it anew each second. --open prints a link to the live\n"
    "page, which works once, and opens it in a browser where there is one.\n";

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
    static const struct option long_options[] = {
        {"json", no_argument, NULL, 'j'},
        {"watch", no_argument, NULL, 'w'},
        {"open", no_argument, NULL, 'o'},
        {"config", required_argument, NULL, 'c'},
        {"state-dir", required_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    enum { SHOW_ONCE, SHOW_WATCH, SHOW_OPEN } form = SHOW_ONCE;
    bool json = false;
    struct client_options options = {NULL, NULL};
    int option;
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (option) {
        case 'j':
            json = true;
            break;
        case 'w':
            form = SHOW_WATCH;
            break;
        case 'o':
            form = SHOW_OPEN;
            break;
        case 'c':
            options.config_path = optarg;
            break;
        case 's':
            options.state_dir = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            return EX_OK;
        default:
            fputs(usage, stderr);
            return EX_USAGE;
        }
    }
    if (optind != argc || (form == SHOW_WATCH && json)) {
        fputs(usage, stderr);
        return EX_USAGE;
    }
    if (form == SHOW_OPEN)
        return status_open(&options, json);
    return form == SHOW_WATCH ? watch(&options) : show(&options, json);
}
