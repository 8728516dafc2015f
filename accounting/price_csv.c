// Price CSV: see price_csv.h.
#include "price_csv.h"

#include "cleanup.h"
#include "money.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CELL_MAX 512                              // bytes with NUL
#define RATE_PICO_USD_MAX (PICO_USD_PER_USD / 10) // ten cents a token: dearer is a slip of the pen
#define PICO_USD_OF_MILLION 1000000               // a dollar a million tokens is this much a token
#define MULTIPLIER_MAX (10 * PRICE_MULTIPLIER_ONE)

enum column_type {
    COLUMN_NAME,
    COLUMN_NAMES, // spaces between
    COLUMN_KIND,
    COLUMN_TOKENS,
    COLUMN_FROM,
    COLUMN_UNTIL,
    COLUMN_RATE,
    COLUMN_FEE,
    COLUMN_MORE, // a multiplier of at least 1
    COLUMN_LESS, // one of at most 1
    COLUMN_DATE,
    COLUMN_TEXT,
};

#define KIND(kind) (1u << PRICE_##kind)
#define TOKEN_KINDS (KIND(STANDARD) | KIND(LONG) | KIND(FAST))
#define ALL_KINDS (TOKEN_KINDS | KIND(REQUEST) | KIND(REFUSAL))
#define MEMBER(member) offsetof(struct price_row, member), sizeof(((struct price_row *)0)->member)

// The columns: the kinds of rows that must and that may fill them, and where the value goes. The
// kind comes first, as the others are read in its light.
static const struct column {
    const char *title;
    enum column_type type;
    unsigned needed, allowed;
    size_t offset, size;
} columns[] = {
    {"kind", COLUMN_KIND, ALL_KINDS, ALL_KINDS, MEMBER(kind)},
    {"name", COLUMN_NAME, ALL_KINDS, ALL_KINDS, MEMBER(model)},
    {"aliases", COLUMN_NAMES, 0, KIND(STANDARD), MEMBER(aliases)},
    {"above_tokens", COLUMN_TOKENS, KIND(LONG), KIND(LONG), MEMBER(above_tokens)},
    {"from", COLUMN_FROM, 0, ALL_KINDS, MEMBER(from_us)},
    {"until", COLUMN_UNTIL, 0, ALL_KINDS, MEMBER(until_us)},
    {"input", COLUMN_RATE, TOKEN_KINDS, TOKEN_KINDS, MEMBER(rates.input)},
    {"output", COLUMN_RATE, TOKEN_KINDS, TOKEN_KINDS, MEMBER(rates.output)},
    {"cache_write_5m", COLUMN_RATE, TOKEN_KINDS, TOKEN_KINDS, MEMBER(rates.cache_write_5m)},
    {"cache_write_1h", COLUMN_RATE, TOKEN_KINDS, TOKEN_KINDS, MEMBER(rates.cache_write_1h)},
    {"cache_read", COLUMN_RATE, TOKEN_KINDS, TOKEN_KINDS, MEMBER(rates.cache_read)},
    {"request", COLUMN_FEE, KIND(REQUEST), KIND(REQUEST), MEMBER(request_pico_usd)},
    {"us_geo", COLUMN_MORE, 0, TOKEN_KINDS, MEMBER(us_geo_millionths)},
    {"batch", COLUMN_LESS, 0, TOKEN_KINDS, MEMBER(batch_millionths)},
    {"retired", COLUMN_DATE, 0, TOKEN_KINDS, MEMBER(retired)},
    {"confidence", COLUMN_TEXT, 0, ALL_KINDS, MEMBER(confidence)},
    {"source", COLUMN_TEXT, 0, ALL_KINDS, MEMBER(source)},
};
#define COLUMN_COUNT (sizeof(columns) / sizeof(columns[0]))

