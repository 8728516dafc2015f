// Ledger export: a table of the ledger, whole, row by row.
#pragma once

#include "error.h"
#include "ledger.h"

#include <stdbool.h>
#include <stdio.h>

enum ledger_export_format {
    LEDGER_EXPORT_CSV,  // RFC 4180 with a head
    LEDGER_EXPORT_JSON, // one object a line; dollars are strings, exact
};

bool ledger_export_format_parse(const char *text, enum ledger_export_format *format);

// Writes `table` ("exchange") to `stream`, times in UTC. -EINVAL: not a table of the ledger. Memory
// does not grow with the table.
int ledger_export(struct ledger *ledger, const char *table, enum ledger_export_format format,
                  FILE *stream, struct error *err);
