// HTML write: text in elements and attributes of HTML and SVG, that is also XML.
#pragma once

#include <stdio.h>

static inline void html_write_text(const char *text, FILE *stream)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '&':
            fputs("&amp;", stream);
            break;
        case '<':
            fputs("&lt;", stream);
            break;
        case '>':
            fputs("&gt;", stream);
            break;
        case '"':
            fputs("&quot;", stream);
            break;
        case '\'':
            fputs("&#39;", stream);
            break;
        default:
            putc(*text, stream);
        }
    }
}
