// Exchange request: an exchange's request as it goes upstream, under the credential that was
// chosen.

#include "exchange_request.h"

#include "authorize.h"
#include "exchange_state.h"

#include <string.h>

size_t exchange_request_peek(void *context, uint64_t offset, const char **bytes)
{
    struct exchange *exchange = context;
    if (exchange->route.kind != ROUTE_UPLOAD)
        return request_body_peek(&exchange->body, offset, bytes);
    bool at_end;
    size_t there = upload_peek(&exchange->upload, offset, bytes, &at_end);
    if (!upload_is_full(&exchange->upload) && exchange->agent != NULL)
        agent_resume(exchange->agent);
    return at_end ? UPSTREAM_BODY_END : there;
}

int exchange_request_open(struct exchange *exchange, const struct upstream_receiver *receiver,
                          struct error *err)
{
    struct authorized_request authorized;
    const struct http_head *head = exchange->head;
    int64_t length = request_body_sent_length(&exchange->body);
    if (exchange->route.kind == ROUTE_UPLOAD && head->framing != HTTP_BODY_NONE)
        length = head->framing == HTTP_BODY_LENGTH ? head->content_length : UPSTREAM_LENGTH_UNKNOWN;
    int result = authorize(&authorized, head, &exchange->credential->secret, err);
    if (result == 0)
        result = upstream_open(exchange->proxy->upstream,
                               &(struct upstream_request){
                                   .method = head->method,
                                   .target = head->target,
                                   .headers = authorized.headers,
                                   .header_count = authorized.header_count,
                                   .body_length = length,
                               },
                               receiver, exchange, &exchange->transfer, err);
    explicit_bzero(authorized.authorization, sizeof(authorized.authorization));
    return result;
}
