// Ledger move: see ledger_move.h.
#include "ledger_move.h"

#include "cleanup.h"
#include "ledger_rows.h"
#include "ledger_schema.h"
#include "ledger_write.h"
#include "money.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct move {
    struct ledger *target;
    enum ledger_table table;
    struct ledger_rows rows; // the page that is being filled
    struct ledger_moved moved;
};

static size_t find_column(enum ledger_table table, const char *name)
{
    const struct ledger_layout *layout = ledger_table_layout(table);
    size_t column = 0;
    while (column < layout->column_count && strcmp(layout->columns[column].name, name) != 0)
        column++;
    assert(column < layout->column_count);
    return column;
}

// Whether the target has all exchanges of the page, and at their cost.
static int check_page(struct move *move, struct error *err)
{
    cleanup_free char *ids = NULL;
    cleanup_result PGresult *result = NULL;
    const struct ledger_rows *rows = &move->rows;
    size_t cost_column = find_column(LEDGER_EXCHANGE, "cost_usd");
    int64_t expected = 0;
    size_t row_count;
    for (size_t i = 0; i < rows->count; i++) {
        int64_t cost = 0;
        const char *text = ledger_rows_column(rows, &rows->rows[i], cost_column);
        if (!money_parse(text, &cost) || !money_add(expected, cost, &expected))
            return error_set(err, -EBADMSG, "an exchange costs '%s', which is no amount", text);
    }
    int code = ledger_rows_array(rows, LEDGER_EXCHANGE, find_column(LEDGER_EXCHANGE, "exchange_id"),
                                 0, rows->count, &ids, &row_count, err);
    if (code == 0)
        code = ledger_query(move->target,
                            "SELECT count(*), round(coalesce(sum(cost_usd), 0) * 1000000000000)"
                            " FROM reeve.exchange WHERE exchange_id = ANY ($1::uuid[])",
                            1, (const char *const[]){ids}, &result, err);
    if (code != 0)
        return code;
    int64_t arrived = ledger_number_at(result, 0, 0);
    int64_t arrived_cost = ledger_number_at(result, 0, 1);
    if (arrived != (int64_t)row_count || arrived_cost != expected)
        return error_set(err, -EBADMSG,
                         "of %zu exchanges for %" PRId64
                         " picodollars the other ledger has %" PRId64 " for %" PRId64,
                         row_count, expected, arrived, arrived_cost);
    move->moved.exchanges += arrived;
    move->moved.cost_pico_usd += arrived_cost;
    return 0;
}

static int write_page(struct move *move, struct error *err)
{
    uint64_t new_rows = 0;
    int code = ledger_write_rows(move->target, &move->rows, &new_rows, err);
    if (code == 0 && move->table == LEDGER_EXCHANGE)
        code = check_page(move, err);
    move->moved.rows += (int64_t)move->rows.count;
    move->moved.new_rows += (int64_t)new_rows;
    ledger_rows_clear(&move->rows);
    return code;
}

static int take_row(const PGresult *row, void *context, struct error *err)
{
    struct move *move = context;
    const char *columns[LEDGER_COLUMNS_MAX];
    for (int i = 0; i < PQnfields(row); i++)
        columns[i] = PQgetisnull(row, 0, i) ? NULL : PQgetvalue(row, 0, i);
    int code = ledger_rows_add_texts(&move->rows, move->table, columns, err);
    if (code == 0 && ledger_rows_are_full(&move->rows))
        code = write_page(move, err);
    return code;
}

// The columns of the table as text that any session reads alike.
static int make_statement(enum ledger_table table, const char *condition, char **statement,
                          struct error *err)
{
    const struct ledger_layout *layout = ledger_table_layout(table);
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (out == NULL)
        return error_set(err, -ENOMEM, "no memory for a statement");
    for (size_t i = 0; i < layout->column_count; i++) {
        const struct ledger_column *column = &layout->columns[i];
        bool is_time = strcmp(column->type, "timestamptz") == 0;
        fprintf(out,
                is_time ? "%sto_char(%s AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
                        : "%s%s::text",
                i == 0 ? "SELECT " : ", ", column->name);
    }
    fprintf(out, " FROM reeve.%s WHERE %s", layout->name, condition);
    if (fclose(out) != 0) {
        free(text);
        return error_set(err, -ENOMEM, "no memory for a statement");
    }
    *statement = text;
    return 0;
}

static int move_table(struct ledger *source, struct move *move, enum ledger_table table,
                      const char *condition, struct error *err)
{
    cleanup_free char *statement = NULL;
    move->table = table;
    int code = make_statement(table, condition, &statement, err);
    if (code == 0)
        code = ledger_each_row(source, statement, take_row, move, err);
    if (code == 0 && move->rows.count > 0)
        code = write_page(move, err);
    return code == 0 ? 0 : error_wrap(err, "copying %s", ledger_table_layout(table)->name);
}

// The places in the journals. One that the target has followed further stays.
static int move_cursors(struct ledger *source, struct ledger *target, struct error *err)
{
    cleanup_result PGresult *result = NULL;
    int code = ledger_query(source,
                            "SELECT journal_id, host, segment, byte_offset, fingerprint"
                            " FROM reeve.feed_cursor",
                            0, NULL, &result, err);
    for (int i = 0; code == 0 && i < PQntuples(result); i++) {
        const char *values[5];
        for (int k = 0; k < 5; k++)
            values[k] = PQgetvalue(result, i, k);
        code = ledger_query(
            target,
            "INSERT INTO reeve.feed_cursor (journal_id, host, segment, byte_offset, fingerprint)"
            " VALUES ($1::uuid, $2, $3::bigint, $4::bigint, $5::bigint)"
            " ON CONFLICT (journal_id) DO UPDATE SET segment = excluded.segment,"
            " byte_offset = excluded.byte_offset, fingerprint = excluded.fingerprint,"
            " moved_at = now() WHERE (feed_cursor.segment, feed_cursor.byte_offset)"
            " < (excluded.segment, excluded.byte_offset)",
            5, values, NULL, err);
    }
    return code == 0 ? 0 : error_wrap(err, "copying the places in the journals");
}

static int move_all(struct ledger *source, struct move *move, struct error *err)
{
    static const struct {
        enum ledger_table table;
        const char *condition;
    } steps[] = {
        {LEDGER_JOB, "true"},      {LEDGER_RUN_OPEN, "opened_at IS NOT NULL"},
        {LEDGER_EXCHANGE, "true"}, {LEDGER_RUN_CLOSE, "closed_at IS NOT NULL"},
        {LEDGER_ALERT, "true"},    {LEDGER_QUARANTINE, "true"},
        {LEDGER_PRICE, "true"},    {LEDGER_SOURCE_STATE, "true"},
    };
    int code = 0;
    for (size_t i = 0; code == 0 && i < sizeof(steps) / sizeof(steps[0]); i++)
        code = move_table(source, move, steps[i].table, steps[i].condition, err);
    return code == 0 ? move_cursors(source, move->target, err) : code;
}

int ledger_move(struct ledger *source, struct ledger *target, struct ledger_moved *moved,
                struct error *err)
{
    struct move move = {.target = target};
    int code = ledger_schema_migrate(target, NULL, err);
    if (code == 0)
        code = ledger_schema_migrate(source, NULL, err);
    if (code == 0) // one moment for all tables, and for the cursors that belong to them
        code = ledger_execute(source, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", err);
    if (code == 0)
        code = move_all(source, &move, err);
    ledger_roll_back(source);
    ledger_rows_done(&move.rows);
    if (code == 0)
        *moved = move.moved;
    return code;
}
