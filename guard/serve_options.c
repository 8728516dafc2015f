// Serve options: the command line of `reeve serve`, over the configuration.

#include "serve_options.h"

#include <getopt.h>
#include <stdlib.h>
#include <sysexits.h>

#define DSN_VARIABLE                                                                               \
    "REEVE_LEDGER_DSN" // in place of --ledger, so that no password is in the arguments

static const char usage[] =
    "usage: reeve serve [OPTION…]\n"
    "\n"
    "The daemon: proxy, ceilings, slots and books. Every option has its place in reeve.conf too.\n"
    "\n"
    "  --config FILE       configuration (default /etc/reeve/reeve.conf, if it is there)\n"
    "  --listen ADDRESS    Listen=, 127.0.0.1:8377 by default; port 0 takes a free one\n"
    "  --upstream URL      Upstream=, https://api.anthropic.com by default\n"
    "  --ca-file FILE      UpstreamCAFile=: CA certificates in PEM, instead of the system's\n"
    "  --credential FILE   one credential: API key, OAuth token or .credentials.json (mode 0600)\n"
    "  --ledger DSN        Ledger=: a Postgres of your own, instead of the private one\n"
    "                      ($REEVE_LEDGER_DSN keeps its password out of the arguments)\n"
    "  --state-dir DIR     StateDirectory=: journal, private Postgres, control socket\n"
    "  --slots N           Slots=: runs at the same time, 2 by default\n"
    "  --prices FILE       Prices=: a price file instead of the built-in one\n"
    "  --help\n";

// Long options that are options of [Reeve] under another name.
static const struct {
    const char *option, *name;
} reeve_options[] = {
    {"listen", "Listen"}, {"upstream", "Upstream"}, {"ca-file", "UpstreamCAFile"},
    {"ledger", "Ledger"}, {"slots", "Slots"},       {"prices", "Prices"},
};

static void value_add(struct serve_options *options, const char *name, const char *value)
{
    options->values[options->value_count][0] = name;
    options->values[options->value_count][1] = value;
    options->value_count++;
}

bool serve_options_parse(struct serve_options *options, int argc, char **argv, int *code)
{
    enum { CONFIG = 'c', CREDENTIAL, STATE_DIR, HELP, REEVE };
    static const struct option long_options[] = {
        {"config", required_argument, NULL, CONFIG},
        {"credential", required_argument, NULL, CREDENTIAL},
        {"state-dir", required_argument, NULL, STATE_DIR},
        {"help", no_argument, NULL, HELP},
        {"listen", required_argument, NULL, REEVE},
        {"upstream", required_argument, NULL, REEVE},
        {"ca-file", required_argument, NULL, REEVE},
        {"ledger", required_argument, NULL, REEVE},
        {"slots", required_argument, NULL, REEVE},
        {"prices", required_argument, NULL, REEVE},
        {NULL, 0, NULL, 0},
    };
    int index = 0, option;
    *options = (struct serve_options){0};
    if (getenv(DSN_VARIABLE) != NULL)
        value_add(options, "Ledger", getenv(DSN_VARIABLE));
    while ((option = getopt_long(argc, argv, "", long_options, &index)) != -1) {
        if (option == CONFIG)
            options->config_path = optarg;
        else if (option == CREDENTIAL)
            options->credential_file = optarg;
        else if (option == STATE_DIR)
            options->state_dir = optarg;
        else if (option == HELP) {
            fputs(usage, stdout);
            *code = EX_OK;
            return false;
        } else if (option != REEVE ||
                   options->value_count == sizeof(options->values) / sizeof(options->values[0])) {
            fputs("reeve serve --help tells more\n", stderr);
            *code = EX_USAGE;
            return false;
        }
        for (size_t i = 0; option == REEVE && i < sizeof(reeve_options) / sizeof(*reeve_options);
             i++)
            if (strcmp(long_options[index].name, reeve_options[i].option) == 0)
                value_add(options, reeve_options[i].name, optarg);
    }
    if (optind < argc) {
        fprintf(stderr, "reeve serve: '%s': no such argument; reeve serve --help tells more\n",
                argv[optind]);
        *code = EX_USAGE;
        return false;
    }
    return true;
}

int serve_options_apply(const struct serve_options *options, struct config *config,
                        struct error *err)
{
    int result = config_load(config, options->config_path, NULL, err);
    for (size_t i = 0; result == 0 && i < options->value_count; i++)
        result = config_set(config, options->values[i][0], options->values[i][1], err);
    return result < 0 ? result : config_check(config, err);
}
