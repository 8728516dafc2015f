// Ledger schema: see ledger_schema.h.
#include "ledger_schema.h"

#include "cleanup.h"
#include "embedded.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The lock's number is arbitrary; it has to be the same in all versions: "reeve" in ASCII.
#define SCHEMA_LOCK "SELECT pg_advisory_xact_lock(x'7265657665'::bigint)"

// The number of a migration, "sql/NNN_name.sql"; 0 for other files.
static int migration_version(const struct embedded_file *file)
{
    int version = 0;
    int length = 0;
    size_t name_length = strlen(file->name);
    if (name_length < 4 || strcmp(file->name + name_length - 4, ".sql") != 0)
        return 0;
    return sscanf(file->name, "sql/%3d_%n", &version, &length) == 1 && length > 0 ? version : 0;
}

static const struct embedded_file *migration_find(int version)
{
    const struct embedded_file *file;
    for (size_t i = 0; (file = embedded_at(i)) != NULL; i++)
        if (migration_version(file) == version)
            return file;
    return NULL;
}

int ledger_schema_newest(void)
{
    int version = 0;
    while (migration_find(version + 1) != NULL)
        version++;
    return version;
}

int ledger_schema_read(struct ledger *ledger, int *version, struct error *err)
{
    cleanup_result PGresult *result = NULL;
    int code = ledger_query(ledger, "SELECT coalesce(max(version), 0) FROM reeve.schema_version", 0,
                            NULL, &result, err);
    if (code == -ENOENT) {
        *version = 0;
        return 0;
    }
    if (code != 0)
        return error_wrap(err, "reading the schema's version");
    *version = (int)strtol(PQgetvalue(result, 0, 0), NULL, 10);
    return 0;
}

static int apply(struct ledger *ledger, int version, struct error *err)
{
    const struct embedded_file *file = migration_find(version);
    cleanup_free char *statements = strndup(file->bytes, file->length);
    if (statements == NULL)
        return error_set(err, -ENOMEM, "no memory for %s", file->name);
    int code = ledger_execute(ledger, statements, err);
    char version_text[16];
    snprintf(version_text, sizeof(version_text), "%d", version);
    const char *const parameters[] = {version_text, file->name};
    if (code == 0)
        code = ledger_query(ledger,
                            "INSERT INTO reeve.schema_version (version, name)"
                            " VALUES ($1::integer, $2)",
                            2, parameters, NULL, err);
    return code == 0 ? 0 : error_wrap(err, "applying %s", file->name);
}

// Applies the migration after the current one, if there is one, in the transaction that is open.
static int migrate_one(struct ledger *ledger, bool *applied, struct error *err)
{
    int version = 0;
    int code = ledger_execute(ledger, SCHEMA_LOCK, err);
    if (code == 0)
        code = ledger_execute(ledger,
                              "CREATE SCHEMA IF NOT EXISTS reeve;"
                              "CREATE TABLE IF NOT EXISTS reeve.schema_version ("
                              " version integer PRIMARY KEY, name text NOT NULL,"
                              " applied_at timestamptz NOT NULL DEFAULT now())",
                              err);
    if (code == 0)
        code = ledger_schema_read(ledger, &version, err);
    if (code != 0)
        return code;
    *applied = version < ledger_schema_newest(); // another process may have been first
    return *applied ? apply(ledger, version + 1, err) : 0;
}

int ledger_schema_migrate(struct ledger *ledger, int *applied, struct error *err)
{
    int newest = ledger_schema_newest();
    int version = 0;
    int count = 0;
    int code = ledger_schema_read(ledger, &version, err);
    if (code != 0)
        return code;
    if (version > newest)
        return error_set(err, -EPROTO,
                         "the ledger's schema is version %d, this reeve knows up to %d: use a "
                         "newer reeve",
                         version, newest);
    for (bool more = version < newest; more;) {
        code = ledger_execute(ledger, "BEGIN", err);
        if (code == 0)
            code = migrate_one(ledger, &more, err);
        if (code == 0)
            code = ledger_execute(ledger, "COMMIT", err);
        if (code != 0) {
            ledger_roll_back(ledger);
            return code;
        }
        count += more;
    }
    if (applied != NULL)
        *applied = count;
    return 0;
}
