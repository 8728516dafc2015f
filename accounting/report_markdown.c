// Report markdown: see report_markdown.h.
#include "report_markdown.h"

#include <string.h>

// What could be markup, wherever it stands, is escaped: CommonMark allows a backslash before any
// ASCII punctuation. A colon after a scheme would make a link by itself, as @ makes a mention.
static void put_text(const char *text, FILE *stream)
{
    for (; *text != '\0'; text++) {
        if (*text == '<')
            fputs("&lt;", stream);
        else if (*text == '&')
            fputs("&amp;", stream);
        else if (*text == '@')
            fputs("&#64;", stream);
        else if (strncmp(text, "://", 3) == 0)
            fputs("&#58;", stream);
        else {
            if (strchr("\\`*_{}[]()#+!|~>$", *text) != NULL)
                putc('\\', stream);
            putc(*text, stream);
        }
    }
}

static void write_table(const struct document_block *block, FILE *stream)
{
    putc('\n', stream);
    for (size_t i = 0; i < block->column_count; i++) {
        fputs(i == 0 ? "| " : " | ", stream);
        put_text(block->columns[i].title, stream);
    }
    fputs(" |\n", stream);
    for (size_t i = 0; i < block->column_count; i++)
        fputs(block->columns[i].is_text ? "|:---" : "|---:", stream);
    fputs("|\n", stream);
    for (size_t k = 0; k < block->row_count; k++) {
        const char *weight = block->rows[k].is_total ? "**" : "";
        for (size_t i = 0; i < block->column_count; i++) {
            fputs(i == 0 ? "| " : " | ", stream);
            fputs(weight, stream);
            put_text(block->rows[k].cells[i], stream);
            fputs(weight, stream);
        }
        fputs(" |\n", stream);
    }
    putc('\n', stream);
}

// A table with bars of up to twenty blocks.
static void write_plot(const struct document_block *block, FILE *stream)
{
    int64_t largest = 1;
    for (size_t i = 0; i < block->bar_count; i++)
        largest = block->bars[i].value > largest ? block->bars[i].value : largest;
    fputs("\n### ", stream);
    put_text(block->title, stream);
    fputs("\n\n| ", stream);
    put_text(block->text, stream);
    fputs(" | | |\n|:---|---:|:---|\n", stream);
    for (size_t i = 0; i < block->bar_count; i++) {
        const struct document_bar *bar = &block->bars[i];
        const char *weight = bar->weight == BAR_MAIN ? "**" : "";
        fprintf(stream, "| %s", weight);
        put_text(bar->label, stream);
        fprintf(stream, "%s | %s", weight, weight);
        put_text(bar->text, stream);
        fprintf(stream, "%s | ", weight);
        for (int64_t step = largest / 20 + 1, k = step / 2; k < bar->value; k += step)
            fputs("\xe2\x96\x88", stream); // a full block
        fputs(" |\n", stream);
    }
    putc('\n', stream);
}

static void write_figure(const struct document_block *block, FILE *stream)
{
    fputs("- ", stream);
    put_text(block->title, stream);
    fputs(": **", stream);
    put_text(block->text, stream);
    fputs("** ", stream);
    put_text(block->detail, stream);
    putc('\n', stream);
}

static void write_note(const struct document_block *block, FILE *stream)
{
    fputs(block->tone == TONE_BAD ? "- **" : "- ", stream);
    put_text(block->text, stream);
    fputs(block->tone == TONE_BAD ? "**\n" : "\n", stream);
}

void report_write_markdown(const struct report_document *document, FILE *stream)
{
    fputs("# ", stream);
    put_text(document->title, stream);
    fputs("\n\n", stream);
    put_text(document->subtitle, stream);
    fputs("\n\n", stream);
    for (size_t i = 0; i < document->block_count; i++) {
        const struct document_block *block = &document->blocks[i];
        if (block->kind == BLOCK_SECTION) {
            fputs("\n## ", stream);
            put_text(block->title, stream);
            fputs("\n\n", stream);
        } else if (block->kind == BLOCK_FIGURE) {
            write_figure(block, stream);
        } else if (block->kind == BLOCK_NOTE) {
            write_note(block, stream);
        } else if (block->kind == BLOCK_TABLE) {
            write_table(block, stream);
        } else {
            write_plot(block, stream);
        }
    }
}
