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
    REPORT_FORMATS,
};

bool report_format_parse(const char *text, enum report_format *format);

int report_write(const struct report *report, enum report_format format, FILE *stream,
                 struct error *err);
