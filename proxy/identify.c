// Identify: whose request is this? The run key in its head → the live run.

#include "identify.h"

// The provider's API keys, OAuth access and refresh tokens all begin with this.
#define CREDENTIAL_PREFIX "sk-ant-"

// The token of `Authorization: Bearer TOKEN` (RFC 6750, 2.1), NULL bytes if it is another scheme.
static struct slice bearer_token(struct slice value)
{
    static const char scheme[] = "bearer ";
    struct slice start = {value.bytes, sizeof(scheme) - 1};
    if (value.length < start.length || !slice_is_any_case(start, scheme))
        return (struct slice){NULL, 0};
    value.bytes += start.length;
    value.length -= start.length;
    while (value.length > 0 && *value.bytes == ' ') {
        value.bytes++;
        value.length--;
    }
    return value;
}

enum identify_outcome identify(struct run_table *runs, const struct http_head *head,
                               struct live_run **run)
{
    struct live_run *found = NULL;
    enum identify_outcome outcome = IDENTIFY_NO_KEY;
    // SDKs send either header, Claude Code sends both. Every one that is there is looked at.
    for (size_t i = 0; i < head->header_count; i++) {
        const struct http_header *header = &head->headers[i];
        struct slice key = {NULL, 0};
        if (header->field == HTTP_FIELD_AUTHORIZATION)
            key = bearer_token(header->value);
        else if (header->field == HTTP_FIELD_X_API_KEY)
            key = header->value;
        if (key.length == 0)
            continue;
        struct live_run *owner = run_table_find_key(runs, key.bytes, key.length);
        if (owner != NULL && found != NULL && owner != found)
            return IDENTIFY_UNKNOWN;
        if (owner != NULL)
            found = owner;
        else if (slice_starts_with(key, CREDENTIAL_PREFIX))
            outcome = IDENTIFY_CREDENTIAL;
        else if (outcome == IDENTIFY_NO_KEY)
            outcome = IDENTIFY_UNKNOWN;
    }
    if (found == NULL)
        return outcome;
    *run = found;
    return IDENTIFY_RUN;
}

const char *identify_refusal(enum identify_outcome outcome)
{
    switch (outcome) {
    case IDENTIFY_NO_KEY:
        return "reeve: no run key. Start the agent with `reeve run`, which sets one.";
    case IDENTIFY_UNKNOWN:
        return "reeve: this run key belongs to no live run. A key is worth nothing once its run "
               "has ended; start the agent with `reeve run`.";
    case IDENTIFY_CREDENTIAL:
        return "reeve: the agent sent a credential of its own. Take it out of the agent's "
               "environment, give it to `reeve credential add`, and start the agent with `reeve "
               "run`. The credential was not used, kept or logged.";
    case IDENTIFY_RUN:
        break;
    }
    return NULL;
}
