// Request facts: what a member of a request's body says, by its name and where it stands. Pure.
#include "request_scanner.h"

static bool value_is(const struct scanner *scanner, const char *text)
{
    return scanner->token == JSON_TOKEN_STRING && json_text_is(scanner->walker->text, text);
}

static struct request_span value_span(const struct scanner *scanner)
{
    const struct json_walker *walker = scanner->walker;
    size_t quote = scanner->token == JSON_TOKEN_STRING ? 1 : 0;
    return (struct request_span){(size_t)(walker->text.bytes - walker->bytes) - quote,
                                 walker->text.length + 2 * quote};
}

// Takes a string that is acted upon, and so must say what it says in one way only. Null is absent.
static int take_text(struct scanner *scanner, struct slice *text)
{
    if (scanner->token == JSON_TOKEN_NULL)
        return 0;
    if (scanner->token != JSON_TOKEN_STRING || scanner->walker->escaped)
        return error_set(scanner->err, -EBADMSG,
                         "byte %zu of the body: \"%.*s\" must be a string without escapes",
                         scanner->walker->at, (int)scanner->name.length, scanner->name.bytes);
    *text = scanner->walker->text;
    return 0;
}

static int take_count(struct scanner *scanner, int64_t *count)
{
    if (scanner->token == JSON_TOKEN_NULL)
        return 0;
    int64_t value;
    if (scanner->token != JSON_TOKEN_NUMBER ||
        !json_number_integer(scanner->walker->text, &value) || value < 0)
        return error_set(scanner->err, -EBADMSG,
                         "byte %zu of the body: \"%.*s\" must be a whole number such as 4096",
                         scanner->walker->at, (int)scanner->name.length, scanner->name.bytes);
    *count = value;
    return 0;
}

// Notes a model that is named outside the top level, once.
static int add_model(struct scanner *scanner, enum request_model_role role)
{
    struct request_scan *scan = scanner->scan;
    struct slice name = {NULL, 0};
    int failed = take_text(scanner, &name);
    if (failed != 0 || name.bytes == NULL)
        return failed;
    for (size_t i = 0; i < scan->model_count; i++)
        if (scan->models[i].name.length == name.length &&
            memcmp(scan->models[i].name.bytes, name.bytes, name.length) == 0)
            return 0;
    if (scan->model_count == REQUEST_MODELS_MAX)
        return request_refuse(scanner->walker, scanner->err, "more than 16 models are named");
    scan->models[scan->model_count++] = (struct request_model){name, role};
    return 0;
}

// Notes a file or a message that is referred to, once.
static int add_reference(struct scanner *scanner)
{
    struct request_scan *scan = scanner->scan;
    struct slice id = {NULL, 0};
    int failed = take_text(scanner, &id);
    for (size_t i = 0; i < scan->reference_count && id.bytes != NULL; i++)
        if (slice_equals(scan->references[i], id))
            return 0;
    if (failed != 0 || id.bytes == NULL)
        return failed;
    if (scan->reference_count == REQUEST_REFERENCES_MAX)
        return request_refuse(scanner->walker, scanner->err, "more than 128 files are referred to");
    scan->references[scan->reference_count++] = id;
    return 0;
}

// "type" of any object: blocks whose size says nothing about their tokens, and server tools, which
// can be added in the midst of messages as well.
static void note_type(struct scanner *scanner)
{
    if (scanner->token != JSON_TOKEN_STRING)
        return;
    if (value_is(scanner, "image")) {
        scanner_add_feature(scanner, REQUEST_IMAGE);
        scanner->scan->image_count++;
    } else if (value_is(scanner, "document")) {
        scanner_add_feature(scanner, REQUEST_DOCUMENT);
        scanner->scan->document_count++;
    } else if (value_is(scanner, "container_upload")) {
        scanner_add_feature(scanner, REQUEST_FILE_ID);
    } else if (json_text_starts_with(scanner->walker->text, "compact_2")) {
        scanner_add_feature(scanner, REQUEST_COMPACTION);
    } else {
        scanner_add_feature(scanner, request_tool_features(scanner->walker->text));
    }
}

static void add_system_text(struct scanner *scanner)
{
    struct request_scan *scan = scanner->scan;
    if (scanner->token == JSON_TOKEN_STRING && scan->system_text_count < REQUEST_SYSTEM_TEXTS_MAX)
        scan->system_texts[scan->system_text_count++] = scanner->walker->text;
}

static bool is_present(const struct scanner *scanner)
{
    return scanner->token != JSON_TOKEN_NULL;
}

// The facts that hold wherever they stand.
static int scan_anywhere(struct scanner *scanner, enum place place)
{
    switch (scanner->member) {
    case MEMBER_TYPE:
        note_type(scanner);
        return 0;
    case MEMBER_CACHE_CONTROL:
    case MEMBER_CACHING:
        scanner_add_feature(scanner, is_present(scanner) ? REQUEST_CACHE_CONTROL : 0);
        return 0;
    case MEMBER_TTL:
        scanner_add_feature(scanner, value_is(scanner, "1h") ? REQUEST_CACHE_TTL_1H : 0);
        return 0;
    case MEMBER_FILE_ID:
        scanner_add_feature(scanner, is_present(scanner) ? REQUEST_FILE_ID : 0);
        return add_reference(scanner);
    case MEMBER_PREVIOUS_MESSAGE_ID:
        return add_reference(scanner);
    case MEMBER_MODEL:
        if (place == PLACE_TOP || place == PLACE_MESSAGE_PART)
            return 0;
        return add_model(scanner,
                         place == PLACE_FALLBACK ? REQUEST_MODEL_FALLBACK : REQUEST_MODEL_OTHER);
    default:
        return 0;
    }
}

