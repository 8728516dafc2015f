// Request scan: what the proxy must know of a Messages request body, and where it stands in it.
// Pure.
//
// The whole body is checked as JSON. A member of the top level that occurs twice, or whose name is
// escaped, is refused: two readers could take it in two ways. Below the top level, names and values
// are compared as decoded, so that an escape hides nothing. Facts err to the side of "present".
#pragma once

#include "error.h"
#include "json_walk.h"
#include "slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REQUEST_MODELS_MAX 16      // models a body may name besides `model`
#define REQUEST_SYSTEM_TEXTS_MAX 3 // leading texts of `system` that are reported
#define REQUEST_MEMBERS_MAX 64     // members of the top level
#define REQUEST_REFERENCES_MAX 128 // files, and the message that a thread goes on from

// Facts about a body, as bits of request_scan.features.
enum request_feature {
    REQUEST_CACHE_CONTROL = 1 << 0,      // somewhere
    REQUEST_CACHE_TTL_1H = 1 << 1,       // somewhere, "ttl":"1h"
    REQUEST_IMAGE = 1 << 2,              // a block of type "image": size does not bound its tokens
    REQUEST_DOCUMENT = 1 << 3,           // a block of type "document"
    REQUEST_FILE_ID = 1 << 4,            // a member "file_id", or a block "container_upload"
    REQUEST_THREAD = 1 << 5,             // a message thread, of any type
    REQUEST_THREAD_CONTINUE = 1 << 6,    // input is billed that is not in the body
    REQUEST_CONTEXT_MANAGEMENT = 1 << 7, // edits of the context
    REQUEST_COMPACTION = 1 << 8,         // an extra pass that is billed besides the message
    REQUEST_MCP_SERVERS = 1 << 9,
    REQUEST_CONTAINER = 1 << 10,
    REQUEST_SKILLS = 1 << 11, // loaded into the prompt by the upstream
    REQUEST_WEB_SEARCH = 1 << 12,
    REQUEST_WEB_FETCH = 1 << 13,
    REQUEST_CODE_EXECUTION = 1 << 14,
    REQUEST_ADVISOR = 1 << 15,
    REQUEST_OTHER_SERVER_TOOL = 1 << 16, // any tool type that is not known to run at the client
    REQUEST_FALLBACKS = 1 << 17,         // present and neither null nor []
    REQUEST_FALLBACKS_UNNAMED = 1 << 18, // "default": the upstream picks the models
    REQUEST_FAST = 1 << 19,              // "speed":"fast", of the request or of a fallback
    REQUEST_BILLS_OTHER = 1 << 20,       // `billing_policy`: somebody else may pay
};

// Tools that the upstream runs: each call adds input that nobody can bound beforehand.
#define REQUEST_SERVER_TOOLS                                                                       \
    (REQUEST_WEB_SEARCH | REQUEST_WEB_FETCH | REQUEST_CODE_EXECUTION | REQUEST_ADVISOR |           \
     REQUEST_OTHER_SERVER_TOOL | REQUEST_MCP_SERVERS)

// The body's size does not bound its prompt: ask count_tokens, or refuse under a hard ceiling.
#define REQUEST_INPUT_UNBOUNDED                                                                    \
    (REQUEST_IMAGE | REQUEST_DOCUMENT | REQUEST_FILE_ID | REQUEST_THREAD_CONTINUE |                \
     REQUEST_CONTAINER | REQUEST_SKILLS)

enum request_model_role { REQUEST_MODEL_FALLBACK, REQUEST_MODEL_OTHER };

// A model that is named outside `model`, and so may be billed as well.
struct request_model {
    struct slice name;
    enum request_model_role role; // OTHER: an advisor, or anything else that names a model
};

// Where a value stands: body bytes [offset, offset + length). Length 0: it is not there.
struct request_span {
    size_t offset;
    size_t length;
};

struct request_scan {
    struct slice model;                // without quotes; NULL: absent
    struct request_span model_at;      // with its quotes, to be replaced
    int64_t max_tokens;                // -1: absent
    struct request_span max_tokens_at; // its digits, to be replaced
    bool stream;
    uint32_t features;              // enum request_feature
    struct slice thinking_type;     // "enabled", "adaptive", …; NULL: absent
    int64_t thinking_budget_tokens; // -1: absent
    struct slice speed;             // these four: NULL when absent
    struct slice service_tier;
    struct slice inference_geo;
    struct slice user_id;        // metadata.user_id, raw: escapes are not decoded
    int64_t web_search_uses_max; // sum of max_uses of the web search tools; -1: not bounded
    size_t fallback_count;       // elements of `fallbacks`; each attempt may be billed
    int64_t fallback_max_tokens; // the largest that a fallback sets in place of max_tokens; -1
    size_t message_count;
    size_t image_count;
    size_t document_count;
    size_t model_count;
    struct request_model models[REQUEST_MODELS_MAX];
    size_t reference_count;
    struct slice references[REQUEST_REFERENCES_MAX]; // ids of what the upstream keeps
    size_t system_text_count;
    struct slice system_texts[REQUEST_SYSTEM_TEXTS_MAX]; // raw; the identity of the client is here
};

// Scans a body that is one JSON object. 0, or -EBADMSG with the byte offset and what is wrong.
// Slices point into `bytes`.
int request_scan(struct request_scan *scan, const char *bytes, size_t length, struct error *err);

// The same for an object inside of a larger text, which `walker` has just entered; it is left
// behind the object's end. Offsets count from the start of that text.
int request_scan_object(struct request_scan *scan, struct json_walker *walker, struct error *err);

// True when the first texts of `system` carry the identity of Claude Code or of the Claude Agent
// SDK, without which a subscription's token is refused (Claude API facts, D.5).
bool request_scan_has_claude_code_identity(const struct request_scan *scan);

// Set `err` to where the walker stands in the body and what is wrong. Return -EBADMSG.
static inline int request_refuse(const struct json_walker *walker, struct error *err,
                                 const char *what)
{
    return error_set(err, -EBADMSG, "byte %zu of the body: %s", walker->at, what);
}

static inline int request_refuse_broken(const struct json_walker *walker, struct error *err)
{
    return error_set(err, -EBADMSG, "byte %zu of the body: not valid JSON: %s", walker->at,
                     walker->problem);
}
