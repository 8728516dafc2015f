// Request scan, inside: where a scan is in the body, and what it looks at. For request_scan.c,
// which walks, and request_facts.c, which says what a member means where it stands.
#pragma once

#include "request_members.h"
#include "request_scan.h"

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

// Adds one feature, several or none.
static inline void scanner_add_feature(struct scanner *scanner, uint32_t features)
{
    scanner->scan->features |= features;
}

// Takes what the member that is looked at, in an object that is `place`, says. -EBADMSG: it says it
// in a way that could be read in two.
int scanner_take_fact(struct scanner *scanner, enum place place);

// Around the members of a tool.
void scanner_start_tool(struct scanner *scanner);
void scanner_end_tool(struct scanner *scanner);
