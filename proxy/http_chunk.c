// Chunked transfer coding: see http_chunk.h. One step a byte outside of payload.
#include "http_chunk.h"

#include <string.h>

static int hexadecimal_value(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static bool is_control(char byte)
{
    return ((uint8_t)byte < ' ' && byte != '\t') || byte == 0x7f;
}

// What comes after the size, of which at least one digit has been seen.
static enum http_chunk_state after_size(const struct http_chunk_decoder *decoder, char byte)
{
    if (decoder->line_bytes == 0)
        return HTTP_CHUNK_AT_FAULT;
    if (byte == '\r')
        return HTTP_CHUNK_AT_SIZE_LF;
    if (byte == ';')
        return HTTP_CHUNK_AT_EXTENSION;
    return byte == ' ' || byte == '\t' ? HTTP_CHUNK_AT_SPACE : HTTP_CHUNK_AT_FAULT;
}

static enum http_chunk_state step_size(struct http_chunk_decoder *decoder, char byte)
{
    int digit = hexadecimal_value(byte);
    if (digit < 0)
        return after_size(decoder, byte);
    if (++decoder->line_bytes > HTTP_CHUNK_SIZE_DIGITS_MAX)
        return HTTP_CHUNK_AT_FAULT;
    decoder->remaining = decoder->remaining * 16 + digit;
    return HTTP_CHUNK_AT_SIZE;
}

static enum http_chunk_state step_extension(struct http_chunk_decoder *decoder, char byte)
{
    if (byte == '\r')
        return HTTP_CHUNK_AT_SIZE_LF;
    if (++decoder->line_bytes > HTTP_CHUNK_EXTENSION_BYTES_MAX || is_control(byte))
        return HTTP_CHUNK_AT_FAULT;
    return HTTP_CHUNK_AT_EXTENSION;
}

// White space after the size, which a recipient must bear, but only before an extension.
static enum http_chunk_state step_space(struct http_chunk_decoder *decoder, char byte)
{
    if (byte == ';')
        return HTTP_CHUNK_AT_EXTENSION;
    if (++decoder->line_bytes > HTTP_CHUNK_EXTENSION_BYTES_MAX || (byte != ' ' && byte != '\t'))
        return HTTP_CHUNK_AT_FAULT;
    return HTTP_CHUNK_AT_SPACE;
}

static enum http_chunk_state step_trailer(struct http_chunk_decoder *decoder, char byte)
{
    if (byte == '\r')
        return decoder->state == HTTP_CHUNK_AT_TRAILER_START ? HTTP_CHUNK_AT_LAST_LF
                                                             : HTTP_CHUNK_AT_TRAILER_LF;
    if (++decoder->trailer_bytes > HTTP_TRAILER_BYTES_MAX || is_control(byte))
        return HTTP_CHUNK_AT_FAULT;
    return HTTP_CHUNK_AT_TRAILER;
}

static enum http_chunk_state start_chunk(struct http_chunk_decoder *decoder)
{
    decoder->line_bytes = 0;
    return decoder->remaining > 0 ? HTTP_CHUNK_AT_DATA : HTTP_CHUNK_AT_TRAILER_START;
}

static enum http_chunk_state step(struct http_chunk_decoder *decoder, char byte)
{
    switch (decoder->state) {
    case HTTP_CHUNK_AT_SIZE:
        return step_size(decoder, byte);
    case HTTP_CHUNK_AT_SPACE:
        return step_space(decoder, byte);
    case HTTP_CHUNK_AT_EXTENSION:
        return step_extension(decoder, byte);
    case HTTP_CHUNK_AT_SIZE_LF:
        return byte == '\n' ? start_chunk(decoder) : HTTP_CHUNK_AT_FAULT;
    case HTTP_CHUNK_AT_DATA_CR:
        return byte == '\r' ? HTTP_CHUNK_AT_DATA_LF : HTTP_CHUNK_AT_FAULT;
    case HTTP_CHUNK_AT_DATA_LF:
        return byte == '\n' ? HTTP_CHUNK_AT_SIZE : HTTP_CHUNK_AT_FAULT;
    case HTTP_CHUNK_AT_TRAILER_START:
    case HTTP_CHUNK_AT_TRAILER:
        return step_trailer(decoder, byte);
    case HTTP_CHUNK_AT_TRAILER_LF:
        return byte == '\n' ? HTTP_CHUNK_AT_TRAILER_START : HTTP_CHUNK_AT_FAULT;
    case HTTP_CHUNK_AT_LAST_LF:
        return byte == '\n' ? HTTP_CHUNK_AT_END : HTTP_CHUNK_AT_FAULT;
    case HTTP_CHUNK_AT_DATA:
    case HTTP_CHUNK_AT_END:
    case HTTP_CHUNK_AT_FAULT:
        break;
    }
    return HTTP_CHUNK_AT_FAULT;
}

enum http_chunk_outcome http_chunk_next(struct http_chunk_decoder *decoder, const char *bytes,
                                        size_t length, struct slice *payload, size_t *consumed)
{
    size_t at = 0;
    while (at < length && decoder->state < HTTP_CHUNK_AT_END) {
        if (decoder->state == HTTP_CHUNK_AT_DATA) {
            size_t size = length - at;
            if ((int64_t)size > decoder->remaining)
                size = (size_t)decoder->remaining;
            decoder->remaining -= (int64_t)size;
            if (decoder->remaining == 0)
                decoder->state = HTTP_CHUNK_AT_DATA_CR;
            *payload = (struct slice){bytes + at, size};
            *consumed = at + size;
            return HTTP_CHUNK_DATA;
        }
        decoder->state = step(decoder, bytes[at]);
        if (decoder->state != HTTP_CHUNK_AT_FAULT)
            at++;
    }
    *consumed = at;
    if (decoder->state == HTTP_CHUNK_AT_FAULT)
        return HTTP_CHUNK_BROKEN;
    return decoder->state == HTTP_CHUNK_AT_END ? HTTP_CHUNK_END : HTTP_CHUNK_MORE;
}

enum http_chunk_outcome http_chunk_decode(struct http_chunk_decoder *decoder, char *bytes,
                                          size_t length, size_t *payload_length, size_t *consumed)
{
    enum http_chunk_outcome outcome;
    struct slice payload;
    size_t used, total = 0, kept = 0;
    do {
        outcome = http_chunk_next(decoder, bytes + total, length - total, &payload, &used);
        total += used;
        if (outcome == HTTP_CHUNK_DATA) {
            memmove(bytes + kept, payload.bytes, payload.length);
            kept += payload.length;
        }
    } while (outcome == HTTP_CHUNK_DATA);
    *payload_length = kept;
    *consumed = total;
    return outcome;
}
