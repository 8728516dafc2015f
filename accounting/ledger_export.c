// Ledger export: see ledger_export.h.
#include "ledger_export.h"

#include "cleanup.h"
#include "csv_write.h"

#include <stdlib.h>
#include <string.h>

static const char *const tables[] = {"exchange", "run",        "job",         "alert",
                                     "price",    "quarantine", "source_state"};

// The columns of a table as a select list: times in UTC whatever the session's zone, and in JSON
// money as text, since readers of JSON take numbers for floating point.
static const char select_list[] =
    "SELECT string_agg(CASE"
    " WHEN atttypid = 'timestamptz'::regtype THEN format('to_char(%1$I AT TIME ZONE ''UTC'',"
    " ''YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'') AS %1$I', attname)"
    " WHEN atttypid = 'numeric'::regtype THEN format('trim_scale(%1$I)::text AS %1$I', attname)"
    " ELSE quote_ident(attname) END, ', ' ORDER BY attnum)"
    " FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped";

struct export
{
    FILE *stream;
    bool begun;
};

bool ledger_export_format_parse(const char *text, enum ledger_export_format *format)
{
    bool csv = strcmp(text, "csv") == 0;
    if (!csv && strcmp(text, "json") != 0)
        return false;
    *format = csv ? LEDGER_EXPORT_CSV : LEDGER_EXPORT_JSON;
    return true;
}

static int end_line(const struct export *export, const char *end, struct error *err)
{
    if (fputs(end, export->stream) < 0)
        return error_set_errno(err, -errno, "writing the export");
    return 0;
}

static int write_csv_row(const PGresult *row, void *context, struct error *err)
{
    struct export *export = context;
    int count = PQnfields(row);
    for (int i = 0; !export->begun && i < count; i++) {
        csv_write_field(PQfname(row, i), export->stream);
        fputs(i + 1 < count ? "," : "\r\n", export->stream);
    }
    export->begun = true;
    for (int i = 0; i < count; i++) {
        csv_write_field(PQgetvalue(row, 0, i), export->stream);
        if (i + 1 < count)
            putc(',', export->stream);
    }
    return end_line(export, "\r\n", err);
}

// JSON as Postgres makes it; newlines can only be white space within `usage`.
static int write_json_row(const PGresult *row, void *context, struct error *err)
{
    const struct export *export = context;
    for (const char *byte = PQgetvalue(row, 0, 0); *byte != '\0'; byte++)
        putc(*byte == '\n' || *byte == '\r' ? ' ' : *byte, export->stream);
    return end_line(export, "\n", err);
}

static bool is_table(const char *name)
{
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        if (strcmp(name, tables[i]) == 0)
            return true;
    return false;
}

int ledger_export(struct ledger *ledger, const char *table, enum ledger_export_format format,
                  FILE *stream, struct error *err)
{
    cleanup_result PGresult *columns = NULL;
    cleanup_free char *statement = NULL;
    struct export export = {.stream = stream};
    char name[64];
    if (!is_table(table))
        return error_set(err, -EINVAL,
                         "there is no table '%s' to export; write one of exchange run job alert "
                         "price quarantine",
                         table);
    snprintf(name, sizeof(name), "reeve.%s", table);
    int code = ledger_query(ledger, select_list, 1, (const char *const[]){name}, &columns, err);
    if (code != 0)
        return code;
    bool csv = format == LEDGER_EXPORT_CSV;
    if (asprintf(&statement, "%sSELECT %s FROM %s ORDER BY 1%s",
                 csv ? "" : "SELECT row_to_json(line) FROM (", PQgetvalue(columns, 0, 0), name,
                 csv ? "" : ") AS line") < 0)
        return error_set(err, -ENOMEM, "no memory for a statement");
    code = ledger_each_row(ledger, statement, csv ? write_csv_row : write_json_row, &export, err);
    if (code == 0 && (fflush(stream) != 0 || ferror(stream)))
        code = error_set_errno(err, -errno, "writing the export");
    return code;
}
