// Ledger rows: see ledger_rows.h.
#include "ledger_rows.h"

#include "cleanup.h"
#include "row_writer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_tokens(struct row_writer *writer, const struct token_counts *tokens)
{
    row_put_number(writer, tokens->input);
    row_put_number(writer, tokens->output);
    row_put_number(writer, tokens->cache_write_5m);
    row_put_number(writer, tokens->cache_write_1h);
    row_put_number(writer, tokens->cache_read);
}

static void put_limits(struct row_writer *writer, const struct run_limits *limits)
{
    if (limits->cost_max_pico_usd == LIMIT_NONE)
        row_put_null(writer);
    else
        row_put_money(writer, limits->cost_max_pico_usd);
    row_put_number_unless(writer, limits->tokens_max, LIMIT_NONE);
    row_put_number_unless(writer, limits->output_tokens_max, LIMIT_NONE);
    row_put_number_unless(writer, limits->requests_max, LIMIT_NONE);
    row_put_number_unless(writer, limits->memory_max_bytes, LIMIT_NONE);
    row_put_number_unless(writer, limits->memory_high_bytes, LIMIT_NONE);
    row_put_number_unless(writer, limits->memory_swap_max_bytes, LIMIT_NONE);
    row_put_number_unless(writer, limits->tasks_max, LIMIT_NONE);
    row_put_number_unless(writer, limits->cpu_quota_percent, LIMIT_NONE);
    row_put_number_unless(writer, limits->runtime_max_us, LIMIT_NONE);
}

const char *ledger_journal_id_format(const uint8_t id[static JOURNAL_ID_BYTES],
                                     char text[static LEDGER_JOURNAL_ID_MAX])
{
    size_t length = 0;
    for (size_t i = 0; i < JOURNAL_ID_BYTES; i++) {
        bool hyphen = i == 4 || i == 6 || i == 8 || i == 10;
        length += (size_t)snprintf(text + length, LEDGER_JOURNAL_ID_MAX - length, "%s%02x",
                                   hyphen ? "-" : "", id[i]);
    }
    return text;
}

static int add_run_open(struct ledger_rows *rows, struct journal_cursor place,
                        const struct journal_run_open *record, struct error *err)
{
    size_t count = rows->count;
    size_t text_length = rows->text_length;
    struct row_writer job = row_writer_begin(rows, LEDGER_JOB, place);
    row_put_text(&job, record->job);
    row_put_time(&job, record->opened_at_us);
    int result = row_writer_end(&job, err);
    if (result != 0)
        return result;

    struct row_writer run = row_writer_begin(rows, LEDGER_RUN_OPEN, place);
    row_put_text(&run, record->run_id);
    row_put_text(&run, record->job);
    row_put_optional_text(&run, record->command);
    row_put_optional_text(&run, record->host);
    row_put_time(&run, record->opened_at_us);
    put_limits(&run, &record->limits);
    result = row_writer_end(&run, err);
    if (result != 0) { // both rows or none
        rows->count = count;
        rows->text_length = text_length;
    }
    return result;
}

static int add_settlement(struct ledger_rows *rows, struct journal_cursor place,
                          const struct journal_settlement *record, const char *host,
                          struct error *err)
{
    static const char *const speeds[] = {"standard", "fast"};
    static const char *const tiers[] = {"standard", "priority", "batch"};
    static const char *const geos[] = {"global", "us"};
    struct row_writer row = row_writer_begin(rows, LEDGER_EXCHANGE, place);
    row_put_uuid(&row, record->exchange_id);
    row_put_text(&row, record->run_id);
    row_put_text(&row, record->job);
    row_put_optional_text(&row, host);
    row_put_optional_text(&row, record->credential);
    row_put_optional_text(&row, record->path);
    row_put_optional_text(&row, record->session_id);
    row_put_optional_text(&row, record->model_asked);
    row_put_optional_text(&row, record->model);
    row_put_optional_text(&row, record->price_row);
    row_put_optional_text(&row, record->request_id);
    row_put_optional_text(&row, record->message_id);
    row_put_optional_text(&row, record->stop_reason);
    row_put_time(&row, record->reserved_at_us);
    row_put_time(&row, record->settled_at_us);
    row_put_number_unless(&row, record->first_byte_us, -1);
    row_put_money(&row, record->reserved_pico_usd);
    row_put_money(&row, record->cost_pico_usd);
    row_put_money(&row, record->counted_pico_usd);
    row_put_number(&row, record->counted_tokens);
    row_put_number(&row, record->counted_output_tokens);
    put_tokens(&row, &record->tokens);
    row_put_number(&row, record->thinking_tokens);
    row_put_number(&row, record->web_search_requests);
    row_put_number(&row, record->web_fetch_requests);
    row_put_number(&row, record->attempt);
    row_put_number_unless(&row, record->http_status, 0);
    row_put_text(&row, exchange_end_name(record->end));
    row_put_text(&row, speeds[record->speed]);
    row_put_text(&row, tiers[record->tier]);
    row_put_text(&row, geos[record->geo]);
    row_put_bool(&row, record->streamed);
    row_put_bool(&row, record->estimated);
    row_put_bool(&row, record->unknown_model);
    if (record->usage_json == NULL)
        row_put_null(&row);
    else
        row_put_bytes(&row, record->usage_json, record->usage_json_length);
    row_put_optional_text(&row, record->batch_id);
    row_put_optional_text(&row, record->custom_id);
    return row_writer_end(&row, err);
}

