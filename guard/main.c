// reeve: the table of subcommands.

#include "subcommands.h"

#include <jansson.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

struct subcommand {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *purpose;
};

static const struct subcommand subcommands[] = {
    {"serve", serve_main, "the daemon: proxy, ceilings, slots, books"},
    {"run", run_main, "run a command behind the proxy, in its own cgroup"},
    {"status", status_main, "live runs, slots, ceilings, credentials, ledger"},
    {"kill", kill_main, "end a run"},
    {"reload", reload_main, "have the daemon started anew, unnoticed"},
    {"report", report_main, "what was spent, by day, job, model, run or credential"},
    {"state", state_main, "keys of work between runs: claim, done, release, get, list"},
    {"ledger", ledger_main, "look after the books: status, verify, export, move"},
    {"credential", credential_main, "what authorises exchanges upstream: list, check, add"},
    {"job", job_main, "keys of jobs, for agents outside reeve run"},
    {"price", price_main, "show what models cost, or check a price file"},
    {"alert", alert_main, "list and test who is told when something goes wrong"},
    {"config", config_main, "check or show the configuration"},
    {"cgroup-helper", cgroup_helper_main, "root's part: cgroups for supervisors that cannot"},
    {"units", units_main, "a job's timer and service for systemd, or its line for cron"},
    {NULL, NULL, NULL},
};

static void print_usage(FILE *stream)
{
    fputs("usage: reeve SUBCOMMAND [OPTION…]\n\n", stream);
    for (const struct subcommand *each = subcommands; each->name != NULL; each++)
        fprintf(stream, "  %-14s %s\n", each->name, each->purpose);
    fputs("\nreeve SUBCOMMAND --help tells more.\n", stream);
}

// Tokens pass through JSON on their way: what jansson lets go of is wiped.
static void free_wiped(void *block)
{
    if (block != NULL)
        explicit_bzero(block, malloc_usable_size(block));
    free(block);
}

int main(int argc, char **argv)
{
    json_set_alloc_funcs(malloc, free_wiped);
    if (argc < 2) {
        print_usage(stderr);
        return EX_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_usage(stdout);
        return EX_OK;
    }
    for (const struct subcommand *each = subcommands; each->name != NULL; each++)
        if (strcmp(argv[1], each->name) == 0)
            return each->run(argc - 1, argv + 1);
    fprintf(stderr, "reeve: there is no subcommand %s; reeve --help lists them\n", argv[1]);
    return EX_USAGE;
}
