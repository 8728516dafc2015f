// Ledger schema: brings a ledger's tables to the version that this binary knows.
//
// The migrations are sql/NNN_*.sql, built into the binary. Each is applied in a transaction of its
// own, under an advisory lock, and noted in reeve.schema_version.
#pragma once

#include "error.h"
#include "ledger.h"

// The newest version that is built in.
int ledger_schema_newest(void);

// The version of this ledger, 0 for an empty one.
int ledger_schema_read(struct ledger *ledger, int *version, struct error *err);

// Applies what is missing; *applied (may be NULL) is how many were. -EPROTO: the ledger is newer
// than this binary, and is left alone. A failed migration leaves no trace.
int ledger_schema_migrate(struct ledger *ledger, int *applied, struct error *err);
