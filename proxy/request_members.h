// Request members: the names and tool types of the Messages API that a scan tells apart. Pure.
#pragma once

#include "slice.h"

#include <stdbool.h>
#include <stdint.h>

// Members that mean something, here or there.
enum request_member {
    MEMBER_OTHER,
    MEMBER_BILLING_POLICY,
    MEMBER_BUDGET_TOKENS,
    MEMBER_CACHE_CONTROL,
    MEMBER_CACHING, // an advisor's cache_control
    MEMBER_COMPACTION,
    MEMBER_CONTAINER,
    MEMBER_CONTEXT_MANAGEMENT,
    MEMBER_DEFINITION,
    MEMBER_FALLBACKS,
    MEMBER_FILE_ID,
    MEMBER_INFERENCE_GEO,
    MEMBER_INPUT,
    MEMBER_INPUT_EXAMPLES,
    MEMBER_INPUT_SCHEMA,
    MEMBER_MAX_TOKENS,
    MEMBER_MAX_USES,
    MEMBER_MCP_SERVERS,
    MEMBER_MESSAGES,
    MEMBER_METADATA,
    MEMBER_MODEL,
    MEMBER_PREVIOUS_MESSAGE_ID,
    MEMBER_SERVICE_TIER,
    MEMBER_SKILLS,
    MEMBER_SPEED,
    MEMBER_STREAM,
    MEMBER_SYSTEM,
    MEMBER_TEXT,
    MEMBER_THINKING,
    MEMBER_THREAD,
    MEMBER_TOOLS,
    MEMBER_TTL,
    MEMBER_TYPE,
    MEMBER_USER_ID,
};

// Which member `name`, the raw text of a name, is. `escaped`: there are escapes in it to decode.
enum request_member request_member_find(struct slice name, bool escaped);

// The feature (enum request_feature) of a tool type that the upstream is known to run, or 0.
uint32_t request_tool_features(struct slice type);

// True for "custom" and for Anthropic's tools that run at the client.
bool request_tool_runs_at_client(struct slice type);
