// Fuzz: whatever the headers, a request that is allowed bears a host that no name server can make
// up, and a cookie lies inside of its header.
#include "page_check.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define START "GET /reeve/ HTTP/1.1\r\n"
#define END "\r\n\r\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void require_own_host(const struct http_head *head)
{
    const struct http_header *header = http_head_find(head, "Host");
    struct slice host = head->authority.bytes != NULL ? head->authority : header->value;
    if (slice_starts_with_any_case(host, "localhost")) {
        require(host.length == 9 || host.bytes[9] == ':');
        return;
    }
    for (size_t i = 0; i < host.length; i++)
        require(isxdigit((unsigned char)host.bytes[i]) || strchr(".:[]", host.bytes[i]) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_head head;
    size_t searched = 0, length = sizeof(START) - 1 + size + sizeof(END) - 1;
    int status;
    struct error err;
    char *text = malloc(length);
    memcpy(text, START, sizeof(START) - 1);
    memcpy(text + sizeof(START) - 1, data, size);
    memcpy(text + sizeof(START) - 1 + size, END, sizeof(END) - 1);
    if (http_request_parse(&head, text, length, &searched, &status, &err) == HTTP_HEAD_COMPLETE) {
        enum page_check page = page_check(&head, false), link = page_check(&head, true);
        if (page == PAGE_ALLOWED || link == PAGE_ALLOWED)
            require_own_host(&head);
        require(link != PAGE_FOREIGN_HOST || page == PAGE_FOREIGN_HOST);
        const struct http_header *header = http_head_find(&head, "Cookie");
        struct slice cookie = page_cookie(&head, "reeve_page");
        require(cookie.bytes == NULL ||
                (cookie.bytes > header->value.bytes &&
                 cookie.bytes + cookie.length <= header->value.bytes + header->value.length &&
                 memchr(cookie.bytes, ';', cookie.length) == NULL));
    }
    free(text);
    return 0;
}
