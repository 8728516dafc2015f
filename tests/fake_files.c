// /v1/files: uploads are counted as they stream in and not kept.

#include "fake_api.h"

#include <string.h>

// Files are seen by their own account alone.
static json_t *find_file(struct fake_call *call)
{
    json_t *file = json_object_get(call->fake->files, call->name);
    const char *account = json_string_value(json_object_get(file, "account"));
    if (account != NULL && strcmp(account, call->credential->account) == 0)
        return json_object_get(file, "answer");
    fake_refuse(call, 404, "File not found");
    return NULL;
}

void fake_answer_file_create(struct fake_call *call)
{
    char id[FAKE_ID_MAX];
    fake_id_new(call->fake, "file", id);
    json_t *answer = json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:b}", "id", id, "type", "file",
                               "filename", "upload", "mime_type", "application/octet-stream",
                               "size_bytes", (json_int_t)call->request->body_bytes, "created_at",
                               "2026-11-25T00:00:00Z", "downloadable", 0);
    json_object_set_new(
        call->fake->files, id,
        json_pack("{s:s, s:O}", "account", call->credential->account, "answer", answer));
    fake_answer_set_json(&call->exchange->answer, 200, answer);
}

void fake_answer_file_list(struct fake_call *call)
{
    json_t *list = json_array();
    const char *id;
    json_t *file;
    json_object_foreach(call->fake->files, id, file)
    {
        const char *account = json_string_value(json_object_get(file, "account"));
        if (strcmp(account, call->credential->account) == 0)
            json_array_append(list, json_object_get(file, "answer"));
    }
    fake_answer_set_json(&call->exchange->answer, 200,
                         json_pack("{s:o, s:b}", "data", list, "has_more", 0));
}

void fake_answer_file(struct fake_call *call)
{
    json_t *file = find_file(call);
    if (file != NULL)
        fake_answer_set_json(&call->exchange->answer, 200, json_incref(file));
}

void fake_answer_file_delete(struct fake_call *call)
{
    if (find_file(call) == NULL)
        return;
    json_object_del(call->fake->files, call->name);
    fake_answer_set_json(&call->exchange->answer, 200,
                         json_pack("{s:s, s:s}", "id", call->name, "type", "file_deleted"));
}
