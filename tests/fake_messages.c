// POST /v1/messages and count_tokens: checks the parameters as the API does, then answers.

#include "fake_api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define MESSAGES_MAX 100000

const char *fake_body_decode(const char *coding, const char *body, size_t *length, size_t max,
                             char **decoded)
{
    if (strcmp(coding, "gzip") != 0)
        return "request_body_encoding_unsupported";
    z_stream inflater = {.next_in = (unsigned char *)body, .avail_in = (uInt)*length};
    size_t size = *length * 4 + 1024;
    int result;
    *decoded = NULL;
    if (inflateInit2(&inflater, 15 + 16) != Z_OK)
        abort();
    do {
        size = size * 2 < max ? size * 2 : max;
        char *larger = realloc(*decoded, size + 1);
        if (larger == NULL)
            abort();
        *decoded = larger;
        inflater.next_out = (unsigned char *)*decoded + inflater.total_out;
        inflater.avail_out = (uInt)(size - inflater.total_out);
        result = inflate(&inflater, Z_NO_FLUSH);
    } while (result == Z_OK && inflater.avail_out == 0 && size < max);
    *length = inflater.total_out;
    inflateEnd(&inflater);
    if (result == Z_STREAM_END)
        return NULL;
    return size == max ? "request_body_too_large_after_decoding" : "request_body_encoding_invalid";
}

static bool is_thread(const json_t *params)
{
    const json_t *thread = json_object_get(params, "thread");
    const char *type = json_string_value(json_object_get(thread, "type"));
    return type != NULL && strcmp(type, "continue") == 0;
}

static const char *messages_problem(const json_t *params)
{
    const json_t *messages = json_object_get(params, "messages");
    size_t i;
    const json_t *message;
    if (messages == NULL)
        return "messages: Field required";
    if (!json_is_array(messages))
        return "messages: Input should be a valid list";
    if (json_array_size(messages) == 0 && !is_thread(params))
        return "messages: at least one message is required";
    if (json_array_size(messages) > MESSAGES_MAX)
        return "messages: too many messages";
    json_array_foreach(messages, i, message)
    {
        const char *role = json_string_value(json_object_get(message, "role"));
        const json_t *content = json_object_get(message, "content");
        if (role == NULL || (strcmp(role, "user") != 0 && strcmp(role, "assistant") != 0 &&
                             strcmp(role, "system") != 0))
            return "messages: Input should be 'user', 'assistant' or 'system'";
        if (!json_is_string(content) && !json_is_array(content))
            return "messages: content: Field required";
    }
    return NULL;
}

// Speed and place exist for some models only.
static const char *terms_problem(const json_t *params, const char *model)
{
    const char *speed = json_string_value(json_object_get(params, "speed"));
    const char *geo = json_string_value(json_object_get(params, "inference_geo"));
    bool ignores_fast = strcmp(model, "claude-opus-4-6") == 0;
    if (speed != NULL && strcmp(speed, "fast") == 0 && !fake_price_has_fast(model) && !ignores_fast)
        return "speed: fast is not supported by this model";
    if (geo != NULL && strcmp(geo, "us") == 0 && !fake_price_has_geo(model))
        return "inference_geo: is not supported by this model";
    if (json_object_get(params, "fallbacks") != NULL && strcmp(model, "claude-haiku-5-5") == 0)
        return "fallbacks: not supported by this model";
    return NULL;
}

const char *fake_params_problem(const struct fake_call *call, const json_t *params, int *status)
{
    const json_t *model = json_object_get(params, "model");
    const json_t *max_tokens = json_object_get(params, "max_tokens");
    const json_t *stream = json_object_get(params, "stream");
    *status = 400;
    if (!json_is_object(params))
        return "The request body is not valid JSON";
    if (!json_is_string(model))
        return "model: Field required";
    const char *name = fake_price_find_model(json_string_value(model));
    if (name == NULL) {
        *status = 404;
        return "model: not found";
    }
    if (max_tokens == NULL || json_integer_value(max_tokens) < 1)
        return "max_tokens: Input should be greater than or equal to 1";
    if (stream != NULL && !json_is_boolean(stream))
        return "stream: Input should be a valid boolean";
    if (call->is_2026 &&
        (json_object_get(params, "temperature") != NULL ||
         json_object_get(params, "top_p") != NULL || json_object_get(params, "top_k") != NULL))
        return "temperature, top_p, top_k: not supported in this version";
    const char *problem = messages_problem(params);
    return problem != NULL ? problem : terms_problem(params, name);
}

