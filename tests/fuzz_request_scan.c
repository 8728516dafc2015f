// Fuzz: a request body of any bytes is scanned or refused; what is scanned is JSON to jansson as
// well, and an independent reading of it finds the same.
#include "request_batch.h"

#include <jansson.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static bool is_string(const json_t *value, struct slice text)
{
    if (text.bytes == NULL)
        return value == NULL || json_is_null(value);
    return json_is_string(value) && json_string_length(value) == text.length &&
           memcmp(json_string_value(value), text.bytes, text.length) == 0;
}

// True if some object in `value`, tools' data aside, has "type": `type`.
static bool has_type(const json_t *value, const char *type)
{
    const char *name, *text = json_string_value(json_object_get(value, "type"));
    json_t *inner;
    size_t i;
    if (text != NULL && strcmp(text, type) == 0)
        return true;
    json_object_foreach((json_t *)(uintptr_t)value, name, inner)
    {
        if (strncmp(name, "input", 5) != 0 && has_type(inner, type))
            return true;
    }
    json_array_foreach(value, i, inner)
    {
        if (has_type(inner, type))
            return true;
    }
    return false;
}

static void check_against(const struct request_scan *scan, const json_t *body)
{
    const json_t *max_tokens = json_object_get(body, "max_tokens");
    const json_t *messages = json_object_get(body, "messages");
    require(is_string(json_object_get(body, "model"), scan->model));
    require(is_string(json_object_get(body, "speed"), scan->speed));
    require(scan->max_tokens ==
            (json_is_integer(max_tokens) ? json_integer_value(max_tokens) : -1));
    require(scan->stream == json_is_true(json_object_get(body, "stream")));
    require(!json_is_array(messages) || scan->message_count == json_array_size(messages));
    require((scan->features & REQUEST_IMAGE) != 0 || !has_type(body, "image"));
    require((scan->features & REQUEST_DOCUMENT) != 0 || !has_type(body, "document"));
    require((scan->features & REQUEST_WEB_SEARCH) != 0 || !has_type(body, "web_search_20260318"));
}

static void check_span(struct request_span span, const char *bytes, size_t length)
{
    require(span.offset <= length && span.length <= length - span.offset);
    require(span.length == 0 || (bytes[span.offset] != ' ' && bytes[span.offset] != ','));
}

static void fuzz_batch(const char *bytes, size_t length)
{
    struct request_batch batch;
    struct request_batch_item item;
    struct request_scan scan;
    struct error err = {0};
    int next = request_batch_begin(&batch, bytes, length, &err);
    require(next == 0 || (next == -EBADMSG && err.code == -EBADMSG));
    while (next >= 0 && (next = request_batch_next(&batch, &item, &err)) > 0) {
        check_span(item.params, bytes, length);
        require(request_scan(&scan, bytes + item.params.offset, item.params.length, NULL) == 0);
        require(scan.features == item.scan.features && scan.max_tokens == item.scan.max_tokens);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct request_scan scan;
    struct error err = {0};
    const char *bytes = (const char *)data;
    int result = request_scan(&scan, bytes, size, &err);
    require(result == 0 || (result == -EBADMSG && err.code == -EBADMSG));
    fuzz_batch(bytes, size);
    if (result < 0)
        return 0;
    check_span(scan.model_at, bytes, size);
    check_span(scan.max_tokens_at, bytes, size);
    require(scan.model_count <= REQUEST_MODELS_MAX);
    // jansson also refuses what we leave to the upstream: bad UTF-8, NUL in names, huge numbers.
    json_t *body = json_loadb(bytes, size, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
    if (body != NULL)
        check_against(&scan, body);
    json_decref(body);
    return 0;
}
