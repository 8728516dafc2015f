// CSV write: fields of RFC 4180, quoted where they have to be.
#pragma once

#include <stdio.h>
#include <string.h>

static inline void csv_write_quoted(const char *prefix, const char *text, FILE *stream)
{
    fprintf(stream, "\"%s", prefix);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            putc('"', stream);
        putc(*text, stream);
    }
    putc('"', stream);
}

static inline void csv_write_field(const char *text, FILE *stream)
{
    if (strpbrk(text, ",\"\r\n") == NULL)
        fputs(text, stream);
    else
        csv_write_quoted("", text, stream);
}

// A name from outside for a spreadsheet: one that it would take for a formula (OWASP, "CSV
// Injection") has an apostrophe before it, and so stays text.
static inline void csv_write_name(const char *text, FILE *stream)
{
    if (*text == '\0' || strchr("=+-@\t\r", *text) == NULL)
        csv_write_field(text, stream);
    else
        csv_write_quoted("'", text, stream);
}
