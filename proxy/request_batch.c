// Request batch: see request_batch.h. One walk over the body, taken request by request.
#include "request_batch.h"

// Walks over members of the outermost object, up to and into `requests`, or to the end of the text.
// 1: in the array; 0: at the end.
static int walk_to_requests(struct request_batch *batch, struct error *err)
{
    struct json_walker *walker = &batch->walker;
    for (;;) {
        enum json_token token = json_walker_next(walker);
        if (token == JSON_TOKEN_OBJECT_END)
            break;
        if (token == JSON_TOKEN_BROKEN)
            return request_refuse_broken(walker, err);
        bool is_requests = json_text_is(walker->text, "requests");
        token = json_walker_next(walker);
        if (is_requests && token != JSON_TOKEN_ARRAY)
            return request_refuse(walker, err, "\"requests\" must be an array");
        if (is_requests && batch->begun)
            return request_refuse(walker, err, "\"requests\" occurs twice");
        if (is_requests) {
            batch->begun = true;
            return 1;
        }
        if (json_walker_skip(walker, token) == JSON_TOKEN_BROKEN)
            return request_refuse_broken(walker, err);
    }
    if (!batch->begun)
        return request_refuse(walker, err, "\"requests\" is missing");
    return json_walker_next(walker) == JSON_TOKEN_END ? 0 : request_refuse_broken(walker, err);
}

// Lets the walker see a step's worth of the body from where it is.
static void begin_step(struct request_batch *batch)
{
    struct json_walker *walker = &batch->walker;
    walker->length = batch->length;
    if (batch->length - walker->at > REQUEST_BATCH_STEP_BYTES_MAX)
        walker->length = walker->at + REQUEST_BATCH_STEP_BYTES_MAX;
}

// A step that has come to the end of what it may see, and wants more, was too long.
static int end_step(struct request_batch *batch, int result, struct error *err)
{
    struct json_walker *walker = &batch->walker;
    if (result <= 0 && walker->at == walker->length && walker->length < batch->length)
        return request_refuse(walker, err, "a request of the batch is larger than 32 MB");
    return result;
}

static int take_beginning(struct request_batch *batch, struct error *err)
{
    enum json_token token = json_walker_next(&batch->walker);
    if (token == JSON_TOKEN_BROKEN)
        return request_refuse_broken(&batch->walker, err);
    if (token != JSON_TOKEN_OBJECT)
        return request_refuse(&batch->walker, err, "it must be a JSON object");
    return walk_to_requests(batch, err);
}

int request_batch_begin(struct request_batch *batch, const char *bytes, size_t length,
                        struct error *err)
{
    *batch = (struct request_batch){.length = length};
    json_walker_init(&batch->walker, bytes, length);
    begin_step(batch);
    int result = end_step(batch, take_beginning(batch, err), err);
    return result < 0 ? result : 0;
}

// Takes the value of a member of a request, whose name is the last token.
static int take_member(struct request_batch *batch, struct request_batch_item *item,
                       struct error *err)
{
    struct json_walker *walker = &batch->walker;
    bool is_params = json_text_is(walker->text, "params");
    bool is_custom_id = json_text_is(walker->text, "custom_id");
    enum json_token token = json_walker_next(walker);
    if (is_custom_id && (token != JSON_TOKEN_STRING || item->custom_id.bytes != NULL))
        return request_refuse(walker, err, "\"custom_id\" must be one string");
    if (is_custom_id)
        item->custom_id = walker->text;
    if (!is_params)
        return json_walker_skip(walker, token) == JSON_TOKEN_BROKEN
                   ? request_refuse_broken(walker, err)
                   : 0;
    if (token != JSON_TOKEN_OBJECT || item->params.length > 0)
        return request_refuse(walker, err, "\"params\" must be one object");
    size_t offset = walker->at - 1;
    int failed = request_scan_object(&item->scan, walker, err);
    item->params = (struct request_span){offset, walker->at - offset};
    return failed;
}

static int take_request(struct request_batch *batch, struct request_batch_item *item,
                        struct error *err)
{
    struct json_walker *walker = &batch->walker;
    item->custom_id = (struct slice){NULL, 0};
    item->params = (struct request_span){0, 0};
    for (;;) {
        enum json_token token = json_walker_next(walker);
        if (token == JSON_TOKEN_BROKEN)
            return request_refuse_broken(walker, err);
        if (token == JSON_TOKEN_OBJECT_END)
            break;
        int failed = take_member(batch, item, err);
        if (failed != 0)
            return failed;
    }
    if (item->params.length == 0)
        return request_refuse(walker, err, "a request has no \"params\"");
    batch->count++;
    return 1;
}

static int take_next(struct request_batch *batch, struct request_batch_item *item,
                     struct error *err)
{
    struct json_walker *walker = &batch->walker;
    enum json_token token = json_walker_next(walker);
    switch (token) {
    case JSON_TOKEN_END: // as it was the last time
        return 0;
    case JSON_TOKEN_BROKEN:
        return request_refuse_broken(walker, err);
    case JSON_TOKEN_ARRAY_END:
        return walk_to_requests(batch, err);
    case JSON_TOKEN_OBJECT:
        return take_request(batch, item, err);
    default:
        return request_refuse(walker, err, "an element of \"requests\" is not an object");
    }
}

int request_batch_next(struct request_batch *batch, struct request_batch_item *item,
                       struct error *err)
{
    begin_step(batch);
    return end_step(batch, take_next(batch, item, err), err);
}
