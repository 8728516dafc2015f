// Report text: see report_text.h.
#include "report_text.h"

#include <string.h>

#define FIGURE_TITLE_WIDTH 24
#define FIGURE_VALUE_WIDTH 10
#define COLUMN_WIDTH_MIN 5
#define CHART_HEIGHT 7
#define CHART_AXIS_WIDTH 10
#define CHART_DAY_WIDTH 2
#define CHART_DAYS_MAX ((REPORT_TEXT_WIDTH - CHART_AXIS_WIDTH) / CHART_DAY_WIDTH)
#define BAR_LABEL_MAX 24
#define BAR_TEXT_MAX 8
#define BAR_LENGTH (REPORT_TEXT_WIDTH - BAR_LABEL_MAX - BAR_TEXT_MAX - 4)

struct painter {
    FILE *stream;
    bool colour;
};

// ---- characters

static size_t columns_of(const char *text)
{
    size_t columns = 0;
    for (; *text != '\0'; text++)
        columns += ((unsigned char)*text & 0xc0) != 0x80;
    return columns;
}

// The bytes that the first `columns` characters take.
static size_t bytes_of(const char *text, size_t columns)
{
    size_t bytes = 0;
    for (size_t seen = 0; text[bytes] != '\0'; bytes++) {
        seen += ((unsigned char)text[bytes] & 0xc0) != 0x80;
        if (seen > columns)
            break;
    }
    return bytes;
}

static void put_spaces(FILE *stream, size_t count)
{
    for (; count > 0; count--)
        putc(' ', stream);
}

// The text in so many columns, cut with a ~ if it has more.
static void put_cell(FILE *stream, const char *text, size_t width, bool to_the_right)
{
    size_t columns = columns_of(text);
    bool is_cut = columns > width;
    size_t shown = is_cut ? width - 1 : columns;
    if (to_the_right && !is_cut)
        put_spaces(stream, width - columns);
    fwrite(text, 1, bytes_of(text, shown), stream);
    if (is_cut)
        putc('~', stream);
    else if (!to_the_right)
        put_spaces(stream, width - columns);
}

static void put_cut(FILE *stream, const char *text, size_t width)
{
    if (columns_of(text) > width)
        put_cell(stream, text, width, false);
    else
        fputs(text, stream);
}

static const char *tone_code(enum document_tone tone)
{
    static const char *const codes[] = {[TONE_PLAIN] = "",
                                        [TONE_GOOD] = "\x1b[32m",
                                        [TONE_BAD] = "\x1b[31m",
                                        [TONE_QUIET] = "\x1b[2m"};
    return codes[tone];
}

static void paint(const struct painter *painter, const char *code)
{
    if (painter->colour)
        fputs(code, painter->stream);
}

static void unpaint(const struct painter *painter)
{
    paint(painter, "\x1b[0m");
}

// ---- blocks

static void write_section(const struct painter *painter, const struct document_block *block)
{
    putc('\n', painter->stream);
    paint(painter, "\x1b[1m");
    put_cut(painter->stream, block->title, REPORT_TEXT_WIDTH);
    unpaint(painter);
    putc('\n', painter->stream);
}

// Wraps at blanks, `indent` columns in from the second line on.
static void write_wrapped(const struct painter *painter, const char *text, size_t indent)
{
    size_t column = indent;
    while (*text != '\0') {
        size_t length = strcspn(text, " ");
        size_t columns = 0;
        for (size_t i = 0; i < length; i++)
            columns += ((unsigned char)text[i] & 0xc0) != 0x80;
        if (column > indent && column + 1 + columns > REPORT_TEXT_WIDTH) {
            putc('\n', painter->stream);
            put_spaces(painter->stream, indent);
            column = indent;
        } else if (column > indent) {
            putc(' ', painter->stream);
            column++;
        }
        // A word that no line has room for is cut into lines.
        if (columns > REPORT_TEXT_WIDTH - indent) {
            length = bytes_of(text, REPORT_TEXT_WIDTH - indent);
            columns = REPORT_TEXT_WIDTH - indent;
        }
        fwrite(text, 1, length, painter->stream);
        column += columns;
        text += length;
        text += *text == ' ';
    }
    putc('\n', painter->stream);
}

static void write_note(const struct painter *painter, const struct document_block *block)
{
    paint(painter, tone_code(block->tone));
    fputs(block->tone == TONE_BAD ? "! " : "  ", painter->stream);
    write_wrapped(painter, block->text, 2);
    unpaint(painter);
}

