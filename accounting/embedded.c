// Embedded: see embedded.h. The assembler copies the files in; `make` runs in the source tree, to
// which the paths are relative.
#include "embedded.h"

#include <string.h>

// One line for each file of sql/ and of the live page, in ascending order of paths.
#define EMBEDDED_FILES(FILE)                                                                       \
    FILE(page_chart, "guard/page/chart.js")                                                        \
    FILE(page_closed, "guard/page/closed.html")                                                    \
    FILE(page_icon, "guard/page/icon.svg")                                                         \
    FILE(page_index, "guard/page/index.html")                                                      \
    FILE(page_opened, "guard/page/opened.html")                                                    \
    FILE(page_css, "guard/page/page.css")                                                          \
    FILE(page_js, "guard/page/page.js")                                                            \
    FILE(page_used, "guard/page/used.html")                                                        \
    FILE(books_sql, "sql/001_books.sql")                                                           \
    FILE(report_sql, "sql/002_report.sql")                                                         \
    FILE(state_sql, "sql/003_state.sql")                                                           \
    FILE(run_usage_sql, "sql/004_run_usage.sql")                                                   \
    FILE(prices_csv, "sql/prices.csv")                                                             \
    FILE(report_cache_sql, "sql/report_cache.sql")                                                 \
    FILE(report_days_sql, "sql/report_days.sql")                                                   \
    FILE(report_runs_sql, "sql/report_runs.sql")                                                   \
    FILE(report_usage_sql, "sql/report_usage.sql")

// Beside its bytes a file leaves an entry of struct embedded_file in the section `embedded_table`,
// whose ends the linker knows. The length is written by the assembler, which alone knows it in
// time.
#define EMBED(symbol, path)                                                                        \
    __asm__(".pushsection .rodata\n"                                                               \
            "embedded_" #symbol "_name: .asciz \"" path "\"\n"                                     \
            "embedded_" #symbol "_bytes: .incbin \"" path "\"\n"                                   \
            "embedded_" #symbol "_end:\n"                                                          \
            ".popsection\n"                                                                        \
            ".pushsection embedded_table, \"aw\"\n"                                                \
            ".balign 8\n"                                                                          \
            ".quad embedded_" #symbol "_name, embedded_" #symbol "_bytes\n"                        \
            ".quad embedded_" #symbol "_end - embedded_" #symbol "_bytes\n"                        \
            ".popsection\n");
EMBEDDED_FILES(EMBED)

_Static_assert(sizeof(struct embedded_file) == 24, "EMBED writes three 64-bit members");

extern const struct embedded_file __start_embedded_table[];
extern const struct embedded_file __stop_embedded_table[];

const struct embedded_file *embedded_at(size_t index)
{
    const struct embedded_file *file = __start_embedded_table + index;
    return file < __stop_embedded_table ? file : NULL;
}

const struct embedded_file *embedded_find(const char *name)
{
    const struct embedded_file *file;
    for (size_t i = 0; (file = embedded_at(i)) != NULL; i++)
        if (strcmp(file->name, name) == 0)
            return file;
    return NULL;
}
