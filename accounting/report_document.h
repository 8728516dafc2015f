// Report document: a report as headings, figures, notes, tables and plots, before it is text,
// Markdown or HTML.
//
// Whoever fills one says what there is to say, once; whoever renders one says how, and escapes.
// Being out of memory is remembered: see report_document_check().
#pragma once

#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DOCUMENT_COLUMNS_MAX 8
#define DOCUMENT_TEXT_MAX 512 // bytes of one text with NUL; longer ones are cut

enum document_tone { TONE_PLAIN, TONE_GOOD, TONE_BAD, TONE_QUIET };

enum document_block_kind {
    BLOCK_SECTION, // a heading
    BLOCK_FIGURE,  // a number that matters, with what it is and what there is to know of it
    BLOCK_NOTE,    // a sentence
    BLOCK_TABLE,
    BLOCK_PLOT,
};

struct document_column {
    const char *title; // static
    bool is_text;      // else a number, to the right
};

struct document_row {
    char *cells[DOCUMENT_COLUMNS_MAX];
    int share_permille; // of the whole, drawn beside the first cell; -1: none
    bool is_total;
};

enum document_plot_kind {
    PLOT_DAYS,  // a bar for each day
    PLOT_STEPS, // a bar for each step of a distribution
    PLOT_PARTS, // parts of a whole, in one bar
};

enum document_bar_weight { BAR_PLAIN, BAR_RELATED, BAR_MAIN, BAR_OPEN };

struct document_bar {
    char *label; // "24 Nov"
    char *text;  // the value for people: "$12.34"
    int64_t value;
    enum document_bar_weight weight;
};

struct document_block {
    enum document_block_kind kind;
    enum document_tone tone; // of figures and notes
    char *title;             // of a section, a figure or a plot
    char *text;              // a figure's value, a note's sentence, what a plot's bars are
    char *detail;            // of a figure
    // BLOCK_TABLE
    struct document_column columns[DOCUMENT_COLUMNS_MAX];
    size_t column_count;
    struct document_row *rows;
    size_t row_count;
    // BLOCK_PLOT
    enum document_plot_kind plot;
    struct document_bar *bars;
    size_t bar_count;
};

struct report_document {
    char *title;
    char *subtitle;
    struct document_block *blocks;
    size_t block_count;
    bool failed;
};

// Sets the title. Begin with a zeroed document; report_document_done() in every case.
void report_document_init(struct report_document *document, const char *title,
                          const char *subtitle);
void report_document_done(struct report_document *document);

// -ENOMEM: something could not be added.
int report_document_check(const struct report_document *document, struct error *err);

// All of these copy their texts; control characters become '?'. A cell goes to the table that was
// begun last, a bar to the plot; rows fill from left to right.
void document_add_section(struct report_document *document, const char *title);
__attribute__((format(printf, 5, 6))) void document_add_figure(struct report_document *document,
                                                               enum document_tone tone,
                                                               const char *title, const char *value,
                                                               const char *detail, ...);
__attribute__((format(printf, 3, 4))) void
document_add_note(struct report_document *document, enum document_tone tone, const char *text, ...);
void document_begin_table(struct report_document *document, const struct document_column *columns,
                          size_t column_count);
void document_begin_row(struct report_document *document, int share_permille, bool is_total);
__attribute__((format(printf, 2, 3))) void document_add_cell(struct report_document *document,
                                                             const char *text, ...);
void document_begin_plot(struct report_document *document, enum document_plot_kind kind,
                         const char *title, const char *what);
void document_add_bar(struct report_document *document, const char *label, const char *text,
                      int64_t value, enum document_bar_weight weight);
