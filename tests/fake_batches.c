// /v1/messages/batches: created at once, processed by a timer, billed when processed, read at will.

#include "fake_api.h"

#include "clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCHES_MAX 1024
#define BATCH_REQUESTS_MAX 100000
#define CUSTOM_ID_MAX 64

enum batch_state { BATCH_IN_PROGRESS, BATCH_CANCELING, BATCH_ENDED };

enum result_type { SUCCEEDED, ERRORED, CANCELED, EXPIRED, RESULT_TYPES };

static const char *const result_names[] = {"succeeded", "errored", "canceled", "expired"};

struct batch {
    struct fake *fake;
    char id[FAKE_ID_MAX];
    char account[FAKE_ACCOUNT_MAX];
    enum batch_state state;
    int64_t created_at_ms;
    json_t *requests; // [{custom_id, params}]
    json_t *results;  // [{custom_id, result}], once it has ended
    int counts[RESULT_TYPES];
    bool is_2026;
    struct event *timer;
};

struct fake_batches {
    struct batch *list[BATCHES_MAX];
    size_t count;
};

struct fake_batches *fake_batches_new(void)
{
    return calloc(1, sizeof(struct fake_batches));
}

static void free_batch(struct batch *batch)
{
    event_free(batch->timer);
    json_decref(batch->requests);
    json_decref(batch->results);
    free(batch);
}

void fake_batches_free(struct fake_batches *batches)
{
    for (size_t i = 0; batches != NULL && i < batches->count; i++)
        free_batch(batches->list[i]);
    free(batches);
}

static json_t *result_of(enum result_type type, const char *name, json_t *value)
{
    json_t *result = json_pack("{s:s}", "type", result_names[type]);
    if (name != NULL)
        json_object_set_new(result, name, value);
    return result;
}

static json_t *error_result(struct batch *batch, const char *message)
{
    char id[FAKE_ID_MAX];
    fake_id_new(batch->fake, "req", id);
    return result_of(ERRORED, "error",
                     json_pack("{s:s, s:{s:s, s:s}, s:s}", "type", "error", "error", "type",
                               "invalid_request_error", "message", message, "request_id", id));
}

// Enters one message of a batch into the books: half price, and billed whoever reads it.
static void bill_message(struct batch *batch, const char *custom_id,
                         const struct fake_message *message)
{
    struct fake_bill bill = {0};
    fake_message_bill(message, message->usage, &bill);
    fake_books_write(batch->fake->books,
                     json_pack("{s:I, s:s, s:i, s:s, s:s, s:s, s:s, s:s}", "at_ms",
                               (json_int_t)(clock_now_us() / 1000), "kind", "batch_result",
                               "status", 200, "batch_id", batch->id, "custom_id", custom_id,
                               "message_id", message->id, "model", message->model, "account",
                               batch->account),
                     FAKE_END_COMPLETE, message->usage, &bill);
}

static json_t *answer_request(struct batch *batch, const char *custom_id, const json_t *params,
                              const json_t *script)
{
    struct fake_message message;
    char id[FAKE_ID_MAX];
    json_t *prompt = fake_usage_of_prompt(batch->fake->cache, batch->account, params, true);
    fake_id_new(batch->fake, "msg", id);
    fake_message_init(&message, id, params, prompt, script, false);
    json_object_set_new(message.usage, "service_tier", json_string("batch"));
    json_object_set_new(message.usage, "speed", json_string("standard"));
    bill_message(batch, custom_id, &message);
    json_t *result = result_of(SUCCEEDED, "message", fake_message_to_json(&message));
    fake_message_done(&message);
    json_decref(prompt);
    return result;
}

