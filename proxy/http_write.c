// HTTP writer: see http_write.h.
#include "http_write.h"

#include <inttypes.h>
#include <stdio.h>

void http_writer_init(struct http_writer *writer, char *buffer, size_t capacity)
{
    *writer = (struct http_writer){.bytes = buffer, .capacity = capacity};
}

static void append(struct http_writer *writer, struct slice text)
{
    if (writer->failed != 0)
        return;
    if (text.length > writer->capacity - writer->length) {
        writer->failed = -ENOSPC;
        return;
    }
    if (text.length > 0)
        memcpy(writer->bytes + writer->length, text.bytes, text.length);
    writer->length += text.length;
}

// Appends what somebody else composed: a control byte in it would end the line early.
static void append_checked(struct http_writer *writer, struct slice text, char lowest)
{
    for (size_t i = 0; i < text.length; i++) {
        char byte = text.bytes[i];
        bool control = ((uint8_t)byte < (uint8_t)lowest && byte != '\t') || byte == 0x7f;
        if (control && writer->failed == 0)
            writer->failed = -EINVAL;
    }
    append(writer, text);
}

void http_write_request_line(struct http_writer *writer, struct slice method, struct slice prefix,
                             struct slice target)
{
    append_checked(writer, method, '!');
    append(writer, slice_of(" "));
    append_checked(writer, prefix, '!');
    append_checked(writer, target, '!');
    append(writer, slice_of(" HTTP/1.1\r\n"));
}

void http_write_status_line(struct http_writer *writer, int status, const char *reason)
{
    char code[16];
    snprintf(code, sizeof(code), "HTTP/1.1 %03d ", status);
    append(writer, slice_of(code));
    append_checked(writer, slice_of(reason != NULL ? reason : http_status_reason(status)), ' ');
    append(writer, slice_of("\r\n"));
}

void http_write_header(struct http_writer *writer, struct slice name, struct slice value)
{
    append_checked(writer, name, '!');
    append(writer, slice_of(": "));
    append_checked(writer, value, ' ');
    append(writer, slice_of("\r\n"));
}

void http_write_text(struct http_writer *writer, const char *name, const char *value)
{
    http_write_header(writer, slice_of(name), slice_of(value));
}

void http_write_number(struct http_writer *writer, const char *name, int64_t value)
{
    char digits[24];
    snprintf(digits, sizeof(digits), "%" PRId64, value);
    http_write_text(writer, name, digits);
}

int http_write_end(struct http_writer *writer, struct error *err)
{
    append(writer, slice_of("\r\n"));
    if (writer->failed == -ENOSPC)
        return error_set(err, -ENOSPC, "the head is longer than %zu bytes", writer->capacity);
    if (writer->failed == -EINVAL)
        return error_set(err, -EINVAL, "a header has a control byte in its name or value");
    return 0;
}

const char *http_status_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {100, "Continue"},
        {200, "OK"},
        {204, "No Content"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {529, "Overloaded"},
    };
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Unknown";
}
