// Request body: held whole, because it is scanned, and may have to go to a second credential.

#include "request_body.h"

#include "cleanup.h"

#include <assert.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

#define CAPACITY_FIRST 8192

void request_body_init(struct request_body *body, int64_t expected, int64_t length_max,
                       int64_t *held, const char *spool_directory)
{
    *body = (struct request_body){
        .held = held, .spool_directory = spool_directory, .length_max = length_max, .file = -1};
    if (expected > 0 && expected <= REQUEST_BODY_MEMORY_MAX) {
        body->bytes = malloc((size_t)expected);
        body->capacity = body->bytes != NULL ? (size_t)expected : 0;
    }
}

static int file_write(struct request_body *body, const char *bytes, size_t length,
                      struct error *err)
{
    while (length > 0) {
        ssize_t written = write(body->file, bytes, length);
        if (written < 0)
            return error_set_errno(err, -errno, "holding the request's body in %s",
                                   body->spool_directory);
        bytes += written;
        length -= (size_t)written;
    }
    return 0;
}

// Moves what is in memory into a file without a name.
static int body_spill(struct request_body *body, struct error *err)
{
    cleanup_fd int file =
        open(body->spool_directory, O_TMPFILE | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (file < 0)
        return error_set_errno(err, -errno, "a file for the request's body in %s",
                               body->spool_directory);
    body->file = take_fd(&file);
    int result = file_write(body, body->bytes, (size_t)body->length, err);
    if (result == 0) {
        free(take_pointer(&body->bytes));
        body->capacity = 0;
    }
    return result;
}

static int memory_grow(struct request_body *body, size_t needed, struct error *err)
{
    size_t capacity = body->capacity > 0 ? body->capacity : CAPACITY_FIRST;
    while (capacity < needed)
        capacity *= 2;
    char *grown = realloc(body->bytes, capacity);
    if (grown == NULL)
        return error_set(err, -ENOMEM, "out of memory for the request's body");
    body->bytes = grown;
    body->capacity = capacity;
    return 0;
}

int request_body_append(struct request_body *body, const char *bytes, size_t length,
                        struct error *err)
{
    int64_t whole = body->length + (int64_t)length;
    int result = 0;
    if (whole > body->length_max)
        return error_set(err, -EFBIG, "the request's body is larger than %lld bytes",
                         (long long)body->length_max);
    if (*body->held + (int64_t)length > REQUEST_BODIES_HELD_MAX)
        return error_set(err, -EBUSY, "the requests at hand have %lld bytes of bodies, the most",
                         (long long)REQUEST_BODIES_HELD_MAX);
    if (body->file < 0 && whole > REQUEST_BODY_MEMORY_MAX)
        result = body_spill(body, err);
    if (result == 0 && body->file >= 0)
        result = file_write(body, bytes, length, err);
    else if (result == 0 && (size_t)whole > body->capacity)
        result = memory_grow(body, (size_t)whole, err);
    if (result < 0)
        return result;
    if (body->file < 0)
        memcpy(body->bytes + body->length, bytes, length);
    body->length = whole;
    *body->held += (int64_t)length;
    return 0;
}

int request_body_complete(struct request_body *body, struct error *err)
{
    if (body->file < 0)
        return 0;
    void *mapped = mmap(NULL, (size_t)body->length, PROT_READ, MAP_PRIVATE, body->file, 0);
    if (mapped == MAP_FAILED)
        return error_set_errno(err, -errno, "mapping the request's body");
    body->bytes = mapped;
    return 0;
}

struct slice request_body_slice(const struct request_body *body)
{
    return (struct slice){body->bytes != NULL ? body->bytes : "", (size_t)body->length};
}

void request_body_splice(struct request_body *body, size_t offset, size_t length, const char *text)
{
    size_t place = 0;
    while (place < body->splice_count && body->splices[place].offset < offset)
        place++;
    if (place == body->splice_count || body->splices[place].offset != offset) {
        assert(body->splice_count < REQUEST_SPLICES_MAX);
        memmove(&body->splices[place + 1], &body->splices[place],
                (body->splice_count - place) * sizeof(body->splices[0]));
        body->splice_count++;
    }
    struct request_splice *splice = &body->splices[place];
    splice->offset = offset;
    splice->length = length;
    snprintf(splice->text, sizeof(splice->text), "%s", text);
}

void request_body_restore(struct request_body *body)
{
    body->splice_count = 0;
}

int64_t request_body_sent_length(const struct request_body *body)
{
    int64_t length = body->length;
    for (size_t i = 0; i < body->splice_count; i++)
        length += (int64_t)strlen(body->splices[i].text) - (int64_t)body->splices[i].length;
    return length;
}

size_t request_body_peek(const struct request_body *body, uint64_t offset, const char **bytes)
{
    struct slice whole = request_body_slice(body);
    uint64_t sent = 0; // where the piece at hand begins in what is sent
    size_t from = 0;   // and in what came
    for (size_t i = 0; i <= body->splice_count; i++) {
        const struct request_splice *splice = i < body->splice_count ? &body->splices[i] : NULL;
        size_t piece = (splice != NULL ? splice->offset : whole.length) - from;
        if (offset < sent + piece) {
            *bytes = whole.bytes + from + (offset - sent);
            return piece - (size_t)(offset - sent);
        }
        sent += piece;
        if (splice == NULL)
            break;
        piece = strlen(splice->text);
        if (offset < sent + piece) {
            *bytes = splice->text + (offset - sent);
            return piece - (size_t)(offset - sent);
        }
        sent += piece;
        from = splice->offset + splice->length;
    }
    return 0;
}

void request_body_done(struct request_body *body)
{
    if (body->file >= 0) {
        if (body->bytes != NULL)
            munmap(body->bytes, (size_t)body->length);
        close(body->file);
    } else {
        free(body->bytes);
    }
    if (body->held != NULL)
        *body->held -= body->length;
    *body = (struct request_body){.file = -1};
}
