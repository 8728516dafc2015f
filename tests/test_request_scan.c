// Tests of request_scan.c, request_members.c and request_batch.c: what is found in a body and
// where, what hides nothing, what is refused.
#include "request_batch.h"
#include "suite_run.h"

#include <check.h>
#include <stdlib.h>

static struct request_scan scan;
static struct error err;

static int scan_text(const char *text)
{
    err = (struct error){0};
    return request_scan(&scan, text, strlen(text), &err);
}

static void assert_scanned(const char *text)
{
    ck_assert_msg(scan_text(text) == 0, "%s: %s", text, err.text);
}

START_TEST(test_claude_code_request)
{
    static const char body[] =
        "{\"model\":\"claude-opus-5-5\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
        "\"text\",\"text\":\"hi\",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}]}],"
        "\"system\":[{\"type\":\"text\",\"text\":\"x-anthropic-billing-header: cc_version=2;\"},"
        "{\"type\":\"text\",\"text\":\"You are Claude Code, Anthropic's official CLI for Claude.\"}"
        "],\"tools\":[{\"name\":\"Bash\",\"description\":\"d\",\"input_schema\":{\"type\":"
        "\"object\",\"properties\":{\"type\":{\"type\":\"image\"},\"model\":{\"type\":\"string\"},"
        "\"file_id\":{}}}}],\"metadata\":{\"user_id\":\"{\\\"device_id\\\":\\\"d\\\"}\"},"
        "\"max_tokens\":128000,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":31999},"
        "\"context_management\":{\"edits\":[{\"type\":\"clear_thinking_20251015\",\"keep\":"
        "\"all\"}]},\"stream\":true}";
    assert_scanned(body);
    ck_assert(slice_is(scan.model, "claude-opus-5-5"));
    ck_assert_uint_eq(scan.model_at.offset, 9);
    ck_assert_uint_eq(scan.model_at.length, 17);
    ck_assert_int_eq(scan.max_tokens, 128000);
    ck_assert_int_eq(strncmp(body + scan.max_tokens_at.offset, "128000,", 7), 0);
    ck_assert_uint_eq(scan.max_tokens_at.length, 6);
    ck_assert(scan.stream);
    ck_assert_uint_eq(scan.features,
                      REQUEST_CACHE_CONTROL | REQUEST_CACHE_TTL_1H | REQUEST_CONTEXT_MANAGEMENT);
    ck_assert(slice_is(scan.thinking_type, "enabled"));
    ck_assert_int_eq(scan.thinking_budget_tokens, 31999);
    ck_assert(slice_is(scan.user_id, "{\\\"device_id\\\":\\\"d\\\"}"));
    ck_assert_uint_eq(scan.message_count, 1);
    ck_assert_uint_eq(scan.model_count, 0);
    ck_assert_uint_eq(scan.system_text_count, 2);
    ck_assert(request_scan_has_claude_code_identity(&scan));
}
END_TEST

START_TEST(test_smallest_request)
{
    assert_scanned("{}");
    ck_assert_ptr_null(scan.model.bytes);
    ck_assert_uint_eq(scan.model_at.length, 0);
    ck_assert_int_eq(scan.max_tokens, -1);
    ck_assert_uint_eq(scan.max_tokens_at.length, 0);
    ck_assert_int_eq(scan.thinking_budget_tokens, -1);
    ck_assert_int_eq(scan.fallback_max_tokens, -1);
    ck_assert_int_eq(scan.web_search_uses_max, 0);
    ck_assert_uint_eq(scan.features, 0);
    ck_assert(!scan.stream);
    ck_assert_ptr_null(scan.speed.bytes);
    ck_assert(!request_scan_has_claude_code_identity(&scan));
}
END_TEST

#define IN_MESSAGE(block) "{\"messages\":[{\"content\":[" block "]}]}"
#define TOOL(members) "{\"tools\":[{\"name\":\"a\"," members "}]}"

