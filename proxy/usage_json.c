// Usage JSON: see usage_json.h. Texts are merged as texts: to parse them into a tree and print it
// again would cost more than to relay the whole response.
#include "usage_json.h"

#include "json_walk.h"

#include <stdlib.h>

static void append(struct usage_text *text, struct slice part)
{
    if (part.length > 0)
        memcpy(text->bytes + text->length, part.bytes, part.length);
    text->length += part.length;
}

static void append_member(struct usage_text *text, struct slice name, struct slice value)
{
    append(text, slice_of(text->length == 1 ? "\"" : ",\""));
    append(text, name);
    append(text, slice_of("\":"));
    append(text, value);
}

// The last value of that name which is not null, or NULL bytes.
static struct slice find_given(const struct json_members *members, struct slice name)
{
    for (size_t i = members->count; i > 0; i--) {
        struct slice each = members->items[i - 1].name, value = members->items[i - 1].value;
        if (slice_equals(each, name) && !slice_is(value, "null"))
            return value;
    }
    return (struct slice){NULL, 0};
}

const char *usage_json_merge(struct usage_text *usage, struct slice newer)
{
    struct json_members older = {.count = 0}, newest;
    struct usage_text merged = {.length = 0};
    if (!json_members_read(newer, &newest) ||
        (usage->bytes != NULL &&
         !json_members_read((struct slice){usage->bytes, usage->length}, &older)))
        return "usage is not a JSON object of at most 64 members";
    // Each member comes from one of the two, with no more around it than it had there.
    if (usage->length + newer.length > USAGE_JSON_BYTES_MAX)
        return "usage is longer than 64 KB";
    merged.bytes = malloc(usage->length + newer.length + 1);
    if (merged.bytes == NULL)
        return "out of memory";
    append(&merged, slice_of("{"));
    for (size_t i = 0; i < older.count; i++) {
        struct slice name = older.items[i].name, value = find_given(&newest, name);
        append_member(&merged, name, value.bytes != NULL ? value : older.items[i].value);
    }
    for (size_t i = 0; i < newest.count; i++) {
        struct slice name = newest.items[i].name, value = newest.items[i].value;
        if (!slice_is(value, "null") && find_given(&older, name).bytes == NULL)
            append_member(&merged, name, value);
    }
    append(&merged, slice_of("}"));
    merged.bytes[merged.length] = '\0';
    free(usage->bytes);
    *usage = merged;
    return NULL;
}

// The value of the member if it is there and not null, else NULL bytes.
static struct slice find(const struct json_members *members, const char *name)
{
    struct slice value = json_members_find(members, name);
    return slice_is(value, "null") ? (struct slice){NULL, 0} : value;
}

// *count = the member, 0 if it is absent or null. Returns false if it is not a count.
static bool read_count(const struct json_members *members, const char *name, int64_t *count)
{
    struct slice value = find(members, name);
    *count = 0;
    return value.bytes == NULL ||
           (json_number_integer(value, count) && *count >= 0 && *count <= USAGE_COUNT_MAX);
}

// The members of an object within another; none if it is absent or null.
static bool read_inner(const struct json_members *members, const char *name,
                       struct json_members *inner)
{
    struct slice value = find(members, name);
    inner->count = 0;
    return value.bytes == NULL || json_members_read(value, inner);
}

static bool string_is(const struct json_members *members, const char *name, const char *text)
{
    return json_text_is(json_string_text(json_members_find(members, name)), text);
}

