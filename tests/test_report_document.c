// Tests of report_document.c and of what renders it: text, Markdown, HTML and SVG.
#include "report_document.h"

#include "cleanup.h"
#include "csv_write.h"
#include "report_html.h"
#include "report_markdown.h"
#include "report_text.h"
#include "suite_run.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

// What somebody might put into a name.
#define EVIL "<b onclick='x'>|`@a*[l](http://e)&\"\x1b[2J\xe2\x80\xae\xc2\x9b"

static const struct document_column columns[] = {{"name", true}, {"cost", false}};

static struct report_document make_document(const char *name)
{
    struct report_document document = {0};
    struct error err;
    report_document_init(&document, "A day", name);
    document_add_figure(&document, TONE_BAD, name, "$1.00", "of %s", name);
    document_add_section(&document, name);
    document_add_note(&document, TONE_BAD, "%s stands out", name);
    document_begin_plot(&document, PLOT_DAYS, name, name);
    document_add_bar(&document, name, "$1", 1, BAR_RELATED);
    document_add_bar(&document, name, "$3", 3, BAR_MAIN);
    document_begin_plot(&document, PLOT_PARTS, "parts", "");
    document_add_bar(&document, name, "1", 1, BAR_PLAIN);
    document_begin_plot(&document, PLOT_STEPS, "steps", "");
    document_add_bar(&document, name, "0", 0, BAR_PLAIN);
    document_begin_table(&document, columns, 2);
    document_begin_row(&document, 500, false);
    document_add_cell(&document, "%s", name);
    document_add_cell(&document, "$1.00");
    document_begin_row(&document, -1, true);
    document_add_cell(&document, "total");
    document_add_cell(&document, "$2.00");
    ck_assert_int_eq(report_document_check(&document, &err), 0);
    return document;
}

static void write_plain(const struct report_document *document, FILE *stream)
{
    report_write_text(document, false, stream);
}

static void write_coloured(const struct report_document *document, FILE *stream)
{
    report_write_text(document, true, stream);
}

static char *render(const struct report_document *document,
                    void (*write)(const struct report_document *document, FILE *stream))
{
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    write(document, stream);
    fclose(stream);
    return text;
}

START_TEST(control_characters_become_question_marks)
{
    cleanup_with(report_document_done) struct report_document document = make_document(EVIL);
    static void (*const writers[])(const struct report_document *, FILE *) = {
        write_plain, report_write_markdown, report_write_html};
    for (size_t i = 0; i < 3; i++) {
        cleanup_free char *text = render(&document, writers[i]);
        ck_assert_ptr_null(strchr(text, '\x1b'));
        ck_assert_ptr_null(strstr(text, "\xe2\x80\xae"));
        ck_assert_ptr_null(strstr(text, "\xc2\x9b"));
        ck_assert_ptr_nonnull(strstr(text, "?"));
    }
}
END_TEST

START_TEST(html_has_no_element_of_a_name)
{
    cleanup_with(report_document_done) struct report_document document = make_document(EVIL);
    cleanup_free char *text = render(&document, report_write_html);
    ck_assert_ptr_null(strstr(text, "<b onclick"));
    ck_assert_ptr_null(strstr(text, "onclick='"));
    ck_assert_ptr_nonnull(
        strstr(text, "&lt;b onclick=&#39;x&#39;&gt;|`@a*[l](http://e)&amp;&quot;"));
    ck_assert_ptr_nonnull(strstr(text, "style=\"--part:50.0%\""));
}
END_TEST

START_TEST(markdown_has_no_markup_of_a_name)
{
    cleanup_with(report_document_done) struct report_document document = make_document(EVIL);
    cleanup_free char *text = render(&document, report_write_markdown);
    ck_assert_ptr_null(strstr(text, "<b"));
    ck_assert_ptr_null(strchr(text, '@'));
    ck_assert_ptr_null(strstr(text, "://"));
    ck_assert_ptr_nonnull(
        strstr(text, "| &lt;b onclick='x'\\>\\|\\`&#64;a\\*\\[l\\]\\(http&#58;//e\\)&amp;\""));
    ck_assert_ptr_nonnull(strstr(text, "| **total** | **\\$2.00** |\n"));
}
END_TEST

