// Ledger: see ledger.h.
#include "ledger.h"

#include "cleanup.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct ledger {
    PGconn *connection;
};

static void ignore_notice(void *context, const char *message)
{
    (void)context;
    (void)message;
}

// libpq's messages end with a newline and may have several lines; the first one says what happened.
static int fail_with_message(struct error *err, int code, const char *attempted,
                             const char *message)
{
    return error_set(err, code, "%s: %.*s", attempted, (int)strcspn(message, "\n"), message);
}

// libpq repeats parts of a DSN that it cannot read, and such a part can be the password.
static bool dsn_is_readable(const char *dsn)
{
    bool is_name = strchr(dsn, '=') == NULL && strstr(dsn, "://") == NULL;
    if (is_name)
        return *dsn != '\0';
    char *message = NULL;
    PQconninfoOption *options = PQconninfoParse(dsn, &message);
    PQfreemem(message);
    PQconninfoFree(options);
    return options != NULL;
}

int ledger_open(struct ledger **ledger, const char *dsn, struct error *err)
{
    // What stands before "dbname" is a default that the DSN may change.
    static const char *const names[] = {
        "connect_timeout", "tcp_user_timeout", "fallback_application_name",
        "client_encoding", "dbname",           NULL};
    const char *const values[] = {
        LEDGER_CONNECT_TIMEOUT_SEC, LEDGER_TCP_TIMEOUT_MS, "reeve", "UTF8", dsn, NULL};
    if (!dsn_is_readable(dsn))
        return error_set(err, -EINVAL,
                         "the ledger's DSN is not readable; write postgresql://USER@HOST/DATABASE "
                         "or 'host=HOST dbname=DATABASE user=USER'");
    struct ledger *opened = calloc(1, sizeof(*opened));
    if (opened != NULL)
        opened->connection = PQconnectdbParams(names, values, 1);
    if (opened == NULL || opened->connection == NULL) {
        free(opened);
        return error_set(err, -ENOMEM, "no memory for a connection");
    }
    if (PQstatus(opened->connection) != CONNECTION_OK) {
        int result = fail_with_message(err, -ENOTCONN, "connecting to the ledger",
                                       PQerrorMessage(opened->connection));
        ledger_close(opened);
        return result;
    }
    PQsetNoticeProcessor(opened->connection, ignore_notice, NULL);
    *ledger = opened;
    return 0;
}

void ledger_close(struct ledger *ledger)
{
    if (ledger == NULL)
        return;
    PQfinish(ledger->connection);
    free(ledger);
}

// The classes of SQLSTATE that callers tell apart (Postgres manual, appendix A).
static int classify(const struct ledger *ledger, const char *sqlstate)
{
    if (PQstatus(ledger->connection) != CONNECTION_OK || strncmp(sqlstate, "08", 2) == 0 ||
        strncmp(sqlstate, "57P", 3) == 0)
        return -ENOTCONN;
    if (strncmp(sqlstate, "22", 2) == 0 || strncmp(sqlstate, "23", 2) == 0 ||
        strncmp(sqlstate, "54", 2) == 0)
        return -EBADMSG;
    if (strcmp(sqlstate, "42P01") == 0 || strcmp(sqlstate, "3F000") == 0)
        return -ENOENT;
    return -EREMOTEIO;
}

// Hands the result out or clears it; turns a bad one into an error.
static int finish(struct ledger *ledger, PGresult *finished, PGresult **result, struct error *err)
{
    ExecStatusType status = PQresultStatus(finished); // NULL, out of memory, is a fatal error
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY) {
        if (result != NULL)
            *result = finished;
        else
            PQclear(finished);
        return 0;
    }
    const char *sqlstate = PQresultErrorField(finished, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(finished, PG_DIAG_MESSAGE_PRIMARY);
    int code = classify(ledger, sqlstate == NULL ? "" : sqlstate);
    if (message != NULL && sqlstate != NULL)
        error_set(err, code, "the ledger said: %s (SQLSTATE %s)", message, sqlstate);
    else
        fail_with_message(err, code, "asking the ledger", PQerrorMessage(ledger->connection));
    PQclear(finished);
    return code;
}

int ledger_query(struct ledger *ledger, const char *statement, size_t parameter_count,
                 const char *const *parameters, PGresult **result, struct error *err)
{
    assert(parameter_count <= LEDGER_PARAMETERS_MAX);
    PGresult *finished = PQexecParams(ledger->connection, statement, (int)parameter_count, NULL,
                                      parameters, NULL, NULL, 0);
    return finish(ledger, finished, result, err);
}

int ledger_each_row(struct ledger *ledger, const char *statement,
                    int (*visit)(const PGresult *row, void *context, struct error *err),
                    void *context, struct error *err)
{
    int code = 0;
    if (PQsendQueryParams(ledger->connection, statement, 0, NULL, NULL, NULL, NULL, 0) != 1 ||
        PQsetSingleRowMode(ledger->connection) != 1)
        return fail_with_message(err, -ENOTCONN, "asking the ledger",
                                 PQerrorMessage(ledger->connection));
    for (PGresult *row; (row = PQgetResult(ledger->connection)) != NULL;) {
        bool is_row = PQresultStatus(row) == PGRES_SINGLE_TUPLE;
        if (code != 0) { // the rest has to be read all the same
            PQclear(row);
        } else if (is_row) {
            code = visit(row, context, err);
            PQclear(row);
        } else {
            code = finish(ledger, row, NULL, err);
        }
    }
    return code;
}

int ledger_execute(struct ledger *ledger, const char *statements, struct error *err)
{
    return finish(ledger, PQexec(ledger->connection, statements), NULL, err);
}

void ledger_roll_back(struct ledger *ledger)
{
    PQclear(PQexec(ledger->connection, "ROLLBACK")); // fails only with the connection
}