// Members of the top level that count by being there.
static void note_top_member(struct scanner *scanner)
{
    if (!is_present(scanner))
        return;
    switch (scanner->member) {
    case MEMBER_BILLING_POLICY:
        scanner_add_feature(scanner, REQUEST_BILLS_OTHER);
        break;
    case MEMBER_COMPACTION:
        scanner_add_feature(scanner, REQUEST_COMPACTION);
        break;
    case MEMBER_CONTAINER:
        scanner_add_feature(scanner, REQUEST_CONTAINER);
        break;
    case MEMBER_CONTEXT_MANAGEMENT:
        scanner_add_feature(scanner, REQUEST_CONTEXT_MANAGEMENT);
        break;
    case MEMBER_THREAD:
        scanner_add_feature(scanner, REQUEST_THREAD);
        break;
    case MEMBER_FALLBACKS:
        if (scanner->token != JSON_TOKEN_ARRAY)
            scanner_add_feature(scanner, REQUEST_FALLBACKS | REQUEST_FALLBACKS_UNNAMED);
        break;
    default:
        break;
    }
}

static int scan_top_member(struct scanner *scanner)
{
    struct request_scan *scan = scanner->scan;
    note_top_member(scanner);
    switch (scanner->member) {
    case MEMBER_MODEL:
        if (is_present(scanner))
            scan->model_at = value_span(scanner);
        return take_text(scanner, &scan->model);
    case MEMBER_MAX_TOKENS:
        if (is_present(scanner))
            scan->max_tokens_at = value_span(scanner);
        return take_count(scanner, &scan->max_tokens);
    case MEMBER_STREAM:
        if (scanner->token != JSON_TOKEN_TRUE && scanner->token != JSON_TOKEN_FALSE &&
            is_present(scanner))
            return request_refuse(scanner->walker, scanner->err,
                                  "\"stream\" must be true or false");
        scan->stream = scanner->token == JSON_TOKEN_TRUE;
        return 0;
    case MEMBER_SPEED:
        scanner_add_feature(scanner, value_is(scanner, "fast") ? REQUEST_FAST : 0);
        return take_text(scanner, &scan->speed);
    case MEMBER_SERVICE_TIER:
        return take_text(scanner, &scan->service_tier);
    case MEMBER_INFERENCE_GEO:
        return take_text(scanner, &scan->inference_geo);
    case MEMBER_SYSTEM:
        add_system_text(scanner);
        return 0;
    default:
        return 0;
    }
}

static int scan_tool_member(struct scanner *scanner)
{
    if (scanner->member == MEMBER_MAX_USES)
        return take_count(scanner, &scanner->tool_uses);
    if (scanner->member != MEMBER_TYPE || scanner->token != JSON_TOKEN_STRING)
        return 0;
    struct slice type = scanner->walker->text;
    scanner->tool_searches |= json_text_starts_with(type, "web_search_2");
    if (!request_tool_runs_at_client(type) && request_tool_features(type) == 0)
        scanner_add_feature(scanner, REQUEST_OTHER_SERVER_TOOL);
    return 0;
}

void scanner_start_tool(struct scanner *scanner)
{
    scanner->tool_searches = false;
    scanner->tool_uses = -1;
}

void scanner_end_tool(struct scanner *scanner)
{
    struct request_scan *scan = scanner->scan;
    if (!scanner->tool_searches)
        return;
    if (scanner->tool_uses < 0 || scan->web_search_uses_max < 0 ||
        __builtin_add_overflow(scan->web_search_uses_max, scanner->tool_uses,
                               &scan->web_search_uses_max))
        scan->web_search_uses_max = -1;
}

static int scan_fallback_member(struct scanner *scanner)
{
    struct request_scan *scan = scanner->scan;
    if (scanner->member == MEMBER_SPEED && value_is(scanner, "fast"))
        scanner_add_feature(scanner, REQUEST_FAST);
    if (scanner->member != MEMBER_MAX_TOKENS)
        return 0;
    int64_t count = -1;
    int failed = take_count(scanner, &count);
    if (count > scan->fallback_max_tokens)
        scan->fallback_max_tokens = count;
    return failed;
}

static int scan_thinking_member(struct scanner *scanner)
{
    if (scanner->member == MEMBER_TYPE)
        return take_text(scanner, &scanner->scan->thinking_type);
    if (scanner->member == MEMBER_BUDGET_TOKENS)
        return take_count(scanner, &scanner->scan->thinking_budget_tokens);
    return 0;
}

int scanner_take_fact(struct scanner *scanner, enum place place)
{
    int failed = scan_anywhere(scanner, place);
    if (failed != 0)
        return failed;
    switch (place) {
    case PLACE_TOP:
        return scan_top_member(scanner);
    case PLACE_TOOL:
        return scan_tool_member(scanner);
    case PLACE_FALLBACK:
        return scan_fallback_member(scanner);
    case PLACE_THINKING:
        return scan_thinking_member(scanner);
    case PLACE_SYSTEM_BLOCK:
        if (scanner->member == MEMBER_TEXT)
            add_system_text(scanner);
        return 0;
    case PLACE_METADATA:
        if (scanner->member == MEMBER_USER_ID && scanner->token == JSON_TOKEN_STRING)
            scanner->scan->user_id = scanner->walker->text;
        return 0;
    case PLACE_CONTAINER:
        if (scanner->member == MEMBER_SKILLS && is_present(scanner))
            scanner_add_feature(scanner, REQUEST_SKILLS);
        return 0;
    case PLACE_THREAD:
        if (scanner->member == MEMBER_PREVIOUS_MESSAGE_ID ||
            (scanner->member == MEMBER_TYPE && !value_is(scanner, "create")))
            scanner_add_feature(scanner, REQUEST_THREAD_CONTINUE);
        return 0;
    default:
        return 0;
    }
}