static const char *const accepted_forms[] = {
    [COLUMN_NAME] = "letters, digits and . - _, like claude-opus-5-5",
    [COLUMN_NAMES] = "names with one space between",
    [COLUMN_KIND] = "standard, long, fast, request or refusal",
    [COLUMN_TOKENS] = "a whole number of tokens, like 100000",
    [COLUMN_FROM] = "a date, like 2026-10-07, or nothing",
    [COLUMN_UNTIL] = "a date after from, like 2026-10-07, or nothing",
    [COLUMN_RATE] = "plain decimal USD per million tokens of at most 6 decimals, like 0.125",
    [COLUMN_FEE] = "plain decimal USD of at most 12 decimals, like 0.01",
    [COLUMN_MORE] = "a plain decimal from 1 to 10 of at most 6 decimals, like 1.1",
    [COLUMN_LESS] = "a plain decimal above 0, at most 1, of at most 6 decimals, like 0.5",
    [COLUMN_DATE] = "a date, like 2026-10-07, or nothing",
    [COLUMN_TEXT] = "a shorter text",
};

// Where in the text parsing stands.
struct reader {
    const char *place;
    int line;
    const char *next, *end;
};

// One line, cut into cells, each terminated.
struct record {
    char cells[COLUMN_COUNT][CELL_MAX];
    size_t count;
};

const char *price_kind_name(enum price_kind kind)
{
    static const char *const names[] = {"standard", "long", "fast", "request", "refusal"};
    return names[kind];
}

static int refuse(const struct reader *reader, struct error *err, const char *title,
                  const char *value, const char *form)
{
    return error_set(err, -EINVAL, "%s:%d: %s \"%.80s\": write %s", reader->place, reader->line,
                     title, value, form);
}

// Reads one cell, and the comma behind it. Returns false when it is too long or its quotes are
// wrong.
static bool read_cell(const char **at, const char *end, char *cell)
{
    bool quoted = *at < end && **at == '"';
    size_t length = 0;
    const char *text = *at + quoted;
    for (;; text++) {
        if (quoted && text < end && *text == '"') {
            if (text + 1 < end && text[1] == '"')
                text++;
            else
                break;
        } else if (text == end || (!quoted && (*text == ',' || *text == '"'))) {
            break;
        }
        if (length == CELL_MAX - 1)
            return false;
        cell[length++] = *text;
    }
    if (quoted) {
        if (text == end)
            return false;
        text++;
    }
    cell[length] = '\0';
    *at = text;
    return text == end || *text == ',';
}

// Reads the next line that is neither empty nor a comment. Returns 1, 0 at the end of the text.
static int read_record(struct reader *reader, struct record *record, struct error *err)
{
    while (reader->next < reader->end) {
        const char *start = reader->next;
        const char *end = memchr(start, '\n', (size_t)(reader->end - start));
        reader->next = end == NULL ? reader->end : end + 1;
        reader->line++;
        if (end == NULL)
            end = reader->end;
        if (end > start && end[-1] == '\r')
            end--;
        if (start == end || *start == '#')
            continue;
        if (memchr(start, '\0', (size_t)(end - start)) != NULL)
            return error_set(err, -EINVAL, "%s:%d: there is a NUL byte: write plain text",
                             reader->place, reader->line);
        record->count = 0;
        for (;; start++) {
            if (record->count == COLUMN_COUNT)
                return error_set(err, -EINVAL, "%s:%d: more than %zu columns: write each once",
                                 reader->place, reader->line, COLUMN_COUNT);
            if (!read_cell(&start, end, record->cells[record->count++]))
                return error_set(err, -EINVAL,
                                 "%s:%d: column %zu is broken: write at most %d bytes, with quotes "
                                 "around all of it or none, and quotes inside of quotes doubled",
                                 reader->place, reader->line, record->count, CELL_MAX - 1);
            if (start == end)
                return 1;
        }
    }
    return 0;
}

