// Price table: see price_table.h. Rows are sorted, names lead to the first row of their model.
#include "price_table.h"

#include "cleanup.h"
#include "clock.h"
#include "embedded.h"
#include "price_csv.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define DEAREST_ROWS 2             // for USAGE_SPEED_STANDARD, and for USAGE_SPEED_FAST
#define LONG_CONTEXT_SUFFIX "[1m]" // asks for a context of a million tokens; bears no price

// A model's name or one of its aliases.
struct price_name {
    char text[MODEL_NAME_MAX];
    size_t first_row; // of its model
};

struct price_table {
    struct price_row *rows; // by model, kind and date; the dearest ones at the end
    size_t row_count;       // without the dearest ones
    struct price_name *names;
    size_t name_count;
};

void price_table_free(struct price_table *table)
{
    if (table == NULL)
        return;
    free(table->rows);
    free(table->names);
    free(table);
}

static void cleanup_table(struct price_table **table)
{
    price_table_free(*table);
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(((const struct price_name *)left)->text,
                  ((const struct price_name *)right)->text);
}

// Whether `kind` must have a price at all times.
static bool is_without_gaps(enum price_kind kind)
{
    return kind == PRICE_STANDARD || kind == PRICE_REQUEST;
}

const struct price_row *price_table_find(const struct price_table *table, const char *name,
                                         enum price_kind kind, int64_t time_us)
{
    struct price_name key = {.first_row = 0};
    size_t length = strlen(name);
    size_t suffix = strlen(LONG_CONTEXT_SUFFIX);
    if (length > suffix && strcmp(name + length - suffix, LONG_CONTEXT_SUFFIX) == 0)
        length -= suffix;
    if (length >= sizeof(key.text) || table->name_count == 0)
        return NULL;
    memcpy(key.text, name, length);
    key.text[length] = '\0';
    const struct price_name *found =
        bsearch(&key, table->names, table->name_count, sizeof(*table->names), compare_names);
    if (found == NULL)
        return NULL;
    const struct price_row *first_of_kind = NULL;
    for (size_t i = found->first_row; i < table->row_count; i++) {
        const struct price_row *row = &table->rows[i];
        if (strcmp(row->model, table->rows[found->first_row].model) != 0)
            break;
        if (row->kind != kind)
            continue;
        if (row->from_us <= time_us && time_us < row->until_us)
            return row;
        if (first_of_kind == NULL)
            first_of_kind = row;
    }
    return is_without_gaps(kind) ? first_of_kind : NULL;
}

const struct price_row *price_table_dearest(const struct price_table *table, enum usage_speed speed)
{
    return &table->rows[table->row_count + (speed == USAGE_SPEED_FAST)];
}

const struct price_row *price_table_at(const struct price_table *table, size_t index)
{
    return index < table->row_count + DEAREST_ROWS ? &table->rows[index] : NULL;
}

static int compare_rows(const void *left_row, const void *right_row)
{
    const struct price_row *left = left_row, *right = right_row;
    int order = strcmp(left->model, right->model);
    if (order == 0)
        order = (left->kind > right->kind) - (left->kind < right->kind);
    if (order == 0)
        order = (left->from_us > right->from_us) - (left->from_us < right->from_us);
    return order != 0 ? order : (left->line > right->line) - (left->line < right->line);
}

// "2026-10-07" of midnight UTC, "" where the period is open. Returns `text`.
static const char *format_date(int64_t time_us, char text[static CLOCK_TEXT_MAX])
{
    clock_format_utc(time_us, text);
    text[time_us == INT64_MIN || time_us == INT64_MAX ? 0 : strlen("2026-10-07")] = '\0';
    return text;
}

// "claude-haiku-5-5@2026-10-07/long"
static void name_row(struct price_row *row)
{
    char date[CLOCK_TEXT_MAX];
    format_date(row->from_us, date);
    snprintf(row->name, sizeof(row->name), "%s%s%.10s%s%s", row->model, *date == '\0' ? "" : "@",
             date, row->kind == PRICE_STANDARD ? "" : "/",
             row->kind == PRICE_LONG   ? "long"
             : row->kind == PRICE_FAST ? "fast"
                                       : "");
}

