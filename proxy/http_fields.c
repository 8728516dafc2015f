// HTTP fields: which headers are known, what lists in them say, what stays on one hop.
#include "http_message.h"

enum http_field http_field_of(struct slice name)
{
#define FIELD(name, field)                                                                         \
    {                                                                                              \
        name, sizeof(name) - 1, field                                                              \
    }
    static const struct {
        const char *name;
        size_t length;
        enum http_field field;
    } fields[] = {
        FIELD("te", HTTP_FIELD_TE),
        FIELD("date", HTTP_FIELD_DATE),
        FIELD("host", HTTP_FIELD_HOST),
        FIELD("expect", HTTP_FIELD_EXPECT),
        FIELD("trailer", HTTP_FIELD_TRAILER),
        FIELD("upgrade", HTTP_FIELD_UPGRADE),
        FIELD("x-api-key", HTTP_FIELD_X_API_KEY),
        FIELD("connection", HTTP_FIELD_CONNECTION),
        FIELD("keep-alive", HTTP_FIELD_KEEP_ALIVE),
        FIELD("request-id", HTTP_FIELD_REQUEST_ID),
        FIELD("retry-after", HTTP_FIELD_RETRY_AFTER),
        FIELD("content-type", HTTP_FIELD_CONTENT_TYPE),
        FIELD("authorization", HTTP_FIELD_AUTHORIZATION),
        FIELD("content-length", HTTP_FIELD_CONTENT_LENGTH),
        FIELD("accept-encoding", HTTP_FIELD_ACCEPT_ENCODING),
        FIELD("content-encoding", HTTP_FIELD_CONTENT_ENCODING),
        FIELD("transfer-encoding", HTTP_FIELD_TRANSFER_ENCODING),
    };
#undef FIELD
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (name.length == fields[i].length &&
            strncasecmp(name.bytes, fields[i].name, name.length) == 0)
            return fields[i].field;
    bool maybe_proxy = name.length > 6 && (name.bytes[0] | 0x20) == 'p';
    return maybe_proxy && slice_starts_with_any_case(name, "proxy-") ? HTTP_FIELD_PROXY
                                                                     : HTTP_FIELD_OTHER;
}

struct slice http_value_trim(struct slice value)
{
    while (value.length > 0 && (*value.bytes == ' ' || *value.bytes == '\t')) {
        value.bytes++;
        value.length--;
    }
    while (value.length > 0 &&
           (value.bytes[value.length - 1] == ' ' || value.bytes[value.length - 1] == '\t'))
        value.length--;
    return value;
}

bool http_value_next(struct slice *rest, struct slice *member)
{
    if (rest->bytes == NULL)
        return false;
    const char *comma = memchr(rest->bytes, ',', rest->length);
    size_t length = comma == NULL ? rest->length : (size_t)(comma - rest->bytes);
    *member = http_value_trim((struct slice){rest->bytes, length});
    if (comma == NULL)
        *rest = (struct slice){NULL, 0};
    else
        *rest = (struct slice){comma + 1, rest->length - length - 1};
    return true;
}

static bool value_has_token(struct slice value, struct slice token)
{
    struct slice member;
    while (http_value_next(&value, &member))
        if (member.length == token.length &&
            strncasecmp(member.bytes, token.bytes, token.length) == 0)
            return true;
    return false;
}

bool http_value_has_token(struct slice value, const char *token)
{
    return value_has_token(value, slice_of(token));
}

const struct http_header *http_head_find(const struct http_head *head, const char *name)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (slice_is_any_case(head->headers[i].name, name))
            return &head->headers[i];
    return NULL;
}

const struct http_header *http_head_find_field(const struct http_head *head, enum http_field field)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (head->headers[i].field == field)
            return &head->headers[i];
    return NULL;
}

bool http_header_is_hop_by_hop(const struct http_head *head, const struct http_header *header)
{
    if (header->field >= HTTP_FIELD_CONNECTION)
        return true;
    if (!head->connection_nominates)
        return false;
    for (size_t i = 0; i < head->header_count; i++)
        if (head->headers[i].field == HTTP_FIELD_CONNECTION &&
            value_has_token(head->headers[i].value, header->name))
            return true;
    return false;
}
