// The API itself: which path means what, who may ask, what is refused, and what goes into the
// books.

#include "fake_api.h"

#include "cleanup.h"
#include "clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MESSAGES_BODY_MAX (32u << 20)
#define BATCH_BODY_MAX (256u << 20)
#define FILE_BODY_MAX (500u << 20)

static const struct fake_route routes[] = {
    {"HEAD", "/", "probe", fake_answer_probe, FAKE_OPEN},
    {"HEAD", "/api/hello", "probe", fake_answer_probe, FAKE_OPEN},
    {"GET", "/fake/books", "own", fake_answer_books, FAKE_OWN},
    {"POST", "/fake/reset", "own", fake_answer_reset, FAKE_OWN},
    {"POST", "/fake/script", "own", fake_answer_script, FAKE_OWN},
    {"POST", "/fake/credential", "own", fake_answer_credential, FAKE_OWN},
    {"POST", "/v1/oauth/token", "token", fake_answer_token, FAKE_OPEN},
    {"POST", "/v1/messages", "messages", fake_answer_messages, FAKE_CREDENTIAL},
    {"POST", "/v1/messages/count_tokens", "count_tokens", fake_answer_count_tokens,
     FAKE_CREDENTIAL},
    {"POST", "/v1/messages/cache_touch", "cache_touch", fake_answer_cache_touch, FAKE_CREDENTIAL},
    {"POST", "/v1/messages/batches", "batches", fake_answer_batch_create, FAKE_CREDENTIAL},
    {"GET", "/v1/messages/batches", "batches", fake_answer_batch_list, FAKE_CREDENTIAL},
    {"GET", "/v1/messages/batches/*", "batches", fake_answer_batch, FAKE_CREDENTIAL},
    {"POST", "/v1/messages/batches/*/cancel", "batches", fake_answer_batch_cancel, FAKE_CREDENTIAL},
    {"DELETE", "/v1/messages/batches/*", "batches", fake_answer_batch_delete, FAKE_CREDENTIAL},
    {"GET", "/v1/messages/batches/*/results", "batches", fake_answer_batch_results,
     FAKE_CREDENTIAL},
    {"POST", "/v1/files", "files", fake_answer_file_create, FAKE_CREDENTIAL},
    {"GET", "/v1/files", "files", fake_answer_file_list, FAKE_CREDENTIAL},
    {"GET", "/v1/files/*", "files", fake_answer_file, FAKE_CREDENTIAL},
    {"DELETE", "/v1/files/*", "files", fake_answer_file_delete, FAKE_CREDENTIAL},
    {"GET", "/v1/models", "models", fake_answer_models, FAKE_CREDENTIAL},
    {"GET", "/v1/models/*", "models", fake_answer_model, FAKE_CREDENTIAL},
};

void fake_refuse(struct fake_call *call, int status, const char *message)
{
    fake_answer_set_error(&call->exchange->answer, status, NULL, message, NULL, call->request_id);
}

// Whether `target` without its query is `pattern`; `*` stands for one segment, handed out in
// `name`.
static bool path_matches(const char *pattern, const char *target, char name[static FAKE_NAME_MAX])
{
    size_t length = strcspn(target, "?");
    const char *end = target + length;
    while (*pattern != '\0') {
        if (*pattern != '*') {
            if (target == end || *pattern++ != *target++)
                return false;
            continue;
        }
        pattern++;
        size_t segment = strcspn(target, "/?");
        if (segment == 0 || segment >= FAKE_NAME_MAX)
            return false;
        memcpy(name, target, segment);
        name[segment] = '\0';
        target += segment;
    }
    return target == end;
}

static const struct fake_route *find_route(struct fake_call *call)
{
    const struct fake_head *head = &call->request->head;
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
        if (strcmp(routes[i].method, head->method) == 0 &&
            path_matches(routes[i].path, head->target, call->name))
            return &routes[i];
    return NULL;
}

size_t fake_api_body_max(const struct fake_head *head, bool *counted)
{
    *counted = strncmp(head->target, "/v1/files", 9) == 0;
    if (*counted)
        return FILE_BODY_MAX;
    return strncmp(head->target, "/v1/messages/batches", 20) == 0 ? BATCH_BODY_MAX
                                                                  : MESSAGES_BODY_MAX;
}

void fake_id_new(struct fake *fake, const char *prefix, char id[static FAKE_ID_MAX])
{
    snprintf(id, FAKE_ID_MAX, "%s_%s%06llx", prefix, fake->nonce,
             (unsigned long long)++fake->last_id);
}

