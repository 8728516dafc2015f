// reeve kill: ends a run, whatever it is doing.

#include "client_options.h"
#include "command_line.h"
#include "subcommands.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static const char usage[] =
    "usage: reeve kill [OPTION…] RUN…\n"
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
    struct client_options client = {0};
    const struct command_option options[] = {CLIENT_OPTIONS(&client), {0}};
    static const struct command_verb verbs[] = {{"", "RUN", 1, COMMAND_OPERANDS_ANY}, {0}};
    const struct command_line line = {"kill", usage, options, verbs};
    struct command_words words;
    int code = command_line_read(&line, argc, argv, &words);
    if (code >= 0)
        return code;
    code = EX_OK;
    for (int i = 0; i < words.operand_count; i++) {
        int result = kill_run(&client, words.operands[i]);
        code = result != 0 ? result : code;
    }
    return code;
}