// D.5: the identity stands in the first or, behind the attribution, the second block of the system.
static bool has_identity(const json_t *params)
{
    static const char *const identities[] = {
        "You are Claude Code, Anthropic's official CLI for Claude.",
        "You are a Claude agent, built on Anthropic's Claude Agent SDK.",
    };
    const json_t *system = json_object_get(params, "system");
    for (size_t i = 0; i < 2; i++) {
        const json_t *block = json_array_get(system, i);
        const char *text = json_string_value(json_object_get(block, "text"));
        if (json_is_string(system))
            text = json_string_value(system);
        for (size_t j = 0; text != NULL && j < sizeof(identities) / sizeof(identities[0]); j++)
            if (strncmp(text, identities[j], strlen(identities[j])) == 0)
                return true;
    }
    return false;
}

static bool lacks_identity(const struct fake_call *call)
{
    const char *model = json_string_value(json_object_get(call->body, "model"));
    return call->fake->require_identity && call->credential->is_oauth &&
           strstr(model, "haiku") == NULL && !has_identity(call->body);
}

// A thread's request carries only what is new, but the whole conversation is billed. Returns false
// if the conversation is not there, or is not this account's.
static bool add_thread(struct fake_call *call, json_t *prompt)
{
    if (!is_thread(call->body))
        return true;
    const char *previous = json_string_value(
        json_object_get(json_object_get(call->body, "thread"), "previous_message_id"));
    const json_t *thread = json_object_get(call->fake->threads, previous);
    const char *account = json_string_value(json_object_get(thread, "account"));
    if (account == NULL || strcmp(account, call->credential->account) != 0)
        return false;
    json_int_t input = json_integer_value(json_object_get(prompt, "input_tokens")) +
                       json_integer_value(json_object_get(thread, "tokens"));
    json_object_set_new(prompt, "input_tokens", json_integer(input));
    return true;
}

static void remember_thread(struct fake_call *call, const struct fake_message *message)
{
    if (json_object_get(call->body, "thread") == NULL)
        return;
    json_int_t tokens = fake_usage_prompt_tokens(message->usage) +
                        json_integer_value(json_object_get(message->usage, "output_tokens"));
    json_object_set_new(
        call->fake->threads, message->id,
        json_pack("{s:s, s:I}", "account", call->credential->account, "tokens", tokens));
}

void fake_answer_messages(struct fake_call *call)
{
    struct fake_exchange *exchange = call->exchange;
    char id[FAKE_ID_MAX];
    int status;
    const char *problem = fake_params_problem(call, call->body, &status);
    if (problem != NULL) {
        fake_refuse(call, status, problem);
        return;
    }
    if (lacks_identity(call)) {
        fake_refuse(call, 400,
                    "This credential is only authorized for use with Claude Code and cannot be "
                    "used for other API requests.");
        return;
    }
    bool streamed = json_is_true(json_object_get(call->body, "stream"));
    json_t *prompt =
        fake_usage_of_prompt(call->fake->cache, call->credential->account, call->body, true);
    if (!add_thread(call, prompt)) {
        json_decref(prompt);
        fake_answer_set_error(&exchange->answer, 404, NULL, "thread not found", "thread_not_found",
                              call->request_id);
        return;
    }
    fake_id_new(call->fake, "msg", id);
    bool is_beta = strstr(call->request->head.target, "?beta=true") != NULL;
    fake_message_init(&exchange->message, id, call->body, prompt, exchange->answer.script, is_beta);
    json_decref(prompt);
    remember_thread(call, &exchange->message);
    exchange->is_billed = true;
    json_object_set_new(exchange->entry, "message_id", json_string(id));
    json_object_set_new(exchange->entry, "model", json_string(exchange->message.model));
    json_object_set_new(exchange->entry, "stream", json_boolean(streamed));
    if (streamed)
        fake_stream_compose(&exchange->answer, &exchange->message);
    else
        fake_answer_set_json(&exchange->answer, 200, fake_message_to_json(&exchange->message));
}

// Free. Counts what a message with this body would be billed for, as its script has it.
void fake_answer_count_tokens(struct fake_call *call)
{
    const json_t *script = call->exchange->answer.script;
    int refused = (int)fake_script_integer(script, "count_tokens_status", 200);
    int status;
    if (refused != 200) {
        fake_refuse(call, refused, "scripted");
        return;
    }
    if (call->body != NULL) // count_tokens takes no max_tokens
        json_object_set_new(call->body, "max_tokens", json_integer(1));
    const char *problem = fake_params_problem(call, call->body, &status);
    if (problem != NULL) {
        fake_refuse(call, status, problem);
        return;
    }
    json_t *usage =
        fake_usage_of_prompt(call->fake->cache, call->credential->account, call->body, false);
    if (!add_thread(call, usage)) {
        json_decref(usage);
        fake_refuse(call, 404, "thread not found");
        return;
    }
    json_object_update(usage, json_object_get(script, "usage"));
    fake_answer_set_json(
        &call->exchange->answer, 200,
        json_pack("{s:I}", "input_tokens", (json_int_t)fake_usage_prompt_tokens(usage)));
    json_decref(usage);
}
