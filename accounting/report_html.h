// Report HTML: a document as one self-contained file: no script, nothing fetched, light and dark,
// readable on a phone, two pages of paper. It is well-formed XML as well.
#pragma once

#include "report_document.h"

#include <stdio.h>

void report_write_html(const struct report_document *document, FILE *stream);
