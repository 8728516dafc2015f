// reeve ledger: looks after the books: status, migrate, verify, export, move; and the feed itself.

#include "ledger_command.h"

#include "ledger_feed.h"
#include "subcommands.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static const char usage[] =
    "usage: reeve ledger status  [--json] [PLACE]\n"
    "       reeve ledger verify  [--json] [PLACE]\n"
    "       reeve ledger migrate [--json] [PLACE]\n"
    "       reeve ledger export [TABLE] [--format csv|json] [PLACE]\n"
    "       reeve ledger move --to DSN [--json] [PLACE]\n"
    "\n"
    "status   what the books hold, and how far behind the journal they are\n"
    "verify   whether the books add up: runs, prices, quarantine; exits 65 if they do not\n"
    "migrate  brings the tables to this version; the daemon does it by itself\n"
    "export   TABLE (exchange, run, job, alert, price, quarantine, source_state) to standard\n"
    "         output, whole;\n"
    "         json is one object a line, dollars as strings\n"
    "move     copies the books to another Postgres and checks the copy; may be repeated. Then\n"
    "         set Ledger=DSN and restart the daemon\n"
    "\n"
    "PLACE: --ledger DSN, $REEVE_LEDGER_DSN, Ledger= in --config FILE, or else the private\n"
    "Postgres of --state-dir DIR. A DSN is postgresql://USER@HOST/DATABASE or 'host=… user=…'.\n";

static const struct {
    const char *name;
    int (*run)(const struct ledger_command *command, struct error *err);
} commands[] = {
    {"status", ledger_command_status},   {"verify", ledger_command_verify},
    {"migrate", ledger_command_migrate}, {"export", ledger_command_export},
    {"move", ledger_command_move},
};

// The daemon's child: its arguments are ledger_feed_start()'s, and it has no others.
static int feed_main(int argc, char **argv)
{
    enum { FD = 1, STATE_FD, JOURNAL_DIR, POSTGRES_DIR, PRICES };
    static const struct option long_options[] = {
        {"fd", required_argument, NULL, FD},
        {"state-fd", required_argument, NULL, STATE_FD},
        {"journal-dir", required_argument, NULL, JOURNAL_DIR},
        {"postgres-dir", required_argument, NULL, POSTGRES_DIR},
        {"prices", required_argument, NULL, PRICES},
        {0},
    };
    struct ledger_catch_up_options options = {.dsn = getenv(LEDGER_DSN_ENV)};
    struct error err;
    struct ledger_feed_link link = {-1, -1};
    for (int option; (option = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        if (option == FD)
            link.fd = (int)strtol(optarg, NULL, 10);
        else if (option == STATE_FD)
            link.state_fd = (int)strtol(optarg, NULL, 10);
        else if (option == JOURNAL_DIR)
            options.journal_directory = optarg;
        else if (option == POSTGRES_DIR)
            options.postgres_directory = optarg;
        else if (option == PRICES)
            options.prices_file = optarg;
        else
            return EX_USAGE;
    }
    if (options.journal_directory == NULL || options.postgres_directory == NULL) {
        fputs("reeve ledger feed: the daemon starts it, with --journal-dir and --postgres-dir\n",
              stderr);
        return EX_USAGE;
    }
    if (ledger_feed_run(&options, &link, &err) == 0)
        return EX_OK;
    fprintf(stderr, "reeve ledger feed: %s\n", err.text);
    return EX_SOFTWARE;
}

// Reads what follows the command's name. Returns an exit code, or -1 to go on.
static int read_options(struct ledger_command *command, int argc, char **argv)
{
    enum { CONFIG = 1, STATE_DIR, LEDGER, TO, FORMAT, JSON, HELP };
    static const struct option long_options[] = {
        {"config", required_argument, NULL, CONFIG},
        {"state-dir", required_argument, NULL, STATE_DIR},
        {"ledger", required_argument, NULL, LEDGER},
        {"to", required_argument, NULL, TO},
        {"format", required_argument, NULL, FORMAT},
        {"json", no_argument, NULL, JSON},
        {"help", no_argument, NULL, HELP},
        {0},
    };
    for (int option; (option = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        switch (option) {
        case CONFIG:
            command->source.config_file = optarg;
            break;
        case STATE_DIR:
            command->source.state_dir = optarg;
            break;
        case LEDGER:
            command->source.dsn = optarg;
            break;
        case TO:
            command->to_dsn = optarg;
            break;
        case FORMAT:
            command->format = optarg;
            break;
        case JSON:
            command->json = true;
            break;
        case HELP:
            fputs(usage, stdout);
            return EX_OK;
        default:
            return EX_USAGE;
        }
    }
    command->table = optind < argc ? argv[optind++] : NULL;
    if (optind < argc) {
        fprintf(stderr, "reeve ledger: %s is one argument too many\n", argv[optind]);
        return EX_USAGE;
    }
    return -1;
}

// What the shell learns of an error.
static int exit_code(int code)
{
    switch (code) {
    case -EINVAL:
        return EX_USAGE;
    case -ENOTCONN:
    case -ETIMEDOUT:
        return EX_UNAVAILABLE;
    case -EACCES:
        return EX_NOPERM;
    case -ENOENT:
        return EX_NOINPUT;
    case -EBADMSG:
        return EX_DATAERR;
    default:
        return EX_SOFTWARE;
    }
}

int ledger_main(int argc, char **argv)
{
    struct ledger_command command = {0};
    struct error err = {0};
    if (argc < 2 || strcmp(argv[1], "--help") == 0) {
        fputs(usage, argc < 2 ? stderr : stdout);
        return argc < 2 ? EX_USAGE : EX_OK;
    }
    if (strcmp(argv[1], "feed") == 0)
        return feed_main(argc - 1, argv + 1);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        int code = read_options(&command, argc - 1, argv + 1);
        if (code >= 0)
            return code;
        code = commands[i].run(&command, &err);
        if (code < 0)
            fprintf(stderr, "reeve ledger %s: %s\n", commands[i].name, err.text);
        return code < 0 ? exit_code(code) : code;
    }
    fprintf(stderr, "reeve ledger: there is no command %s; reeve ledger --help lists them\n",
            argv[1]);
    return EX_USAGE;
}
