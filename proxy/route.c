// Route: what a request asks for, told by method and path. Pure.

#include "route.h"

#define BATCHES "/v1/messages/batches"
#define FILES "/v1/files"
#define NO_OBJECT ROUTE_NO_OBJECT, ROUTE_ANSWER_STREAMS
#define OBJECT(object, answer) ROUTE_OBJECT_##object, ROUTE_ANSWER_##answer

// The first row that fits decides. A '*' in a pattern is one segment, "/" at its end any rest.
// Source: Claude API, endpoints and their size limits.
static const struct {
    const char *method; // NULL: any
    const char *pattern;
    struct route route;
} routes[] = {
    {"HEAD", "/", {.kind = ROUTE_PROBE}},
    {"HEAD", "/api/hello", {.kind = ROUTE_PROBE}},
    {NULL, "/metrics", {.kind = ROUTE_LOCAL}},
    {NULL, "/reeve", {.kind = ROUTE_LOCAL}},
    {NULL, "/reeve/", {.kind = ROUTE_LOCAL}},
    {"POST", "/v1/messages", {ROUTE_MESSAGES, ROUTE_MESSAGES_BYTES_MAX, NO_OBJECT}},
    {"POST", BATCHES, {ROUTE_BATCH, ROUTE_BATCHES_BYTES_MAX, OBJECT(BATCH, CREATED)}},
    {"GET", BATCHES, {ROUTE_FREE, ROUTE_MESSAGES_BYTES_MAX, OBJECT(BATCH, LIST)}},
    {NULL, BATCHES "/*/results", {ROUTE_FREE, ROUTE_MESSAGES_BYTES_MAX, OBJECT(BATCH, STREAMS)}},
    {NULL, BATCHES "/", {ROUTE_FREE, ROUTE_MESSAGES_BYTES_MAX, OBJECT(BATCH, OBJECT)}},
    {"POST", FILES, {ROUTE_UPLOAD, ROUTE_FILES_BYTES_MAX, OBJECT(FILE, CREATED)}},
    {"GET", FILES, {ROUTE_FREE, ROUTE_MESSAGES_BYTES_MAX, OBJECT(FILE, LIST)}},
    {NULL, FILES "/", {ROUTE_FREE, ROUTE_MESSAGES_BYTES_MAX, OBJECT(FILE, STREAMS)}},
    {"POST", "/v1/skills", {ROUTE_UPLOAD, ROUTE_FILES_BYTES_MAX, NO_OBJECT}},
    {"POST", "/v1/skills/", {ROUTE_UPLOAD, ROUTE_FILES_BYTES_MAX, NO_OBJECT}},
    {NULL, "/v1/", {ROUTE_FREE, ROUTE_MESSAGES_BYTES_MAX, NO_OBJECT}},
};

static bool path_fits(struct slice path, const char *pattern)
{
    size_t at = 0;
    for (; *pattern != '\0'; pattern++) {
        if (*pattern == '*') {
            while (at < path.length && path.bytes[at] != '/')
                at++;
        } else if (at == path.length || path.bytes[at++] != *pattern) {
            return false;
        } else if (*pattern == '/' && pattern[1] == '\0') {
            return at > 1 || path.length == 1; // "/" itself is a whole path
        }
    }
    return at == path.length;
}

// Whether a server could take the path for another one: "/v1//messages", "/v1/./messages",
// "/v1/messages/", "/v1/%6dessages" (RFC 3986, 6.2.2).
static bool path_is_ambiguous(struct slice path)
{
    if (path.length == 0 || memchr(path.bytes, '%', path.length) != NULL)
        return true;
    for (size_t start = 1, end; start <= path.length; start = end + 1) {
        end = start;
        while (end < path.length && path.bytes[end] != '/')
            end++;
        struct slice segment = {path.bytes + start, end - start};
        if (segment.length == 0 || slice_is(segment, ".") || slice_is(segment, ".."))
            return true;
    }
    return false;
}

struct route route_find(struct slice method, struct slice path)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        // Methods are case-sensitive, but not to every server.
        if (routes[i].method != NULL && !slice_is_any_case(method, routes[i].method))
            continue;
        if (!path_fits(path, routes[i].pattern))
            continue;
        // What is billed, or another job's, must not be reached under another name.
        if (routes[i].route.kind > ROUTE_LOCAL && path_is_ambiguous(path))
            break;
        return routes[i].route;
    }
    return (struct route){.kind = ROUTE_UNKNOWN};
}

struct slice route_object_id(enum route_object object, struct slice path)
{
    static const char *const prefixes[] = {
        [ROUTE_OBJECT_BATCH] = BATCHES "/",
        [ROUTE_OBJECT_FILE] = FILES "/",
    };
    struct slice id = {NULL, 0};
    if (object == ROUTE_NO_OBJECT || !slice_starts_with(path, prefixes[object]))
        return id;
    id.bytes = path.bytes + strlen(prefixes[object]);
    while (id.bytes + id.length < path.bytes + path.length && id.bytes[id.length] != '/')
        id.length++;
    return id;
}