// Reads the titles: cell_of[column] is the cell that holds the column.
static int read_header(struct reader *reader, size_t cell_of[COLUMN_COUNT], struct error *err)
{
    struct record record;
    int result = read_record(reader, &record, err);
    if (result < 0)
        return result;
    if (result == 0)
        return error_set(err, -EINVAL, "%s: there is no line that names the columns",
                         reader->place);
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        cell_of[i] = COLUMN_COUNT;
    for (size_t cell = 0; cell < record.count; cell++) {
        size_t column = 0;
        while (column < COLUMN_COUNT && strcmp(columns[column].title, record.cells[cell]) != 0)
            column++;
        if (column == COLUMN_COUNT || cell_of[column] != COLUMN_COUNT)
            return refuse(reader, err, column == COLUMN_COUNT ? "unknown column" : "second column",
                          record.cells[cell], "each column of sql/prices.csv once");
        cell_of[column] = cell;
    }
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        if (cell_of[i] == COLUMN_COUNT)
            return refuse(reader, err, "missing column", columns[i].title,
                          "each column of sql/prices.csv once");
    return 0;
}

// "2026-10-07" as microseconds since 1970.
static bool parse_date(const char *text, int64_t *time_us)
{
    struct tm parts = {0};
    char again[PRICE_DATE_MAX];
    const char *rest = strptime(text, "%Y-%m-%d", &parts);
    if (rest == NULL || *rest != '\0')
        return false;
    int64_t seconds = timegm(&parts);
    // February 30 is March 2 by now, and a missing zero has come.
    if (strftime(again, sizeof(again), "%Y-%m-%d", &parts) == 0 || strcmp(again, text) != 0)
        return false;
    *time_us = seconds * 1000000;
    return true;
}

// A decimal times 10^6, which it must be a whole number of.
static bool parse_millionths(const char *text, int64_t at_least, int64_t at_most, int64_t *value)
{
    int64_t pico_usd;
    if (*text == '$' || !money_parse(text, &pico_usd) || pico_usd % PICO_USD_OF_MILLION != 0)
        return false;
    *value = pico_usd / PICO_USD_OF_MILLION;
    return *value >= at_least && *value <= at_most;
}

static bool parse_names(const char *text, bool several)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    for (;;) {
        size_t length = strspn(text, letters);
        if (length == 0 || length >= MODEL_NAME_MAX)
            return false;
        text += length;
        if (!several || *text != ' ')
            return *text == '\0';
        text++;
    }
}

static bool parse_kind(const char *text, enum price_kind *kind)
{
    for (enum price_kind each = 0; each < PRICE_KINDS; each++)
        if (strcmp(text, price_kind_name(each)) == 0) {
            *kind = each;
            return true;
        }
    return false;
}

// Puts the value of one cell that is not empty into its member. Returns false for a bad one.
static bool parse_cell(const struct column *column, const char *text, struct price_row *row)
{
    char *member = (char *)row + column->offset;
    int64_t value, date_us;
    switch (column->type) {
    case COLUMN_KIND:
        return parse_kind(text, &row->kind);
    case COLUMN_FROM:
        return parse_date(text, &row->from_us);
    case COLUMN_UNTIL: // comes after `from`
        return parse_date(text, &row->until_us) && row->until_us > row->from_us;
    case COLUMN_RATE:
        return parse_millionths(text, 0, RATE_PICO_USD_MAX, (int64_t *)(void *)member);
    case COLUMN_FEE:
        return *text != '$' && money_parse(text, (int64_t *)(void *)member);
    case COLUMN_TOKENS:
        if (strspn(text, "0123456789") != strlen(text) || strlen(text) > 15)
            return false;
        *(int64_t *)(void *)member = strtoll(text, NULL, 10);
        return true;
    case COLUMN_MORE:
    case COLUMN_LESS:
        if (!parse_millionths(text, column->type == COLUMN_MORE ? PRICE_MULTIPLIER_ONE : 1,
                              column->type == COLUMN_MORE ? MULTIPLIER_MAX : PRICE_MULTIPLIER_ONE,
                              &value))
            return false;
        *(int32_t *)(void *)member = (int32_t)value;
        return true;
    case COLUMN_NAME:
    case COLUMN_NAMES:
        if (!parse_names(text, column->type == COLUMN_NAMES))
            return false;
        break;
    case COLUMN_DATE:
        if (!parse_date(text, &date_us))
            return false;
        break;
    case COLUMN_TEXT:
        break;
    }
    return (size_t)snprintf(member, column->size, "%s", text) < column->size;
}

