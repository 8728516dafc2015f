// Request scan: see request_scan.h. One walk over the body that always knows what it is inside of.
#include "request_scan.h"

#include "request_members.h"

// What an object or array is, as far as that matters. The place of what is inside follows from the
// place it is in and the member's name.
enum place {
    PLACE_ELSEWHERE, // only the facts that hold anywhere are looked for
    PLACE_TOOL_DATA, // what a tool takes or gives: free-form, says nothing about the request
    PLACE_TOP,
    PLACE_SYSTEM,
    PLACE_SYSTEM_BLOCK,
    PLACE_MESSAGES,
    PLACE_MESSAGE_PART, // models that it names have answered before
    PLACE_TOOLS,
    PLACE_TOOL,
    PLACE_TOOL_PART,
    PLACE_FALLBACKS,
    PLACE_FALLBACK,
    PLACE_MCP_SERVERS,
    PLACE_CONTAINER,
    PLACE_THINKING,
    PLACE_THREAD,
    PLACE_METADATA,
};

struct scanner {
    struct json_walker *walker;
    struct request_scan *scan;
    struct error *err;
    struct slice name;                      // of the member that is looked at,
    enum request_member member;             // which that is,
    enum json_token token;                  // and its value
    struct slice seen[REQUEST_MEMBERS_MAX]; // names at the top level
    size_t seen_count;
    bool tool_searches;                 // the tool we are in is a web search, with
    int64_t tool_uses;                  // so many uses at most, -1 without bound
    uint8_t places[JSON_DEPTH_MAX + 1]; // enum place, by depth
};

static bool value_is(const struct scanner *scanner, const char *text)
{
    return scanner->token == JSON_TOKEN_STRING && json_text_is(scanner->walker->text, text);
}

// Adds one feature, several or none.
static void add_feature(struct scanner *scanner, uint32_t features)
{
    scanner->scan->features |= features;
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
        add_feature(scanner, REQUEST_IMAGE);
        scanner->scan->image_count++;
    } else if (value_is(scanner, "document")) {
        add_feature(scanner, REQUEST_DOCUMENT);
        scanner->scan->document_count++;
    } else if (value_is(scanner, "container_upload")) {
        add_feature(scanner, REQUEST_FILE_ID);
    } else if (json_text_starts_with(scanner->walker->text, "compact_2")) {
        add_feature(scanner, REQUEST_COMPACTION);
    } else {
        add_feature(scanner, request_tool_features(scanner->walker->text));
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
        add_feature(scanner, is_present(scanner) ? REQUEST_CACHE_CONTROL : 0);
        return 0;
    case MEMBER_TTL:
        add_feature(scanner, value_is(scanner, "1h") ? REQUEST_CACHE_TTL_1H : 0);
        return 0;
    case MEMBER_FILE_ID:
        add_feature(scanner, is_present(scanner) ? REQUEST_FILE_ID : 0);
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

// What an object or array at the top level is.
static enum place find_place_at_top(enum request_member member)
{
    switch (member) {
    case MEMBER_CONTAINER:
        return PLACE_CONTAINER;
    case MEMBER_FALLBACKS:
        return PLACE_FALLBACKS;
    case MEMBER_MCP_SERVERS:
        return PLACE_MCP_SERVERS;
    case MEMBER_MESSAGES:
        return PLACE_MESSAGES;
    case MEMBER_METADATA:
        return PLACE_METADATA;
    case MEMBER_SYSTEM:
        return PLACE_SYSTEM;
    case MEMBER_THINKING:
        return PLACE_THINKING;
    case MEMBER_THREAD:
        return PLACE_THREAD;
    case MEMBER_TOOLS:
        return PLACE_TOOLS;
    default:
        return PLACE_ELSEWHERE;
    }
}

// Members of the top level that count by being there.
static void note_top_member(struct scanner *scanner)
{
    if (!is_present(scanner))
        return;
    switch (scanner->member) {
    case MEMBER_BILLING_POLICY:
        add_feature(scanner, REQUEST_BILLS_OTHER);
        break;
    case MEMBER_COMPACTION:
        add_feature(scanner, REQUEST_COMPACTION);
        break;
    case MEMBER_CONTAINER:
        add_feature(scanner, REQUEST_CONTAINER);
        break;
    case MEMBER_CONTEXT_MANAGEMENT:
        add_feature(scanner, REQUEST_CONTEXT_MANAGEMENT);
        break;
    case MEMBER_THREAD:
        add_feature(scanner, REQUEST_THREAD);
        break;
    case MEMBER_FALLBACKS:
        if (scanner->token != JSON_TOKEN_ARRAY)
            add_feature(scanner, REQUEST_FALLBACKS | REQUEST_FALLBACKS_UNNAMED);
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
        add_feature(scanner, value_is(scanner, "fast") ? REQUEST_FAST : 0);
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
        add_feature(scanner, REQUEST_OTHER_SERVER_TOOL);
    return 0;
}

static void start_tool(struct scanner *scanner)
{
    scanner->tool_searches = false;
    scanner->tool_uses = -1;
}

static void end_tool(struct scanner *scanner)
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
        add_feature(scanner, REQUEST_FAST);
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

static int scan_member(struct scanner *scanner, enum place place)
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
            add_feature(scanner, REQUEST_SKILLS);
        return 0;
    case PLACE_THREAD:
        if (scanner->member == MEMBER_PREVIOUS_MESSAGE_ID ||
            (scanner->member == MEMBER_TYPE && !value_is(scanner, "create")))
            add_feature(scanner, REQUEST_THREAD_CONTINUE);
        return 0;
    default:
        return 0;
    }
}

