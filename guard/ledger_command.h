// Ledger commands: what `reeve ledger` does, one function each.
#pragma once

#include "error.h"
#include "ledger_source.h"

#include <stdbool.h>

struct ledger_command {
    struct ledger_source_options source;
    const char *to_dsn; // move
    const char *table;  // export; NULL: exchange
    const char *format; // export; NULL: csv
    bool json;
};

// Each returns an exit code, or a negative errno with `err` set.
int ledger_command_status(const struct ledger_command *command, struct error *err);
int ledger_command_verify(const struct ledger_command *command, struct error *err);
int ledger_command_migrate(const struct ledger_command *command, struct error *err);
int ledger_command_export(const struct ledger_command *command, struct error *err);
int ledger_command_move(const struct ledger_command *command, struct error *err);