static void write_figure(const struct painter *painter, const struct document_block *block)
{
    fputs("  ", painter->stream);
    put_cell(painter->stream, block->title, FIGURE_TITLE_WIDTH, false);
    paint(painter, "\x1b[1m");
    paint(painter, tone_code(block->tone));
    put_cell(painter->stream, block->text, FIGURE_VALUE_WIDTH, true);
    unpaint(painter);
    fputs("  ", painter->stream);
    write_wrapped(painter, block->detail, FIGURE_TITLE_WIDTH + FIGURE_VALUE_WIDTH + 4);
}

// ---- tables

// The widest text column is made narrower until all fit, or none can be.
static void fit_widths(const struct document_block *block, size_t widths[DOCUMENT_COLUMNS_MAX])
{
    for (;;) {
        size_t whole = 2;
        size_t widest = DOCUMENT_COLUMNS_MAX;
        for (size_t i = 0; i < block->column_count; i++) {
            whole += widths[i] + (i > 0 ? 1 : 0);
            if (block->columns[i].is_text && widths[i] > COLUMN_WIDTH_MIN &&
                (widest == DOCUMENT_COLUMNS_MAX || widths[i] > widths[widest]))
                widest = i;
        }
        if (whole <= REPORT_TEXT_WIDTH || widest == DOCUMENT_COLUMNS_MAX)
            return;
        widths[widest]--;
    }
}

static void write_table(const struct painter *painter, const struct document_block *block)
{
    size_t widths[DOCUMENT_COLUMNS_MAX] = {0};
    for (size_t i = 0; i < block->column_count; i++) {
        widths[i] = columns_of(block->columns[i].title);
        for (size_t k = 0; k < block->row_count; k++) {
            size_t width = columns_of(block->rows[k].cells[i]);
            widths[i] = width > widths[i] ? width : widths[i];
        }
    }
    fit_widths(block, widths);
    paint(painter, tone_code(TONE_QUIET));
    putc(' ', painter->stream);
    for (size_t i = 0; i < block->column_count; i++) {
        putc(' ', painter->stream);
        put_cell(painter->stream, block->columns[i].title, widths[i], !block->columns[i].is_text);
    }
    unpaint(painter);
    putc('\n', painter->stream);
    for (size_t k = 0; k < block->row_count; k++) {
        paint(painter, block->rows[k].is_total ? "\x1b[1m" : "");
        putc(' ', painter->stream);
        for (size_t i = 0; i < block->column_count; i++) {
            putc(' ', painter->stream);
            put_cell(painter->stream, block->rows[k].cells[i], widths[i],
                     !block->columns[i].is_text);
        }
        unpaint(painter);
        putc('\n', painter->stream);
    }
}

// ---- plots

static int64_t largest_of(const struct document_block *block)
{
    int64_t largest = 1;
    for (size_t i = 0; i < block->bar_count; i++)
        largest = block->bars[i].value > largest ? block->bars[i].value : largest;
    return largest;
}

static int64_t scale(int64_t value, int64_t largest, int64_t size)
{
    while (largest > INT64_MAX / size) {
        largest /= 2;
        value /= 2;
    }
    return value <= 0 ? 0 : (value * size + largest / 2) / largest;
}

static const struct document_bar *largest_bar(const struct document_block *block)
{
    const struct document_bar *largest = &block->bars[0];
    for (size_t i = 1; i < block->bar_count; i++)
        if (block->bars[i].value > largest->value)
            largest = &block->bars[i];
    return largest;
}

// What stands for a day at a level of the chart (1 at the bottom). One that cost anything has a
// dot.
static char mark_of(const struct document_bar *bar, int64_t largest, int64_t level)
{
    static const char marks[] = {
        [BAR_PLAIN] = ':', [BAR_RELATED] = '|', [BAR_MAIN] = '#', [BAR_OPEN] = '.'};
    int64_t height = scale(bar->value, largest, CHART_HEIGHT);
    if (height == 0 && bar->value > 0 && level == 1)
        return '.';
    return height >= level ? marks[bar->weight] : ' ';
}

static void write_level(const struct painter *painter, const struct document_block *block,
                        size_t first, int64_t level)
{
    int64_t largest = largest_of(block);
    size_t end = block->bar_count;
    while (end > first && mark_of(&block->bars[end - 1], largest, level) == ' ')
        end--;
    put_cell(painter->stream, level == CHART_HEIGHT ? largest_bar(block)->text : "",
             CHART_AXIS_WIDTH, true);
    for (size_t i = first; i < end; i++) {
        put_spaces(painter->stream, CHART_DAY_WIDTH - 1);
        paint(painter, block->bars[i].weight == BAR_MAIN ? "\x1b[1m" : "");
        putc(mark_of(&block->bars[i], largest, level), painter->stream);
        unpaint(painter);
    }
    putc('\n', painter->stream);
}

