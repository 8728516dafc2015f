// Reply: what reeve itself answers, in the API's error shape.
//
// {"type":"error","error":{"type":…,"message":…},"request_id":…} with a `request-id` header, as the
// Claude API documents its errors.
#pragma once

#include <stdbool.h>

struct agent;

struct reply {
    int status;
    bool never_retry;  // x-should-retry: false; clients obey it before their own rules
    int retry_after_s; // 0: no such header
};

// Answers and ends the request. `message` is a sentence for the person who runs the agent.
void reply_error_with(struct agent *agent, const struct reply *reply, const char *message);
void reply_error(struct agent *agent, int status, const char *message);

// 200 without a body.
void reply_empty(struct agent *agent);
