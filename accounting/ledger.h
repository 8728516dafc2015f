// Ledger: one blocking connection to the Postgres that keeps the books.
//
// Works through PgBouncer in transaction mode and Neon's pooler: no session state, no start-up
// options, no named statements, every name qualified (schema reeve).
#pragma once

#include "error.h"

#include <libpq-fe.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define LEDGER_DSN_MAX 1024
#define LEDGER_CONNECT_TIMEOUT_SEC "15" // Neon needs seconds to wake
#define LEDGER_TCP_TIMEOUT_MS "30000"   // a peer that acknowledges nothing for so long is dead
#define LEDGER_PARAMETERS_MAX 48
struct ledger;

// Connects. `dsn` is a libpq connection string or URI; no error repeats it. -EINVAL: it is neither.
int ledger_open(struct ledger **ledger, const char *dsn, struct error *err);
void ledger_close(struct ledger *ledger); // NULL is allowed

// Runs one statement with text parameters (NULL for SQL's NULL). *result (may be NULL) is
// PQclear()ed by the caller, or by cleanup_result. The errors that callers tell apart:
//   -EBADMSG   the values were refused: a data error or a broken constraint (classes 22, 23, 54)
//   -ENOTCONN  the connection is gone, or the server is going down
//   -ENOENT    there is no such table or schema
//   -EREMOTEIO anything else that the server said
int ledger_query(struct ledger *ledger, const char *statement, size_t parameter_count,
                 const char *const *parameters, PGresult **result, struct error *err);

// Runs one statement and hands out its rows one by one, each as a result of one row, without
// keeping them. A negative errno from `visit` ends it.
int ledger_each_row(struct ledger *ledger, const char *statement,
                    int (*visit)(const PGresult *row, void *context, struct error *err),
                    void *context, struct error *err);

// Runs one statement, or several with semicolons between, without parameters or a result.
int ledger_execute(struct ledger *ledger, const char *statements, struct error *err);

// Ends a transaction that has failed, so that the connection can be used again.
void ledger_roll_back(struct ledger *ledger);

// A cell of a result that is a whole number; 0 for NULL.
static inline int64_t ledger_number_at(const PGresult *result, int row, int column)
{
    return strtoll(PQgetvalue(result, row, column), NULL, 10);
}

static inline void cleanup_clear_result(PGresult **result)
{
    PQclear(*result);
}
#define cleanup_result __attribute__((cleanup(cleanup_clear_result)))

static inline void cleanup_close_ledger(struct ledger **ledger)
{
    ledger_close(*ledger);
}
#define cleanup_ledger __attribute__((cleanup(cleanup_close_ledger)))
