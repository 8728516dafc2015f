// reeve kill: ends a run, whatever it is doing.

#include "client_options.h"
#include "subcommands.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static const char usage[] =
    "usage: reeve kill [--state-dir DIR] [--config FILE] RUN…\n"
    "\n"
    "Ends runs: no new request is taken, requests in flight are cancelled, SIGTERM, and after\n"
    "KillGrace= SIGKILL to everything in the run's cgroup. `reeve run` then exits with 103.\n"
    "RUN is a run id as reeve status shows it.\n";

static int kill_run(const struct client_options *options, const char *run_id)
{
    struct control_message request = {.type = CONTROL_KILL}, answer;
    if (strlen(run_id) >= sizeof(request.kill.run_id)) {
        fprintf(stderr, "reeve kill: %s is no run id\n", run_id);
        return EX_USAGE;
    }
    memcpy(request.kill.run_id, run_id, strlen(run_id) + 1);
    int code = client_ask(options, "kill", &request, CLIENT_TIMEOUT_MS, &answer);
    if (code == 0)
        control_message_done(&answer);
    return code;
}

int kill_main(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"config", required_argument, NULL, 'c'},
        {"state-dir", required_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct client_options options = {NULL, NULL};
    int option;
    int code = EX_OK;
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (option) {
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
    if (optind == argc) {
        fputs(usage, stderr);
        return EX_USAGE;
    }
    for (; optind < argc; optind++) {
        int result = kill_run(&options, argv[optind]);
        code = result != 0 ? result : code;
    }
    return code;
}