static bool check_credential(struct fake_call *call)
{
    struct fake_answer *answer = &call->exchange->answer;
    const struct fake_credential *known;
    struct fake_refusal refusal;
    call->credential = fake_credentials_check(call->fake->credentials, &call->request->head,
                                              call->now_ms, &known, &refusal);
    if (known != NULL) {
        json_object_set_new(call->exchange->entry, "credential", json_string(known->fingerprint));
        json_object_set_new(call->exchange->entry, "account", json_string(known->account));
        fake_credentials_add_headers(known, call->now_ms, answer);
    }
    if (call->credential == NULL)
        fake_answer_set_error(answer, refusal.status, refusal.type, refusal.message, NULL,
                              call->request_id);
    return call->credential != NULL;
}

static bool check_version(struct fake_call *call)
{
    const char *version = fake_head_find(&call->request->head, "anthropic-version");
    if (version == NULL) {
        fake_refuse(call, 400, "anthropic-version: header is required");
        return false;
    }
    if (strcmp(version, "2023-06-01") != 0 && strcmp(version, "2026-10-21") != 0) {
        fake_refuse(call, 400, "anthropic-version: is not a valid version");
        return false;
    }
    call->is_2026 = strcmp(version, "2026-10-21") == 0;
    return true;
}

// Reads the body, and the script that the request brings along.
static bool read_body(struct fake_call *call)
{
    const struct fake_request *request = call->request;
    const char *coding = fake_head_find(&request->head, "content-encoding");
    char problem[FAKE_SCRIPT_PROBLEM_MAX + 32] = "fake: script: ";
    size_t prefix = strlen(problem);
    cleanup_free char *decoded = NULL;
    const char *body = request->body;
    size_t length = request->body_bytes;
    bool counted;
    size_t max = fake_api_body_max(&request->head, &counted);
    if (coding != NULL) {
        const char *refusal = fake_body_decode(coding, body, &length, max, &decoded);
        if (refusal != NULL) {
            fake_answer_set_error(&call->exchange->answer,
                                  strstr(refusal, "too_large") != NULL ? 413 : 400, NULL, refusal,
                                  refusal, call->request_id);
            return false;
        }
        body = decoded;
    }
    if (body != NULL && length > 0 && *body == '{')
        call->body = json_loadb(body, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    if (fake_scripts_find(call->fake->scripts, &request->head, call->body,
                          &call->exchange->answer.script, problem + prefix) != 0) {
        fake_refuse(call, 400, problem);
        return false;
    }
    return true;
}

static json_t *header_names(const struct fake_head *head)
{
    json_t *names = json_array();
    for (size_t i = 0; i < head->header_count; i++)
        json_array_append_new(names, json_string(head->headers[i].name));
    return names;
}

static json_t *open_entry(const struct fake_call *call)
{
    const struct fake_head *head = &call->request->head;
    const char *retries = fake_head_find(head, "x-stainless-retry-count");
    const char *credential = fake_head_find(head, "x-api-key") != NULL       ? "x-api-key"
                             : fake_head_find(head, "authorization") != NULL ? "authorization"
                                                                             : NULL;
    return json_pack("{s:I, s:I, s:s, s:s, s:s, s:s?, s:s?, s:s?, s:s?, s:I, s:I, s:o}", "at_ms",
                     (json_int_t)call->now_ms, "connection", (json_int_t)call->request->connection,
                     "request_id", call->request_id, "method", head->method, "path", head->target,
                     "credential_header", credential, "version",
                     fake_head_find(head, "anthropic-version"), "beta",
                     fake_head_find(head, "anthropic-beta"), "session",
                     fake_head_find(head, "x-claude-code-session-id"), "retry_count",
                     (json_int_t)(retries != NULL ? atoll(retries) : 0), "bytes_in",
                     (json_int_t)call->request->body_bytes, "headers", header_names(head));
}

// A status of the script takes the place of the answer; its headers are added to any answer.
static bool answer_as_scripted(struct fake_call *call)
{
    struct fake_answer *answer = &call->exchange->answer;
    const json_t *script = answer->script;
    int status = (int)fake_script_integer(script, "status", 200);
    const char *body = fake_script_string(script, "body", NULL);
    if (body != NULL)
        fake_answer_set_text(answer, status,
                             fake_script_string(script, "content_type", "application/json"), body,
                             strlen(body));
    else if (status != 200)
        fake_answer_set_error(answer, status, fake_script_string(script, "error", NULL),
                              fake_script_string(script, "message", "scripted"),
                              fake_script_string(script, "error_code", NULL), call->request_id);
    return body != NULL || status != 200;
}

static void add_scripted_headers(struct fake_answer *answer)
{
    const char *name;
    json_t *value;
    json_object_foreach(json_object_get(answer->script, "headers"), name, value)
    {
        if (json_is_null(value))
            json_object_del(answer->headers, name);
        else
            json_object_set(answer->headers, name, value);
    }
}

// Everything that may be refused before the path's own handler is asked.
static bool admit(struct fake_call *call, enum fake_access access)
{
    if (access == FAKE_OWN)
        return true;
    if (!fake_inspect_head(call))
        return false;
    if (call->request->too_large) {
        fake_refuse(call, 413, "Request exceeds the maximum size");
        return false;
    }
    if (access == FAKE_CREDENTIAL && (!check_credential(call) || !check_version(call)))
        return false;
    if (!read_body(call) || !fake_inspect_script(call))
        return false;
    if (fake_script_flag(call->exchange->answer.script, "drop")) {
        call->exchange->answer.status = 0; // there is none
        return false;
    }
    return !answer_as_scripted(call);
}

static void answer_call(struct fake_call *call)
{
    static const struct fake_route unknown = {"", "", "unknown", NULL, FAKE_CREDENTIAL};
    const struct fake_route *route = find_route(call);
    if (route == NULL)
        route = &unknown;
    if (route->access == FAKE_OWN) {
        json_decref(call->exchange->entry);
        call->exchange->entry = NULL;
    } else {
        json_object_set_new(call->exchange->entry, "kind", json_string(route->kind));
    }
    if (!admit(call, route->access))
        return;
    if (route->answer != NULL)
        route->answer(call);
    else
        fake_refuse(call, 404, "Not found");
}

void fake_api_answer(struct fake *fake, const struct fake_request *request,
                     struct fake_exchange *exchange)
{
    struct fake_call call = {
        .fake = fake,
        .request = request,
        .exchange = exchange,
        .now_ms = clock_now_us() / 1000,
    };
    *exchange = (struct fake_exchange){0};
    fake_answer_init(&exchange->answer, NULL);
    fake_id_new(fake, "req", call.request_id);
    fake_answer_set_header(&exchange->answer, "request-id", call.request_id);
    exchange->entry = open_entry(&call);
    answer_call(&call);
    json_decref(call.body);
    add_scripted_headers(&exchange->answer);
    if (exchange->entry != NULL) {
        json_t *script_id = json_object_get(exchange->answer.script, "id");
        json_object_set_new(exchange->entry, "status", json_integer(exchange->answer.status));
        if (script_id != NULL)
            json_object_set(exchange->entry, "script_id", script_id);
    }
}

// What an answer that ended like this costs: all of it, or what was sent of it, or nothing.
static json_t *settle(const struct fake_exchange *exchange, enum fake_end end, size_t output_bytes)
{
    const struct fake_answer *answer = &exchange->answer;
    const char *policy =
        fake_script_string(answer->script, "bill", answer->streamed ? "streamed" : "full");
    if (!exchange->is_billed)
        return NULL;
    if (end == FAKE_END_COMPLETE || strcmp(policy, "full") == 0)
        return json_incref(exchange->message.usage);
    return strcmp(policy, "none") == 0
               ? NULL
               : fake_message_partial_usage(&exchange->message, output_bytes);
}

void fake_api_close(struct fake *fake, struct fake_exchange *exchange, enum fake_end end,
                    size_t output_bytes)
{
    if (exchange->entry != NULL) {
        struct fake_bill bill = {0};
        json_t *usage = settle(exchange, end, output_bytes);
        if (exchange->is_billed) {
            fake_message_bill(&exchange->message, exchange->message.usage, &bill);
            json_object_set_new(exchange->entry, "whole_pico_usd", json_integer(bill.pico_usd));
        }
        if (usage != NULL)
            fake_message_bill(&exchange->message, usage, &bill);
        fake_books_write(fake->books, exchange->entry, end, usage, &bill);
        json_decref(usage);
    }
    if (exchange->is_billed)
        fake_message_done(&exchange->message);
    fake_answer_done(&exchange->answer);
}
