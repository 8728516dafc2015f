// Puts an answer into the form in which it goes over the wire: interim answers, head, compression,
// chunks, cuts.

#include "fake_answer.h"
#include "fake_script.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum body_framing { CHUNKED, LENGTH, UNTIL_CLOSE };

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {413, "Payload Too Large"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
    };
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "";
}

// One part of the body, compressed and flushed so that the receiver can decode all of it.
static void compress_part(z_stream *deflater, const struct fake_part *part, bool last,
                          struct fake_parts *body)
{
    size_t size = compressBound(part->length) + 64;
    unsigned char *bytes = malloc(size);
    deflater->next_in = (unsigned char *)part->bytes;
    deflater->avail_in = (uInt)part->length;
    deflater->next_out = bytes;
    deflater->avail_out = (uInt)size;
    int result = deflate(deflater, last ? Z_FINISH : Z_SYNC_FLUSH);
    assert(result == Z_OK || result == Z_STREAM_END);
    fake_parts_append(body, (char *)bytes, size - deflater->avail_out, part->delay_ms,
                      part->output_bytes);
}

static void compress_body(const struct fake_parts *plain, struct fake_parts *body)
{
    z_stream deflater = {0};
    int result =
        deflateInit2(&deflater, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    assert(result == Z_OK);
    (void)result;
    for (size_t i = 0; i < plain->count; i++)
        compress_part(&deflater, &plain->list[i], i + 1 == plain->count, body);
    deflateEnd(&deflater);
}

static void copy_body(const struct fake_parts *plain, struct fake_parts *body)
{
    for (size_t i = 0; i < plain->count; i++) {
        const struct fake_part *part = &plain->list[i];
        fake_parts_append(body, memcpy(malloc(part->length + 1), part->bytes, part->length),
                          part->length, part->delay_ms, part->output_bytes);
    }
}

static size_t total_length(const struct fake_parts *parts)
{
    size_t length = 0;
    for (size_t i = 0; i < parts->count; i++)
        length += parts->list[i].length;
    return length;
}

// Shortens the body to `length` bytes. Returns whether anything was cut.
static bool cut_body(struct fake_parts *body, size_t length)
{
    for (size_t i = 0; i < body->count; i++) {
        struct fake_part *part = &body->list[i];
        if (part->length <= length) {
            length -= part->length;
            continue;
        }
        part->length = length;
        part->output_bytes = i > 0 ? body->list[i - 1].output_bytes : 0;
        while (body->count > i + 1)
            free(body->list[--body->count].bytes);
        return true;
    }
    return false;
}

static void append_text(struct fake_parts *wire, const char *text, int64_t delay_ms)
{
    fake_parts_append(wire, strdup(text), strlen(text), delay_ms, 0);
}

static void append_interim(const struct fake_answer *answer, struct fake_parts *wire)
{
    size_t i;
    const json_t *status;
    json_array_foreach(json_object_get(answer->script, "interim"), i, status)
    {
        char text[64];
        snprintf(text, sizeof(text), "HTTP/1.1 %d Interim\r\n\r\n",
                 (int)json_integer_value(status));
        append_text(wire, text, 0);
    }
}

static void append_head(const struct fake_answer *answer, enum body_framing framing, size_t length,
                        bool keep_alive, struct fake_parts *wire)
{
    char *text = NULL;
    size_t size = 0;
    FILE *head = open_memstream(&text, &size);
    const char *name;
    const json_t *value;
    fprintf(head, "HTTP/1.1 %d %s\r\n", answer->status, reason_of(answer->status));
    json_object_foreach(answer->headers, name, value)
        fprintf(head, "%s: %s\r\n", name, json_string_value(value));
    if (fake_script_flag(answer->script, "gzip"))
        fprintf(head, "content-encoding: gzip\r\n");
    if (framing == CHUNKED)
        fprintf(head, "transfer-encoding: chunked\r\n");
    if (framing == LENGTH)
        fprintf(head, "content-length: %zu\r\n", length);
    fprintf(head, "connection: %s\r\n\r\n", keep_alive ? "keep-alive" : "close");
    fclose(head);
    fake_parts_append(wire, text, size, fake_script_integer(answer->script, "delay_ms", 0), 0);
}

// One part of the body as chunks of at most `chunk_bytes` bytes, or as it is.
static void append_chunks(const struct fake_part *part, enum body_framing framing,
                          size_t chunk_bytes, struct fake_parts *wire)
{
    char *text = NULL;
    size_t size = 0;
    FILE *chunks = open_memstream(&text, &size);
    for (size_t sent = 0; sent < part->length;) {
        size_t left = part->length - sent;
        size_t length = framing == CHUNKED && left > chunk_bytes ? chunk_bytes : left;
        if (framing == CHUNKED)
            fprintf(chunks, "%zx\r\n", length);
        fwrite(part->bytes + sent, 1, length, chunks);
        if (framing == CHUNKED)
            fprintf(chunks, "\r\n");
        sent += length;
    }
    fclose(chunks);
    fake_parts_append(wire, text, size, part->delay_ms, part->output_bytes);
}

// Splits every part so that no write is longer than `write_bytes`.
static void split_writes(struct fake_parts *wire, size_t write_bytes)
{
    struct fake_parts split = {0};
    for (size_t i = 0; i < wire->count; i++) {
        const struct fake_part *part = &wire->list[i];
        size_t before = i > 0 ? wire->list[i - 1].output_bytes : 0;
        for (size_t sent = 0; sent < part->length || sent == 0;) {
            size_t left = part->length - sent;
            size_t length = left < write_bytes ? left : write_bytes;
            fake_parts_append(&split, memcpy(malloc(length + 1), part->bytes + sent, length),
                              length, sent == 0 ? part->delay_ms : 0,
                              length == left ? part->output_bytes : before);
            sent += length;
            if (length == 0)
                break;
        }
    }
    fake_parts_done(wire);
    *wire = split;
}

// Joins what is sent without a delay between, so that it goes out in one write.
static void join_writes(struct fake_parts *wire)
{
    struct fake_parts joined = {0};
    for (size_t i = 0; i < wire->count;) {
        struct fake_part first = wire->list[i];
        char *text = NULL;
        size_t size = 0;
        FILE *bytes = open_memstream(&text, &size);
        do {
            fwrite(wire->list[i].bytes, 1, wire->list[i].length, bytes);
            first.output_bytes = wire->list[i].output_bytes;
            i++;
        } while (i < wire->count && wire->list[i].delay_ms == 0);
        fclose(bytes);
        fake_parts_append(&joined, text, size, first.delay_ms, first.output_bytes);
    }
    fake_parts_done(wire);
    *wire = joined;
}

static enum body_framing choose_framing(const struct fake_answer *answer)
{
    const char *wanted =
        fake_script_string(answer->script, "framing", answer->streamed ? "chunked" : "length");
    return strcmp(wanted, "chunked") == 0 ? CHUNKED
           : strcmp(wanted, "close") == 0 ? UNTIL_CLOSE
                                          : LENGTH;
}

static enum fake_ending choose_ending(const struct fake_answer *answer, bool keep_alive, bool cut)
{
    const json_t *script = answer->script;
    if (fake_script_flag(script, "hang"))
        return FAKE_ENDING_HANG;
    if (cut && strcmp(fake_script_string(script, "cut", "close"), "reset") == 0)
        return FAKE_ENDING_RESET;
    if (cut || !keep_alive || choose_framing(answer) == UNTIL_CLOSE ||
        fake_script_flag(script, "close"))
        return FAKE_ENDING_CLOSE;
    return FAKE_ENDING_KEEP;
}

// The body in its framing. A body that is cut, or hangs, has no end.
static void append_body(const struct fake_answer *answer, const struct fake_parts *body, bool ends,
                        struct fake_parts *parts)
{
    enum body_framing framing = choose_framing(answer);
    int64_t chunk_bytes = fake_script_integer(answer->script, "chunk_bytes", 0);
    size_t output_bytes = 0;
    for (size_t i = 0; i < body->count; i++) {
        append_chunks(&body->list[i], framing, chunk_bytes > 0 ? (size_t)chunk_bytes : SIZE_MAX,
                      parts);
        output_bytes = body->list[i].output_bytes;
    }
    if (framing == CHUNKED && ends)
        fake_parts_append(parts, strdup("0\r\n\r\n"), 5, 0, output_bytes);
}

void fake_wire_compose(const struct fake_answer *answer, bool head_only, bool keep_alive,
                       struct fake_wire *wire)
{
    const json_t *script = answer->script;
    int64_t cut_bytes = fake_script_integer(script, "cut_after_bytes", -1);
    int64_t write_bytes = fake_script_integer(script, "write_bytes", 0);
    *wire = (struct fake_wire){0};
    if (fake_script_flag(script, "drop") || fake_script_flag(script, "lost")) {
        wire->ending = FAKE_ENDING_RESET;
        wire->cut = true;
        return;
    }
    struct fake_parts body = {0};
    (fake_script_flag(script, "gzip") ? compress_body : copy_body)(&answer->body, &body);
    size_t length = total_length(&body);
    wire->cut = cut_bytes >= 0 && cut_body(&body, (size_t)cut_bytes);
    wire->ending = choose_ending(answer, keep_alive, wire->cut);
    append_interim(answer, &wire->parts);
    append_head(answer, choose_framing(answer), length,
                wire->ending != FAKE_ENDING_CLOSE || wire->cut, &wire->parts);
    if (!head_only)
        append_body(answer, &body, !wire->cut && wire->ending != FAKE_ENDING_HANG, &wire->parts);
    fake_parts_done(&body);
    if (write_bytes > 0)
        split_writes(&wire->parts, (size_t)write_bytes);
    else
        join_writes(&wire->parts);
}
