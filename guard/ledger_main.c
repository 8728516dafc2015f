// reeve ledger: looks after the books: status, migrate, verify, export, move; and the feed itself.

#include "ledger_command.h"

#include "command_line.h"
#include "ledger_feed.h"
#include "subcommands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static const char usage[] =
    "usage: reeve ledger status|verify|migrate [OPTION…]\n"
    "       reeve ledger export [TABLE] [OPTION…]\n"
    "       reeve ledger move --to DSN [OPTION…]\n"
    "\n"
    "status   what the books hold, and how far behind the journal they are\n"
    "verify   whether the books add up: runs, prices, quarantine; exits 65 if they do not\n"
    "migrate  brings the tables to this version; the daemon does it by itself\n"
    "export   TABLE (exchange, run, job, alert, price, quarantine, source_state) to standard\n"
    "         output, whole; json is one object a line, dollars as strings\n"
    "move     copies the books to another Postgres and checks the copy; may be repeated. Then\n"
    "         set Ledger=DSN and restart the daemon\n";

enum { STATUS, VERIFY, MIGRATE, EXPORT, MOVE };

static const struct command_verb verbs[] = {
    [STATUS] = {.name = "status"},   [VERIFY] = {.name = "verify"},
    [MIGRATE] = {.name = "migrate"}, [EXPORT] = {"export", "TABLE", 0, 1},
    [MOVE] = {.name = "move"},       {0},
};

static int (*const commands[])(const struct ledger_command *command, struct error *err) = {
    [STATUS] = ledger_command_status,   [VERIFY] = ledger_command_verify,
    [MIGRATE] = ledger_command_migrate, [EXPORT] = ledger_command_export,
    [MOVE] = ledger_command_move,
};

static int fd_parse(void *fd, const char *text, struct error *err)
{
    char *end;
    long number = strtol(text, &end, 10);
    if (end == text || *end != '\0' || number < 0 || number > INT_MAX)
        return error_set(err, -EINVAL, "write the number of an open file");
    *(int *)fd = (int)number;
    return 0;
}

// The daemon's child: its arguments are ledger_feed_start()'s, and it has no others.
static int feed_main(int argc, char **argv)
{
    struct ledger_catch_up_options feed = {.dsn = getenv(LEDGER_DSN_ENV)};
    struct ledger_feed_link link = {-1, -1};
    const struct command_option options[] = {
        {.name = "fd", .value = "N", .help = "reports", .parse = fd_parse, .into = &link.fd},
        {.name = "state-fd",
         .value = "N",
         .help = "questions about keys",
         .parse = fd_parse,
         .into = &link.state_fd},
        {.name = "journal-dir",
         .value = "DIR",
         .help = "where the journal is",
         .text = &feed.journal_directory},
        {.name = "postgres-dir",
         .value = "DIR",
         .help = "where the private Postgres is",
         .text = &feed.postgres_directory},
        {.name = "prices",
         .value = "FILE",
         .help = "in place of the built-in table",
         .text = &feed.prices_file},
        {0},
    };
    const struct command_line line = {
        "ledger feed", "usage: reeve ledger feed OPTION…\n\nThe daemon's child.\n", options, NULL};
    struct command_words words;
    struct error err;
    int code = command_line_read(&line, argc, argv, &words);
    if (code >= 0)
        return code;
    if (feed.journal_directory == NULL || feed.postgres_directory == NULL)
        return command_line_refuse(&line,
                                   "the daemon starts it, with --journal-dir and --postgres-dir");
    if (ledger_feed_run(&feed, &link, &err) == 0)
        return EX_OK;
    fprintf(stderr, "reeve ledger feed: %s\n", err.text);
    return EX_SOFTWARE;
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
    const struct command_option options[] = {
        {.name = "format",
         .value = "FORMAT",
         .help = "csv or json; without it csv",
         .verbs = "export",
         .text = &command.format},
        {.name = "to",
         .value = "DSN",
         .help = "where the books shall go",
         .verbs = "move",
         .text = &command.to_dsn},
        JSON_OPTION(&command.json),
        LEDGER_SOURCE_OPTIONS(&command.source),
        {0},
    };
    const struct command_line line = {"ledger", usage, options, verbs};
    struct command_words words;
    struct error err = {0};
    if (argc > 1 && strcmp(argv[1], "feed") == 0)
        return feed_main(argc - 1, argv + 1);
    int code = command_line_read(&line, argc, argv, &words);
    if (code >= 0)
        return code;
    if (words.operand_count > 0)
        command.table = words.operands[0];
    if (words.verb == MOVE && command.to_dsn == NULL)
        return command_line_refuse(&line, "--to DSN is missing: where the books shall go");
    code = commands[words.verb](&command, &err);
    if (code < 0)
        fprintf(stderr, "reeve ledger %s: %s\n", verbs[words.verb].name, err.text);
    return code < 0 ? exit_code(code) : code;
}
