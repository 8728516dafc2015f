// Morning JSON: the morning report for programs, whole and exact.
//
// Dollars are decimal text in strings. What is not known is left out.
#pragma once

#include "error.h"
#include "morning_report.h"

#include <stdio.h>

int morning_write_json(const struct morning_report *report, FILE *stream, struct error *err);
