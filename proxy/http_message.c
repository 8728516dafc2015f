// HTTP message: see http_message.h. From the start line through the headers to the framing.
#include "http_message.h"

#include "byte_scan.h"

#include <assert.h>

// What a byte may be part of, RFC 9110, 5.6.2, and RFC 3986, 3.2.2.
enum byte_class {
    BYTE_TOKEN = 1,  // methods and header names
    BYTE_TARGET = 2, // visible ASCII but '#', which begins a fragment and is never sent
    BYTE_HOST = 4,   // host and port; no comma, which betrays two hosts joined into one
};

#define BYTE_ANY (BYTE_TOKEN | BYTE_TARGET | BYTE_HOST)
#define BYTE_NO_HOST (BYTE_TOKEN | BYTE_TARGET)
#define BYTE_NO_TOKEN (BYTE_TARGET | BYTE_HOST)

// clang-format off
static const uint8_t byte_classes[256] = {
    ['!'] = BYTE_ANY, ['"'] = BYTE_TARGET, ['#'] = BYTE_TOKEN, ['$' ... '\''] = BYTE_ANY,
    ['(' ... ')'] = BYTE_NO_TOKEN, ['*' ... '+'] = BYTE_ANY, [','] = BYTE_TARGET,
    ['-' ... '.'] = BYTE_ANY, ['/'] = BYTE_TARGET, ['0' ... '9'] = BYTE_ANY,
    [':' ... ';'] = BYTE_NO_TOKEN, ['<'] = BYTE_TARGET, ['='] = BYTE_NO_TOKEN,
    ['>' ... '@'] = BYTE_TARGET, ['A' ... 'Z'] = BYTE_ANY, ['['] = BYTE_NO_TOKEN,
    ['\\'] = BYTE_TARGET, [']'] = BYTE_NO_TOKEN, ['^'] = BYTE_NO_HOST, ['_'] = BYTE_ANY,
    ['`'] = BYTE_NO_HOST, ['a' ... 'z'] = BYTE_ANY, ['{'] = BYTE_TARGET, ['|'] = BYTE_NO_HOST,
    ['}'] = BYTE_TARGET, ['~'] = BYTE_ANY,
};
// clang-format on

// A parse under way: where it is, and where a refusal goes.
struct parse {
    struct http_head *head;
    const char *at;
    const char *end; // after the LF of the empty line
    size_t line;     // 1 is the start line
    bool is_response;
    int *refused_status;
    struct error *err;
    struct slice host;
    struct slice expect;
    struct slice transfer_encoding;
};

static bool refuse(struct parse *parse, int status, const char *what)
{
    *parse->refused_status = parse->is_response ? 502 : status;
    error_set(parse->err, -EBADMSG, "line %zu of the head: %s", parse->line, what);
    return false;
}

static bool consists_of(struct slice slice, enum byte_class class)
{
    uint8_t all = (uint8_t) class;
    for (size_t i = 0; i < slice.length; i++)
        all &= byte_classes[(uint8_t)slice.bytes[i]];
    return all != 0;
}

// The length of the head up to and with the empty line, 0 while that is missing. The first `skip`
// bytes are no part of it.
static size_t find_head_end(const char *bytes, size_t length, size_t skip, size_t *searched)
{
    size_t from = *searched > skip + 3 ? *searched - 3 : skip;
    const char *found = memmem(bytes + from, length - from, "\r\n\r\n", 4);
    *searched = length;
    return found == NULL ? 0 : (size_t)(found - bytes) + 4;
}

// Takes the next line, without its CRLF. A LF alone is no line end (RFC 9112, 2.2 allows refusing).
static bool take_line(struct parse *parse, struct slice *line)
{
    const char *lf = memchr(parse->at, '\n', (size_t)(parse->end - parse->at));
    assert(lf != NULL);
    parse->line++;
    if (lf == parse->at || lf[-1] != '\r')
        return refuse(parse, 400, "a line ends with LF alone, not with CR and LF");
    *line = (struct slice){parse->at, (size_t)(lf - 1 - parse->at)};
    parse->at = lf + 1;
    return true;
}

