// Usage JSON: see usage_json.h.
#include "usage_json.h"

#include "cleanup.h"

const char *usage_json_merge(json_t **usage, struct slice newer)
{
    json_t *object = json_loadb(newer.bytes, newer.length, 0, NULL);
    const char *problem = NULL, *name;
    json_t *value;
    if (!json_is_object(object))
        problem = "usage is not a JSON object";
    else if (*usage == NULL)
        *usage = json_incref(object);
    else
        json_object_foreach(object, name, value)
        {
            if (!json_is_null(value) && json_object_set(*usage, name, value) != 0)
                problem = "out of memory";
        }
    json_decref(object);
    return problem;
}

// *count = the member, 0 if it is absent or null. Returns false if it is not a count.
static bool read_count(const json_t *object, const char *name, int64_t *count)
{
    const json_t *value = json_object_get(object, name);
    *count = 0;
    if (value == NULL || json_is_null(value))
        return true;
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        json_integer_value(value) > USAGE_COUNT_MAX)
        return false;
    *count = json_integer_value(value);
    return true;
}

static bool is_absent(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return value == NULL || json_is_null(value);
}

static bool string_is(const json_t *object, const char *name, const char *text)
{
    const char *value = json_string_value(json_object_get(object, name));
    return value != NULL && strcmp(value, text) == 0;
}

static int64_t minimum(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

// The five classes of a usage object or an iteration. The TTL split may lag behind the total of the
// cache writes: what is left over counts as written for 5 minutes.
static bool read_tokens(const json_t *object, struct token_counts *tokens)
{
    const json_t *split = json_object_get(object, "cache_creation");
    int64_t written, written_5m, written_1h;
    if (!read_count(object, "input_tokens", &tokens->input) ||
        !read_count(object, "output_tokens", &tokens->output) ||
        !read_count(object, "cache_read_input_tokens", &tokens->cache_read) ||
        !read_count(object, "cache_creation_input_tokens", &written) ||
        !read_count(split, "ephemeral_5m_input_tokens", &written_5m) ||
        !read_count(split, "ephemeral_1h_input_tokens", &written_1h))
        return false;
    if (is_absent(object, "cache_creation_input_tokens"))
        written = written_5m + written_1h;
    tokens->cache_write_1h = minimum(written_1h, written);
    tokens->cache_write_5m = written - tokens->cache_write_1h;
    return true;
}

static enum usage_iteration_type read_iteration_type(const json_t *iteration)
{
    if (string_is(iteration, "type", "message"))
        return USAGE_ITERATION_MESSAGE;
    if (string_is(iteration, "type", "fallback_message"))
        return USAGE_ITERATION_FALLBACK_MESSAGE;
    if (string_is(iteration, "type", "compaction"))
        return USAGE_ITERATION_COMPACTION;
    if (string_is(iteration, "type", "advisor_message"))
        return USAGE_ITERATION_ADVISOR_MESSAGE;
    return USAGE_ITERATION_UNKNOWN;
}

static const char *read_iterations(const json_t *array, struct usage *usage)
{
    if (array == NULL || json_is_null(array))
        return NULL;
    if (!json_is_array(array))
        return "usage.iterations is not an array";
    size_t count = json_array_size(array);
    if (count > USAGE_ITERATIONS_MAX)
        return "usage.iterations has more than 256 elements";
    if (count == 0)
        return NULL;
    usage->iterations = calloc(count, sizeof(*usage->iterations));
    if (usage->iterations == NULL)
        return "out of memory";
    usage->iteration_count = count;
    for (size_t i = 0; i < count; i++) {
        const json_t *element = json_array_get(array, i);
        const char *model = json_string_value(json_object_get(element, "model"));
        struct usage_iteration *iteration = &usage->iterations[i];
        if (!json_is_object(element) || !read_tokens(element, &iteration->tokens))
            return "usage.iterations has an element without valid counts";
        iteration->type = read_iteration_type(element);
        if (model != NULL)
            slice_copy(slice_of(model), iteration->model, sizeof(iteration->model));
    }
    return NULL;
}

// The split comes with message_start only. When the cache writes have grown since (each round of a
// server tool writes again), the iterations know better.
static bool split_grown_cache_writes(const json_t *object, struct usage *usage)
{
    const json_t *split = json_object_get(object, "cache_creation");
    struct token_counts *tokens = &usage->tokens;
    int64_t total = tokens->cache_write_5m + tokens->cache_write_1h;
    int64_t split_5m, split_1h, written_1h = 0;
    bool known = false;
    if (!read_count(split, "ephemeral_5m_input_tokens", &split_5m) ||
        !read_count(split, "ephemeral_1h_input_tokens", &split_1h))
        return false;
    const json_t *iterations = json_object_get(object, "iterations");
    enum usage_iteration_type serving = usage_json_serving_type(usage);
    for (size_t i = 0; i < usage->iteration_count; i++) {
        if (usage->iterations[i].type != serving)
            continue;
        known |= !is_absent(json_array_get(iterations, i), "cache_creation");
        written_1h += usage->iterations[i].tokens.cache_write_1h;
    }
    if (!known || total <= split_5m + split_1h)
        return true;
    tokens->cache_write_1h = minimum(written_1h, total);
    tokens->cache_write_5m = total - tokens->cache_write_1h;
    return true;
}

const char *usage_json_read(const json_t *usage, struct usage *read)
{
    struct usage result = {.model = ""};
    const json_t *tools = json_object_get(usage, "server_tool_use");
    const json_t *details = json_object_get(usage, "output_tokens_details");
    const char *problem = read_iterations(json_object_get(usage, "iterations"), &result);
    if (problem == NULL &&
        (!read_tokens(usage, &result.tokens) ||
         !read_count(details, "thinking_tokens", &result.thinking_tokens) ||
         !read_count(tools, "web_search_requests", &result.web_search_requests) ||
         !read_count(tools, "web_fetch_requests", &result.web_fetch_requests) ||
         !split_grown_cache_writes(usage, &result)))
        problem = "usage has a count that is not a whole number from 0 to 2^53";
    if (string_is(usage, "speed", "fast"))
        result.speed = USAGE_SPEED_FAST;
    if (string_is(usage, "inference_geo", "us"))
        result.geo = USAGE_GEO_US;
    if (string_is(usage, "service_tier", "priority"))
        result.tier = USAGE_TIER_PRIORITY;
    else if (string_is(usage, "service_tier", "batch"))
        result.tier = USAGE_TIER_BATCH;
    if (problem != NULL) {
        free(result.iterations);
        result = (struct usage){.model = ""};
    }
    *read = result;
    return problem;
}

enum usage_iteration_type usage_json_serving_type(const struct usage *usage)
{
    for (size_t i = 0; i < usage->iteration_count; i++)
        if (usage->iterations[i].type == USAGE_ITERATION_FALLBACK_MESSAGE)
            return USAGE_ITERATION_FALLBACK_MESSAGE;
    return USAGE_ITERATION_MESSAGE;
}
