// A request's head as the modules behind the parser get it.
#pragma once

#include "http_message.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#define REQUEST_TEXT_MAX 65536

struct request_fixture {
    char text[REQUEST_TEXT_MAX];
    struct http_head head;
};

// Parses "POST /v1/messages HTTP/1.1" with a Host and `headers`, each of them ended by CRLF.
static inline const struct http_head *request_make(struct request_fixture *request,
                                                   const char *headers)
{
    struct error err = {0};
    size_t searched = 0;
    int refused_status = 0;
    int length = snprintf(request->text, sizeof(request->text),
                          "POST /v1/messages HTTP/1.1\r\nHost: reeve\r\n%s\r\n", headers);
    ck_assert_int_lt(length, REQUEST_TEXT_MAX);
    ck_assert_msg(http_request_parse(&request->head, request->text, (size_t)length, &searched,
                                     &refused_status, &err) == HTTP_HEAD_COMPLETE,
                  "%s", err.text);
    return &request->head;
}
