// The fake's own books: one JSON line for each request, and totals.
#pragma once

#include "fake_price.h"

#include <jansson.h>
#include <stdint.h>

struct fake_books;

// How an answer ended.
enum fake_end {
    FAKE_END_COMPLETE,     // its last byte was handed to the socket
    FAKE_END_FAILED,       // in an error event
    FAKE_END_CUT,          // by the script
    FAKE_END_DISCONNECTED, // the client left before
};

// `path` is appended to; NULL: totals only. Returns NULL with errno set.
struct fake_books *fake_books_new(const char *path);
void fake_books_free(struct fake_books *books);

// Closes the books of one request. `entry`: what is known of it, taken. `usage`: what was used, or
// NULL for what is free. `bill` belongs to it.
void fake_books_write(struct fake_books *books, json_t *entry, enum fake_end end,
                      const json_t *usage, const struct fake_bill *bill);

// The totals as a new reference.
json_t *fake_books_totals(const struct fake_books *books);

void fake_books_reset(struct fake_books *books);
