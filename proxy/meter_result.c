// Meter result: what a message comes to once no more of it is to come; see meter_message.h.
#include "cleanup.h"
#include "meter_message.h"

// True when `category` is one of those that are not billed, which are separated by spaces.
static bool is_free(const char *category, const char *free_refusals)
{
    size_t length = strlen(category);
    for (const char *at = free_refusals; *at != '\0';) {
        size_t word = strcspn(at, " ");
        if (word == length && word > 0 && memcmp(at, category, length) == 0)
            return true;
        at += word + strspn(at + word, " ");
    }
    return false;
}

static bool is_attempt(const struct usage_iteration *iteration)
{
    return iteration->type == USAGE_ITERATION_MESSAGE ||
           iteration->type == USAGE_ITERATION_FALLBACK_MESSAGE;
}

static int64_t estimate_tokens(int64_t text_bytes)
{
    return (text_bytes + METER_ESTIMATE_BYTES_PER_TOKEN - 1) / METER_ESTIMATE_BYTES_PER_TOKEN;
}

// The message broke off. What the last count does not cover is estimated from the text since then;
// before any count there is only message_start's placeholder, which is no count at all.
static void estimate_output(const struct meter_message *message, struct meter_result *result)
{
    int64_t estimate = estimate_tokens(message->text_bytes);
    int64_t *output = &result->usage.tokens.output;
    if (message->counted)
        *output += estimate;
    else if (*output < estimate)
        *output = estimate;
    result->estimated_output_tokens = message->counted ? estimate : *output;
    result->quality = METER_ESTIMATED;
}

// Iterations that do not name their model ran on the message's own.
static void name_models(const struct meter_message *message, struct usage *usage)
{
    for (size_t i = 0; i < usage->iteration_count; i++) {
        struct usage_iteration *iteration = &usage->iterations[i];
        if (iteration->model[0] == '\0')
            memcpy(iteration->model, message->model, sizeof(iteration->model));
    }
}

// Each fallback block closes one attempt, in order. An attempt without output whose refusal is in a
// free category is not billed.
static void mark_declined(const struct meter_message *message, const char *free_refusals,
                          struct usage *usage)
{
    size_t next = 0;
    for (size_t i = 0; i < message->fallback_count; i++) {
        const struct meter_fallback *fallback = &message->fallbacks[i];
        for (size_t k = next; k < usage->iteration_count; k++) {
            struct usage_iteration *iteration = &usage->iterations[k];
            if (!is_attempt(iteration) || strcmp(iteration->model, fallback->from) != 0)
                continue;
            iteration->declined_unbilled =
                iteration->tokens.output == 0 && is_free(fallback->category, free_refusals);
            next = k + 1;
            break;
        }
    }
}

// There was a fallback, but the iterations, which come with the last count, are missing: every
// attempt is taken to have read what the first had read.
static bool invent_attempts(const struct meter_message *message, struct usage *usage)
{
    size_t count = message->fallback_count;
    struct usage_iteration *iterations = calloc(count + 1, sizeof(*iterations));
    if (iterations == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        iterations[i].type = USAGE_ITERATION_MESSAGE;
        iterations[i].tokens = usage->tokens;
        iterations[i].tokens.output = estimate_tokens(message->fallbacks[i].text_bytes);
        memcpy(iterations[i].model, message->fallbacks[i].from, sizeof(iterations[i].model));
    }
    iterations[count].type = USAGE_ITERATION_FALLBACK_MESSAGE;
    iterations[count].tokens = usage->tokens;
    memcpy(iterations[count].model, message->fallbacks[count - 1].to,
           sizeof(iterations[count].model));
    usage->iterations = iterations;
    usage->iteration_count = count + 1;
    return true;
}