static int64_t minimum(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

// Cache writes by time to live, as message_start or an iteration splits them.
struct cache_split {
    bool given;
    int64_t written_5m, written_1h;
};

// The five classes of a usage object or an iteration. The split may lag behind the total of the
// cache writes: what is left over counts as written for 5 minutes.
static bool read_tokens(const struct json_members *members, struct token_counts *tokens,
                        struct cache_split *split)
{
    struct json_members creation;
    int64_t written;
    if (!read_inner(members, "cache_creation", &creation) ||
        !read_count(members, "input_tokens", &tokens->input) ||
        !read_count(members, "output_tokens", &tokens->output) ||
        !read_count(members, "cache_read_input_tokens", &tokens->cache_read) ||
        !read_count(members, "cache_creation_input_tokens", &written) ||
        !read_count(&creation, "ephemeral_5m_input_tokens", &split->written_5m) ||
        !read_count(&creation, "ephemeral_1h_input_tokens", &split->written_1h))
        return false;
    split->given = find(members, "cache_creation").bytes != NULL;
    if (find(members, "cache_creation_input_tokens").bytes == NULL)
        written = split->written_5m + split->written_1h;
    tokens->cache_write_1h = minimum(split->written_1h, written);
    tokens->cache_write_5m = written - tokens->cache_write_1h;
    return true;
}

static enum usage_iteration_type read_iteration_type(const struct json_members *members)
{
    if (string_is(members, "type", "message"))
        return USAGE_ITERATION_MESSAGE;
    if (string_is(members, "type", "fallback_message"))
        return USAGE_ITERATION_FALLBACK_MESSAGE;
    if (string_is(members, "type", "compaction"))
        return USAGE_ITERATION_COMPACTION;
    if (string_is(members, "type", "advisor_message"))
        return USAGE_ITERATION_ADVISOR_MESSAGE;
    return USAGE_ITERATION_UNKNOWN;
}

// Adds the iteration that `element` is. `splits`: by type, what is split in all of them.
static const char *add_iteration(struct usage *usage, struct slice element,
                                 struct cache_split splits[])
{
    struct json_members members;
    struct usage_iteration iteration = {.model = ""};
    struct cache_split split;
    size_t count = usage->iteration_count;
    if (count == USAGE_ITERATIONS_MAX)
        return "usage.iterations has more than 256 elements";
    if (!json_members_read(element, &members) || !read_tokens(&members, &iteration.tokens, &split))
        return "usage.iterations has an element without valid counts";
    if ((count & (count - 1)) == 0) { // full: the capacity doubles
        void *grown = realloc(usage->iterations, (count == 0 ? 1 : 2 * count) * sizeof(iteration));
        if (grown == NULL)
            return "out of memory";
        usage->iterations = grown;
    }
    iteration.type = read_iteration_type(&members);
    slice_copy(json_string_text(find(&members, "model")), iteration.model, sizeof(iteration.model));
    splits[iteration.type].given |= split.given;
    splits[iteration.type].written_1h += iteration.tokens.cache_write_1h;
    usage->iterations[count] = iteration;
    usage->iteration_count = count + 1;
    return NULL;
}

static const char *read_iterations(struct slice array, struct usage *usage,
                                   struct cache_split splits[])
{
    struct json_walker walker;
    enum json_token token;
    const char *problem = NULL;
    if (array.bytes == NULL)
        return NULL;
    json_walker_init(&walker, array.bytes, array.length);
    if (json_walker_next(&walker) != JSON_TOKEN_ARRAY)
        return "usage.iterations is not an array";
    while (problem == NULL && (token = json_walker_next(&walker)) != JSON_TOKEN_ARRAY_END) {
        const char *start = walker.text.bytes;
        if (json_walker_skip(&walker, token) == JSON_TOKEN_BROKEN)
            return "usage.iterations is not valid JSON";
        struct slice element = {start, (size_t)(walker.bytes + walker.at - start)};
        problem = add_iteration(usage, element, splits);
    }
    return problem;
}

// The split comes with message_start only. When the cache writes have grown since (each round of a
// server tool writes again), the iterations know better.
static void split_grown_cache_writes(struct token_counts *tokens, const struct cache_split *start,
                                     const struct cache_split *iterations)
{
    int64_t total = tokens->cache_write_5m + tokens->cache_write_1h;
    if (!iterations->given || total <= start->written_5m + start->written_1h)
        return;
    tokens->cache_write_1h = minimum(iterations->written_1h, total);
    tokens->cache_write_5m = total - tokens->cache_write_1h;
}

static void read_conditions(const struct json_members *members, struct usage *usage)
{
    if (string_is(members, "speed", "fast"))
        usage->speed = USAGE_SPEED_FAST;
    if (string_is(members, "inference_geo", "us"))
        usage->geo = USAGE_GEO_US;
    if (string_is(members, "service_tier", "priority"))
        usage->tier = USAGE_TIER_PRIORITY;
    else if (string_is(members, "service_tier", "batch"))
        usage->tier = USAGE_TIER_BATCH;
}

static const char *read_usage(const struct json_members *members, struct usage *usage)
{
    struct json_members tools, details;
    struct cache_split start, splits[USAGE_ITERATION_UNKNOWN + 1] = {{.given = false}};
    if (!read_tokens(members, &usage->tokens, &start) ||
        !read_inner(members, "server_tool_use", &tools) ||
        !read_inner(members, "output_tokens_details", &details) ||
        !read_count(&details, "thinking_tokens", &usage->thinking_tokens) ||
        !read_count(&tools, "web_search_requests", &usage->web_search_requests) ||
        !read_count(&tools, "web_fetch_requests", &usage->web_fetch_requests))
        return "usage has a count that is not a whole number from 0 to 2^53";
    read_conditions(members, usage);
    const char *problem = read_iterations(find(members, "iterations"), usage, splits);
    split_grown_cache_writes(&usage->tokens, &start, &splits[usage_json_serving_type(usage)]);
    return problem;
}

const char *usage_json_read(struct slice usage, struct usage *read)
{
    struct json_members members;
    const char *problem = "usage is not a JSON object of at most 64 members";
    *read = (struct usage){.model = ""};
    if (json_members_read(usage, &members))
        problem = read_usage(&members, read);
    if (problem != NULL) {
        free(read->iterations);
        *read = (struct usage){.model = ""};
    }
    return problem;
}

enum usage_iteration_type usage_json_serving_type(const struct usage *usage)
{
    for (size_t i = 0; i < usage->iteration_count; i++)
        if (usage->iterations[i].type == USAGE_ITERATION_FALLBACK_MESSAGE)
            return USAGE_ITERATION_FALLBACK_MESSAGE;
    return USAGE_ITERATION_MESSAGE;
}