// One request of the batch, as its script says or as it comes.
static json_t *process_request(struct batch *batch, const char *custom_id, const json_t *params,
                               enum result_type *type)
{
    char text[FAKE_SCRIPT_PROBLEM_MAX] = "";
    const struct fake_call call = {.fake = batch->fake, .is_2026 = batch->is_2026};
    json_t *script = NULL;
    json_t *result = NULL;
    int status;
    *type = SUCCEEDED;
    const char *problem = fake_params_problem(&call, params, &status);
    if (fake_scripts_find_marker(batch->fake->scripts, params, &script, text) != 0)
        problem = text;
    const char *wanted = fake_script_string(script, "batch_result", "succeeded");
    for (size_t i = 0; i < RESULT_TYPES; i++)
        if (strcmp(result_names[i], wanted) == 0)
            *type = (enum result_type)i;
    if (batch->state == BATCH_CANCELING)
        *type = CANCELED;
    if (problem != NULL || *type == ERRORED) {
        *type = ERRORED;
        result = error_result(batch, problem != NULL ? problem : "scripted");
    } else {
        result = *type == SUCCEEDED ? answer_request(batch, custom_id, params, script)
                                    : result_of(*type, NULL, NULL);
    }
    json_decref(script);
    return result;
}

// Results come in any order: here the last first.
static void on_due(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct batch *batch = context;
    if (batch->state == BATCH_ENDED)
        return;
    for (size_t i = json_array_size(batch->requests); i-- > 0;) {
        const json_t *request = json_array_get(batch->requests, i);
        const char *custom_id = json_string_value(json_object_get(request, "custom_id"));
        enum result_type type;
        json_t *result =
            process_request(batch, custom_id, json_object_get(request, "params"), &type);
        batch->counts[type]++;
        json_array_append_new(batch->results,
                              json_pack("{s:s, s:o}", "custom_id", custom_id, "result", result));
    }
    batch->state = BATCH_ENDED;
}

static json_t *batch_to_json(const struct fake_call *call, const struct batch *batch)
{
    static const char *const states[] = {"in_progress", "canceling", "ended"};
    const char *host = fake_head_find(&call->request->head, "host");
    char created[CLOCK_TEXT_MAX];
    char expires[CLOCK_TEXT_MAX];
    bool ended = batch->state == BATCH_ENDED;
    clock_format_utc(batch->created_at_ms * 1000, created);
    clock_format_utc(batch->created_at_ms * 1000 + INT64_C(86400000000), expires);
    json_t *counts =
        json_pack("{s:i}", "processing", ended ? 0 : (int)json_array_size(batch->requests));
    for (size_t i = 0; i < RESULT_TYPES; i++)
        json_object_set_new(counts, result_names[i], json_integer(batch->counts[i]));
    json_t *url = ended ? json_sprintf("%s://%s/v1/messages/batches/%s/results",
                                       call->request->is_tls ? "https" : "http", host, batch->id)
                        : json_null();
    return json_pack("{s:s, s:s, s:s, s:o, s:s, s:s, s:s?, s:s?, s:n, s:o}", "id", batch->id,
                     "type", "message_batch", "processing_status", states[batch->state],
                     "request_counts", counts, "created_at", created, "expires_at", expires,
                     "ended_at", ended ? created : NULL, "cancel_initiated_at",
                     batch->counts[CANCELED] > 0 ? created : NULL, "archived_at", "results_url",
                     url);
}

static const char *requests_problem(const json_t *requests)
{
    size_t count = json_array_size(requests);
    if (count == 0 || count > BATCH_REQUESTS_MAX)
        return "requests: a list of 1 to 100000 is required";
    json_t *seen = json_object();
    const char *problem = NULL;
    for (size_t i = 0; i < count && problem == NULL; i++) {
        const json_t *request = json_array_get(requests, i);
        const char *custom_id = json_string_value(json_object_get(request, "custom_id"));
        if (custom_id == NULL || *custom_id == '\0' || strlen(custom_id) > CUSTOM_ID_MAX)
            problem = "requests: custom_id: 1 to 64 characters are required";
        else if (json_object_get(seen, custom_id) != NULL)
            problem = "requests: custom_id: is not unique";
        else if (!json_is_object(json_object_get(request, "params")))
            problem = "requests: params: Field required";
        else if (json_object_get(json_object_get(request, "params"), "fallbacks") != NULL)
            problem = "requests: params: fallbacks: not supported in batches";
        else
            json_object_set_new(seen, custom_id, json_true());
    }
    json_decref(seen);
    return problem;
}

