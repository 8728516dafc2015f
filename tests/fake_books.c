// The fake's own books: one JSON line for each request, and totals.

#include "fake_books.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fake_books {
    int fd; // -1: none
    int64_t requests;
    int64_t billed;   // requests, and batch results, that cost something
    json_t *statuses; // status -> count
    json_t *kinds;
    json_t *ends;
    struct fake_bill sum;
};

struct fake_books *fake_books_new(const char *path)
{
    struct fake_books *books = calloc(1, sizeof(*books));
    if (books == NULL)
        return NULL;
    books->fd = -1;
    if (path != NULL) {
        books->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (books->fd < 0) {
            free(books);
            return NULL;
        }
    }
    books->statuses = json_object();
    books->kinds = json_object();
    books->ends = json_object();
    return books;
}

void fake_books_free(struct fake_books *books)
{
    if (books == NULL)
        return;
    if (books->fd >= 0)
        close(books->fd);
    json_decref(books->statuses);
    json_decref(books->kinds);
    json_decref(books->ends);
    free(books);
}

static json_t *bill_to_json(const struct fake_bill *bill)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "input", (json_int_t)bill->input, "output",
                     (json_int_t)bill->output, "cache_write_5m", (json_int_t)bill->cache_write_5m,
                     "cache_write_1h", (json_int_t)bill->cache_write_1h, "cache_read",
                     (json_int_t)bill->cache_read, "web_searches", (json_int_t)bill->web_searches);
}

static void count(json_t *counts, const char *name)
{
    json_int_t so_far = json_integer_value(json_object_get(counts, name));
    json_object_set_new(counts, name, json_integer(so_far + 1));
}

static void add_totals(struct fake_books *books, const json_t *entry, const char *end,
                       const struct fake_bill *bill)
{
    char status[16];
    const char *kind = json_string_value(json_object_get(entry, "kind"));
    snprintf(status, sizeof(status), "%d",
             (int)json_integer_value(json_object_get(entry, "status")));
    count(books->statuses, status);
    count(books->kinds, kind != NULL ? kind : "other");
    count(books->ends, end);
    books->requests++;
    books->billed += bill->pico_usd > 0;
    books->sum.input += bill->input;
    books->sum.output += bill->output;
    books->sum.cache_write_5m += bill->cache_write_5m;
    books->sum.cache_write_1h += bill->cache_write_1h;
    books->sum.cache_read += bill->cache_read;
    books->sum.web_searches += bill->web_searches;
    books->sum.pico_usd += bill->pico_usd;
}

static void write_line(int fd, const json_t *entry)
{
    char *text = json_dumps(entry, JSON_COMPACT);
    if (text == NULL)
        return;
    size_t length = strlen(text);
    text[length] = '\n'; // in place of the NUL, so that a line is one write
    if (write(fd, text, length + 1) != (ssize_t)(length + 1))
        abort(); // a judge without books is none
    free(text);
}

void fake_books_write(struct fake_books *books, json_t *entry, enum fake_end end,
                      const json_t *usage, const struct fake_bill *bill)
{
    static const char *const ends[] = {"complete", "failed", "cut", "disconnected"};
    static const struct fake_bill nothing;
    if (usage == NULL)
        bill = &nothing;
    add_totals(books, entry, ends[end], bill);
    if (books->fd >= 0) {
        json_object_set_new(entry, "end", json_string(ends[end]));
        if (usage != NULL) {
            json_object_set(entry, "usage", (json_t *)usage);
            json_object_set_new(entry, "tokens", bill_to_json(bill));
        }
        json_object_set_new(entry, "billed_pico_usd", json_integer(bill->pico_usd));
        write_line(books->fd, entry);
    }
    json_decref(entry);
}

json_t *fake_books_totals(const struct fake_books *books)
{
    return json_pack("{s:I, s:I, s:I, s:o, s:O, s:O, s:O}", "requests", (json_int_t)books->requests,
                     "billed", (json_int_t)books->billed, "billed_pico_usd",
                     (json_int_t)books->sum.pico_usd, "tokens", bill_to_json(&books->sum), "kinds",
                     books->kinds, "statuses", books->statuses, "ends", books->ends);
}

void fake_books_reset(struct fake_books *books)
{
    json_object_clear(books->statuses);
    json_object_clear(books->kinds);
    json_object_clear(books->ends);
    books->sum = (struct fake_bill){0};
    books->requests = 0;
    books->billed = 0;
    if (books->fd >= 0 && ftruncate(books->fd, 0) != 0)
        abort();
}
