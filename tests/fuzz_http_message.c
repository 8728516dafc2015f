// Fuzz: heads and chunked bodies of any bytes; the same outcome however they come in pieces.
#include "http_chunk.h"
#include "http_message.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void require_inside(struct slice slice, const char *bytes, size_t length)
{
    require(slice.length == 0 ||
            (slice.bytes >= bytes && slice.bytes + slice.length <= bytes + length) ||
            slice_is(slice, "/"));
}

static void check_head(const struct http_head *head, const char *bytes, size_t length,
                       bool is_request)
{
    require(head->length <= length && head->length <= HTTP_HEAD_BYTES_MAX);
    require(memcmp(bytes + head->length - 4, "\r\n\r\n", 4) == 0);
    require(head->header_count <= HTTP_HEADERS_MAX);
    require(head->content_length >= -1);
    require(head->framing != HTTP_BODY_LENGTH || head->content_length > 0);
    require(head->framing != HTTP_BODY_CHUNKED || head->content_length == -1);
    require(!is_request || head->framing != HTTP_BODY_UNTIL_CLOSE);
    require_inside(head->target, bytes, head->length);
    for (size_t i = 0; i < head->header_count; i++) {
        const struct http_header *header = &head->headers[i];
        require(header->name.length > 0);
        require_inside(header->name, bytes, head->length);
        require_inside(header->value, bytes, head->length);
        require(memchr(header->value.bytes, '\n', header->value.length) == NULL);
        require(memchr(header->value.bytes, '\r', header->value.length) == NULL);
        require(memchr(header->value.bytes, '\0', header->value.length) == NULL);
        http_header_is_hop_by_hop(head, header);
    }
}

static enum http_head_outcome parse(struct http_head *head, const char *bytes, size_t length,
                                    bool is_request, size_t *searched, int *status)
{
    return is_request ? http_request_parse(head, bytes, length, searched, status, NULL)
                      : http_response_parse(head, bytes, length, false, searched, status, NULL);
}

static void fuzz_head(const char *bytes, size_t length, bool is_request)
{
    struct http_head whole, grown;
    size_t searched = 0;
    int status = 0, grown_status = 0;
    enum http_head_outcome outcome = parse(&whole, bytes, length, is_request, &searched, &status);
    if (outcome == HTTP_HEAD_COMPLETE)
        check_head(&whole, bytes, length, is_request);
    require((outcome == HTTP_HEAD_REFUSED) == (status >= 400));
    // Byte by byte it ends the same way: refused perhaps earlier, never later; never else.
    searched = 0;
    enum http_head_outcome step = HTTP_HEAD_INCOMPLETE;
    for (size_t came = 0; came <= length && step == HTTP_HEAD_INCOMPLETE; came++)
        step = parse(&grown, bytes, came, is_request, &searched, &grown_status);
    require(step == outcome);
    if (step == HTTP_HEAD_COMPLETE)
        require(grown.length == whole.length && grown.framing == whole.framing);
}

// What is taken from `bytes` in pieces of `step`; payload goes to `payload`.
static enum http_chunk_outcome decode(const char *bytes, size_t length, size_t step, char *payload,
                                      size_t *payload_length, size_t *consumed)
{
    struct http_chunk_decoder decoder = {0};
    enum http_chunk_outcome outcome = HTTP_CHUNK_MORE;
    *payload_length = *consumed = 0;
    while (*consumed < length && outcome == HTTP_CHUNK_MORE) {
        size_t size = length - *consumed < step ? length - *consumed : step, kept, used;
        char *piece = payload + *payload_length;
        memcpy(piece, bytes + *consumed, size);
        outcome = http_chunk_decode(&decoder, piece, size, &kept, &used);
        require(kept <= used && used <= size && (outcome != HTTP_CHUNK_MORE || used == size));
        *payload_length += kept;
        *consumed += used;
    }
    return outcome;
}

static void fuzz_chunks(const char *bytes, size_t length)
{
    char *whole = malloc(length + 1), *pieces = malloc(length + 1);
    size_t whole_length, whole_consumed, pieces_length, pieces_consumed;
    enum http_chunk_outcome outcome =
        decode(bytes, length, length, whole, &whole_length, &whole_consumed);
    for (size_t step = 1; step < 4; step++) {
        require(decode(bytes, length, step, pieces, &pieces_length, &pieces_consumed) == outcome);
        require(pieces_length == whole_length && pieces_consumed == whole_consumed);
        require(memcmp(pieces, whole, whole_length) == 0);
    }
    free(whole);
    free(pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const char *bytes = (const char *)data + 1;
    if (data[0] % 3 == 0)
        fuzz_head(bytes, size - 1, true);
    else if (data[0] % 3 == 1)
        fuzz_head(bytes, size - 1, false);
    else
        fuzz_chunks(bytes, size - 1);
    return 0;
}
