// Ledger write: see ledger_write.h.
#include "ledger_write.h"

#include "cleanup.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int ledger_read_cursor(struct ledger *ledger, const char *journal_id, struct journal_cursor *cursor,
                       struct error *err)
{
    cleanup_result PGresult *result = NULL;
    int code = ledger_query(ledger,
                            "SELECT segment, byte_offset, fingerprint FROM reeve.feed_cursor"
                            " WHERE journal_id = $1::uuid",
                            1, &journal_id, &result, err);
    if (code != 0)
        return error_wrap(err, "reading how far the journal has been followed");
    *cursor = (struct journal_cursor){0};
    if (PQntuples(result) == 1) {
        cursor->segment = strtoull(PQgetvalue(result, 0, 0), NULL, 10);
        cursor->offset = strtoull(PQgetvalue(result, 0, 1), NULL, 10);
        cursor->check = (uint32_t)strtoul(PQgetvalue(result, 0, 2), NULL, 10);
    }
    return 0;
}

static void free_arrays(char *(*arrays)[LEDGER_COLUMNS_MAX])
{
    for (size_t i = 0; i < LEDGER_COLUMNS_MAX; i++)
        free((*arrays)[i]);
}

// Inserts the rows of `table` in [first, last) that were not refused. *inserted counts new ones.
static int insert_range(struct ledger *ledger, const struct ledger_rows *rows,
                        enum ledger_table table, size_t first, size_t last, uint64_t *inserted,
                        struct error *err)
{
    size_t column_count = ledger_table_layout(table)->column_count;
    cleanup_with(free_arrays) char *arrays[LEDGER_COLUMNS_MAX] = {0};
    cleanup_free char *statement = NULL;
    cleanup_result PGresult *result = NULL;
    size_t row_count = 0;
    for (size_t i = 0; i < column_count; i++) {
        int code = ledger_rows_array(rows, table, i, first, last, &arrays[i], &row_count, err);
        if (code != 0)
            return code;
        if (row_count == 0)
            return 0;
    }
    int code = ledger_table_statement(table, &statement, err);
    if (code == 0)
        code = ledger_query(ledger, statement, column_count, (const char *const *)arrays, &result,
                            err);
    if (code == 0)
        *inserted += strtoull(PQcmdTuples(result), NULL, 10);
    return code;
}

static int insert_tables(struct ledger *ledger, const struct ledger_rows *rows,
                         struct ledger_written *written, struct error *err)
{
    for (enum ledger_table table = 0; table < LEDGER_TABLES; table++) {
        uint64_t *count = table == LEDGER_QUARANTINE ? &written->quarantined : &written->rows;
        int code = insert_range(ledger, rows, table, 0, rows->count, count, err);
        if (code != 0)
            return error_wrap(err, "writing to %s", ledger_table_layout(table)->name);
    }
    return 0;
}

static int move_cursor(struct ledger *ledger, const struct ledger_journal *journal,
                       const struct journal_cursor *cursor, struct error *err)
{
    char segment[24];
    char offset[24];
    char fingerprint[16];
    snprintf(segment, sizeof(segment), "%" PRIu64, cursor->segment);
    snprintf(offset, sizeof(offset), "%" PRIu64, cursor->offset);
    snprintf(fingerprint, sizeof(fingerprint), "%" PRIu32, cursor->check);
    const char *const parameters[] = {journal->id, journal->host, segment, offset, fingerprint};
    int code = ledger_query(
        ledger,
        "INSERT INTO reeve.feed_cursor (journal_id, host, segment, byte_offset, fingerprint)"
        " VALUES ($1::uuid, $2, $3::bigint, $4::bigint, $5::bigint)"
        " ON CONFLICT (journal_id) DO UPDATE SET host = excluded.host, segment = excluded.segment,"
        " byte_offset = excluded.byte_offset, fingerprint = excluded.fingerprint, moved_at = now()",
        5, parameters, NULL, err);
    return code == 0 ? 0 : error_wrap(err, "moving the journal's cursor");
}

// Inserts the quarantine's rows of those that were refused.
static int insert_quarantine(struct ledger *ledger, const struct ledger_rows *rows,
                             const struct ledger_journal *journal, struct ledger_written *written,
                             struct error *err)
{
    cleanup_with(ledger_rows_done) struct ledger_rows refused = {0};
    for (size_t i = 0; i < rows->count; i++) {
        const struct ledger_row *row = &rows->rows[i];
        cleanup_free char *record = NULL;
        if (row->refusal == NULL)
            continue;
        int code = ledger_rows_describe(rows, row, &record, err);
        if (code == 0)
            code = ledger_rows_add_quarantine(&refused, ledger_table_layout(row->table)->name,
                                              record, row->refusal, journal, row->place, err);
        if (code != 0)
            return code;
    }
    return insert_tables(ledger, &refused, written, err);
}

static int write_transaction(struct ledger *ledger, const struct ledger_rows *rows,
                             const struct ledger_journal *journal,
                             const struct journal_cursor *cursor, struct ledger_written *written,
                             struct error *err)
{
    struct ledger_written counted = {0};
    int code = ledger_execute(ledger, "BEGIN", err);
    if (code == 0)
        code = insert_tables(ledger, rows, &counted, err);
    if (code == 0)
        code = insert_quarantine(ledger, rows, journal, &counted, err);
    if (code == 0)
        code = move_cursor(ledger, journal, cursor, err);
    if (code == 0)
        code = ledger_execute(ledger, "COMMIT", err);
    if (code == 0)
        *written = counted;
    else
        ledger_roll_back(ledger);
    return code;
}

// Finds the rows of `table` in [first, last) that are refused, by halving. The others are inserted
// on the way, outside a transaction: the batch takes them a second time without harm.
static int find_refused(struct ledger *ledger, struct ledger_rows *rows, enum ledger_table table,
                        size_t first, size_t last, struct error *err)
{
    uint64_t inserted = 0;
    int code = insert_range(ledger, rows, table, first, last, &inserted, err);
    if (code != -EBADMSG)
        return code;
    if (last - first == 1) {
        rows->rows[first].refusal = strdup(err->text);
        return rows->rows[first].refusal == NULL ? error_set(err, -ENOMEM, "no memory") : 0;
    }
    size_t middle = first + (last - first) / 2;
    code = find_refused(ledger, rows, table, first, middle, err);
    return code != 0 ? code : find_refused(ledger, rows, table, middle, last, err);
}

int ledger_write(struct ledger *ledger, struct ledger_rows *rows,
                 const struct ledger_journal *journal, const struct journal_cursor *cursor,
                 struct ledger_written *written, struct error *err)
{
    struct error refusal = {0};
    err = err == NULL ? &refusal : err;
    int code = write_transaction(ledger, rows, journal, cursor, written, err);
    if (code != -EBADMSG)
        return code;
    for (enum ledger_table table = 0; table < LEDGER_TABLES; table++) {
        code = find_refused(ledger, rows, table, 0, rows->count, err);
        if (code != 0)
            return error_wrap(err, "looking for the rows that are refused");
    }
    return write_transaction(ledger, rows, journal, cursor, written, err);
}

int ledger_write_rows(struct ledger *ledger, const struct ledger_rows *rows, uint64_t *new_rows,
                      struct error *err)
{
    struct ledger_written written = {0};
    int code = insert_tables(ledger, rows, &written, err);
    if (code == 0 && new_rows != NULL)
        *new_rows = written.rows + written.quarantined;
    return code;
}
