// Report text: a document for a terminal of 80 columns, or for the plain half of a mail.
//
// Columns are counted as characters of UTF-8, one column each. Long names are cut, sentences
// wrapped.
#pragma once

#include "report_document.h"

#include <stdbool.h>
#include <stdio.h>

#define REPORT_TEXT_WIDTH 80

// With colour the text has escape sequences: for terminals alone.
void report_write_text(const struct report_document *document, bool colour, FILE *stream);
