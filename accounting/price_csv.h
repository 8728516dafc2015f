// Price CSV: text to rows, each checked by itself. How rows fit together is price_table.c's.
//
// RFC 4180 without line breaks inside of quotes; lines that begin with `#` are comments; the first
// other line names the columns, each once, in any order. Money is USD per million tokens (per use
// for fees) as a plain decimal.
#pragma once

#include "error.h"
#include "price_table.h"

#include <stddef.h>

// *rows (in the order of the text) is the caller's to free. -EINVAL: `err` names `place`, line,
// column, value and accepted form.
int price_csv_parse(struct price_row **rows, size_t *row_count, const char *place, const char *text,
                    size_t length, struct error *err);