static const struct {
    const char *body;
    uint32_t features;
} features[] = {
    {IN_MESSAGE("{\"type\":\"text\",\"cache_control\":{\"type\":\"ephemeral\"}}"),
     REQUEST_CACHE_CONTROL},
    {"{\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"5m\"}}", REQUEST_CACHE_CONTROL},
    {"{\"cache_control\":null}", 0},
    {TOOL("\"cache_control\":{\"ttl\":\"1\\u0068\"}"),
     REQUEST_CACHE_CONTROL | REQUEST_CACHE_TTL_1H},
    {IN_MESSAGE("{\"type\":\"image\",\"source\":{\"type\":\"base64\"}}"), REQUEST_IMAGE},
    {IN_MESSAGE("{\"type\":\"tool_result\",\"content\":[{\"t\\u0079pe\":\"imag\\u0065\"}]}"),
     REQUEST_IMAGE},
    {IN_MESSAGE("{\"type\":\"document\",\"source\":{\"type\":\"file\",\"file_id\":\"f\"}}"),
     REQUEST_DOCUMENT | REQUEST_FILE_ID},
    {IN_MESSAGE("{\"type\":\"container_upload\"}"), REQUEST_FILE_ID},
    {IN_MESSAGE("{\"type\":\"tool_use\",\"input\":{\"type\":\"image\",\"file_id\":\"f\",\"tools\":"
                "[{\"type\":\"web_search_20250305\"}],\"ttl\":\"1h\"}}"),
     0},
    {IN_MESSAGE("{\"type\":\"web_search_tool_result\",\"content\":[{\"type\":"
                "\"web_search_result\"}]},{\"type\":\"compaction\"}"),
     0},
    {"{\"thread\":{\"type\":\"create\"}}", REQUEST_THREAD},
    {"{\"thread\":{\"type\":\"continue\",\"previous_message_id\":\"m\"}}",
     REQUEST_THREAD | REQUEST_THREAD_CONTINUE},
    {"{\"thread\":{\"previous_message_id\":\"m\"}}", REQUEST_THREAD | REQUEST_THREAD_CONTINUE},
    {"{\"thread\":null,\"container\":null,\"compaction\":null,\"fallbacks\":null,"
     "\"context_management\":null,\"mcp_servers\":[],\"billing_policy\":null}",
     0},
    {"{\"context_management\":{\"edits\":[{\"type\":\"compact_20260112\"}]}}",
     REQUEST_CONTEXT_MANAGEMENT | REQUEST_COMPACTION},
    {"{\"compaction\":{\"type\":\"summarize\"}}", REQUEST_COMPACTION},
    {"{\"mcp_servers\":[{\"url\":\"u\"}]}", REQUEST_MCP_SERVERS},
    {"{\"container\":\"c\"}", REQUEST_CONTAINER},
    {"{\"container\":{\"skills\":[{\"type\":\"anthropic\"}]}}", REQUEST_CONTAINER | REQUEST_SKILLS},
    {"{\"billing_policy\":{}}", REQUEST_BILLS_OTHER},
    {"{\"speed\":\"fast\"}", REQUEST_FAST},
    {"{\"speed\":\"standard\"}", 0},
    {"{\"fallbacks\":[]}", 0},
    {"{\"fallbacks\":\"default\"}", REQUEST_FALLBACKS | REQUEST_FALLBACKS_UNNAMED},
    {"{\"fallbacks\":[{\"model\":\"m\",\"speed\":\"fast\"}]}", REQUEST_FALLBACKS | REQUEST_FAST},
    {TOOL("\"type\":\"custom\""), 0},
    {TOOL("\"type\":\"bash_20250124\""), 0},
    {TOOL("\"type\":\"text_editor_20250728\""), 0},
    {TOOL("\"type\":\"memory_20250818\""), 0},
    {TOOL("\"type\":\"computer_toolset_20260801\""), 0},
    {TOOL("\"type\":\"web_search_20260318\""), REQUEST_WEB_SEARCH},
    {TOOL("\"type\":\"web_fetch_20250910\""), REQUEST_WEB_FETCH},
    {TOOL("\"type\":\"code_execution_20260521\""), REQUEST_CODE_EXECUTION},
    {TOOL("\"type\":\"mcp_toolset\""), REQUEST_MCP_SERVERS},
    {TOOL("\"type\":\"tool_search_tool_regex_20251119\""), REQUEST_OTHER_SERVER_TOOL},
    {TOOL("\"type\":\"novelty_20270101\""), REQUEST_OTHER_SERVER_TOOL},
    {TOOL("\"type\":\"custom\",\"type\":\"novelty\""), REQUEST_OTHER_SERVER_TOOL},
    {TOOL("\"type\":\"w\\u0065b_search_20260318\""), REQUEST_WEB_SEARCH},
    {TOOL("\"x\":{\"definition\":{\"type\":\"novelty\"}}"), 0},
    {IN_MESSAGE("{\"type\":\"tool_addition\",\"tool\":{\"type\":\"tool_definition\",\"definition\":"
                "{\"type\":\"web_search_20260318\"}}}"),
     REQUEST_WEB_SEARCH},
    {IN_MESSAGE("{\"type\":\"tool_addition\",\"tool\":{\"definition\":{\"type\":\"novelty\"}}}"),
     REQUEST_OTHER_SERVER_TOOL},
};

