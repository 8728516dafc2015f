// Request members: see request_members.h.
#include "request_members.h"

#include "request_scan.h"

#define MEMBER(member, text) [member] = {sizeof(text) - 1, text}
static const struct {
    size_t length;
    const char *text;
} member_names[] = {
    MEMBER(MEMBER_BILLING_POLICY, "billing_policy"),
    MEMBER(MEMBER_BUDGET_TOKENS, "budget_tokens"),
    MEMBER(MEMBER_CACHE_CONTROL, "cache_control"),
    MEMBER(MEMBER_CACHING, "caching"),
    MEMBER(MEMBER_COMPACTION, "compaction"),
    MEMBER(MEMBER_CONTAINER, "container"),
    MEMBER(MEMBER_CONTEXT_MANAGEMENT, "context_management"),
    MEMBER(MEMBER_DEFINITION, "definition"),
    MEMBER(MEMBER_FALLBACKS, "fallbacks"),
    MEMBER(MEMBER_FILE_ID, "file_id"),
    MEMBER(MEMBER_INFERENCE_GEO, "inference_geo"),
    MEMBER(MEMBER_INPUT, "input"),
    MEMBER(MEMBER_INPUT_EXAMPLES, "input_examples"),
    MEMBER(MEMBER_INPUT_SCHEMA, "input_schema"),
    MEMBER(MEMBER_MAX_TOKENS, "max_tokens"),
    MEMBER(MEMBER_MAX_USES, "max_uses"),
    MEMBER(MEMBER_MCP_SERVERS, "mcp_servers"),
    MEMBER(MEMBER_MESSAGES, "messages"),
    MEMBER(MEMBER_METADATA, "metadata"),
    MEMBER(MEMBER_MODEL, "model"),
    MEMBER(MEMBER_PREVIOUS_MESSAGE_ID, "previous_message_id"),
    MEMBER(MEMBER_SERVICE_TIER, "service_tier"),
    MEMBER(MEMBER_SKILLS, "skills"),
    MEMBER(MEMBER_SPEED, "speed"),
    MEMBER(MEMBER_STREAM, "stream"),
    MEMBER(MEMBER_SYSTEM, "system"),
    MEMBER(MEMBER_TEXT, "text"),
    MEMBER(MEMBER_THINKING, "thinking"),
    MEMBER(MEMBER_THREAD, "thread"),
    MEMBER(MEMBER_TOOLS, "tools"),
    MEMBER(MEMBER_TTL, "ttl"),
    MEMBER(MEMBER_TYPE, "type"),
    MEMBER(MEMBER_USER_ID, "user_id"),
};
#undef MEMBER

enum request_member request_member_find(struct slice name, bool escaped)
{
    for (size_t i = 1; i < sizeof(member_names) / sizeof(member_names[0]); i++) {
        const char *text = member_names[i].text;
        if (escaped ? json_text_is(name, text)
                    : name.length == member_names[i].length && name.bytes[0] == text[0] &&
                          memcmp(name.bytes, text, name.length) == 0)
            return (enum request_member)i;
    }
    return MEMBER_OTHER;
}

// Types are dated, as in "web_search_20260318"; results in a conversation are not
// ("web_search_result").
uint32_t request_tool_features(struct slice type)
{
    static const struct {
        const char *prefix;
        enum request_feature feature;
    } tools[] = {
        {"web_search_2", REQUEST_WEB_SEARCH},         {"web_fetch_2", REQUEST_WEB_FETCH},
        {"code_execution_2", REQUEST_CODE_EXECUTION}, {"advisor_2", REQUEST_ADVISOR},
        {"mcp_toolset", REQUEST_MCP_SERVERS},
    };
    for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++)
        if (json_text_starts_with(type, tools[i].prefix))
            return tools[i].feature;
    return 0;
}

bool request_tool_runs_at_client(struct slice type)
{
    static const char *const prefixes[] = {"bash_2",     "text_editor_2",     "memory_2",
                                           "computer_2", "computer_toolset_", "browser_toolset_"};
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        if (json_text_starts_with(type, prefixes[i]))
            return true;
    return json_text_is(type, "custom");
}

bool request_scan_has_claude_code_identity(const struct request_scan *scan)
{
    for (size_t i = 0; i < scan->system_text_count; i++)
        if (json_text_starts_with(scan->system_texts[i],
                                  "You are Claude Code, Anthropic's official CLI for Claude") ||
            json_text_starts_with(scan->system_texts[i],
                                  "You are a Claude agent, built on Anthropic's Claude Agent SDK"))
            return true;
    return false;
}
