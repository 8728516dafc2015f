// Row writer: see row_writer.h.
#include "row_writer.h"

#include "clock.h"
#include "money.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct row_writer row_writer_begin(struct ledger_rows *rows, enum ledger_table table,
                                   struct journal_cursor place)
{
    return (struct row_writer){
        .rows = rows,
        .row = {.table = table, .place = place},
        .text_start = rows->text_length,
    };
}

int row_writer_end(struct row_writer *writer, struct error *err)
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

void row_put_bytes(struct row_writer *writer, const char *bytes, size_t length)
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

void row_put_null(struct row_writer *writer)
{
    writer->row.columns[writer->column++] = LEDGER_NULL;
}

void row_put_text(struct row_writer *writer, const char *text)
{
    row_put_bytes(writer, text, strlen(text));
}

void row_put_optional_text(struct row_writer *writer, const char *text)
{
    if (*text == '\0')
        row_put_null(writer);
    else
        row_put_text(writer, text);
}

void row_put_number(struct row_writer *writer, int64_t number)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, number);
    row_put_text(writer, text);
}

void row_put_number_unless(struct row_writer *writer, int64_t number, int64_t unknown)
{
    if (number == unknown)
        row_put_null(writer);
    else
        row_put_number(writer, number);
}

void row_put_bool(struct row_writer *writer, bool value)
{
    row_put_text(writer, value ? "t" : "f");
}

void row_put_money(struct row_writer *writer, int64_t cost_pico_usd)
{
    char text[MONEY_TEXT_MAX];
    row_put_text(writer, money_format_exact(cost_pico_usd, MONEY_DECIMALS, text));
}

void row_put_millionths(struct row_writer *writer, int64_t number)
{
    char text[32];
    snprintf(text, sizeof(text), "%" PRId64 ".%06" PRId64, number / 1000000, number % 1000000);
    row_put_text(writer, text);
}

void row_put_time(struct row_writer *writer, int64_t time_us)
{
    int64_t second_us = ((time_us % 1000000) + 1000000) % 1000000;
    char seconds[CLOCK_TEXT_MAX];
    char text[CLOCK_TEXT_MAX + 8];
    clock_format_utc(time_us - second_us, seconds);
    snprintf(text, sizeof(text), "%.19s.%06" PRId64 "Z", seconds, second_us);
    row_put_text(writer, text);
}

void row_put_uuid(struct row_writer *writer, const uint8_t bytes[static EXCHANGE_ID_BYTES])
{
    char text[2 * EXCHANGE_ID_BYTES + 1]; // Postgres takes a UUID without its hyphens
    for (size_t i = 0; i < EXCHANGE_ID_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    row_put_text(writer, text);
}