static void write_days(const struct painter *painter, const struct document_block *block)
{
    char axis[REPORT_TEXT_WIDTH + 1];
    size_t first = block->bar_count > CHART_DAYS_MAX ? block->bar_count - CHART_DAYS_MAX : 0;
    for (int64_t level = CHART_HEIGHT; level > 0; level--)
        write_level(painter, block, first, level);
    memset(axis, ' ', sizeof(axis));
    axis[REPORT_TEXT_WIDTH] = '\0';
    for (size_t i = first; i < block->bar_count; i++) {
        const struct document_bar *bar = &block->bars[i];
        if (bar->weight != BAR_RELATED && bar->weight != BAR_MAIN)
            continue;
        size_t length = strlen(bar->label);
        size_t end = CHART_AXIS_WIDTH + CHART_DAY_WIDTH * (i - first + 1);
        if (length <= end && end <= REPORT_TEXT_WIDTH)
            memcpy(axis + end - length, bar->label, length);
    }
    for (size_t end = REPORT_TEXT_WIDTH; end > 0 && axis[end - 1] == ' '; end--)
        axis[end - 1] = '\0';
    fprintf(painter->stream, "%s\n", axis);
}

static void write_bars(const struct painter *painter, const struct document_block *block)
{
    int64_t largest = largest_of(block);
    size_t label_width = 0;
    size_t text_width = 0;
    for (size_t i = 0; i < block->bar_count; i++) {
        size_t width = columns_of(block->bars[i].label);
        label_width = width > label_width ? width : label_width;
        width = columns_of(block->bars[i].text);
        text_width = width > text_width ? width : text_width;
    }
    label_width = label_width < BAR_LABEL_MAX ? label_width : BAR_LABEL_MAX;
    text_width = text_width < BAR_TEXT_MAX ? text_width : BAR_TEXT_MAX;
    for (size_t i = 0; i < block->bar_count; i++) {
        const struct document_bar *bar = &block->bars[i];
        fputs("  ", painter->stream);
        put_cell(painter->stream, bar->label, label_width, block->plot == PLOT_STEPS);
        putc(' ', painter->stream);
        put_cell(painter->stream, bar->text, text_width, true);
        if (bar->value > 0)
            putc(' ', painter->stream);
        int64_t length = scale(bar->value, largest, BAR_LENGTH);
        for (int64_t k = 0; k < length || (k == 0 && bar->value > 0); k++)
            putc(length > 0 ? '#' : '.', painter->stream);
        putc('\n', painter->stream);
    }
}

static void write_plot(const struct painter *painter, const struct document_block *block)
{
    if (block->bar_count == 0)
        return;
    putc('\n', painter->stream);
    paint(painter, "\x1b[1m");
    put_cut(painter->stream, block->title, REPORT_TEXT_WIDTH / 2);
    unpaint(painter);
    fputs(*block->text == '\0' ? "" : ": ", painter->stream);
    size_t used = columns_of(block->title) + 2;
    put_cut(painter->stream, block->text,
            used < REPORT_TEXT_WIDTH / 2 ? REPORT_TEXT_WIDTH - used : REPORT_TEXT_WIDTH / 2 - 2);
    putc('\n', painter->stream);
    if (block->plot == PLOT_DAYS)
        write_days(painter, block);
    else
        write_bars(painter, block);
}

void report_write_text(const struct report_document *document, bool colour, FILE *stream)
{
    struct painter painter = {stream, colour};
    paint(&painter, "\x1b[1m");
    fputs(document->title, stream);
    unpaint(&painter);
    fprintf(stream, "\n%s\n\n", document->subtitle);
    enum document_block_kind before = BLOCK_SECTION;
    for (size_t i = 0; i < document->block_count; i++) {
        const struct document_block *block = &document->blocks[i];
        if (block->kind == BLOCK_TABLE && before != BLOCK_SECTION)
            putc('\n', stream);
        before = block->kind;
        if (block->kind == BLOCK_SECTION)
            write_section(&painter, block);
        else if (block->kind == BLOCK_FIGURE)
            write_figure(&painter, block);
        else if (block->kind == BLOCK_NOTE)
            write_note(&painter, block);
        else if (block->kind == BLOCK_TABLE)
            write_table(&painter, block);
        else
            write_plot(&painter, block);
    }
}
