// Morning document: what the morning report says, in its order, for text, Markdown and HTML.
#pragma once

#include "morning_report.h"
#include "report_document.h"

#define MORNING_LINE_MAX 240

// Fills a zeroed document. report_document_done() in every case.
int morning_document_make(const struct morning_report *report, struct report_document *document,
                          struct error *err);

// The report as one line of ASCII, for a chat or a mail's subject. Returns `line`.
const char *morning_format_line(const struct morning_report *report,
                                char line[static MORNING_LINE_MAX]);