START_TEST(test_features)
{
    assert_scanned(features[_i].body);
    ck_assert_msg(scan.features == features[_i].features, "%s: %x, not %x", features[_i].body,
                  scan.features, features[_i].features);
}
END_TEST

START_TEST(test_models_named_besides)
{
    assert_scanned("{\"model\":\"a\",\"fallbacks\":[{\"model\":\"b\",\"max_tokens\":500},"
                   "{\"model\":\"c\",\"max_tokens\":null},{\"model\":\"b\",\"max_tokens\":70}],"
                   "\"tools\":[{\"type\":\"advisor_20260301\",\"model\":\"d\",\"input_schema\":"
                   "{\"model\":\"x\"}}],\"messages\":[{\"content\":[{\"tool\":{\"definition\":"
                   "{\"type\":\"advisor_20260301\",\"m\\u006fdel\":\"e\"}}}]}]}");
    static const char *const names[] = {"b", "c", "d", "e"};
    ck_assert(slice_is(scan.model, "a"));
    ck_assert_uint_eq(scan.fallback_count, 3);
    ck_assert_int_eq(scan.fallback_max_tokens, 500);
    ck_assert_uint_eq(scan.model_count, 4);
    for (size_t i = 0; i < 4; i++) {
        ck_assert(slice_is(scan.models[i].name, names[i]));
        ck_assert_int_eq(scan.models[i].role, i < 2 ? REQUEST_MODEL_FALLBACK : REQUEST_MODEL_OTHER);
    }
    ck_assert_uint_eq(scan.features, REQUEST_FALLBACKS | REQUEST_ADVISOR);
}
END_TEST

// A conversation tells who has answered before: that is no wish for another such answer.
START_TEST(test_models_in_conversations_do_not_count)
{
    assert_scanned(
        IN_MESSAGE("{\"type\":\"fallback\",\"from\":{\"model\":\"b\"},\"to\":[{\"model\":"
                   "\"c\"}]},{\"model\":\"d\"}"));
    ck_assert_uint_eq(scan.model_count, 0);
}
END_TEST

