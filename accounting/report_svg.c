// Report SVG: see report_svg.h.
#include "report_svg.h"

#include "html_write.h"

#include <string.h>

// In units of the view box: about a pixel each. Days have the whole width of the page, the rest
// half.
#define WIDTH_DAYS 940
#define WIDTH 450
#define HEIGHT 194
#define TOP 26     // room for the largest value's text
#define BOTTOM 168 // of the bars; below are their labels
#define PARTS_TOP 12
#define PARTS_HEIGHT 22
#define PARTS_LINE 19

// The shares of plots are drawn, not booked: doubles do.
static double share_of(int64_t value, int64_t whole)
{
    return whole <= 0 || value <= 0 ? 0 : (double)value / (double)whole;
}

static int64_t largest_of(const struct document_block *plot)
{
    int64_t largest = 1;
    for (size_t i = 0; i < plot->bar_count; i++)
        largest = plot->bars[i].value > largest ? plot->bars[i].value : largest;
    return largest;
}

static void put_label(FILE *stream, double x, double y, const char *anchor, const char *text)
{
    fprintf(stream, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    html_write_text(text, stream);
    fputs("</text>", stream);
}

// What is told of a bar under the pointer, and read out.
static void put_title(const struct document_bar *bar, FILE *stream)
{
    fputs("<title>", stream);
    html_write_text(bar->label, stream);
    fputs(": ", stream);
    html_write_text(bar->text, stream);
    fputs("</title>", stream);
}

static int width_of(const struct document_block *plot)
{
    return plot->plot == PLOT_DAYS ? WIDTH_DAYS : WIDTH;
}

static void begin(const struct document_block *plot, int height, FILE *stream)
{
    fprintf(stream, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", width_of(plot),
            height);
    html_write_text(plot->title, stream);
    fputs("\">\n", stream);
}

static const char *bar_class(const struct document_bar *bar)
{
    static const char *const classes[] = {
        [BAR_PLAIN] = "plain", [BAR_RELATED] = "related", [BAR_MAIN] = "main", [BAR_OPEN] = "open"};
    return classes[bar->weight];
}

static bool has_label(const struct document_block *plot, size_t index)
{
    enum document_bar_weight weight = plot->bars[index].weight;
    return plot->plot == PLOT_STEPS || weight == BAR_RELATED || weight == BAR_MAIN;
}

// Columns that stand on a line. Days have their date below, steps their lower bound at their left.
static void write_columns(const struct document_block *plot, FILE *stream)
{
    int64_t largest = largest_of(plot);
    int width = width_of(plot);
    double step = (double)width / (double)plot->bar_count;
    double gap = plot->plot == PLOT_DAYS ? step * 0.22 : 2;
    begin(plot, HEIGHT, stream);
    for (int quarter = 1; quarter <= 4; quarter++) {
        double y = BOTTOM - (BOTTOM - TOP) * quarter / 4.0;
        fprintf(stream, "<path class=\"grid\" d=\"M0 %.1fH%d\"/>", y, width);
    }
    for (size_t i = 0; i < plot->bar_count; i++) {
        const struct document_bar *bar = &plot->bars[i];
        double height = share_of(bar->value, largest) * (BOTTOM - TOP);
        height = bar->value > 0 && height < 1.5 ? 1.5 : height;
        double x = step * (double)i;
        fprintf(stream,
                "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
                "rx=\"1.5\">",
                bar_class(bar), x + gap / 2, BOTTOM - height, step - gap, height);
        put_title(bar, stream);
        fputs("</rect>", stream);
        bool is_telling = bar->value > 0 && (plot->plot == PLOT_STEPS || bar->weight == BAR_MAIN ||
                                             bar->value == largest);
        double middle = x + step / 2;
        double edge = middle < 30 ? 0 : middle > width - 30 ? width : middle;
        const char *anchor = edge == 0 ? "start" : edge == width ? "end" : "middle";
        if (is_telling)
            put_label(stream, edge, BOTTOM - height - 5, anchor, bar->text);
        if (has_label(plot, i))
            put_label(stream, plot->plot == PLOT_STEPS ? x + 1 : edge, BOTTOM + 17,
                      plot->plot == PLOT_STEPS ? "start" : anchor, bar->label);
        putc('\n', stream);
    }
    fprintf(stream, "<path class=\"axis\" d=\"M0 %d.5H%d\"/></svg>\n", BOTTOM, width);
}

// One bar in parts, and a line for each: its colour, name, amount and share.
static void write_parts(const struct document_block *plot, FILE *stream)
{
    int64_t whole = 0;
    double x = 0;
    for (size_t i = 0; i < plot->bar_count; i++)
        whole += plot->bars[i].value;
    begin(plot, PARTS_TOP + PARTS_HEIGHT + 10 + PARTS_LINE * (int)plot->bar_count, stream);
    for (size_t i = 0; i < plot->bar_count; i++) {
        const struct document_bar *bar = &plot->bars[i];
        double share = share_of(bar->value, whole);
        double y = PARTS_TOP + PARTS_HEIGHT + 22 + PARTS_LINE * (double)i;
        char text[32];
        if (bar->value > 0) {
            fprintf(stream,
                    "<rect class=\"part%zu\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\">", i,
                    x, PARTS_TOP, share * WIDTH < 1 ? 1 : share * WIDTH, PARTS_HEIGHT);
            put_title(bar, stream);
            fputs("</rect>", stream);
        }
        x += share * WIDTH;
        fprintf(stream,
                "<rect class=\"part%zu\" x=\"0\" y=\"%.1f\" width=\"10\" height=\"10\" rx=\"2\"/>",
                i, y - 9);
        put_label(stream, 18, y, "start", bar->label);
        put_label(stream, WIDTH - 60, y, "end", bar->text);
        snprintf(text, sizeof(text), "%.1f%%", share * 100);
        put_label(stream, WIDTH, y, "end", text);
        putc('\n', stream);
    }
    fputs("</svg>\n", stream);
}

void report_write_svg(const struct document_block *plot, FILE *stream)
{
    if (plot->bar_count == 0)
        return;
    if (plot->plot == PLOT_PARTS)
        write_parts(plot, stream);
    else
        write_columns(plot, stream);
}
