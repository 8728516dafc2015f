// Route: what a request asks for, told by method and path. Pure.

#include "route.h"

// The first row that fits decides. Source: Claude API, endpoints and their size limits.
static const struct {
    const char *method; // NULL: any
    const char *path;
    enum { WHOLE, PREFIX } match;
    struct route route;
} routes[] = {
    {"HEAD", "/", WHOLE, {ROUTE_PROBE, 0}},
    {"HEAD", "/api/hello", WHOLE, {ROUTE_PROBE, 0}},
    {"POST", "/v1/messages", WHOLE, {ROUTE_MESSAGES, ROUTE_MESSAGES_BYTES_MAX}},
    {"POST", "/v1/messages/batches", WHOLE, {ROUTE_FREE, ROUTE_BATCHES_BYTES_MAX}},
    {"POST", "/v1/files", WHOLE, {ROUTE_UPLOAD, ROUTE_FILES_BYTES_MAX}},
    {"POST", "/v1/skills", PREFIX, {ROUTE_UPLOAD, ROUTE_FILES_BYTES_MAX}},
    {NULL, "/v1/", PREFIX, {ROUTE_FREE, ROUTE_MESSAGES_BYTES_MAX}},
};

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
        if (routes[i].match == WHOLE ? !slice_is(path, routes[i].path)
                                     : !slice_starts_with(path, routes[i].path))
            continue;
        // What is billed must not get by under another name.
        if (routes[i].route.kind != ROUTE_PROBE && slice_is_any_case(method, "POST") &&
            path_is_ambiguous(path))
            break;
        return routes[i].route;
    }
    return (struct route){ROUTE_UNKNOWN, 0};
}