static void assert_fits(const char *text)
{
    for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1) {
        size_t columns_used = 0;
        for (const char *at = line; *at != '\n'; at++)
            columns_used += ((unsigned char)*at & 0xc0) != 0x80;
        ck_assert_msg(columns_used <= REPORT_TEXT_WIDTH, "%.200s", line);
    }
}

START_TEST(text_fits_80_columns)
{
    char name[700];
    static const char *const letters[] = {"x", "\xc3\xa9", "a b", "word "};
    for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
        name[0] = '\0';
        for (size_t length = 0; length + 8 < sizeof(name); length += strlen(letters[i]))
            memcpy(name + length, letters[i], strlen(letters[i]) + 1);
        cleanup_with(report_document_done) struct report_document document = make_document(name);
        free(document.subtitle); // the only line that nothing from outside gets into
        document.subtitle = strdup("days of UTC");
        cleanup_free char *text = render(&document, write_plain);
        assert_fits(text);
    }
}
END_TEST

START_TEST(text_is_as_people_read_it)
{
    cleanup_with(report_document_done) struct report_document document = {0};
    report_document_init(&document, "A day", "days of UTC");
    document_add_figure(&document, TONE_PLAIN, "Cost", "$1.00", "of 2 exchanges");
    document_add_section(&document, "By job");
    document_begin_table(&document, columns, 2);
    document_begin_row(&document, 500, false);
    document_add_cell(&document, "outreach");
    document_add_cell(&document, "$1.00");
    document_add_note(&document, TONE_BAD, "dear");
    cleanup_free char *text = render(&document, write_plain);
    ck_assert_str_eq(text, "A day\ndays of UTC\n\n"
                           "  Cost                         $1.00  of 2 exchanges\n"
                           "\nBy job\n"
                           "  name      cost\n"
                           "  outreach $1.00\n"
                           "! dear\n");
    cleanup_free char *coloured = render(&document, write_coloured);
    ck_assert_ptr_nonnull(strstr(coloured, "\x1b[31m! dear\n\x1b[0m"));
}
END_TEST

START_TEST(long_texts_are_cut_at_a_character)
{
    char name[2 * DOCUMENT_TEXT_MAX + 2] = "x";
    for (size_t i = 1; i + 2 < sizeof(name); i += 2)
        memcpy(name + i, "\xc3\xa9", 3);
    cleanup_with(report_document_done) struct report_document document = {0};
    report_document_init(&document, name, "");
    size_t length = strlen(document.title);
    ck_assert_uint_lt(length, DOCUMENT_TEXT_MAX);
    ck_assert_uint_eq(length % 2, 1); // x and whole letters of two bytes
}
END_TEST

START_TEST(names_are_no_formulas)
{
    static const char *const cases[][2] = {
        {"job", "job"},
        {"=1+1", "\"'=1+1\""},
        {"-2", "\"'-2\""},
        {"@SUM(A1)", "\"'@SUM(A1)\""},
        {"+\"a\"", "\"'+\"\"a\"\"\""},
        {"a,b", "\"a,b\""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cleanup_free char *text = NULL;
        size_t length = 0;
        FILE *stream = open_memstream(&text, &length);
        csv_write_name(cases[i][0], stream);
        fclose(stream);
        ck_assert_str_eq(text, cases[i][1]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("report_document");
    TCase *cases = tcase_create("report_document");
    tcase_add_test(cases, control_characters_become_question_marks);
    tcase_add_test(cases, html_has_no_element_of_a_name);
    tcase_add_test(cases, markdown_has_no_markup_of_a_name);
    tcase_add_test(cases, text_fits_80_columns);
    tcase_add_test(cases, text_is_as_people_read_it);
    tcase_add_test(cases, long_texts_are_cut_at_a_character);
    tcase_add_test(cases, names_are_no_formulas);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
