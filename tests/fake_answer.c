// An answer of the fake: status, headers and a body in parts, each with its delay.

#include "fake_answer.h"

#include <stdlib.h>
#include <string.h>

void fake_parts_append(struct fake_parts *parts, char *bytes, size_t length, int64_t delay_ms,
                       size_t output_bytes)
{
    if (parts->count == parts->capacity) {
        size_t capacity = parts->capacity > 0 ? parts->capacity * 2 : 8;
        struct fake_part *list = reallocarray(parts->list, capacity, sizeof(*list));
        if (list == NULL)
            abort();
        parts->list = list;
        parts->capacity = capacity;
    }
    parts->list[parts->count++] = (struct fake_part){bytes, length, delay_ms, output_bytes};
}

void fake_parts_done(struct fake_parts *parts)
{
    for (size_t i = 0; i < parts->count; i++)
        free(parts->list[i].bytes);
    free(parts->list);
    *parts = (struct fake_parts){0};
}

void fake_answer_init(struct fake_answer *answer, json_t *script)
{
    *answer = (struct fake_answer){.status = 200, .headers = json_object(), .script = script};
}

void fake_answer_done(struct fake_answer *answer)
{
    fake_parts_done(&answer->body);
    json_decref(answer->headers);
    json_decref(answer->script);
    *answer = (struct fake_answer){0};
}

void fake_answer_set_header(struct fake_answer *answer, const char *name, const char *value)
{
    json_object_set_new(answer->headers, name, json_string(value));
}

void fake_answer_set_text(struct fake_answer *answer, int status, const char *content_type,
                          const char *text, size_t length)
{
    answer->status = status;
    fake_answer_set_header(answer, "content-type", content_type);
    fake_parts_done(&answer->body);
    fake_parts_append(&answer->body, memcpy(malloc(length + 1), text, length), length, 0, 0);
}

void fake_answer_set_json(struct fake_answer *answer, int status, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    fake_answer_set_text(answer, status, "application/json", text, strlen(text));
    free(text);
}

static const char *error_type_of(int status)
{
    static const struct {
        int status;
        const char *type;
    } types[] = {
        {400, "invalid_request_error"}, {401, "authentication_error"}, {402, "billing_error"},
        {403, "permission_error"},      {404, "not_found_error"},      {409, "conflict_error"},
        {413, "request_too_large"},     {429, "rate_limit_error"},     {504, "timeout_error"},
        {529, "overloaded_error"},
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (types[i].status == status)
            return types[i].type;
    return status < 500 ? "invalid_request_error" : "api_error";
}

void fake_answer_set_error(struct fake_answer *answer, int status, const char *type,
                           const char *message, const char *error_code, const char *request_id)
{
    json_t *error = json_pack("{s:s, s:s}", "type", type != NULL ? type : error_type_of(status),
                              "message", message);
    if (error_code != NULL)
        json_object_set_new(error, "details", json_pack("{s:s}", "error_code", error_code));
    fake_answer_set_json(
        answer, status,
        json_pack("{s:s, s:o, s:s}", "type", "error", "error", error, "request_id", request_id));
}