// The part of `rest` before `separator`, which both are taken off. False if there is none.
static bool take_part(struct slice *rest, char separator, struct slice *part)
{
    const char *found = memchr(rest->bytes, separator, rest->length);
    if (found == NULL)
        return false;
    *part = (struct slice){rest->bytes, (size_t)(found - rest->bytes)};
    *rest = (struct slice){found + 1, rest->length - part->length - 1};
    return true;
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool parse_version(struct parse *parse, struct slice version)
{
    const char *v = version.bytes;
    if (version.length != 8 || memcmp(v, "HTTP/", 5) != 0 || !is_digit(v[5]) || v[6] != '.' ||
        !is_digit(v[7]))
        return refuse(parse, 400, "the HTTP version is not of the form HTTP/1.1");
    if (v[5] != '1')
        return refuse(parse, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    parse->head->minor_version = v[7] == '0' ? 0 : 1;
    return true;
}

// Splits an absolute-form target (RFC 9112, 3.2.2) into authority and the rest.
static bool parse_absolute_target(struct parse *parse, struct slice target)
{
    struct http_head *head = parse->head;
    size_t scheme = slice_starts_with_any_case(target, "http://")    ? 7
                    : slice_starts_with_any_case(target, "https://") ? 8
                                                                     : 0;
    if (scheme == 0)
        return refuse(parse, 400, "the target is neither a path that begins with / nor a URL");
    struct slice rest = {target.bytes + scheme, target.length - scheme};
    size_t authority = 0;
    while (authority < rest.length && rest.bytes[authority] != '/' && rest.bytes[authority] != '?')
        authority++;
    head->authority = (struct slice){rest.bytes, authority};
    head->target = (struct slice){rest.bytes + authority, rest.length - authority};
    if (authority == 0 || !consists_of(head->authority, BYTE_HOST))
        return refuse(parse, 400, "the URL in the target has no valid host");
    if (head->target.length == 0)
        head->target = slice_of("/");
    else if (head->target.bytes[0] == '?')
        return refuse(parse, 400, "the URL in the target has no path");
    return true;
}

static bool parse_target(struct parse *parse, struct slice target)
{
    struct http_head *head = parse->head;
    if (target.length > HTTP_TARGET_BYTES_MAX)
        return refuse(parse, 414, "the target is longer than 8192 bytes");
    if (target.length == 0 || !consists_of(target, BYTE_TARGET))
        return refuse(parse, 400, "the target is empty or has a byte that must be percent-encoded");
    head->target = target;
    if (slice_is(target, "*")) {
        if (!slice_is(head->method, "OPTIONS"))
            return refuse(parse, 400, "the target * goes with OPTIONS only");
    } else if (target.bytes[0] != '/' && !parse_absolute_target(parse, target)) {
        return false;
    }
    struct slice rest = head->target;
    if (take_part(&rest, '?', &head->path))
        head->query = rest;
    else
        head->path = head->target;
    return true;
}

static bool parse_request_line(struct parse *parse)
{
    struct slice line, target;
    if (!take_line(parse, &line))
        return false;
    if (!take_part(&line, ' ', &parse->head->method) || !take_part(&line, ' ', &target))
        return refuse(parse, 400, "the request line is not METHOD TARGET HTTP/1.1");
    if (parse->head->method.length == 0 || !consists_of(parse->head->method, BYTE_TOKEN))
        return refuse(parse, 400, "the method is not a token");
    if (!parse_version(parse, line))
        return false;
    if (slice_is(parse->head->method, "CONNECT"))
        return refuse(parse, 501, "CONNECT is not offered");
    return parse_target(parse, target);
}

// The space after the status code is required, but known to be missing from servers in use when
// there is no reason phrase either; nothing hangs on it.
static bool parse_status_line(struct parse *parse)
{
    struct slice line, version;
    if (!take_line(parse, &line))
        return false;
    if (!take_part(&line, ' ', &version))
        return refuse(parse, 502, "the status line is not HTTP/1.1 STATUS REASON");
    if (!parse_version(parse, version))
        return false;
    const char *code = line.bytes;
    if (line.length < 3 || code[0] < '1' || code[0] > '9' || !is_digit(code[1]) ||
        !is_digit(code[2]) || (line.length > 3 && code[3] != ' '))
        return refuse(parse, 502, "the status is not of three digits");
    parse->head->status = (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0');
    parse->head->reason = (struct slice){code + 3, line.length - 3};
    if (line.length > 3)
        parse->head->reason = (struct slice){code + 4, line.length - 4};
    struct slice reason = parse->head->reason;
    if (byte_scan_control(reason.bytes, reason.length) < reason.length)
        return refuse(parse, 502, "the reason phrase has a control byte");
    return true;
}

static bool parse_content_length(struct parse *parse, struct slice value)
{
    struct http_head *head = parse->head;
    int64_t length = 0;
    if (head->content_length >= 0)
        return refuse(parse, 400, "Content-Length occurs twice");
    if (value.length == 0)
        return refuse(parse, 400, "Content-Length is empty");
    for (size_t i = 0; i < value.length; i++) {
        if (!is_digit(value.bytes[i]))
            return refuse(parse, 400, "Content-Length is not a plain number of digits");
        if (__builtin_mul_overflow(length, 10, &length) ||
            __builtin_add_overflow(length, value.bytes[i] - '0', &length))
            return refuse(parse, 413, "Content-Length is larger than any body can be");
    }
    head->content_length = length;
    return true;
}

// True when Connection names a header, besides saying whether the connection is kept.
static bool nominates_headers(struct slice value)
{
    struct slice member;
    while (http_value_next(&value, &member))
        if (member.length > 0 && !slice_is_any_case(member, "close") &&
            !slice_is_any_case(member, "keep-alive"))
            return true;
    return false;
}

// What a header means for framing and routing, remembered until all headers are there.
static bool note_header(struct parse *parse, const struct http_header *header)
{
    struct http_head *head = parse->head;
    switch (header->field) {
    case HTTP_FIELD_CONTENT_LENGTH:
        return parse_content_length(parse, header->value);
    case HTTP_FIELD_TRANSFER_ENCODING:
        if (parse->transfer_encoding.bytes != NULL)
            return refuse(parse, 400, "Transfer-Encoding occurs twice");
        parse->transfer_encoding = header->value;
        return true;
    case HTTP_FIELD_HOST:
        if (parse->host.bytes != NULL)
            return refuse(parse, 400, "Host occurs twice");
        if (header->value.length == 0 || !consists_of(header->value, BYTE_HOST))
            return refuse(parse, 400, "Host is not a host name with an optional port");
        parse->host = header->value;
        return true;
    case HTTP_FIELD_EXPECT:
        if (parse->expect.bytes != NULL)
            return refuse(parse, 400, "Expect occurs twice");
        parse->expect = header->value;
        return true;
    case HTTP_FIELD_CONNECTION:
        head->connection_nominates |= nominates_headers(header->value);
        return true;
    default:
        return true;
    }
}

static bool parse_headers(struct parse *parse)
{
    struct http_head *head = parse->head;
    for (;;) {
        struct slice line, name;
        if (!take_line(parse, &line))
            return false;
        if (line.length == 0)
            return true;
        if (head->header_count == HTTP_HEADERS_MAX)
            return refuse(parse, 431, "more than 128 headers");
        if (line.bytes[0] == ' ' || line.bytes[0] == '\t')
            return refuse(parse, 400,
                          "a line begins with white space (folded headers are refused)");
        if (!take_part(&line, ':', &name))
            return refuse(parse, 400, "a header line has no colon");
        if (name.length == 0 || !consists_of(name, BYTE_TOKEN))
            return refuse(parse, 400, "a header name is not a token followed at once by a colon");
        if (byte_scan_control(line.bytes, line.length) < line.length)
            return refuse(parse, 400, "a header value has a control byte");
        struct http_header *header = &head->headers[head->header_count++];
        *header = (struct http_header){name, http_value_trim(line), http_field_of(name)};
        if (!note_header(parse, header))
            return false;
    }
}

// Whether the connection may be used again (RFC 9112, 9.3).
static bool is_kept_alive(const struct http_head *head)
{
    bool close = false, keep_alive = false;
    for (size_t i = 0; i < head->header_count; i++) {
        if (head->headers[i].field != HTTP_FIELD_CONNECTION)
            continue;
        close |= http_value_has_token(head->headers[i].value, "close");
        keep_alive |= http_value_has_token(head->headers[i].value, "keep-alive");
    }
    return !close && (head->minor_version == 1 || keep_alive);
}

// The transfer coding, checked against all that could be read in two ways (RFC 9112, 6.1, 6.3).
static bool check_transfer_encoding(struct parse *parse)
{
    if (parse->head->minor_version == 0)
        return refuse(parse, 400, "Transfer-Encoding in a HTTP/1.0 message");
    if (parse->head->content_length >= 0)
        return refuse(parse, 400, "both Transfer-Encoding and Content-Length are given");
    if (!slice_is_any_case(parse->transfer_encoding, "chunked"))
        return refuse(parse, 501, "the only transfer coding that is spoken here is chunked");
    return true;
}

static bool finish_request(struct parse *parse)
{
    struct http_head *head = parse->head;
    if (head->minor_version == 1 && parse->host.bytes == NULL)
        return refuse(parse, 400, "there is no Host header");
    if (parse->transfer_encoding.bytes != NULL) {
        if (!check_transfer_encoding(parse))
            return false;
        head->framing = HTTP_BODY_CHUNKED;
    } else if (head->content_length > 0) {
        head->framing = HTTP_BODY_LENGTH;
    }
    // A client of HTTP/1.0 cannot be meant by an expectation (RFC 9110, 10.1.1).
    if (parse->expect.bytes != NULL && head->minor_version == 1) {
        if (!slice_is_any_case(parse->expect, "100-continue"))
            return refuse(parse, 417, "the only expectation that can be met is 100-continue");
        head->expect_continue = head->framing != HTTP_BODY_NONE;
    }
    head->keep_alive = is_kept_alive(head);
    return true;
}

static bool finish_response(struct parse *parse, bool answers_head)
{
    struct http_head *head = parse->head;
    bool bodiless =
        answers_head || head->status < 200 || head->status == 204 || head->status == 304;
    if (parse->transfer_encoding.bytes != NULL && !check_transfer_encoding(parse))
        return false;
    head->keep_alive = is_kept_alive(head);
    if (bodiless) {
        head->framing = HTTP_BODY_NONE;
    } else if (parse->transfer_encoding.bytes != NULL) {
        head->framing = HTTP_BODY_CHUNKED;
    } else if (head->content_length >= 0) {
        head->framing = head->content_length > 0 ? HTTP_BODY_LENGTH : HTTP_BODY_NONE;
    } else {
        head->framing = HTTP_BODY_UNTIL_CLOSE;
        head->keep_alive = false;
    }
    return true;
}

// Starts at `at` on a head that ends at `end`. Clears all of *head but the 4 KB of headers.
static void parse_start(struct parse *parse, struct http_head *head, const char *at,
                        const char *end, int *refused_status, struct error *err)
{
    memset(head, 0, offsetof(struct http_head, headers));
    head->content_length = -1;
    *parse = (struct parse){
        .head = head, .at = at, .end = end, .refused_status = refused_status, .err = err};
}

// While the head is not whole: refuses what can no longer become one, so that somebody who speaks
// another protocol is not left waiting.
static enum http_head_outcome wait_or_refuse(struct parse *parse, const char *bytes, size_t length)
{
    const char *lf = memchr(bytes, '\n', length);
    size_t line_length = lf == NULL ? length : (size_t)(lf - bytes);
    size_t token = 0;
    parse->line = 1;
    while (token < line_length && (byte_classes[(uint8_t)bytes[token]] & BYTE_TOKEN) != 0)
        token++;
    // A response begins with "HTTP/1.1 ", a request with a method and a space.
    bool begins_well = token == line_length || bytes[token] == ' ' || bytes[token] == '/';
    if (line_length > 0 && (token == 0 || !begins_well) && !(line_length == 1 && *bytes == '\r'))
        refuse(parse, 400, "this is not HTTP/1.1");
    else if (lf != NULL && (lf == bytes || lf[-1] != '\r'))
        refuse(parse, 400, "a line ends with LF alone, not with CR and LF");
    else if (line_length > HTTP_TARGET_BYTES_MAX + 64)
        refuse(parse, 414, "the target is longer than 8192 bytes");
    else if (length >= HTTP_HEAD_BYTES_MAX)
        refuse(parse, 431, "the head is longer than 65536 bytes");
    else
        return HTTP_HEAD_INCOMPLETE;
    return HTTP_HEAD_REFUSED;
}

enum http_head_outcome http_request_parse(struct http_head *head, const char *bytes, size_t length,
                                          size_t *searched, int *refused_status, struct error *err)
{
    struct parse parse;
    size_t empty_line = length >= 2 && memcmp(bytes, "\r\n", 2) == 0 ? 2 : 0;
    size_t head_length = find_head_end(bytes, length, empty_line, searched);
    parse_start(&parse, head, bytes + empty_line, bytes + head_length, refused_status, err);
    head->length = head_length;
    if (head_length == 0 || head_length > HTTP_HEAD_BYTES_MAX)
        return wait_or_refuse(&parse, bytes + empty_line, length - empty_line);
    if (!parse_request_line(&parse) || !parse_headers(&parse) || !finish_request(&parse))
        return HTTP_HEAD_REFUSED;
    return HTTP_HEAD_COMPLETE;
}

enum http_head_outcome http_response_parse(struct http_head *head, const char *bytes, size_t length,
                                           bool answers_head, size_t *searched, int *refused_status,
                                           struct error *err)
{
    struct parse parse;
    size_t head_length = find_head_end(bytes, length, 0, searched);
    parse_start(&parse, head, bytes, bytes + head_length, refused_status, err);
    head->length = head_length;
    parse.is_response = true;
    if (head_length == 0 || head_length > HTTP_HEAD_BYTES_MAX)
        return wait_or_refuse(&parse, bytes, length);
    if (!parse_status_line(&parse) || !parse_headers(&parse) ||
        !finish_response(&parse, answers_head))
        return HTTP_HEAD_REFUSED;
    return HTTP_HEAD_COMPLETE;
}
