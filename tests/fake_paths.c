// The small paths: probes, models, cache_touch, and the fake's own under /fake/.

#include "fake_api.h"

#include <string.h>

void fake_answer_probe(struct fake_call *call)
{
    fake_answer_set_text(&call->exchange->answer, 200, "text/plain", "", 0);
}

void fake_answer_cache_touch(struct fake_call *call)
{
    fake_answer_set_json(&call->exchange->answer, 200, json_object());
}

static json_t *model_to_json(const char *name)
{
    return json_pack("{s:s, s:s, s:s, s:s}", "type", "model", "id", name, "display_name", name,
                     "created_at", "2026-01-01T00:00:00Z");
}

void fake_answer_models(struct fake_call *call)
{
    json_t *list = json_array();
    const char *name;
    for (size_t i = 0; (name = fake_price_model_at(i)) != NULL; i++)
        json_array_append_new(list, model_to_json(name));
    fake_answer_set_json(&call->exchange->answer, 200,
                         json_pack("{s:o, s:b, s:s, s:s}", "data", list, "has_more", 0, "first_id",
                                   fake_price_model_at(0), "last_id", "claude-haiku-4-5"));
}

void fake_answer_model(struct fake_call *call)
{
    const char *name = fake_price_find_model(call->name);
    if (name == NULL)
        fake_refuse(call, 404, "model: not found");
    else
        fake_answer_set_json(&call->exchange->answer, 200, model_to_json(name));
}

void fake_answer_books(struct fake_call *call)
{
    fake_answer_set_json(&call->exchange->answer, 200, fake_books_totals(call->fake->books));
}

void fake_answer_reset(struct fake_call *call)
{
    fake_books_reset(call->fake->books);
    fake_scripts_reset(call->fake->scripts);
    fake_cache_free(call->fake->cache);
    call->fake->cache = fake_cache_new();
    fake_answer_books(call);
}

void fake_answer_script(struct fake_call *call)
{
    char problem[FAKE_SCRIPT_PROBLEM_MAX] = "";
    int added = fake_scripts_queue(call->fake->scripts, call->request->body,
                                   call->request->body_bytes, problem);
    if (added < 0)
        fake_refuse(call, 400, problem);
    else
        fake_answer_set_json(&call->exchange->answer, 200, json_pack("{s:i}", "queued", added));
}

void fake_answer_credential(struct fake_call *call)
{
    json_t *change = json_loadb(call->request->body, call->request->body_bytes, 0, NULL);
    if (!fake_credentials_change(call->fake->credentials, change))
        fake_refuse(call, 400, "unknown credential");
    else
        fake_answer_set_json(&call->exchange->answer, 200, json_object());
    json_decref(change);
}
