// A message of the fake: what it answers to one request, before it is put on the wire.

#include "fake_message.h"

#include "fake_script.h"
#include "fake_usage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ECHO_BYTES_MAX 60
#define PLACEHOLDER_OUTPUT_TOKENS 2 // message_start carries 1 to 8
#define SEARCH_INPUT_GROWTH 4       // the documentation's example grows from 2,679 to 10,682

// The text of the last user message, shortened at a character: an answer tells what it answers.
static json_t *echo_text(const json_t *body)
{
    const json_t *messages = json_object_get(body, "messages");
    const json_t *content = NULL;
    for (size_t i = json_array_size(messages); i-- > 0 && content == NULL;) {
        const json_t *message = json_array_get(messages, i);
        const char *role = json_string_value(json_object_get(message, "role"));
        if (role != NULL && strcmp(role, "user") == 0)
            content = json_object_get(message, "content");
    }
    if (json_is_array(content) && json_array_size(content) > 0)
        content = json_object_get(json_array_get(content, json_array_size(content) - 1), "text");
    const char *text = json_is_string(content) ? json_string_value(content) : "nothing";
    size_t length = strlen(text);
    if (length > ECHO_BYTES_MAX)
        for (length = ECHO_BYTES_MAX; (text[length] & 0xc0) == 0x80;)
            length--;
    return json_sprintf("You said: %.*s", (int)length, text);
}

static json_t *text_block(const char *text)
{
    return json_pack("{s:s, s:s}", "type", "text", "text", text);
}

static void append_tool_use(json_t *content, const json_t *tool, const char *message_id)
{
    json_t *block = json_pack(
        "{s:s, s:o, s:O, s:O}", "type", "tool_use", "id",
        json_sprintf("toolu_%s_%zu", message_id + strlen("msg_"), json_array_size(content)), "name",
        json_object_get(tool, "name"), "input", json_object_get(tool, "input"));
    if (block != NULL)
        json_array_append_new(content, block);
}

// {"from": …, "to": …, "category": …} as the content block that the API gives.
static void append_fallback(json_t *content, const json_t *fallback)
{
    json_array_append_new(content,
                          json_pack("{s:s, s:{s:O?}, s:{s:O?}, s:{s:s, s:O?}}", "type", "fallback",
                                    "from", "model", json_object_get(fallback, "from"), "to",
                                    "model", json_object_get(fallback, "to"), "trigger", "type",
                                    "refusal", "category", json_object_get(fallback, "category")));
}

// One tool use, or an array of them.
static void append_tool_uses(json_t *content, const json_t *value, const char *message_id)
{
    size_t i;
    const json_t *tool;
    if (json_is_object(value))
        append_tool_use(content, value, message_id);
    json_array_foreach(value, i, tool) append_tool_use(content, tool, message_id);
}

static json_t *compose_content(const char *id, const json_t *body, const json_t *script)
{
    json_t *scripted = json_object_get(script, "content");
    if (scripted != NULL)
        return json_deep_copy(scripted);
    json_t *content = json_array();
    const char *thinking = fake_script_string(script, "thinking", NULL);
    const char *text = fake_script_string(script, "text", NULL);
    const json_t *tool_use = json_object_get(script, "tool_use");
    const json_t *fallback = json_object_get(script, "fallback");
    size_t i;
    const json_t *one;
    if (thinking != NULL)
        json_array_append_new(content, json_pack("{s:s, s:s, s:s}", "type", "thinking", "thinking",
                                                 thinking, "signature", "c2lnbmF0dXJl"));
    if (json_is_object(fallback))
        append_fallback(content, fallback);
    json_array_foreach(fallback, i, one) append_fallback(content, one);
    bool refused = strcmp(fake_script_string(script, "stop_reason", ""), "refusal") == 0;
    if (text != NULL && *text != '\0') {
        json_array_append_new(content, text_block(text));
    } else if (text == NULL && tool_use == NULL && !refused) {
        json_t *echo = echo_text(body);
        json_array_append_new(content, text_block(json_string_value(echo)));
        json_decref(echo);
    }
    append_tool_uses(content, tool_use, id);
    return content;
}