// Checks that the rows of a model and kind follow each other, and that it has standard rates.
static int check_periods(const struct price_table *table, const char *place, struct error *err)
{
    assert(table->rows != NULL); // the dearest ones are always there
    for (size_t i = 0; i < table->row_count; i++) {
        const struct price_row *row = &table->rows[i];
        const struct price_row *before = i == 0 ? NULL : row - 1;
        const struct price_row *after = i + 1 == table->row_count ? NULL : row + 1;
        bool new_model = before == NULL || strcmp(before->model, row->model) != 0;
        bool is_last =
            after == NULL || strcmp(after->model, row->model) != 0 || after->kind != row->kind;
        char until[CLOCK_TEXT_MAX], from[CLOCK_TEXT_MAX];
        if (new_model && (row->kind == PRICE_LONG || row->kind == PRICE_FAST))
            return error_set(err, -EINVAL,
                             "%s:%d: %s has %s rates alone: write a row of kind standard too",
                             place, row->line, row->model, price_kind_name(row->kind));
        if (is_last && row->until_us != INT64_MAX && is_without_gaps(row->kind))
            return error_set(err, -EINVAL,
                             "%s:%d: until \"%s\": nothing follows the last price of %s: write "
                             "nothing, or the row that follows (a model that goes has a date in "
                             "retired)",
                             place, row->line, format_date(row->until_us, until), row->model);
        if (!is_last && row->until_us != after->from_us)
            return error_set(err, -EINVAL,
                             "%s:%d: from \"%s\": %s the %s row of %s in line %d, until \"%s\": "
                             "write the same date in both",
                             place, after->line, format_date(after->from_us, from),
                             row->until_us > after->from_us ? "overlaps" : "leaves a gap after",
                             price_kind_name(row->kind), row->model, row->line,
                             format_date(row->until_us, until));
    }
    return 0;
}

// Adds the first `length` bytes of `text` as a name of the model that begins at row `first_row`.
static int add_name(struct price_table *table, const char *text, size_t length, size_t first_row,
                    struct error *err)
{
    struct price_name *grown =
        reallocarray(table->names, table->name_count + 1, sizeof(*table->names));
    if (grown == NULL)
        return error_set(err, -ENOMEM, "out of memory for the names of models");
    table->names = grown;
    struct price_name *name = &table->names[table->name_count++];
    snprintf(name->text, sizeof(name->text), "%.*s", (int)length, text);
    name->first_row = first_row;
    return 0;
}

static int index_names(struct price_table *table, const char *place, struct error *err)
{
    size_t first_row = 0;
    int result = 0;
    for (size_t i = 0; i < table->row_count && result == 0; i++) {
        const struct price_row *row = &table->rows[i];
        if (i == 0 || strcmp(row->model, table->rows[first_row].model) != 0) {
            first_row = i;
            result = add_name(table, row->model, strlen(row->model), i, err);
        }
        for (const char *alias = row->aliases; *alias != '\0' && result == 0;) {
            size_t length = strcspn(alias, " ");
            result = add_name(table, alias, length, first_row, err);
            alias += length + (alias[length] == ' ');
        }
    }
    if (result < 0)
        return result;
    if (table->name_count > 0)
        qsort(table->names, table->name_count, sizeof(*table->names), compare_names);
    for (size_t i = 1; i < table->name_count; i++) {
        const struct price_name *name = &table->names[i];
        if (strcmp(name->text, name[-1].text) == 0)
            return error_set(err, -EINVAL,
                             "%s:%d: \"%s\" names %s, and %s from line %d too: write each name and "
                             "alias once",
                             place, table->rows[name->first_row].line, name->text,
                             table->rows[name->first_row].model,
                             table->rows[name[-1].first_row].model,
                             table->rows[name[-1].first_row].line);
    }
    return 0;
}

static void raise_rate(int64_t *rate, int64_t to)
{
    if (*rate < to)
        *rate = to;
}

static void raise_rates(struct price_row *dearest, const struct price_row *row)
{
    int32_t batch = row->batch_millionths != 0 ? row->batch_millionths : PRICE_MULTIPLIER_ONE;
    raise_rate(&dearest->rates.input, row->rates.input);
    raise_rate(&dearest->rates.output, row->rates.output);
    raise_rate(&dearest->rates.cache_write_5m, row->rates.cache_write_5m);
    raise_rate(&dearest->rates.cache_write_1h, row->rates.cache_write_1h);
    raise_rate(&dearest->rates.cache_read, row->rates.cache_read);
    if (dearest->us_geo_millionths < row->us_geo_millionths)
        dearest->us_geo_millionths = row->us_geo_millionths;
    if (dearest->batch_millionths < batch)
        dearest->batch_millionths = batch;
}

