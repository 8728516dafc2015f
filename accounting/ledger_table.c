// Ledger table: see ledger_table.h.
#include "ledger_table.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define COLUMNS(...)                                                                               \
    .columns = {__VA_ARGS__},                                                                      \
    .column_count = sizeof((struct ledger_column[]){__VA_ARGS__}) / sizeof(struct ledger_column)

// clang-format off
#define TOKEN_COLUMNS                                                                              \
    {"input_tokens", "bigint"}, {"output_tokens", "bigint"}, {"cache_write_5m_tokens", "bigint"},  \
    {"cache_write_1h_tokens", "bigint"}, {"cache_read_tokens", "bigint"}

static const struct ledger_layout layouts[] = {
    [LEDGER_JOB] = {
        .name = "job", .key = "job",
        COLUMNS({"job", "text"}, {"first_seen_at", "timestamptz"}),
    },
    [LEDGER_RUN_OPEN] = {
        // Replaces only what an end without its beginning has left empty.
        .name = "run", .key = "run_id", .replace_if = "run.opened_at IS NULL",
        COLUMNS(
            {"run_id", "text"}, {"job", "text"}, {"command", "text"}, {"host", "text"},
            {"opened_at", "timestamptz"}, {"cost_max_usd", "numeric"}, {"tokens_max", "bigint"},
            {"output_tokens_max", "bigint"}, {"requests_max", "bigint"},
            {"memory_max_bytes", "bigint"}, {"memory_high_bytes", "bigint"},
            {"memory_swap_max_bytes", "bigint"}, {"tasks_max", "bigint"},
            {"cpu_quota_percent", "bigint"}, {"runtime_max_us", "bigint"}),
    },
    [LEDGER_EXCHANGE] = {
        .name = "exchange", .key = "exchange_id",
        COLUMNS(
            {"exchange_id", "uuid"}, {"run_id", "text"}, {"job", "text"}, {"host", "text"},
            {"credential", "text"}, {"path", "text"}, {"session_id", "text"},
            {"model_asked", "text"}, {"model", "text"}, {"price_row", "text"},
            {"request_id", "text"}, {"message_id", "text"}, {"stop_reason", "text"},
            {"reserved_at", "timestamptz"}, {"settled_at", "timestamptz"},
            {"first_byte_us", "bigint"}, {"reserved_usd", "numeric"}, {"cost_usd", "numeric"},
            {"counted_usd", "numeric"}, {"counted_tokens", "bigint"},
            {"counted_output_tokens", "bigint"}, TOKEN_COLUMNS, {"thinking_tokens", "bigint"},
            {"web_search_requests", "bigint"}, {"web_fetch_requests", "bigint"},
            {"attempt", "integer"}, {"http_status", "integer"}, {"ended", "text"},
            {"speed", "text"}, {"tier", "text"}, {"geo", "text"}, {"streamed", "boolean"},
            {"estimated", "boolean"}, {"unknown_model", "boolean"}, {"usage", "json"},
            {"batch_id", "text"}, {"custom_id", "text"}),
    },
    [LEDGER_RUN_CLOSE] = {
        .name = "run", .key = "run_id", .replace_if = "run.closed_at IS NULL",
        COLUMNS(
            {"run_id", "text"}, {"job", "text"}, {"closed_at", "timestamptz"}, {"ended", "text"},
            {"exit_code", "integer"}, {"memory_peak_bytes", "bigint"}, {"cpu_us", "bigint"},
            {"exchanges", "bigint"}, {"free_calls", "bigint"}, {"cost_usd", "numeric"},
            TOKEN_COLUMNS, {"io_read_bytes", "bigint"}, {"io_written_bytes", "bigint"},
            {"memory_stall_us", "bigint"}),
    },
    [LEDGER_ALERT] = {
        .name = "alert", .key = "raised_at, kind, run_id, job, message",
        COLUMNS(
            {"raised_at", "timestamptz"}, {"kind", "text"}, {"run_id", "text"}, {"job", "text"},
            {"message", "text"}),
    },
    [LEDGER_QUARANTINE] = {
        .name = "quarantine", .key = "record_type, hashtextextended(record, 0)",
        COLUMNS(
            {"journal_id", "uuid"}, {"segment", "bigint"}, {"byte_offset", "bigint"},
            {"record_type", "text"}, {"record", "text"}, {"reason", "text"}),
    },
    [LEDGER_PRICE] = {
        .name = "price", .key = "price_row", .replace_if = "true",
        COLUMNS(
            {"price_row", "text"}, {"model", "text"}, {"kind", "text"},
            {"above_tokens", "bigint"}, {"effective_from", "timestamptz"},
            {"effective_until", "timestamptz"}, {"input_usd_per_mtok", "numeric"},
            {"output_usd_per_mtok", "numeric"}, {"cache_write_5m_usd_per_mtok", "numeric"},
            {"cache_write_1h_usd_per_mtok", "numeric"}, {"cache_read_usd_per_mtok", "numeric"},
            {"request_usd", "numeric"}, {"us_geo_multiplier", "numeric"},
            {"batch_multiplier", "numeric"}, {"source", "text"}),
    },
    [LEDGER_SOURCE_STATE] = {
        // What is done stays done; else the greater number is the later one.
        .name = "source_state", .key = "job, key",
        .replace_if = "source_state.state <> 'done' AND"
                      " (excluded.state = 'done' OR source_state.fence < excluded.fence)",
        COLUMNS(
            {"job", "text"}, {"key", "text"}, {"state", "text"}, {"fence", "bigint"},
            {"holder", "text"}, {"host", "text"}, {"whole_run", "boolean"}, {"ttl_us", "bigint"},
            {"claimed_at", "timestamptz"}, {"expires_at", "timestamptz"},
            {"done_at", "timestamptz"}, {"result", "json"}),
    },
};
// clang-format on