static int add_run_close(struct ledger_rows *rows, struct journal_cursor place,
                         const struct journal_run_close *record, struct error *err)
{
    struct row_writer row = row_writer_begin(rows, LEDGER_RUN_CLOSE, place);
    row_put_text(&row, record->run_id);
    row_put_text(&row, record->job);
    row_put_time(&row, record->closed_at_us);
    row_put_text(&row, run_end_name(record->end));
    row_put_number(&row, record->exit_code);
    row_put_number_unless(&row, record->memory_peak_bytes, -1);
    row_put_number_unless(&row, record->cpu_us, -1);
    row_put_number(&row, record->exchanges);
    row_put_number(&row, record->free_calls);
    row_put_money(&row, record->cost_pico_usd);
    put_tokens(&row, &record->tokens);
    row_put_number_unless(&row, record->io_read_bytes, -1);
    row_put_number_unless(&row, record->io_written_bytes, -1);
    row_put_number_unless(&row, record->memory_stall_us, -1);
    return row_writer_end(&row, err);
}

static int add_alert(struct ledger_rows *rows, struct journal_cursor place,
                     const struct journal_alert *record, struct error *err)
{
    struct row_writer row = row_writer_begin(rows, LEDGER_ALERT, place);
    row_put_time(&row, record->raised_at_us);
    row_put_text(&row, record->kind);
    row_put_text(&row, record->run_id);
    row_put_text(&row, record->job);
    row_put_text(&row, record->text);
    return row_writer_end(&row, err);
}

int ledger_rows_add_record(struct ledger_rows *rows, const struct journal_record *record,
                           const struct ledger_journal *journal, struct journal_cursor place,
                           struct error *err)
{
    switch (record->type) {
    case JOURNAL_RUN_OPEN:
        return add_run_open(rows, place, record->run_open, err);
    case JOURNAL_SETTLEMENT:
        return add_settlement(rows, place, record->settlement, journal->host, err);
    case JOURNAL_RUN_CLOSE:
        return add_run_close(rows, place, record->run_close, err);
    case JOURNAL_ALERT:
        return add_alert(rows, place, record->alert, err);
    case JOURNAL_RESERVATION: // becomes a settlement, in any case
    case JOURNAL_ALERT_SENT:
    case JOURNAL_RUN_CACHE:
    case JOURNAL_BATCH: // becomes settlements, in any case
    case JOURNAL_BATCH_END:
    case JOURNAL_OWNED:
    case JOURNAL_RUN_PLACED:
    case JOURNAL_ACCOUNT:
    case JOURNAL_CHECKPOINT_END:
    case JOURNAL_SEGMENT_END:
    case JOURNAL_RUN_TOTALS:
        return 0;
    }
    return 0;
}

int ledger_rows_add_price(struct ledger_rows *rows, const struct price_row *price,
                          struct error *err)
{
    struct row_writer row = row_writer_begin(rows, LEDGER_PRICE, (struct journal_cursor){0});
    row_put_text(&row, price->name);
    row_put_text(&row, price->model);
    row_put_text(&row, price_kind_name(price->kind));
    row_put_number_unless(&row, price->above_tokens, 0);
    if (price->from_us == INT64_MIN)
        row_put_null(&row);
    else
        row_put_time(&row, price->from_us);
    if (price->until_us == INT64_MAX)
        row_put_null(&row);
    else
        row_put_time(&row, price->until_us);
    row_put_millionths(&row, price->rates.input);
    row_put_millionths(&row, price->rates.output);
    row_put_millionths(&row, price->rates.cache_write_5m);
    row_put_millionths(&row, price->rates.cache_write_1h);
    row_put_millionths(&row, price->rates.cache_read);
    if (price->kind == PRICE_REQUEST)
        row_put_money(&row, price->request_pico_usd);
    else
        row_put_null(&row);
    if (price->us_geo_millionths == 0)
        row_put_null(&row);
    else
        row_put_millionths(&row, price->us_geo_millionths);
    if (price->batch_millionths == 0)
        row_put_null(&row);
    else
        row_put_millionths(&row, price->batch_millionths);
    row_put_optional_text(&row, price->source);
    return row_writer_end(&row, err);
}

