// Report document: see report_document.h.
#include "report_document.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A name can come from outside: a control character would move a terminal's cursor, or worse. Those
// of Unicode that turn text around or hide it (U+0080 to U+009F, U+200B to U+200F, U+202A to
// U+202E, U+2060 to U+206F) go as well.
static void clean(char *text)
{
    for (unsigned char *at = (unsigned char *)text; *at != '\0'; at++) {
        if (*at < 0x20 || *at == 0x7f)
            *at = '?';
        else if (at[0] == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f)
            at[0] = at[1] = '?';
        else if (at[0] == 0xe2 && ((at[1] == 0x80 && ((at[2] >= 0x8b && at[2] <= 0x8f) ||
                                                      (at[2] >= 0xa8 && at[2] <= 0xae))) ||
                                   (at[1] == 0x81 && at[2] >= 0xa0 && at[2] <= 0xaf)))
            at[0] = at[1] = at[2] = '?';
    }
}

// Cuts at a whole character of UTF-8.
static void cut(char *text, size_t length)
{
    while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
        length--;
    text[length] = '\0';
}

__attribute__((format(printf, 2, 0))) static char *make_text(struct report_document *document,
                                                             const char *format, va_list arguments)
{
    char text[DOCUMENT_TEXT_MAX + 1];
    int length = vsnprintf(text, sizeof(text), format, arguments);
    if (length >= DOCUMENT_TEXT_MAX)
        cut(text, DOCUMENT_TEXT_MAX - 1);
    clean(text);
    char *made = strdup(text);
    document->failed |= made == NULL;
    return made;
}

__attribute__((format(printf, 2, 3))) static char *make(struct report_document *document,
                                                        const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *made = make_text(document, format, arguments);
    va_end(arguments);
    return made;
}

// One more entry at the end of a list, zeroed; NULL: out of memory. Room doubles.
static void *grow(struct report_document *document, void *list_address, size_t *count, size_t size)
{
    void **list = list_address;
    if ((*count & (*count - 1)) == 0) { // 0, and the powers of 2
        void *moved = reallocarray(*list, *count == 0 ? 1 : *count * 2, size);
        if (moved == NULL) {
            document->failed = true;
            return NULL;
        }
        *list = moved;
    }
    void *entry = (char *)*list + *count * size;
    memset(entry, 0, size);
    ++*count;
    return entry;
}

static struct document_block *add_block(struct report_document *document,
                                        enum document_block_kind kind, enum document_tone tone)
{
    struct document_block *block =
        grow(document, &document->blocks, &document->block_count, sizeof(*document->blocks));
    if (block != NULL) {
        block->kind = kind;
        block->tone = tone;
    }
    return block;
}

// The last block. A document that has failed takes nothing more, and is never rendered.
static struct document_block *last_block(struct report_document *document,
                                         enum document_block_kind kind)
{
    if (document->failed)
        return NULL;
    struct document_block *block = &document->blocks[document->block_count - 1];
    assert(block->kind == kind);
    return block;
}

void report_document_init(struct report_document *document, const char *title, const char *subtitle)
{
    document->title = make(document, "%s", title);
    document->subtitle = make(document, "%s", subtitle);
}

int report_document_check(const struct report_document *document, struct error *err)
{
    return document->failed ? error_set(err, -ENOMEM, "no memory for the report") : 0;
}

static void block_done(struct document_block *block)
{
    for (size_t i = 0; i < block->row_count; i++)
        for (size_t k = 0; k < block->column_count; k++)
            free(block->rows[i].cells[k]);
    for (size_t i = 0; i < block->bar_count; i++) {
        free(block->bars[i].label);
        free(block->bars[i].text);
    }
    free(block->title);
    free(block->text);
    free(block->detail);
    free(block->rows);
    free(block->bars);
}

void report_document_done(struct report_document *document)
{
    for (size_t i = 0; i < document->block_count; i++)
        block_done(&document->blocks[i]);
    free(document->blocks);
    free(document->title);
    free(document->subtitle);
    *document = (struct report_document){0};
}

void document_add_section(struct report_document *document, const char *title)
{
    struct document_block *block = add_block(document, BLOCK_SECTION, TONE_PLAIN);
    if (block != NULL)
        block->title = make(document, "%s", title);
}

void document_add_figure(struct report_document *document, enum document_tone tone,
                         const char *title, const char *value, const char *detail, ...)
{
    struct document_block *block = add_block(document, BLOCK_FIGURE, tone);
    if (block == NULL)
        return;
    va_list arguments;
    va_start(arguments, detail);
    block->title = make(document, "%s", title);
    block->text = make(document, "%s", value);
    block->detail = make_text(document, detail, arguments);
    va_end(arguments);
}

void document_add_note(struct report_document *document, enum document_tone tone, const char *text,
                       ...)
{
    struct document_block *block = add_block(document, BLOCK_NOTE, tone);
    if (block == NULL)
        return;
    va_list arguments;
    va_start(arguments, text);
    block->text = make_text(document, text, arguments);
    va_end(arguments);
}

void document_begin_table(struct report_document *document, const struct document_column *columns,
                          size_t column_count)
{
    struct document_block *block = add_block(document, BLOCK_TABLE, TONE_PLAIN);
    assert(column_count <= DOCUMENT_COLUMNS_MAX);
    if (block == NULL)
        return;
    memcpy(block->columns, columns, column_count * sizeof(*columns));
    block->column_count = column_count;
}

void document_begin_row(struct report_document *document, int share_permille, bool is_total)
{
    struct document_block *block = last_block(document, BLOCK_TABLE);
    if (block == NULL)
        return;
    struct document_row *row =
        grow(document, &block->rows, &block->row_count, sizeof(*block->rows));
    if (row == NULL)
        return;
    row->share_permille = share_permille;
    row->is_total = is_total;
}

void document_add_cell(struct report_document *document, const char *text, ...)
{
    struct document_block *block = last_block(document, BLOCK_TABLE);
    if (block == NULL)
        return;
    struct document_row *row = &block->rows[block->row_count - 1];
    size_t column = 0;
    while (column < block->column_count && row->cells[column] != NULL)
        column++;
    assert(column < block->column_count);
    va_list arguments;
    va_start(arguments, text);
    row->cells[column] = make_text(document, text, arguments);
    va_end(arguments);
}

void document_begin_plot(struct report_document *document, enum document_plot_kind kind,
                         const char *title, const char *what)
{
    struct document_block *block = add_block(document, BLOCK_PLOT, TONE_PLAIN);
    if (block == NULL)
        return;
    block->plot = kind;
    block->title = make(document, "%s", title);
    block->text = make(document, "%s", what);
}

void document_add_bar(struct report_document *document, const char *label, const char *text,
                      int64_t value, enum document_bar_weight weight)
{
    struct document_block *block = last_block(document, BLOCK_PLOT);
    if (block == NULL)
        return;
    struct document_bar *bar =
        grow(document, &block->bars, &block->bar_count, sizeof(*block->bars));
    if (bar == NULL)
        return;
    bar->label = make(document, "%s", label);
    bar->text = make(document, "%s", text);
    bar->value = value;
    bar->weight = weight;
}
