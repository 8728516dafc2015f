// Command line: what a subcommand takes, as tables, and one reader for all of them.
//
// Every subcommand takes --help, which prints to stdout and is exit code 0. Whatever is wrong is
// said on stderr with the option, its value and the accepted form, and is exit code 64. Options may
// stand before the verb, between operands and behind them; `--` ends them; a name may be cut short
// where that is unambiguous (getopt_long(3)).
#pragma once

#include "error.h"

#include <limits.h>
#include <stdbool.h>

#define COMMAND_OPTIONS_MAX 16 // of one subcommand
#define COMMAND_OPERANDS_ANY INT_MAX

// A row sets exactly one of `flag`, `text` and `parse`.
struct command_option {
    const char *name;  // without its dashes; NULL ends the table
    const char *value; // what --help calls its argument; NULL with `flag`, which takes none
    const char *help;  // a new line goes on below the first
    const char *verbs; // which take it, as "done, release"; NULL: all
    bool *flag;        // becomes true
    const char **text; // is pointed into argv
    // Reads it into `into`. On failure `err` is the accepted form; the option's name and what was
    // written are put before it.
    int (*parse)(void *into, const char *text, struct error *err);
    void *into;
};

struct command_verb {
    const char *name;    // NULL ends the table; "" in a table of one row: no verb is written
    const char *operand; // what it is called; NULL: there is none
    int operands_min, operands_max;
};

struct command_line {
    const char *name;  // of the subcommand
    const char *usage; // --help up to the options: synopsis and description
    const struct command_option *options;
    const struct command_verb *verbs; // NULL: neither a verb nor operands
};

// What is left once the options have been read. Points into argv.
struct command_words {
    int verb; // index into the table of verbs
    int operand_count;
    char **operands;
};

// Reads argv, whose first is the subcommand's own name. Returns -1 to go on, or the exit code of
// the process once all has been said.
int command_line_read(const struct command_line *line, int argc, char **argv,
                      struct command_words *words);

// Says on stderr, in a line, what is wrong. Returns the exit code 64.
__attribute__((format(printf, 2, 3))) int command_line_refuse(const struct command_line *line,
                                                              const char *format, ...);

// Rows that several subcommands have.
#define JSON_OPTION(where)                                                                         \
    {                                                                                              \
        .name = "json", .help = "JSON in place of text", .flag = (where)                           \
    }
#define CONFIG_OPTION(where)                                                                       \
    {                                                                                              \
        .name = "config", .value = "FILE", .help = "in place of /etc/reeve/reeve.conf",            \
        .text = (where)                                                                            \
    }
#define STATE_DIR_OPTION(where)                                                                    \
    {                                                                                              \
        .name = "state-dir", .value = "DIR", .help = "the daemon's state directory",               \
        .text = (where)                                                                            \
    }