const char *ledger_rows_column(const struct ledger_rows *rows, const struct ledger_row *row,
                               size_t column)
{
    uint32_t offset = row->columns[column];
    return offset == LEDGER_NULL ? NULL : rows->text + offset;
}

// Writes text as JSON and Postgres' arrays quote it; they differ in control characters alone.
static void write_quoted(FILE *out, const char *text, bool json)
{
    putc_unlocked('"', out);
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (json && byte < 0x20) {
            fprintf(out, "\\u%04x", byte);
            continue;
        }
        if (byte == '"' || byte == '\\')
            putc_unlocked('\\', out);
        putc_unlocked(byte, out);
    }
    putc_unlocked('"', out);
}

int ledger_rows_add_texts(struct ledger_rows *rows, enum ledger_table table,
                          const char *const *columns, struct error *err)
{
    struct row_writer row = row_writer_begin(rows, table, (struct journal_cursor){0});
    for (size_t i = 0; i < ledger_table_layout(table)->column_count; i++) {
        if (columns[i] == NULL)
            row_put_null(&row);
        else
            row_put_text(&row, columns[i]);
    }
    return row_writer_end(&row, err);
}

int ledger_rows_describe(const struct ledger_rows *rows, const struct ledger_row *row,
                         char **record, struct error *err)
{
    const struct ledger_layout *layout = ledger_table_layout(row->table);
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (out == NULL)
        return error_set(err, -ENOMEM, "no memory to describe a row");
    for (size_t i = 0; i < layout->column_count; i++) {
        const char *value = ledger_rows_column(rows, row, i);
        fprintf(out, "%s\"%s\": ", i == 0 ? "{" : ", ", layout->columns[i].name);
        if (value == NULL)
            fputs("null", out);
        else
            write_quoted(out, value, true);
    }
    putc_unlocked('}', out);
    if (fclose(out) != 0) {
        free(text);
        return error_set(err, -ENOMEM, "no memory to describe a row");
    }
    *record = text;
    return 0;
}

int ledger_rows_add_quarantine(struct ledger_rows *rows, const char *type, const char *record,
                               const char *reason, const struct ledger_journal *journal,
                               struct journal_cursor place, struct error *err)
{
    struct row_writer row = row_writer_begin(rows, LEDGER_QUARANTINE, place);
    row_put_text(&row, journal->id);
    row_put_number(&row, (int64_t)place.segment);
    row_put_number(&row, (int64_t)place.offset);
    row_put_text(&row, type);
    row_put_text(&row, record);
    row_put_text(&row, reason);
    return row_writer_end(&row, err);
}

int ledger_rows_array(const struct ledger_rows *rows, enum ledger_table table, size_t column,
                      size_t first, size_t last, char **array, size_t *row_count, struct error *err)
{
    assert(last <= rows->count && column < ledger_table_layout(table)->column_count);
    char *text = NULL;
    size_t length = 0;
    size_t count = 0;
    FILE *out = open_memstream(&text, &length);
    if (out == NULL)
        return error_set(err, -ENOMEM, "no memory for a column");
    putc_unlocked('{', out);
    for (size_t i = first; i < last; i++) {
        const struct ledger_row *row = &rows->rows[i];
        if (row->table != table || row->refusal != NULL)
            continue;
        if (count++ > 0)
            putc_unlocked(',', out);
        const char *value = ledger_rows_column(rows, row, column);
        if (value == NULL)
            fputs("NULL", out);
        else
            write_quoted(out, value, false);
    }
    putc_unlocked('}', out);
    if (fclose(out) != 0) {
        free(text);
        return error_set(err, -ENOMEM, "no memory for a column of %zu rows", count);
    }
    *array = text;
    *row_count = count;
    return 0;
}

void ledger_rows_clear(struct ledger_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++)
        free(rows->rows[i].refusal);
    rows->count = 0;
    rows->text_length = 0;
}

void ledger_rows_done(struct ledger_rows *rows)
{
    ledger_rows_clear(rows);
    free(rows->rows);
    free(rows->text);
    *rows = (struct ledger_rows){0};
}

bool ledger_rows_are_full(const struct ledger_rows *rows)
{
    return rows->count >= LEDGER_ROWS_MAX || rows->text_length >= LEDGER_ROWS_BYTES_MAX;
}