// The model that answered: the last that took over, else the one the message names.
static void find_model(const struct meter_message *message, struct usage *usage)
{
    memcpy(usage->model, message->model, sizeof(usage->model));
    for (size_t i = 0; i < message->fallback_count; i++)
        memcpy(usage->model, message->fallbacks[i].to, sizeof(usage->model));
    for (size_t i = 0; i < usage->iteration_count; i++)
        if (usage->iterations[i].type == USAGE_ITERATION_FALLBACK_MESSAGE)
            memcpy(usage->model, usage->iterations[i].model, sizeof(usage->model));
}

// The model that answered refused. That is free only if it is certain: it had said nothing, no
// iteration has output, no search was made for it, and the category is a free one.
static void mark_refused(const struct meter_message *message, const char *free_refusals,
                         struct meter_result *result)
{
    struct usage *usage = &result->usage;
    const char *category = message->category[0] != '\0' ? message->category : "none";
    if (strcmp(message->stop_reason, "refusal") != 0)
        return;
    slice_copy(slice_of(category), result->refusal_category, sizeof(result->refusal_category));
    bool silent = message->state == METER_MESSAGE_WHOLE && !message->spoke &&
                  usage->tokens.output == 0 && usage->web_search_requests == 0;
    enum usage_iteration_type serving = usage_json_serving_type(usage);
    for (size_t i = 0; i < usage->iteration_count; i++)
        if (usage->iterations[i].type == serving && !usage->iterations[i].declined_unbilled)
            silent &= usage->iterations[i].tokens.output == 0;
    usage->refused_unbilled = silent && is_free(category, free_refusals);
}

static void copy_texts(const struct meter_message *message, struct meter_result *result)
{
    if (result->usage.model[0] == '\0')
        memcpy(result->usage.model, message->model, sizeof(result->usage.model));
    memcpy(result->message_id, message->id, sizeof(result->message_id));
    memcpy(result->stop_reason, message->stop_reason, sizeof(result->stop_reason));
    memcpy(result->error_type, message->error_type, sizeof(result->error_type));
    result->complete = message->state == METER_MESSAGE_WHOLE;
}

static void give_up(struct meter_result *result, const char *because)
{
    free(result->usage.iterations);
    result->usage = (struct usage){.model = ""};
    result->quality = METER_UNREADABLE;
    result->unreadable_because = because;
}

// What the counts come to once the refusals and fallbacks around them are known.
static void work_out(const struct meter_message *message, const char *free_refusals,
                     struct meter_result *result)
{
    result->quality = METER_EXACT;
    if (message->state != METER_MESSAGE_WHOLE || !message->counted)
        estimate_output(message, result);
    if (message->fallback_count > 0 && result->usage.iteration_count == 0) {
        result->quality = METER_ESTIMATED;
        if (!invent_attempts(message, &result->usage))
            return give_up(result, "out of memory");
    }
    name_models(message, &result->usage);
    mark_declined(message, free_refusals, &result->usage);
    find_model(message, &result->usage);
    mark_refused(message, free_refusals, result);
}

void meter_message_finish(struct meter_message *message, const char *free_refusals,
                          struct meter_result *result)
{
    const char *problem = message->problem;
    *result = (struct meter_result){.quality = METER_NOTHING};
    bool has_usage = message->usage.bytes != NULL;
    if (!has_usage && message->state != METER_MESSAGE_FAILED && problem == NULL)
        problem = "the response ended before there was any usage in it";
    struct slice usage = {message->usage.bytes, message->usage.length};
    if (problem == NULL && has_usage)
        problem = usage_json_read(usage, &result->usage);
    if (problem != NULL)
        give_up(result, problem);
    else if (has_usage)
        work_out(message, free_refusals, result);
    copy_texts(message, result);
    result->usage_json = take_pointer(&message->usage.bytes);
    result->usage_json_length = message->usage.length;
}

void meter_result_done(struct meter_result *result)
{
    free(result->usage.iterations);
    free(result->usage_json);
    *result = (struct meter_result){.quality = METER_NOTHING};
}
