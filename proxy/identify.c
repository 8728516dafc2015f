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

// Whose key it is.
static enum identify_outcome find_owner(const struct identify_keys *keys, struct slice key,
                                        struct live_run **owner)
{
    if (slice_starts_with(key, JOB_KEY_PREFIX) && keys->find_job_key != NULL)
        return keys->find_job_key(key, owner, keys->context);
    if (slice_starts_with(key, CREDENTIAL_PREFIX))
        return IDENTIFY_CREDENTIAL;
    *owner = run_table_find_key(keys->runs, key.bytes, key.length);
    return *owner != NULL ? IDENTIFY_RUN : IDENTIFY_UNKNOWN;
}

enum identify_outcome identify(const struct identify_keys *keys, const struct http_head *head,
                               struct live_run **run)
{
    struct live_run *found = NULL;
    enum identify_outcome outcome = IDENTIFY_NO_KEY;
    // SDKs send either header, Claude Code sends both. Every one that is there is looked at.
    for (size_t i = 0; i < head->header_count; i++) {
        const struct http_header *header = &head->headers[i];
        struct slice key = {NULL, 0};
        struct live_run *owner = NULL;
        if (header->field == HTTP_FIELD_AUTHORIZATION)
            key = bearer_token(header->value);
        else if (header->field == HTTP_FIELD_X_API_KEY)
            key = header->value;
        if (key.length == 0)
            continue;
        enum identify_outcome each = find_owner(keys, key, &owner);
        if (each == IDENTIFY_RUN && found != NULL && owner != found)
            return IDENTIFY_UNKNOWN;
        if (each == IDENTIFY_RUN)
            found = owner;
        else if (each > outcome)
            outcome = each;
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
        return "reeve: no run key. Start the agent with `reeve run`, which sets one, or give it a "
               "key "
               "of `reeve job key`.";
    case IDENTIFY_UNKNOWN:
        return "reeve: this run key belongs to no live run. A key is worth nothing once its run "
               "has ended; start the agent with `reeve run`.";
    case IDENTIFY_NO_RUN:
        return "reeve: this job key is right, but no run could be opened for it; try again, and "
               "see "
               "the daemon's log";
    case IDENTIFY_CREDENTIAL:
        return "reeve: the agent sent a credential of its own. Take it out of the agent's "
               "environment, give it to `reeve credential add`, and start the agent with `reeve "
               "run`. The credential was not used, kept or logged.";
    case IDENTIFY_RUN:
        break;
    }
    return NULL;
}
