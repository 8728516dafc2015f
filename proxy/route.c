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

struct route route_find(struct slice method, struct slice path)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (routes[i].method != NULL && !slice_is(method, routes[i].method))
            continue;
        if (routes[i].match == WHOLE ? slice_is(path, routes[i].path)
                                     : slice_starts_with(path, routes[i].path))
            return routes[i].route;
    }
    return (struct route){ROUTE_UNKNOWN, 0};
}
