// Report format: a report as a table for people, as CSV or as JSON. Pure but for the stream.
//
// The table fits 80 columns: numbers are shortened, columns of zeros left out, long names cut. CSV
// and JSON are exact; dollars are decimal text, in JSON strings.
#pragma once

#include "error.h"
#include "report.h"

#include <stdbool.h>
#include <stdio.h>

#define REPORT_TABLE_WIDTH 80

enum report_format {
    REPORT_TABLE,
    REPORT_CSV, // RFC 4180, one line for each row and none for the total
    REPORT_JSON,
    REPORT_TABLE_FORMATS, // those of one table end here; the rest are of the morning report alone
    REPORT_MARKDOWN = REPORT_TABLE_FORMATS,
    REPORT_HTML,
    REPORT_FORMATS,
};

// "table", "csv", "json", "md", "html".
const char *report_format_name(enum report_format format);
bool report_format_parse(const char *text, enum report_format *format);

int report_write(const struct report *report, enum report_format format, FILE *stream,
                 struct error *err);
