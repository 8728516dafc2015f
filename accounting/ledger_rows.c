// Ledger rows: see ledger_rows.h.
#include "ledger_rows.h"

#include "cleanup.h"
#include "clock.h"
#include "money.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Writes the columns of one row, left to right. Out of memory is remembered until row_end().
struct row_writer {
    struct ledger_rows *rows;
    struct ledger_row row;
    size_t column;
    size_t text_start; // where to go back to
    bool failed;
};

static struct row_writer row_begin(struct ledger_rows *rows, enum ledger_table table,
                                   struct journal_cursor place)
{
    return (struct row_writer){
        .rows = rows,
        .row = {.table = table, .place = place},
        .text_start = rows->text_length,
    };
}

static int row_end(struct row_writer *writer, struct error *err)
{
    struct ledger_rows *rows = writer->rows;
    assert(writer->column == ledger_table_layout(writer->row.table)->column_count);
    if (!writer->failed && rows->count == rows->capacity) {
        size_t capacity = rows->capacity == 0 ? 64 : rows->capacity * 2;
        struct ledger_row *grown = reallocarray(rows->rows, capacity, sizeof(*grown));
        writer->failed = grown == NULL;
        if (grown != NULL) {
            rows->rows = grown;
            rows->capacity = capacity;
        }
    }
    if (writer->failed) {
        rows->text_length = writer->text_start;
        return error_set(err, -ENOMEM, "no memory for a batch of %zu rows", rows->count + 1);
    }
    rows->rows[rows->count++] = writer->row;
    return 0;
}

// Length of the UTF-8 sequence at `bytes`, 0 if it is none (RFC 3629: no overlong forms, no
// surrogates) or is NUL, which Postgres has no text for.
static size_t utf8_length(const unsigned char *bytes, size_t available)
{
    unsigned char first = bytes[0];
    if (first < 0x80)
        return first != 0;
    size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || length > available)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (first == 0xe0 && bytes[1] < 0xa0) || (first == 0xf0 && bytes[1] < 0x90);
    bool surrogate = first == 0xed && bytes[1] >= 0xa0;
    bool beyond = first == 0xf4 && bytes[1] >= 0x90;
    return overlong || surrogate || beyond ? 0 : length;
}

static void put_bytes(struct row_writer *writer, const char *bytes, size_t length)
{
    static const char replacement[] = "\xef\xbf\xbd"; // U+FFFD, for each byte that is not UTF-8
    struct ledger_rows *rows = writer->rows;
    size_t needed = rows->text_length + length * (sizeof(replacement) - 1) + 1;
    if (needed > rows->text_capacity) {
        size_t capacity = needed * 2;
        char *grown = capacity < LEDGER_NULL ? realloc(rows->text, capacity) : NULL;
        if (grown == NULL) {
            writer->failed = true;
            writer->column++;
            return;
        }
        rows->text = grown;
        rows->text_capacity = capacity;
    }
    char *end = rows->text + rows->text_length;
    writer->row.columns[writer->column++] = (uint32_t)rows->text_length;
    for (size_t i = 0; i < length;) {
        size_t valid = utf8_length((const unsigned char *)bytes + i, length - i);
        end =
            mempcpy(end, valid ? bytes + i : replacement, valid ? valid : sizeof(replacement) - 1);
        i += valid ? valid : 1;
    }
    *end++ = '\0';
    rows->text_length = (size_t)(end - rows->text);
}

static void put_null(struct row_writer *writer)
{
    writer->row.columns[writer->column++] = LEDGER_NULL;
}

static void put_text(struct row_writer *writer, const char *text)
{
    put_bytes(writer, text, strlen(text));
}

// What is not known is empty in a record and NULL in a row.
static void put_optional_text(struct row_writer *writer, const char *text)
{
    if (*text == '\0')
        put_null(writer);
    else
        put_text(writer, text);
}

static void put_number(struct row_writer *writer, int64_t number)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, number);
    put_text(writer, text);
}

static void put_number_unless(struct row_writer *writer, int64_t number, int64_t unknown)
{
    if (number == unknown)
        put_null(writer);
    else
        put_number(writer, number);
}