size_t fake_message_block_bytes(const json_t *block)
{
    size_t bytes = json_string_length(json_object_get(block, "text")) +
                   json_string_length(json_object_get(block, "thinking"));
    const json_t *input = json_object_get(block, "input");
    if (json_is_object(input)) {
        char *text = json_dumps(input, JSON_COMPACT);
        bytes += text != NULL ? strlen(text) : 0;
        free(text);
    }
    return bytes;
}

static size_t count_output_bytes(const json_t *content)
{
    size_t bytes = 0;
    size_t i;
    const json_t *block;
    json_array_foreach(content, i, block) bytes += fake_message_block_bytes(block);
    return bytes;
}

static void add_server_tools(json_t *usage, const json_t *script)
{
    int64_t searches = fake_script_integer(script, "web_search_requests", 0);
    int64_t fetches = fake_script_integer(script, "web_fetch_requests", 0);
    if (searches > 0 || fetches > 0)
        json_object_set_new(usage, "server_tool_use",
                            json_pack("{s:I, s:I}", "web_search_requests", (json_int_t)searches,
                                      "web_fetch_requests", (json_int_t)fetches));
}

// What the API applies of what was asked: tier, place and speed.
static void add_terms(json_t *usage, const json_t *body, const char *model)
{
    const char *speed = json_string_value(json_object_get(body, "speed"));
    const char *geo = json_string_value(json_object_get(body, "inference_geo"));
    bool fast = speed != NULL && strcmp(speed, "fast") == 0 && fake_price_has_fast(model);
    json_object_set_new(usage, "service_tier", json_string("standard"));
    json_object_set_new(usage, "inference_geo", json_string(geo != NULL ? geo : "global"));
    json_object_set_new(usage, "speed", json_string(fast ? "fast" : "standard"));
}

// The final usage: the prompt, what the content counts for, and on top what the script says.
static json_t *compose_usage(const struct fake_message *message, const json_t *body,
                             const json_t *prompt_usage, const json_t *script)
{
    json_t *usage = json_deep_copy(prompt_usage);
    json_object_set_new(usage, "output_tokens",
                        json_integer(fake_usage_output_tokens(message->output_bytes)));
    add_terms(usage, body, message->model);
    add_server_tools(usage, script);
    if (json_object_get(script, "iterations") != NULL)
        json_object_set(usage, "iterations", json_object_get(script, "iterations"));
    json_t *scripted = json_object_get(script, "usage");
    // A scripted total of cache writes without its split is all at the 5-minute TTL.
    if (json_object_get(scripted, "cache_creation_input_tokens") != NULL)
        json_object_set_new(usage, "cache_creation",
                            json_pack("{s:O, s:i}", "ephemeral_5m_input_tokens",
                                      json_object_get(scripted, "cache_creation_input_tokens"),
                                      "ephemeral_1h_input_tokens", 0));
    json_object_update(usage, scripted);
    return usage;
}

// No message is longer than its max_tokens; "max" asks for just that many.
static void bound_output(struct fake_message *message, const json_t *body)
{
    json_int_t max_tokens = json_integer_value(json_object_get(body, "max_tokens"));
    const json_t *output = json_object_get(message->usage, "output_tokens");
    if (!json_is_string(output) && json_integer_value(output) <= max_tokens)
        return;
    json_object_set_new(message->usage, "output_tokens", json_integer(max_tokens));
    free(message->stop_reason);
    message->stop_reason = strdup("max_tokens");
}

// One sampling of the model, which is all of the message.
static void add_iteration(json_t *usage)
{
    static const char *const names[] = {"input_tokens", "output_tokens",
                                        "cache_creation_input_tokens", "cache_read_input_tokens",
                                        "cache_creation"};
    json_t *iteration = json_pack("{s:s, s:n}", "type", "message", "model");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        json_object_set(iteration, names[i], json_object_get(usage, names[i]));
    json_object_set_new(usage, "iterations", json_pack("[o]", iteration));
}