_Static_assert(sizeof(layouts) / sizeof(layouts[0]) == LEDGER_TABLES, "a layout for each table");

const struct ledger_layout *ledger_table_layout(enum ledger_table table)
{
    assert(table < LEDGER_TABLES);
    return &layouts[table];
}

static void write_names(FILE *out, const struct ledger_layout *layout)
{
    for (size_t i = 0; i < layout->column_count; i++)
        fprintf(out, "%s%s", i == 0 ? "" : ", ", layout->columns[i].name);
}

static void write_statement(FILE *out, const struct ledger_layout *layout)
{
    fprintf(out, "INSERT INTO reeve.%s (", layout->name);
    write_names(out, layout);
    // ON CONFLICT … DO UPDATE takes a key once only, so the first row of a key is picked.
    fprintf(out, ") SELECT DISTINCT ON (%s) * FROM unnest(", layout->key);
    for (size_t i = 0; i < layout->column_count; i++)
        fprintf(out, "%s$%zu::%s[]", i == 0 ? "" : ", ", i + 1, layout->columns[i].type);
    fprintf(out, ") AS given (");
    write_names(out, layout);
    fprintf(out, ") ON CONFLICT (%s) DO ", layout->key);
    if (layout->replace_if == NULL) {
        fprintf(out, "NOTHING");
        return;
    }
    fprintf(out, "UPDATE SET ");
    for (size_t i = 0; i < layout->column_count; i++)
        fprintf(out, "%s%s = excluded.%s", i == 0 ? "" : ", ", layout->columns[i].name,
                layout->columns[i].name);
    fprintf(out, " WHERE %s", layout->replace_if);
}

int ledger_table_statement(enum ledger_table table, char **statement, struct error *err)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (out != NULL) {
        write_statement(out, ledger_table_layout(table));
        if (fclose(out) == 0) {
            *statement = text;
            return 0;
        }
        free(text);
    }
    return error_set(err, -ENOMEM, "no memory for a statement");
}
