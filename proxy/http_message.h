// HTTP message: strict HTTP/1.1 heads (RFC 9110, RFC 9112), of requests in front and responses
// behind. Pure: slices into bytes that the caller holds, nothing is copied.
//
// Whatever two recipients could read in two ways is refused: a bare CR or LF, a folded line, space
// before a colon, repeated or signed lengths, a length beside a transfer coding.
#pragma once

#include "error.h"
#include "slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_BYTES_MAX 65536 // start line, headers and the empty line
#define HTTP_HEADERS_MAX 128
#define HTTP_TARGET_BYTES_MAX 8192 // RFC 9112, 3 asks for at least 8000

// Headers that reeve itself has to know, told apart once while parsing.
enum http_field {
    HTTP_FIELD_OTHER,
    HTTP_FIELD_ACCEPT_ENCODING,
    HTTP_FIELD_AUTHORIZATION,
    HTTP_FIELD_CONTENT_ENCODING,
    HTTP_FIELD_CONTENT_LENGTH,
    HTTP_FIELD_CONTENT_TYPE,
    HTTP_FIELD_DATE,
    HTTP_FIELD_EXPECT,
    HTTP_FIELD_HOST,
    HTTP_FIELD_REQUEST_ID,
    HTTP_FIELD_RETRY_AFTER,
    HTTP_FIELD_X_API_KEY,
    // Hop-by-hop, RFC 9110, 7.6.1; everything that begins with "Proxy-" is HTTP_FIELD_PROXY.
    HTTP_FIELD_CONNECTION,
    HTTP_FIELD_KEEP_ALIVE,
    HTTP_FIELD_PROXY,
    HTTP_FIELD_TE,
    HTTP_FIELD_TRAILER,
    HTTP_FIELD_TRANSFER_ENCODING,
    HTTP_FIELD_UPGRADE,
};

struct http_header {
    struct slice name;  // as sent
    struct slice value; // without the white space around it
    enum http_field field;
};

// How the body that follows the head is delimited.
enum http_framing {
    HTTP_BODY_NONE,
    HTTP_BODY_LENGTH, // content_length bytes
    HTTP_BODY_CHUNKED,
    HTTP_BODY_UNTIL_CLOSE, // responses only
};

// A whole head. Valid as long as the bytes it was parsed from stay where they are.
struct http_head {
    // Request
    struct slice method;
    struct slice authority; // of an absolute-form target, which outranks Host; else NULL
    struct slice target;    // origin-form: path and query, as sent; "*" for OPTIONS
    struct slice path;      // part of target before '?'
    struct slice query;     // part of target after '?'; NULL without one
    bool expect_continue;   // the client waits for "100 Continue" before it sends the body
    // Response
    int status;
    struct slice reason;
    // Both
    int minor_version; // 0 or 1: a later minor version is read as 1 (RFC 9110, 2.5)
    bool keep_alive;   // another message may follow on this connection
    enum http_framing framing;
    int64_t content_length; // -1 unless a Content-Length was sent; a HEAD response may have one
    size_t length;          // bytes of the head, the empty line included
    size_t header_count;
    bool connection_nominates; // Connection names headers: http_header_is_hop_by_hop() looks
    struct http_header headers[HTTP_HEADERS_MAX];
};

enum http_head_outcome {
    HTTP_HEAD_INCOMPLETE, // call again with more bytes
    HTTP_HEAD_COMPLETE,
    HTTP_HEAD_REFUSED, // answer *refused_status (400 414 417 431 501 505 413) and close
};

// Parses a request's head at the start of `bytes`. One empty line before it is passed over.
// `*searched` starts at 0 for every head and spares later calls what earlier ones have looked at.
// On HTTP_HEAD_REFUSED, `err` says why in a sentence that holds no header value but lengths.
enum http_head_outcome http_request_parse(struct http_head *head, const char *bytes, size_t length,
                                          size_t *searched, int *refused_status, struct error *err);

// The same for a response. `answers_head`: the request was a HEAD, so no body follows whatever the
// head says. Interim responses (1xx) come out as any other, without a body. A refusal is the
// upstream's fault: 502.
enum http_head_outcome http_response_parse(struct http_head *head, const char *bytes, size_t length,
                                           bool answers_head, size_t *searched, int *refused_status,
                                           struct error *err);

// The first header of that name, case ignored, or NULL.
const struct http_header *http_head_find(const struct http_head *head, const char *name);

// The first header that is `field`, or NULL.
const struct http_header *http_head_find_field(const struct http_head *head, enum http_field field);

// True for what must not be forwarded: the fixed list and whatever Connection nominates.
bool http_header_is_hop_by_hop(const struct http_head *head, const struct http_header *header);

// Which of the known headers `name` is.
enum http_field http_field_of(struct slice name);

// Takes the next member off a comma-separated list, without the white space around it; empty
// members too. False once *rest, which then has NULL bytes, is used up.
bool http_value_next(struct slice *rest, struct slice *member);

// True when one of the members of the list `value` is `token`, case ignored.
bool http_value_has_token(struct slice value, const char *token);

// Without the spaces and tabs at both ends.
struct slice http_value_trim(struct slice value);
