// Report HTML: see report_html.h.
#include "report_html.h"

#include "html_write.h"
#include "report_svg.h"

#include <string.h>

static const char style[] =
    ":root{color-scheme:light dark;--paper:#fbfaf7;--card:#fff;--ink:#1d2321;--quiet:#66706c;"
    "--line:#e3e1da;--main:#0b6e4f;--related:#7fb8a2;--plain:#cfdfd8;--bad:#b3261e;"
    "--wash:#e9f2ee;--p0:#0b6e4f;--p1:#c98a1b;--p2:#e3b95c;--p3:#7a8a99;--p4:#31527a}\n"
    "@media(prefers-color-scheme:dark){:root{--paper:#141816;--card:#1c2220;--ink:#e8ece9;"
    "--quiet:#98a39e;--line:#2e3633;--main:#4cc79c;--related:#2f7f65;--plain:#2c4039;"
    "--bad:#ff8a80;--wash:#22332d;--p0:#4cc79c;--p1:#e0a63e;--p2:#8f6d25;--p3:#8797a5;"
    "--p4:#7fa6d6}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;max-width:62rem;padding:1.5rem 1rem 3rem;background:var(--paper);"
    "color:var(--ink);font:15px/1.45 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',"
    "sans-serif;font-variant-numeric:tabular-nums}\n"
    "h1{margin:0;font-size:1.7rem;letter-spacing:-.01em}\n"
    "header p{margin:.15rem 0 1.25rem;color:var(--quiet)}\n"
    "h2{margin:2rem 0 .6rem;font-size:1.1rem}h3{margin:0 0 .1rem;font-size:.95rem}\n"
    ".figures{display:grid;gap:.75rem;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr))}\n"
    ".figure,.plot{background:var(--card);border:1px solid var(--line);border-radius:.6rem;"
    "padding:.8rem .9rem}\n"
    ".figure b{display:block;font-size:1.6rem;line-height:1.25;letter-spacing:-.02em}\n"
    ".figure span{color:var(--quiet);font-size:.85rem}\n"
    ".bad b,li.bad{color:var(--bad)}\n"
    ".plots{display:grid;gap:.75rem;margin-top:1rem;"
    "grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr))}\n"
    ".days{grid-column:1/-1}.plot p{margin:0 0 .4rem;color:var(--quiet);font-size:.85rem}\n"
    "svg{display:block;width:100%;height:auto}svg text{font-size:11px;fill:var(--quiet)}\n"
    ".plain{fill:var(--plain)}.related{fill:var(--related)}.main{fill:var(--main)}"
    ".open{fill:var(--plain);opacity:.5}.grid{stroke:var(--line);stroke-dasharray:2 4}"
    ".axis{stroke:var(--quiet)}.part0{fill:var(--p0)}.part1{fill:var(--p1)}.part2{fill:var(--p2)}"
    ".part3{fill:var(--p3)}.part4{fill:var(--p4)}\n"
    "ul{margin:.4rem 0;padding:0;list-style:none}li{margin:.25rem 0;padding-left:1.1rem;"
    "position:relative}li::before{content:'';position:absolute;left:0;top:.5em;width:.5rem;"
    "height:.5rem;border-radius:50%;background:var(--related)}\n"
    "li.bad::before{background:var(--bad)}li.good::before{background:var(--main)}"
    "li.quiet{color:var(--quiet);font-size:.85rem;padding-left:0}li.quiet::before{content:none}\n"
    ".scroll{overflow-x:auto;margin:.5rem 0}\n"
    "table{width:100%;border-collapse:collapse;font-size:.9rem}\n"
    "th,td{padding:.32rem .5rem;text-align:right;white-space:nowrap;"
    "border-bottom:1px solid var(--line)}\n"
    "th{font-weight:600;color:var(--quiet);font-size:.8rem}.text{text-align:left}"
    "td+.text,th+.text{padding-left:1.5rem}\n"
    "tr.total td{font-weight:650;border-top:2px solid var(--line);border-bottom:0}\n"
    ".share{background:linear-gradient(90deg,var(--wash) var(--part),transparent var(--part))}\n"
    "@media(max-width:36rem){body{padding:1rem .75rem 2rem;font-size:14px}"
    "h1{font-size:1.35rem}.figures{grid-template-columns:1fr 1fr}.figure{padding:.6rem .7rem}"
    ".figure b{font-size:1.25rem}.days text{font-size:22px}th,td{padding:.3rem .35rem}}\n"
    "@media "
    "print{:root{font-size:8.4pt;color-scheme:light;--paper:#fff;--card:#fff;--ink:#000;--quiet:#"
    "555;"
    "--line:#ccc;--main:#0b6e4f;--related:#7fb8a2;--plain:#cfdfd8;--bad:#b3261e;--wash:#e9f2ee;"
    "--p0:#0b6e4f;--p1:#c98a1b;--p2:#e3b95c;--p3:#7a8a99;--p4:#31527a}"
    "@page{size:A4;margin:10mm}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}"
    "body{max-width:none;padding:0;font-size:8.4pt;line-height:1.3}h1{font-size:14pt}"
    "h2{margin:2.6mm 0 .8mm;font-size:10pt;break-after:avoid}header p{margin:0 0 2mm}"
    ".figures,.plots{gap:2mm}.plots{margin-top:2mm;grid-template-columns:1fr 1fr}"
    ".figure,.plot{padding:1.6mm 2.2mm;break-inside:avoid}.figure b{font-size:13pt}"
    ".figures{grid-template-columns:repeat(auto-fit,minmax(34mm,1fr))}"
    "th,td{padding:.45mm 1.2mm}table{font-size:8pt}.scroll{margin:.8mm "
    "0;overflow:visible;break-inside:avoid}"
    "tr,li{break-inside:avoid}li{margin:.3mm 0}ul{margin:.6mm 0}}\n";