// Whether the rate stays a whole number of picodollars under each multiplier and under both.
static bool is_exact(int64_t rate, int64_t us_geo, int64_t batch)
{
    rate *= us_geo == 0 ? PRICE_MULTIPLIER_ONE : us_geo; // at most 10^11 times 10^7
    if (rate % PRICE_MULTIPLIER_ONE != 0)
        return false;
    return batch == 0 || rate / PRICE_MULTIPLIER_ONE * batch % PRICE_MULTIPLIER_ONE == 0;
}

static int check_multiplied_rates(const struct reader *reader, const struct price_row *row,
                                  const struct record *record, const size_t cell_of[COLUMN_COUNT],
                                  struct error *err)
{
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        if (columns[i].type != COLUMN_RATE)
            continue;
        int64_t rate = *(const int64_t *)(const void *)((const char *)row + columns[i].offset);
        if (!is_exact(rate, row->us_geo_millionths, row->batch_millionths) ||
            !is_exact(rate, 0, row->batch_millionths))
            return refuse(reader, err, columns[i].title, record->cells[cell_of[i]],
                          "a rate that is a whole number of picodollars (1e-12 USD) a token, also "
                          "after the multipliers us_geo and batch");
    }
    return 0;
}

static int parse_row(const struct reader *reader, const struct record *record,
                     const size_t cell_of[COLUMN_COUNT], struct price_row *row, struct error *err)
{
    *row = (struct price_row){.line = reader->line, .from_us = INT64_MIN, .until_us = INT64_MAX};
    if (record->count != COLUMN_COUNT)
        return error_set(err, -EINVAL, "%s:%d: %zu columns: write %zu, as the first line does",
                         reader->place, reader->line, record->count, COLUMN_COUNT);
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        const char *text = record->cells[cell_of[i]];
        const char *form = accepted_forms[columns[i].type];
        unsigned kind = 1u << row->kind;
        if (*text == '\0') {
            if (columns[i].needed & kind)
                return refuse(reader, err, columns[i].title, text, form);
            continue;
        }
        if (!(columns[i].allowed & kind))
            return refuse(reader, err, columns[i].title, text, "nothing in a row of this kind");
        if (!parse_cell(&columns[i], text, row))
            return refuse(reader, err, columns[i].title, text, form);
    }
    return check_multiplied_rates(reader, row, record, cell_of, err);
}

int price_csv_parse(struct price_row **rows, size_t *row_count, const char *place, const char *text,
                    size_t length, struct error *err)
{
    struct reader reader = {.place = place, .next = text, .end = text + length};
    struct record record = {0};
    size_t cell_of[COLUMN_COUNT];
    cleanup_free struct price_row *parsed = NULL;
    size_t count = 0, capacity = 0;
    int result = read_header(&reader, cell_of, err);
    if (result < 0)
        return result;
    while ((result = read_record(&reader, &record, err)) > 0) {
        if (count == PRICE_ROWS_MAX)
            return error_set(err, -EINVAL, "%s:%d: more than %d rows", place, reader.line,
                             PRICE_ROWS_MAX);
        if (count == capacity) {
            capacity = capacity == 0 ? 64 : capacity * 2;
            struct price_row *grown = reallocarray(parsed, capacity, sizeof(*parsed));
            if (grown == NULL)
                return error_set(err, -ENOMEM, "reading %s: out of memory", place);
            parsed = grown;
        }
        result = parse_row(&reader, &record, cell_of, &parsed[count], err);
        if (result < 0)
            return result;
        count++;
    }
    if (result < 0)
        return result;
    *rows = take_pointer(&parsed);
    *row_count = count;
    return 0;
}