static void put_bool(struct row_writer *writer, bool value)
{
    put_text(writer, value ? "t" : "f");
}

static void put_money(struct row_writer *writer, int64_t cost_pico_usd)
{
    char text[MONEY_TEXT_MAX];
    put_text(writer, money_format_exact(cost_pico_usd, MONEY_DECIMALS, text));
}

// `number` / 1,000,000, exactly: picodollars a token are millionths of a dollar per million tokens.
static void put_millionths(struct row_writer *writer, int64_t number)
{
    char text[32];
    snprintf(text, sizeof(text), "%" PRId64 ".%06" PRId64, number / 1000000, number % 1000000);
    put_text(writer, text);
}

static void put_time(struct row_writer *writer, int64_t time_us)
{
    int64_t second_us = ((time_us % 1000000) + 1000000) % 1000000;
    char seconds[CLOCK_TEXT_MAX];
    char text[CLOCK_TEXT_MAX + 8];
    clock_format_utc(time_us - second_us, seconds);
    snprintf(text, sizeof(text), "%.19s.%06" PRId64 "Z", seconds, second_us);
    put_text(writer, text);
}

static void put_uuid(struct row_writer *writer, const uint8_t bytes[static EXCHANGE_ID_BYTES])
{
    char text[2 * EXCHANGE_ID_BYTES + 1]; // Postgres takes a UUID without its hyphens
    for (size_t i = 0; i < EXCHANGE_ID_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    put_text(writer, text);
}

static void put_tokens(struct row_writer *writer, const struct token_counts *tokens)
{
    put_number(writer, tokens->input);
    put_number(writer, tokens->output);
    put_number(writer, tokens->cache_write_5m);
    put_number(writer, tokens->cache_write_1h);
    put_number(writer, tokens->cache_read);
}

static void put_limits(struct row_writer *writer, const struct run_limits *limits)
{
    if (limits->cost_max_pico_usd == LIMIT_NONE)
        put_null(writer);
    else
        put_money(writer, limits->cost_max_pico_usd);
    put_number_unless(writer, limits->tokens_max, LIMIT_NONE);
    put_number_unless(writer, limits->output_tokens_max, LIMIT_NONE);
    put_number_unless(writer, limits->requests_max, LIMIT_NONE);
    put_number_unless(writer, limits->memory_max_bytes, LIMIT_NONE);
    put_number_unless(writer, limits->memory_high_bytes, LIMIT_NONE);
    put_number_unless(writer, limits->memory_swap_max_bytes, LIMIT_NONE);
    put_number_unless(writer, limits->tasks_max, LIMIT_NONE);
    put_number_unless(writer, limits->cpu_quota_percent, LIMIT_NONE);
    put_number_unless(writer, limits->runtime_max_us, LIMIT_NONE);
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
    struct row_writer job = row_begin(rows, LEDGER_JOB, place);
    put_text(&job, record->job);
    put_time(&job, record->opened_at_us);
    int result = row_end(&job, err);
    if (result != 0)
        return result;

    struct row_writer run = row_begin(rows, LEDGER_RUN_OPEN, place);
    put_text(&run, record->run_id);
    put_text(&run, record->job);
    put_optional_text(&run, record->command);
    put_optional_text(&run, record->host);
    put_time(&run, record->opened_at_us);
    put_limits(&run, &record->limits);
    result = row_end(&run, err);
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
    struct row_writer row = row_begin(rows, LEDGER_EXCHANGE, place);
    put_uuid(&row, record->exchange_id);
    put_text(&row, record->run_id);
    put_text(&row, record->job);
    put_optional_text(&row, host);
    put_optional_text(&row, record->credential);
    put_optional_text(&row, record->path);
    put_optional_text(&row, record->session_id);
    put_optional_text(&row, record->model_asked);
    put_optional_text(&row, record->model);
    put_optional_text(&row, record->price_row);
    put_optional_text(&row, record->request_id);
    put_optional_text(&row, record->message_id);
    put_optional_text(&row, record->stop_reason);
    put_time(&row, record->reserved_at_us);
    put_time(&row, record->settled_at_us);
    put_number_unless(&row, record->first_byte_us, -1);
    put_money(&row, record->reserved_pico_usd);
    put_money(&row, record->cost_pico_usd);
    put_money(&row, record->counted_pico_usd);
    put_number(&row, record->counted_tokens);
    put_number(&row, record->counted_output_tokens);
    put_tokens(&row, &record->tokens);
    put_number(&row, record->thinking_tokens);
    put_number(&row, record->web_search_requests);
    put_number(&row, record->web_fetch_requests);
    put_number(&row, record->attempt);
    put_number_unless(&row, record->http_status, 0);
    put_text(&row, exchange_end_name(record->end));
    put_text(&row, speeds[record->speed]);
    put_text(&row, tiers[record->tier]);
    put_text(&row, geos[record->geo]);
    put_bool(&row, record->streamed);
    put_bool(&row, record->estimated);
    put_bool(&row, record->unknown_model);
    if (record->usage_json == NULL)
        put_null(&row);
    else
        put_bytes(&row, record->usage_json, record->usage_json_length);
    return row_end(&row, err);
}

static int add_run_close(struct ledger_rows *rows, struct journal_cursor place,
                         const struct journal_run_close *record, struct error *err)
{
    struct row_writer row = row_begin(rows, LEDGER_RUN_CLOSE, place);
    put_text(&row, record->run_id);
    put_text(&row, record->job);
    put_time(&row, record->closed_at_us);
    put_text(&row, run_end_name(record->end));
    put_number(&row, record->exit_code);
    put_number_unless(&row, record->memory_peak_bytes, -1);
    put_number_unless(&row, record->cpu_us, -1);
    put_number(&row, record->exchanges);
    put_number(&row, record->free_calls);
    put_money(&row, record->cost_pico_usd);
    put_tokens(&row, &record->tokens);
    return row_end(&row, err);
}

static int add_alert(struct ledger_rows *rows, struct journal_cursor place,
                     const struct journal_alert *record, struct error *err)
{
    struct row_writer row = row_begin(rows, LEDGER_ALERT, place);
    put_time(&row, record->raised_at_us);
    put_text(&row, record->kind);
    put_text(&row, record->run_id);
    put_text(&row, record->job);
    put_text(&row, record->text);
    return row_end(&row, err);
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
    struct row_writer row = row_begin(rows, LEDGER_PRICE, (struct journal_cursor){0});
    put_text(&row, price->name);
    put_text(&row, price->model);
    put_text(&row, price_kind_name(price->kind));
    put_number_unless(&row, price->above_tokens, 0);
    if (price->from_us == INT64_MIN)
        put_null(&row);
    else
        put_time(&row, price->from_us);
    if (price->until_us == INT64_MAX)
        put_null(&row);
    else
        put_time(&row, price->until_us);
    put_millionths(&row, price->rates.input);
    put_millionths(&row, price->rates.output);
    put_millionths(&row, price->rates.cache_write_5m);
    put_millionths(&row, price->rates.cache_write_1h);
    put_millionths(&row, price->rates.cache_read);
    if (price->kind == PRICE_REQUEST)
        put_money(&row, price->request_pico_usd);
    else
        put_null(&row);
    if (price->us_geo_millionths == 0)
        put_null(&row);
    else
        put_millionths(&row, price->us_geo_millionths);
    if (price->batch_millionths == 0)
        put_null(&row);
    else
        put_millionths(&row, price->batch_millionths);
    put_optional_text(&row, price->source);
    return row_end(&row, err);
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
    struct row_writer row = row_begin(rows, table, (struct journal_cursor){0});
    for (size_t i = 0; i < ledger_table_layout(table)->column_count; i++) {
        if (columns[i] == NULL)
            put_null(&row);
        else
            put_text(&row, columns[i]);
    }
    return row_end(&row, err);
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
    struct row_writer row = row_begin(rows, LEDGER_QUARANTINE, place);
    put_text(&row, journal->id);
    put_number(&row, (int64_t)place.segment);
    put_number(&row, (int64_t)place.offset);
    put_text(&row, type);
    put_text(&row, record);
    put_text(&row, reason);
    return row_end(&row, err);
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
