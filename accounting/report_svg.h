// Report SVG: plots of a document as inline SVG. Colours come from classes of report_html.c's
// style.
#pragma once

#include "report_document.h"

#include <stdio.h>

void report_write_svg(const struct document_block *plot, FILE *stream);