static json_t *compose_start_usage(const json_t *usage, const json_t *script)
{
    json_t *start = json_deep_copy(usage);
    json_object_del(start, "iterations");
    json_object_del(start, "output_tokens_details");
    json_object_del(start, "server_tool_use");
    json_object_del(start, "fallback_credit");
    json_object_set_new(start, "output_tokens", json_integer(PLACEHOLDER_OUTPUT_TOKENS));
    if (fake_script_integer(script, "web_search_requests", 0) > 0) {
        json_int_t input = json_integer_value(json_object_get(usage, "input_tokens"));
        json_object_set_new(start, "input_tokens", json_integer(input / SEARCH_INPUT_GROWTH));
    }
    json_object_update(start, json_object_get(script, "start_usage"));
    return start;
}

static const char *natural_stop_reason(const json_t *content)
{
    const json_t *last = json_array_get(content, json_array_size(content) - 1);
    const char *type = json_string_value(json_object_get(last, "type"));
    return type != NULL && strcmp(type, "tool_use") == 0 ? "tool_use" : "end_turn";
}

void fake_message_init(struct fake_message *message, const char *id, const json_t *body,
                       const json_t *prompt_usage, const json_t *script, bool is_beta)
{
    const char *model = json_string_value(json_object_get(body, "model"));
    *message = (struct fake_message){
        .model = strdup(fake_script_string(script, "model", model)),
        .content = compose_content(id, body, script),
    };
    snprintf(message->id, sizeof(message->id), "%s", id);
    message->output_bytes = count_output_bytes(message->content);
    message->stop_reason =
        strdup(fake_script_string(script, "stop_reason", natural_stop_reason(message->content)));
    if (strcmp(message->stop_reason, "refusal") == 0)
        message->stop_details = json_pack("{s:s, s:O?}", "type", "refusal", "category",
                                          json_object_get(script, "stop_category"));
    message->usage = compose_usage(message, body, prompt_usage, script);
    bound_output(message, body);
    if (is_beta && json_object_get(message->usage, "iterations") == NULL)
        add_iteration(message->usage);
    message->start_usage = compose_start_usage(message->usage, script);
}

void fake_message_done(struct fake_message *message)
{
    free(message->model);
    free(message->stop_reason);
    json_decref(message->content);
    json_decref(message->usage);
    json_decref(message->start_usage);
    json_decref(message->stop_details);
    *message = (struct fake_message){0};
}

json_t *fake_message_to_json(const struct fake_message *message)
{
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:s, s:O, s:s, s:n, s:O}", "id", message->id, "type", "message",
                  "role", "assistant", "model", message->model, "content", message->content,
                  "stop_reason", message->stop_reason, "stop_sequence", "usage", message->usage);
    if (message->stop_details != NULL)
        json_object_set(json, "stop_details", message->stop_details);
    return json;
}

json_t *fake_message_partial_usage(const struct fake_message *message, size_t sent_bytes)
{
    json_t *usage = json_deep_copy(message->start_usage);
    json_int_t output = json_integer_value(json_object_get(message->usage, "output_tokens"));
    json_int_t total = (json_int_t)message->output_bytes;
    json_int_t part = total > 0 ? output * (json_int_t)sent_bytes / total : 0;
    json_object_set_new(usage, "output_tokens", json_integer(part));
    return usage;
}

void fake_message_bill(const struct fake_message *message, const json_t *usage,
                       struct fake_bill *bill)
{
    const char *category = json_string_value(json_object_get(message->stop_details, "category"));
    bool refused = message->stop_details != NULL &&
                   json_integer_value(json_object_get(usage, "output_tokens")) == 0;
    if (refused && !fake_price_refusal_is_billed(category))
        *bill = (struct fake_bill){0};
    else
        fake_price_usage(message->model, usage, message->content, bill);
}