static const char *tone_class(enum document_tone tone)
{
    static const char *const classes[] = {[TONE_PLAIN] = "plain-note",
                                          [TONE_GOOD] = "good",
                                          [TONE_BAD] = "bad",
                                          [TONE_QUIET] = "quiet"};
    return classes[tone];
}

static void put_element(const char *name, const char *text, FILE *stream)
{
    fprintf(stream, "<%s>", name);
    html_write_text(text, stream);
    fprintf(stream, "</%s>", name);
}

static void write_figure(const struct document_block *block, FILE *stream)
{
    fprintf(stream, "<div class=\"figure %s\">", tone_class(block->tone));
    put_element("h3", block->title, stream);
    put_element("b", block->text, stream);
    put_element("span", block->detail, stream);
    fputs("</div>\n", stream);
}

static void write_note(const struct document_block *block, FILE *stream)
{
    fprintf(stream, "<li class=\"%s\">", tone_class(block->tone));
    html_write_text(block->text, stream);
    fputs("</li>\n", stream);
}

static void write_row(const struct document_block *block, const struct document_row *row,
                      FILE *stream)
{
    fputs(row->is_total ? "<tr class=\"total\">" : "<tr>", stream);
    for (size_t i = 0; i < block->column_count; i++) {
        fputs("<td", stream);
        if (i == 0 && row->share_permille > 0)
            fprintf(stream, " class=\"text share\" style=\"--part:%d.%d%%\"",
                    row->share_permille / 10, row->share_permille % 10);
        else if (block->columns[i].is_text)
            fputs(" class=\"text\"", stream);
        putc('>', stream);
        html_write_text(row->cells[i], stream);
        fputs("</td>", stream);
    }
    fputs("</tr>\n", stream);
}

static void write_table(const struct document_block *block, FILE *stream)
{
    fputs("<div class=\"scroll\"><table><thead><tr>", stream);
    for (size_t i = 0; i < block->column_count; i++) {
        fprintf(stream, "<th%s>", block->columns[i].is_text ? " class=\"text\"" : "");
        html_write_text(block->columns[i].title, stream);
        fputs("</th>", stream);
    }
    fputs("</tr></thead><tbody>\n", stream);
    for (size_t i = 0; i < block->row_count; i++)
        write_row(block, &block->rows[i], stream);
    fputs("</tbody></table></div>\n", stream);
}

static void write_plot(const struct document_block *block, FILE *stream)
{
    fprintf(stream, "<div class=\"plot%s\">", block->plot == PLOT_DAYS ? " days" : "");
    put_element("h3", block->title, stream);
    if (*block->text != '\0')
        put_element("p", block->text, stream);
    report_write_svg(block, stream);
    fputs("</div>\n", stream);
}

// Blocks of one kind that follow each other stand in one element.
static const struct {
    const char *opens, *closes;
} groups[] = {
    [BLOCK_SECTION] = {"", ""},
    [BLOCK_FIGURE] = {"<div class=\"figures\">\n", "</div>\n"},
    [BLOCK_NOTE] = {"<ul>\n", "</ul>\n"},
    [BLOCK_TABLE] = {"", ""},
    [BLOCK_PLOT] = {"<div class=\"plots\">\n", "</div>\n"},
};

static void write_block(const struct document_block *block, FILE *stream)
{
    switch (block->kind) {
    case BLOCK_SECTION:
        put_element("h2", block->title, stream);
        putc('\n', stream);
        break;
    case BLOCK_FIGURE:
        write_figure(block, stream);
        break;
    case BLOCK_NOTE:
        write_note(block, stream);
        break;
    case BLOCK_TABLE:
        write_table(block, stream);
        break;
    case BLOCK_PLOT:
        write_plot(block, stream);
        break;
    }
}

static void write_blocks(const struct report_document *document, FILE *stream)
{
    for (size_t i = 0; i < document->block_count; i++) {
        const struct document_block *block = &document->blocks[i];
        if (i == 0 || block[-1].kind != block->kind)
            fputs(groups[block->kind].opens, stream);
        write_block(block, stream);
        if (i + 1 == document->block_count || block[1].kind != block->kind)
            fputs(groups[block->kind].closes, stream);
    }
}

void report_write_html(const struct report_document *document, FILE *stream)
{
    fputs("<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>"
          "<meta charset=\"utf-8\"/>"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
          "style-src 'unsafe-inline'\"/>\n",
          stream);
    put_element("title", document->title, stream);
    fprintf(stream, "\n<style>\n%s</style></head>\n<body>\n<header>", style);
    put_element("h1", document->title, stream);
    put_element("p", document->subtitle, stream);
    fputs("</header>\n<main>\n", stream);
    write_blocks(document, stream);
    fputs("</main>\n</body>\n</html>\n", stream);
}
