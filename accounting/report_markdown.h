// Report markdown: a document as GitHub's Markdown. All texts are escaped.
#pragma once

#include "report_document.h"

#include <stdio.h>

void report_write_markdown(const struct report_document *document, FILE *stream);
