// Request scan: see request_scan.h. One walk over the body that always knows what it is inside of.
#include "request_scanner.h"

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
        scanner_add_feature(scanner, REQUEST_FALLBACKS);
        return PLACE_FALLBACK;
    case PLACE_MCP_SERVERS:
        scanner_add_feature(scanner, REQUEST_MCP_SERVERS);
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
    return scanner_take_fact(scanner, place);
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
            scanner_end_tool(scanner);
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
        scanner_start_tool(scanner);
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
