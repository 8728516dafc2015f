// Authorize: the headers that go upstream: the agent's own, with exactly one credential. Pure.

#include "authorize.h"

#include <stdio.h>

// Claude API: an OAuth access token is taken only beside this beta.
#define OAUTH_BETA "oauth-2025-04-20"

static void header_add(struct authorized_request *request, const char *name, struct slice value)
{
    request->headers[request->header_count++] =
        (struct upstream_header){.name = slice_of(name), .value = value};
}

// Headers that are not the agent's to say on the next hop.
static bool header_is_dropped(const struct http_head *head, const struct http_header *header)
{
    switch (header->field) {
    case HTTP_FIELD_AUTHORIZATION:
    case HTTP_FIELD_X_API_KEY:
    case HTTP_FIELD_ACCEPT_ENCODING: // the meter has to read the answer
    case HTTP_FIELD_CONTENT_LENGTH:
    case HTTP_FIELD_EXPECT:
    case HTTP_FIELD_HOST:
        return true;
    default:
        return http_header_is_hop_by_hop(head, header);
    }
}

// Appends to the comma-separated list. Several anthropic-beta headers are one list (RFC 9110, 5.3).
static int beta_append(struct authorized_request *request, size_t *length, struct slice value,
                       struct error *err)
{
    if (value.length == 0)
        return 0;
    int written = snprintf(request->betas + *length, sizeof(request->betas) - *length, "%s%.*s",
                           *length > 0 ? "," : "", (int)value.length, value.bytes);
    if (written < 0 || (size_t)written >= sizeof(request->betas) - *length)
        return error_set(err, -EMSGSIZE, "anthropic-beta: more than %d bytes",
                         AUTHORIZE_BETAS_MAX - 1);
    *length += (size_t)written;
    return 0;
}

int authorize(struct authorized_request *request, const struct http_head *head,
              const struct credential_secret *secret, struct error *err)
{
    bool oauth = secret->type != CREDENTIAL_API_KEY;
    bool has_oauth_beta = false;
    size_t betas_length = 0;
    request->header_count = 0;
    for (size_t i = 0; i < head->header_count; i++) {
        const struct http_header *header = &head->headers[i];
        if (header_is_dropped(head, header))
            continue;
        if (oauth && slice_is_any_case(header->name, "anthropic-beta")) {
            int result = beta_append(request, &betas_length, header->value, err);
            if (result < 0)
                return result;
            has_oauth_beta |= http_value_has_token(header->value, OAUTH_BETA);
            continue;
        }
        request->headers[request->header_count++] =
            (struct upstream_header){header->name, header->value};
    }
    header_add(request, "Accept-Encoding", slice_of("identity"));
    if (!oauth) {
        header_add(request, "x-api-key", slice_of(secret->access));
        return 0;
    }
    if (!has_oauth_beta) {
        int result = beta_append(request, &betas_length, slice_of(OAUTH_BETA), err);
        if (result < 0)
            return result;
    }
    snprintf(request->authorization, sizeof(request->authorization), "Bearer %s", secret->access);
    header_add(request, "anthropic-beta", (struct slice){request->betas, betas_length});
    header_add(request, "Authorization", slice_of(request->authorization));
    return 0;
}