void fake_answer_batch_create(struct fake_call *call)
{
    struct fake_batches *batches = call->fake->batches;
    json_t *requests = json_object_get(call->body, "requests");
    const char *problem = requests_problem(requests);
    struct batch *batch = problem == NULL ? calloc(1, sizeof(*batch)) : NULL;
    if (batch == NULL || batches->count == BATCHES_MAX) {
        fake_refuse(call, 400, problem != NULL ? problem : "too many batches");
        free(batch);
        return;
    }
    batch->fake = call->fake;
    fake_id_new(call->fake, "msgbatch", batch->id);
    snprintf(batch->account, sizeof(batch->account), "%s", call->credential->account);
    batch->created_at_ms = call->now_ms;
    batch->requests = json_incref(requests);
    batch->results = json_array();
    batch->is_2026 = call->is_2026;
    batch->timer = event_new(call->fake->base, -1, EV_TIMEOUT, on_due, batch);
    batches->list[batches->count++] = batch;
    int64_t delay_ms = fake_script_integer(call->exchange->answer.script, "batch_ms", 0);
    struct timeval delay = {delay_ms / 1000, delay_ms % 1000 * 1000};
    event_add(batch->timer, &delay);
    fake_answer_set_json(&call->exchange->answer, 200, batch_to_json(call, batch));
}

// Batches are seen by their own account alone.
static struct batch *find_batch(struct fake_call *call)
{
    struct fake_batches *batches = call->fake->batches;
    for (size_t i = 0; i < batches->count; i++)
        if (strcmp(batches->list[i]->id, call->name) == 0 &&
            strcmp(batches->list[i]->account, call->credential->account) == 0)
            return batches->list[i];
    fake_refuse(call, 404, "Message batch not found");
    return NULL;
}

void fake_answer_batch_list(struct fake_call *call)
{
    const struct fake_batches *batches = call->fake->batches;
    json_t *list = json_array();
    for (size_t i = batches->count; i-- > 0;)
        if (strcmp(batches->list[i]->account, call->credential->account) == 0)
            json_array_append_new(list, batch_to_json(call, batches->list[i]));
    fake_answer_set_json(
        &call->exchange->answer, 200,
        json_pack("{s:o, s:b, s:n, s:n}", "data", list, "has_more", 0, "first_id", "last_id"));
}

void fake_answer_batch(struct fake_call *call)
{
    const struct batch *batch = find_batch(call);
    if (batch != NULL)
        fake_answer_set_json(&call->exchange->answer, 200, batch_to_json(call, batch));
}

// What has not been processed by now is canceled; the batch ends in the loop's next turn.
void fake_answer_batch_cancel(struct fake_call *call)
{
    struct batch *batch = find_batch(call);
    if (batch == NULL)
        return;
    if (batch->state == BATCH_IN_PROGRESS) {
        batch->state = BATCH_CANCELING;
        event_active(batch->timer, EV_TIMEOUT, 0);
    }
    fake_answer_set_json(&call->exchange->answer, 200, batch_to_json(call, batch));
}

void fake_answer_batch_delete(struct fake_call *call)
{
    struct fake_batches *batches = call->fake->batches;
    struct batch *batch = find_batch(call);
    if (batch == NULL)
        return;
    if (batch->state != BATCH_ENDED) {
        fake_refuse(call, 400, "Message batch has not ended");
        return;
    }
    for (size_t i = 0; i < batches->count; i++)
        if (batches->list[i] == batch)
            batches->list[i] = batches->list[--batches->count];
    free_batch(batch);
    fake_answer_set_json(
        &call->exchange->answer, 200,
        json_pack("{s:s, s:s}", "id", call->name, "type", "message_batch_deleted"));
}

void fake_answer_batch_results(struct fake_call *call)
{
    const struct batch *batch = find_batch(call);
    if (batch == NULL)
        return;
    if (batch->state != BATCH_ENDED) {
        fake_refuse(call, 404, "Results are not available before the batch has ended");
        return;
    }
    char *text = NULL;
    size_t length = 0;
    FILE *lines = open_memstream(&text, &length);
    size_t i;
    const json_t *result;
    json_array_foreach(batch->results, i, result)
    {
        json_dumpf(result, lines, JSON_COMPACT);
        fputc('\n', lines);
    }
    fclose(lines);
    fake_answer_set_text(&call->exchange->answer, 200, "application/x-jsonl", text, length);
    free(text);
}