// What the value of the member that is looked at is, if it is an object or array.
static enum place find_place_of_value(const struct scanner *scanner, enum place place)
{
    if (place == PLACE_TOP)
        return find_place_at_top(scanner->member);
    if (scanner->member == MEMBER_INPUT || scanner->member == MEMBER_INPUT_SCHEMA ||
        scanner->member == MEMBER_INPUT_EXAMPLES)
        return PLACE_TOOL_DATA;
    if (place == PLACE_TOOL || place == PLACE_TOOL_PART)
        return PLACE_TOOL_PART;
    if (scanner->member == MEMBER_DEFINITION)
        return PLACE_TOOL; // that is added in the midst of messages
    return place == PLACE_MESSAGE_PART ? place : PLACE_ELSEWHERE;
}

// Counts an element of an array that is `place`. Returns what the element is.
static enum place scan_element(struct scanner *scanner, enum place place)
{
    switch (place) {
    case PLACE_SYSTEM:
        return PLACE_SYSTEM_BLOCK;
    case PLACE_TOOLS:
        return PLACE_TOOL;
    case PLACE_TOOL_PART:
    case PLACE_TOOL_DATA:
    case PLACE_MESSAGE_PART:
        return place;
    case PLACE_FALLBACKS:
        scanner->scan->fallback_count++;
        add_feature(scanner, REQUEST_FALLBACKS);
        return PLACE_FALLBACK;
    case PLACE_MCP_SERVERS:
        add_feature(scanner, REQUEST_MCP_SERVERS);
        return PLACE_ELSEWHERE;
    case PLACE_MESSAGES:
        scanner->scan->message_count++;
        return PLACE_MESSAGE_PART;
    default:
        return PLACE_ELSEWHERE;
    }
}

static int check_top_name(struct scanner *scanner)
{
    if (scanner->walker->escaped)
        return request_refuse(
            scanner->walker, scanner->err,
            "the name of a member of the top level must be written without escapes");
    for (size_t i = 0; i < scanner->seen_count; i++)
        if (scanner->seen[i].length == scanner->name.length &&
            memcmp(scanner->seen[i].bytes, scanner->name.bytes, scanner->name.length) == 0)
            return error_set(scanner->err, -EBADMSG, "byte %zu of the body: \"%.*s\" occurs twice",
                             scanner->walker->at, (int)scanner->name.length, scanner->name.bytes);
    if (scanner->seen_count == REQUEST_MEMBERS_MAX)
        return request_refuse(scanner->walker, scanner->err,
                              "the top level has more than 64 members");
    scanner->seen[scanner->seen_count++] = scanner->name;
    return 0;
}

// Takes the value of the member whose name is the last token, and looks at both.
static int take_member(struct scanner *scanner, enum place place, enum place *place_of_value)
{
    struct json_walker *walker = scanner->walker;
    scanner->name = walker->text;
    scanner->member = request_member_find(walker->text, walker->escaped);
    int failed = place == PLACE_TOP ? check_top_name(scanner) : 0;
    if (failed != 0)
        return failed;
    scanner->token = json_walker_next(walker);
    if (scanner->token == JSON_TOKEN_BROKEN)
        return request_refuse_broken(walker, scanner->err);
    *place_of_value = find_place_of_value(scanner, place);
    return scan_member(scanner, place);
}

// Takes the next token inside of an object or array that is `place`.
static int scan_next(struct scanner *scanner, enum place place)
{
    struct json_walker *walker = scanner->walker;
    enum place place_of_value = PLACE_TOOL_DATA;
    scanner->token = json_walker_next(walker);
    switch (scanner->token) {
    case JSON_TOKEN_BROKEN:
        return request_refuse_broken(walker, scanner->err);
    case JSON_TOKEN_OBJECT_END:
        if (place == PLACE_TOOL)
            end_tool(scanner);
        return 0;
    case JSON_TOKEN_ARRAY_END:
        return 0;
    case JSON_TOKEN_NAME: {
        if (place == PLACE_TOOL_DATA)
            return 0; // its value comes as the next token
        int failed = take_member(scanner, place, &place_of_value);
        if (failed != 0)
            return failed;
        break;
    }
    default:
        place_of_value = scan_element(scanner, place);
    }
    if (scanner->token == JSON_TOKEN_OBJECT || scanner->token == JSON_TOKEN_ARRAY)
        scanner->places[walker->depth] = (uint8_t)place_of_value;
    if (scanner->token == JSON_TOKEN_OBJECT && place_of_value == PLACE_TOOL)
        start_tool(scanner);
    return 0;
}

int request_scan_object(struct request_scan *scan, struct json_walker *walker, struct error *err)
{
    struct scanner scanner;
    size_t top = walker->depth;
    memset(&scanner, 0, offsetof(struct scanner, places));
    scanner.walker = walker;
    scanner.scan = scan;
    scanner.err = err;
    scanner.places[top] = PLACE_TOP;
    *scan = (struct request_scan){
        .max_tokens = -1, .thinking_budget_tokens = -1, .fallback_max_tokens = -1};
    while (walker->depth >= top) {
        int failed = scan_next(&scanner, scanner.places[walker->depth]);
        if (failed != 0)
            return failed;
    }
    return 0;
}

int request_scan(struct request_scan *scan, const char *bytes, size_t length, struct error *err)
{
    struct json_walker walker;
    json_walker_init(&walker, bytes, length);
    enum json_token token = json_walker_next(&walker);
    if (token == JSON_TOKEN_BROKEN)
        return request_refuse_broken(&walker, err);
    if (token != JSON_TOKEN_OBJECT)
        return request_refuse(&walker, err, "it must be a JSON object");
    int failed = request_scan_object(scan, &walker, err);
    if (failed == 0 && json_walker_next(&walker) != JSON_TOKEN_END)
        failed = request_refuse_broken(&walker, err);
    return failed;
}