// Fills the two rows behind the others.
static void find_dearest(struct price_table *table)
{
    for (size_t speed = 0; speed < DEAREST_ROWS; speed++) {
        struct price_row *dearest = &table->rows[table->row_count + speed];
        enum price_kind last_kind = speed == USAGE_SPEED_FAST ? PRICE_FAST : PRICE_LONG;
        *dearest = (struct price_row){
            .model = PRICE_MODEL_ANY,
            .kind = speed == USAGE_SPEED_FAST ? PRICE_FAST : PRICE_STANDARD,
            .from_us = INT64_MIN,
            .until_us = INT64_MAX,
            .us_geo_millionths = PRICE_MULTIPLIER_ONE,
            .source = "the dearest of all rows, for models that are not known",
        };
        for (size_t i = 0; i < table->row_count; i++)
            if (table->rows[i].kind <= last_kind)
                raise_rates(dearest, &table->rows[i]);
        name_row(dearest);
    }
}

// A table that can price nothing, or misses a fee, would charge too little without a word.
static int check_complete(const struct price_table *table, const char *place, struct error *err)
{
    static const char *const fees[] = {"web_search", "web_fetch"};
    for (size_t i = 0; i < sizeof(fees) / sizeof(fees[0]); i++)
        if (price_table_find(table, fees[i], PRICE_REQUEST, 0) == NULL)
            return error_set(err, -EINVAL, "%s: there is no row of kind request for %s", place,
                             fees[i]);
    if (price_table_dearest(table, USAGE_SPEED_STANDARD)->rates.output == 0)
        return error_set(err, -EINVAL, "%s: there is no row of kind standard that costs anything",
                         place);
    return 0;
}

int price_table_parse(struct price_table **table, const char *place, const char *text,
                      size_t length, struct error *err)
{
    cleanup_with(cleanup_table) struct price_table *parsed = calloc(1, sizeof(*parsed));
    if (parsed == NULL)
        return error_set(err, -ENOMEM, "reading %s: out of memory", place);
    int result = price_csv_parse(&parsed->rows, &parsed->row_count, place, text, length, err);
    if (result < 0)
        return result;
    struct price_row *grown =
        reallocarray(parsed->rows, parsed->row_count + DEAREST_ROWS, sizeof(*grown));
    if (grown == NULL)
        return error_set(err, -ENOMEM, "reading %s: out of memory", place);
    parsed->rows = grown;
    qsort(parsed->rows, parsed->row_count, sizeof(*parsed->rows), compare_rows);
    for (size_t i = 0; i < parsed->row_count; i++)
        name_row(&parsed->rows[i]);
    find_dearest(parsed);
    result = check_periods(parsed, place, err);
    if (result == 0)
        result = index_names(parsed, place, err);
    if (result == 0)
        result = check_complete(parsed, place, err);
    if (result == 0)
        *table = take_pointer(&parsed);
    return result;
}

int price_table_load_builtin(struct price_table **table, struct error *err)
{
    const struct embedded_file *file = embedded_find("sql/prices.csv");
    return price_table_parse(table, file->name, file->bytes, file->length, err);
}

int price_table_load_file(struct price_table **table, const char *path, struct error *err)
{
    cleanup_file FILE *file = fopen(path, "re");
    if (file == NULL)
        return error_set_errno(err, -errno, "opening the prices in %s", path);
    cleanup_free char *text = malloc(PRICE_FILE_BYTES_MAX + 1);
    if (text == NULL)
        return error_set(err, -ENOMEM, "reading %s: out of memory", path);
    size_t length = fread(text, 1, PRICE_FILE_BYTES_MAX + 1, file);
    if (ferror(file))
        return error_set_errno(err, -EIO, "reading the prices in %s", path);
    if (length > PRICE_FILE_BYTES_MAX)
        return error_set(err, -EFBIG, "%s: longer than %d bytes", path, PRICE_FILE_BYTES_MAX);
    return price_table_parse(table, path, text, length, err);
}