START_TEST(test_web_search_uses)
{
    static const struct {
        const char *tools;
        int64_t uses;
    } rows[] = {
        {"{\"type\":\"web_search_20260318\",\"max_uses\":5}", 5},
        {"{\"max_uses\":5,\"type\":\"web_search_20260318\"},"
         "{\"type\":\"web_search_20250305\",\"max_uses\":2},{\"type\":\"web_fetch_20260318\"}",
         7},
        {"{\"type\":\"web_search_20260318\"}", -1},
        {"{\"type\":\"web_search_20260318\",\"max_uses\":null}", -1},
        {"{\"type\":\"web_search_20260318\"},{\"type\":\"web_search_20260318\",\"max_uses\":1}",
         -1},
        {"{\"type\":\"web_search_20260318\",\"max_uses\":9223372036854775807},"
         "{\"type\":\"web_search_20260318\",\"max_uses\":1}",
         -1},
        {"{\"type\":\"web_fetch_20260318\",\"max_uses\":5}", 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char body[512];
        snprintf(body, sizeof(body), "{\"tools\":[%s]}", rows[i].tools);
        assert_scanned(body);
        ck_assert_int_eq(scan.web_search_uses_max, rows[i].uses);
    }
}
END_TEST

START_TEST(test_identity)
{
    static const struct {
        const char *system;
        bool identity;
    } rows[] = {
        {"\"You are Claude Code, Anthropic's official CLI for Claude.\"", true},
        {"\"You are Claude Code, Anthropic\\u0027s official CLI for Claude, in the SDK.\"", true},
        {"[{\"text\":\"x\"},{\"text\":\"You are a Claude agent, built on Anthropic's Claude Agent "
         "SDK.\"}]",
         true},
        {"[{\"text\":\"1\"},{\"text\":\"2\"},{\"text\":\"3\"},{\"text\":\"You are Claude Code, "
         "Anthropic's official CLI for Claude.\"}]",
         false},
        {"\"You are Claude\"", false},
        {"null", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char body[512];
        snprintf(body, sizeof(body), "{\"system\":%s}", rows[i].system);
        assert_scanned(body);
        ck_assert_int_eq(request_scan_has_claude_code_identity(&scan), rows[i].identity);
    }
}
END_TEST

START_TEST(test_counts)
{
    assert_scanned("{\"messages\":[{},{\"content\":[{\"type\":\"image\"},{\"type\":\"document\"},"
                   "{\"type\":\"tool_result\",\"content\":[{\"type\":\"image\"}]}]},{}],"
                   "\"service_tier\":\"auto\",\"inference_geo\":\"us\",\"model\":null,"
                   "\"max_tokens\":0,\"stream\":null}");
    ck_assert_uint_eq(scan.message_count, 3);
    ck_assert_uint_eq(scan.image_count, 2);
    ck_assert_uint_eq(scan.document_count, 1);
    ck_assert(slice_is(scan.service_tier, "auto"));
    ck_assert(slice_is(scan.inference_geo, "us"));
    ck_assert_ptr_null(scan.model.bytes);
    ck_assert_int_eq(scan.max_tokens, 0);
}
END_TEST

// The body, and a part of the sentence that it is refused with.
static const struct {
    const char *body, *sentence;
} refused[] = {
    {"", "byte 0 of the body: not valid JSON"},
    {"[]", "must be a JSON object"},
    {"{\"model\":\"a\"} x", "byte 14 of the body: not valid JSON: something follows"},
    {"{\"messages\":[{\"content\":[}]}", "byte 25 of the body"},
    {"{\"model\":\"a\",\"model\":\"b\"}", "\"model\" occurs twice"},
    {"{\"unknown\":1,\"unknown\":1}", "\"unknown\" occurs twice"},
    {"{\"max_\\u0074okens\":5}", "byte 19 of the body: the name of a member"},
    {"{\"model\":\"cl\\u0061ude\"}", "\"model\" must be a string without escapes"},
    {"{\"model\":5}", "\"model\" must be a string"},
    {"{\"inference_geo\":\"\\u0075s\"}", "\"inference_geo\" must be a string without escapes"},
    {"{\"max_tokens\":\"5\"}", "\"max_tokens\" must be a whole number"},
    {"{\"max_tokens\":1e3}", "\"max_tokens\" must be a whole number"},
    {"{\"max_tokens\":5.0}", "\"max_tokens\" must be a whole number"},
    {"{\"max_tokens\":-1}", "\"max_tokens\" must be a whole number"},
    {"{\"max_tokens\":99999999999999999999}", "\"max_tokens\" must be a whole number"},
    {"{\"fallbacks\":[{\"max_tokens\":1.5}]}", "\"max_tokens\" must be a whole number"},
    {"{\"fallbacks\":[{\"model\":\"\\u0061\"}]}", "\"model\" must be a string without escapes"},
    {"{\"stream\":1}", "\"stream\" must be true or false"},
    {"{\"tools\":[{\"max_uses\":\"many\"}]}", "\"max_uses\" must be a whole number"},
};

START_TEST(test_refused)
{
    ck_assert_int_eq(scan_text(refused[_i].body), -EBADMSG);
    ck_assert_int_eq(err.code, -EBADMSG);
    ck_assert_msg(strstr(err.text, refused[_i].sentence) != NULL, "%s: %s", refused[_i].body,
                  err.text);
}
END_TEST

START_TEST(test_too_many)
{
    for (int over = 0; over < 2; over++) {
        char body[4096];
        int length = snprintf(body, sizeof(body), "{");
        for (int i = 0; i < REQUEST_MEMBERS_MAX + over; i++)
            length += snprintf(body + length, 32, "%s\"m%d\":%d", i == 0 ? "" : ",", i, i);
        snprintf(body + length, 4, "}");
        ck_assert_int_eq(scan_text(body), over ? -EBADMSG : 0);
        length = snprintf(body, sizeof(body), "{\"fallbacks\":[");
        for (int i = 0; i < REQUEST_MODELS_MAX + over; i++)
            length += snprintf(body + length, 32, "%s{\"model\":\"m%d\"}", i == 0 ? "" : ",", i);
        snprintf(body + length, 4, "]}");
        ck_assert_int_eq(scan_text(body), over ? -EBADMSG : 0);
    }
}
END_TEST

START_TEST(test_batch)
{
    static const char body[] =
        "{\"x\":[1,{}],\"requests\":[{\"custom_id\":\"a\",\"params\":{\"model\":\"m\","
        "\"max_tokens\":7}},{\"params\":{\"stream\":true},\"y\":{},\"custom_id\":\"b\"}],\"z\":2}";
    struct request_batch batch;
    struct request_batch_item item;
    ck_assert_int_eq(request_batch_begin(&batch, body, sizeof(body) - 1, &err), 0);
    ck_assert_int_eq(request_batch_next(&batch, &item, &err), 1);
    ck_assert(slice_is(item.custom_id, "a"));
    ck_assert(slice_is((struct slice){body + item.params.offset, item.params.length},
                       "{\"model\":\"m\",\"max_tokens\":7}"));
    ck_assert(slice_is(item.scan.model, "m"));
    ck_assert_int_eq(item.scan.max_tokens, 7);
    ck_assert_int_eq(body[item.scan.max_tokens_at.offset], '7');
    ck_assert_int_eq(request_batch_next(&batch, &item, &err), 1);
    ck_assert(slice_is(item.custom_id, "b"));
    ck_assert(item.scan.stream && item.scan.max_tokens == -1);
    ck_assert_int_eq(request_batch_next(&batch, &item, &err), 0);
    ck_assert_int_eq(request_batch_next(&batch, &item, &err), 0);
    ck_assert_uint_eq(batch.count, 2);
}
END_TEST

static const struct {
    const char *body;
    int count; // -1: refused
} batches[] = {
    {"{\"requests\":[]}", 0},
    {"{\"requests\":[{\"params\":{}}]}", 1},
    {"{}", -1},
    {"[]", -1},
    {"", -1},
    {"{\"requests\":{}}", -1},
    {"{\"requests\":[1]}", -1},
    {"{\"requests\":[{}]}", -1},
    {"{\"requests\":[{\"params\":1}]}", -1},
    {"{\"requests\":[{\"params\":{},\"p\\u0061rams\":{}}]}", -1},
    {"{\"requests\":[{\"params\":{},\"custom_id\":1}]}", -1},
    {"{\"requests\":[{\"params\":{},\"custom_id\":\"a\",\"custom_id\":\"a\"}]}", -1},
    {"{\"requests\":[{\"params\":{\"model\":\"a\",\"model\":\"a\"}}]}", -1},
    {"{\"requests\":[{\"params\":{}}],\"requests\":[]}", -1},
    {"{\"requests\":[{\"params\":{}}],\"r\\u0065quests\":[]}", -1},
    {"{\"requests\":[{\"params\":{}}]} x", -1},
    {"{\"requests\":[{\"params\":{}}", -1},
    {"{\"requests\":[{\"params\":{},\"x\":}]}", -1},
};

START_TEST(test_batches)
{
    struct request_batch batch;
    struct request_batch_item item;
    const char *body = batches[_i].body;
    int count = 0, next = request_batch_begin(&batch, body, strlen(body), &err);
    for (; next >= 0; count++) {
        next = request_batch_next(&batch, &item, &err);
        if (next == 0)
            break;
    }
    ck_assert_msg((next < 0 ? -1 : count) == batches[_i].count, "%s", body);
}
END_TEST

// A body with one request whose text has `length` bytes, and a small one behind it.
static char *batch_body_make(size_t length, size_t *body_length)
{
    static const char head[] = "{\"requests\":[{\"custom_id\":\"a\",\"params\":{\"model\":\"";
    static const char tail[] =
        "\",\"max_tokens\":1}},{\"custom_id\":\"b\",\"params\":{\"max_tokens\":2}}]}";
    char *body = malloc(sizeof(head) + length + sizeof(tail));
    ck_assert_ptr_nonnull(body);
    memcpy(body, head, sizeof(head) - 1);
    memset(body + sizeof(head) - 1, 'x', length);
    memcpy(body + sizeof(head) - 1 + length, tail, sizeof(tail));
    *body_length = sizeof(head) - 1 + length + sizeof(tail) - 1;
    return body;
}

START_TEST(test_batch_steps_are_bounded)
{
    struct request_batch batch;
    static struct request_batch_item item;
    size_t length;
    char *body = batch_body_make(REQUEST_BATCH_STEP_BYTES_MAX - 100, &length);
    ck_assert_int_eq(request_batch_begin(&batch, body, length, &err), 0);
    ck_assert_int_eq(request_batch_next(&batch, &item, &err), 1);
    ck_assert_int_eq(request_batch_next(&batch, &item, &err), 1);
    ck_assert_int_eq(item.scan.max_tokens, 2);
    ck_assert_int_eq(request_batch_next(&batch, &item, &err), 0);
    free(body);
    body = batch_body_make(REQUEST_BATCH_STEP_BYTES_MAX, &length);
    ck_assert_int_eq(request_batch_begin(&batch, body, length, &err), 0);
    ck_assert_int_eq(request_batch_next(&batch, &item, &err), -EBADMSG);
    ck_assert_ptr_nonnull(strstr(err.text, "larger than 32 MB"));
    free(body);
}
END_TEST

START_TEST(test_references)
{
    assert_scanned("{\"thread\":{\"type\":\"continue\",\"previous_message_id\":\"msg_1\"},"
                   "\"messages\":[{\"role\":\"user\",\"content\":["
                   "{\"type\":\"document\",\"source\":{\"type\":\"file\",\"file_id\":\"file_1\"}},"
                   "{\"type\":\"image\",\"source\":{\"type\":\"file\",\"file_id\":\"file_2\"}},"
                   "{\"type\":\"document\",\"source\":{\"type\":\"file\",\"file_id\":\"file_1\"}},"
                   "{\"type\":\"tool_use\",\"input\":{\"file_id\":\"file_3\"}},"
                   "{\"type\":\"container_upload\",\"file_id\":null}]}]}");
    ck_assert_uint_eq(scan.reference_count, 3);
    ck_assert(slice_is(scan.references[0], "msg_1"));
    ck_assert(slice_is(scan.references[1], "file_1"));
    ck_assert(slice_is(scan.references[2], "file_2"));
    // It is acted upon, so it says what it says in one way only.
    ck_assert_int_eq(scan_text("{\"file_id\":\"file_\\u0031\"}"), -EBADMSG);
    ck_assert_int_eq(scan_text("{\"file_id\":7}"), -EBADMSG);
}
END_TEST

START_TEST(test_references_are_bounded)
{
    char body[64 * (REQUEST_REFERENCES_MAX + 2)] = "{\"messages\":[";
    size_t length = strlen(body);
    for (int i = 0; i < REQUEST_REFERENCES_MAX; i++)
        length +=
            (size_t)snprintf(body + length, sizeof(body) - length, "{\"file_id\":\"file_%d\"},", i);
    snprintf(body + length, sizeof(body) - length, "{\"file_id\":\"file_0\"}]}");
    assert_scanned(body);
    ck_assert_uint_eq(scan.reference_count, REQUEST_REFERENCES_MAX);
    snprintf(body + length, sizeof(body) - length, "{\"file_id\":\"another\"}]}");
    ck_assert_int_eq(scan_text(body), -EBADMSG);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("request_scan");
    TCase *tcase = tcase_create("request_scan");
    tcase_add_test(tcase, test_claude_code_request);
    tcase_add_test(tcase, test_smallest_request);
    tcase_add_loop_test(tcase, test_features, 0, (int)(sizeof(features) / sizeof(features[0])));
    tcase_add_test(tcase, test_models_named_besides);
    tcase_add_test(tcase, test_models_in_conversations_do_not_count);
    tcase_add_test(tcase, test_web_search_uses);
    tcase_add_test(tcase, test_identity);
    tcase_add_test(tcase, test_counts);
    tcase_add_loop_test(tcase, test_refused, 0, (int)(sizeof(refused) / sizeof(refused[0])));
    tcase_add_test(tcase, test_too_many);
    tcase_add_test(tcase, test_batch);
    tcase_add_loop_test(tcase, test_batches, 0, (int)(sizeof(batches) / sizeof(batches[0])));
    tcase_add_test(tcase, test_batch_steps_are_bounded);
    tcase_add_test(tcase, test_references);
    tcase_add_test(tcase, test_references_are_bounded);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
