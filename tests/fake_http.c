// Strict HTTP/1.1 requests (RFC 9112) as the fake reads them: heads and chunked bodies.

#include "fake_http.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CHUNK_SIZE_DIGITS_MAX 15

static int head_broken(const char **problem, const char *text)
{
    *problem = text;
    return -1;
}

// tchar of RFC 9110, 5.6.2.
static bool is_token_character(char c)
{
    return isalnum((unsigned char)c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_value_character(char c)
{
    unsigned char byte = (unsigned char)c;
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
}

static int parse_request_line(char *line, struct fake_head *head, const char **problem)
{
    char *method_end = strchr(line, ' ');
    char *target_end = method_end != NULL ? strchr(method_end + 1, ' ') : NULL;
    if (target_end == NULL)
        return head_broken(problem, "the request line has less than three parts");
    *method_end = '\0';
    *target_end = '\0';
    head->method = line;
    head->target = method_end + 1;
    if (*line == '\0')
        return head_broken(problem, "the method is empty");
    for (const char *c = line; *c != '\0'; c++)
        if (!isupper((unsigned char)*c))
            return head_broken(problem, "the method is not upper-case letters");
    if (head->target[0] != '/')
        return head_broken(problem, "the target is not in origin form");
    for (const char *c = head->target; *c != '\0'; c++)
        if ((unsigned char)*c <= 0x20 || (unsigned char)*c >= 0x7f)
            return head_broken(problem, "the target has a byte outside printable ASCII");
    if (strcmp(target_end + 1, "HTTP/1.1") != 0)
        return head_broken(problem, "the version is not HTTP/1.1");
    return 0;
}

static int parse_header_line(char *line, struct fake_head *head, const char **problem)
{
    char *colon = strchr(line, ':');
    if (colon == NULL || colon == line)
        return head_broken(problem, "a header line has no name or no colon");
    if (head->header_count == FAKE_HEADERS_MAX)
        return head_broken(problem, "there are too many headers");
    for (char *c = line; c < colon; c++) {
        if (!is_token_character(*c))
            return head_broken(problem, "a header name has a byte that is not allowed");
        *c = (char)tolower((unsigned char)*c);
    }
    *colon = '\0';
    char *value = colon + 1 + strspn(colon + 1, " \t");
    size_t length = strlen(value);
    while (length > 0 && (value[length - 1] == ' ' || value[length - 1] == '\t'))
        value[--length] = '\0';
    for (const char *c = value; *c != '\0'; c++)
        if (!is_value_character(*c))
            return head_broken(problem, "a header value has a control byte");
    head->headers[head->header_count++] = (struct fake_header){line, value};
    return 0;
}

static int parse_content_length(const char *text, uint64_t *length)
{
    if (*text == '\0' || strlen(text) > 18 || strspn(text, "0123456789") != strlen(text))
        return -1;
    *length = strtoull(text, NULL, 10);
    return 0;
}

// RFC 9112, 6: what is doubtful there is an error here.
static int read_framing(struct fake_head *head, const char **problem)
{
    const char *coding = fake_head_find(head, "transfer-encoding");
    const char *length = fake_head_find(head, "content-length");
    const char *expect = fake_head_find(head, "expect");
    const char *connection = fake_head_find(head, "connection");
    if (fake_head_count(head, "host") != 1)
        return head_broken(problem, "there is not exactly one Host");
    if (coding != NULL && length != NULL)
        return head_broken(problem, "there are both Transfer-Encoding and Content-Length");
    if (fake_head_count(head, "content-length") > 1 ||
        fake_head_count(head, "transfer-encoding") > 1)
        return head_broken(problem, "the framing is given twice");
    if (coding != NULL && strcasecmp(coding, "chunked") != 0)
        return head_broken(problem, "Transfer-Encoding is not chunked");
    if (length != NULL && parse_content_length(length, &head->content_length) != 0)
        return head_broken(problem, "Content-Length is not a number");
    if (expect != NULL && strcasecmp(expect, "100-continue") != 0)
        return head_broken(problem, "Expect is not 100-continue");
    head->framing = coding != NULL                               ? FAKE_FRAMING_CHUNKED
                    : length != NULL && head->content_length > 0 ? FAKE_FRAMING_LENGTH
                                                                 : FAKE_FRAMING_NONE;
    head->expect_continue = expect != NULL;
    head->keep_alive = connection == NULL || strcasecmp(connection, "close") != 0;
    return 0;
}

// Cuts `text` (a whole head without its empty line, ending in CRLF) into lines and reads them.
static int parse_lines(char *text, struct fake_head *head, const char **problem)
{
    bool first = true;
    for (char *line = text; *line != '\0';) {
        char *end = strstr(line, "\r\n");
        if (end == NULL)
            return head_broken(problem, "a line does not end in CRLF");
        *end = '\0';
        if (strpbrk(line, "\r\n") != NULL)
            return head_broken(problem, "a line has a bare CR or LF");
        int result = first ? parse_request_line(line, head, problem)
                           : parse_header_line(line, head, problem);
        if (result != 0)
            return result;
        first = false;
        line = end + 2;
    }
    return first ? head_broken(problem, "the head is empty") : read_framing(head, problem);
}

ssize_t fake_head_parse(const char *bytes, size_t length, struct fake_head *head,
                        const char **problem)
{
    size_t searched = length < FAKE_HEAD_MAX ? length : FAKE_HEAD_MAX;
    const char *end = memmem(bytes, searched, "\r\n\r\n", 4);
    if (end == NULL)
        return length < FAKE_HEAD_MAX ? 0 : head_broken(problem, "the head is too long");
    size_t text_length = (size_t)(end - bytes) + 2;
    if (memchr(bytes, '\0', text_length) != NULL)
        return head_broken(problem, "the head has a NUL");
    *head = (struct fake_head){.text = strndup(bytes, text_length)};
    if (head->text == NULL)
        return head_broken(problem, "out of memory");
    if (parse_lines(head->text, head, problem) != 0) {
        fake_head_done(head);
        return -1;
    }
    return (ssize_t)text_length + 2;
}

void fake_head_done(struct fake_head *head)
{
    free(head->text);
    *head = (struct fake_head){0};
}

const char *fake_head_find(const struct fake_head *head, const char *name)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (strcmp(head->headers[i].name, name) == 0)
            return head->headers[i].value;
    return NULL;
}

size_t fake_head_count(const struct fake_head *head, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < head->header_count; i++)
        count += strcmp(head->headers[i].name, name) == 0;
    return count;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// One byte outside of chunk data.
static int chunked_step(struct fake_chunked *chunked, char c, const char **problem)
{
    switch (chunked->state) {
    case FAKE_CHUNK_SIZE:
        if (hex_value(c) >= 0 && chunked->digits < CHUNK_SIZE_DIGITS_MAX) {
            chunked->left = chunked->left * 16 + (uint64_t)hex_value(c);
            chunked->digits++;
            return 0;
        }
        if (c != '\r' || chunked->digits == 0)
            return head_broken(problem, "a chunk size is not a hexadecimal number");
        chunked->state = FAKE_CHUNK_SIZE_LF;
        return 0;
    case FAKE_CHUNK_SIZE_LF:
        chunked->state = chunked->left > 0 ? FAKE_CHUNK_DATA : FAKE_CHUNK_LAST_CR;
        chunked->digits = 0;
        return c == '\n' ? 0 : head_broken(problem, "a chunk size does not end in CRLF");
    case FAKE_CHUNK_DATA_CR:
        chunked->state = FAKE_CHUNK_DATA_LF;
        return c == '\r' ? 0 : head_broken(problem, "a chunk is longer than it said");
    case FAKE_CHUNK_DATA_LF:
        chunked->state = FAKE_CHUNK_SIZE;
        return c == '\n' ? 0 : head_broken(problem, "a chunk does not end in CRLF");
    case FAKE_CHUNK_LAST_CR:
        chunked->state = FAKE_CHUNK_LAST_LF;
        return c == '\r' ? 0 : head_broken(problem, "there is a trailer after the last chunk");
    case FAKE_CHUNK_LAST_LF:
        chunked->state = FAKE_CHUNK_DONE;
        return c == '\n' ? 1 : head_broken(problem, "the body does not end in CRLF");
    case FAKE_CHUNK_DATA:
    case FAKE_CHUNK_DONE:
        break;
    }
    return head_broken(problem, "the body has ended");
}

int fake_chunked_next(struct fake_chunked *chunked, const char *bytes, size_t length, size_t *used,
                      const char **data, size_t *data_length, const char **problem)
{
    *used = 0;
    *data_length = 0;
    while (*used < length) {
        if (chunked->state == FAKE_CHUNK_DATA) {
            size_t available = length - *used;
            size_t taken = available < chunked->left ? available : (size_t)chunked->left;
            *data = bytes + *used;
            *data_length = taken;
            *used += taken;
            chunked->left -= taken;
            if (chunked->left == 0)
                chunked->state = FAKE_CHUNK_DATA_CR;
            return 0;
        }
        int result = chunked_step(chunked, bytes[(*used)++], problem);
        if (result != 0)
            return result;
    }
    return 0;
}
