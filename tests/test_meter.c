// Tests of the meter: every worked example of the API's usage rules, as events and as JSON, in
// pieces of every size, with both line ends and compressed; and what breaks off or lies.
#include "cleanup.h"
#include "meter.h"
#include "suite_run.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define OPUS "claude-opus-5-5"
#define SONNET "claude-sonnet-5-5"
#define FABLE "claude-fable-5-2"
#define HAIKU "claude-haiku-5-5"

// An event as the API writes it.
#define EVENT(name, members) "event: " name "\ndata: {\"type\":\"" name "\"" members "}\n\n"
#define START(model, usage)                                                                        \
    EVENT("message_start",                                                                         \
          ",\"message\":{\"id\":\"msg_01A\",\"type\":\"message\",\"role\":\"assistant\","          \
          "\"model\":\"" model "\",\"content\":[],\"stop_reason\":null,\"usage\":{" usage "}}")
#define TEXT(text)                                                                                 \
    EVENT("content_block_delta",                                                                   \
          ",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"" text "\"}")
#define DELTA(delta, usage) EVENT("message_delta", ",\"delta\":{" delta "},\"usage\":{" usage "}")
#define END_TURN "\"stop_reason\":\"end_turn\",\"stop_sequence\":null"
#define PING EVENT("ping", "")
#define STOP EVENT("message_stop", "")
#define FALLBACK(from, to, category)                                                               \
    EVENT("content_block_start",                                                                   \
          ",\"index\":1,\"content_block\":{\"type\":\"fallback\",\"from\":{\"model\":\"" from      \
          "\"},\"to\":{\"model\":\"" to                                                            \
          "\"},\"trigger\":{\"type\":\"refusal\",\"category\":" category "}}")
#define ITERATION(type, model, input, output)                                                      \
    "{\"type\":\"" type "\"," model "\"input_tokens\":" input ",\"output_tokens\":" output         \
    ",\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"cache_creation\":null}"
#define ON(model) "\"model\":\"" model "\","
#define ON_NULL "\"model\":null,"
#define MESSAGE(model, stop, usage)                                                                \
    "{\"model\":\"" model "\",\"id\":\"msg_01B\",\"type\":\"message\",\"role\":\"assistant\","     \
    "\"content\":[{\"type\":\"text\",\"text\":\"{\\\"usage\\\":{\\\"input_tokens\\\":7}} "         \
    "\\\\\"}],"                                                                                    \
    "\"stop_reason\":\"" stop "\",\"stop_sequence\":null,\"usage\":{" usage "}}"

#define CACHED_START                                                                               \
    "\"input_tokens\":12,\"cache_creation_input_tokens\":2048,\"cache_read_input_tokens\":30000,"  \
    "\"cache_creation\":{\"ephemeral_5m_input_tokens\":0,\"ephemeral_1h_input_tokens\":2048},"     \
    "\"output_tokens\":2,\"service_tier\":\"standard\",\"inference_geo\":\"global\","              \
    "\"speed\":\"standard\""
#define CACHED_DELTA                                                                               \
    "\"input_tokens\":12,\"cache_creation_input_tokens\":2048,\"cache_read_input_tokens\":30000,"  \
    "\"output_tokens\":57,\"output_tokens_details\":{\"thinking_tokens\":20}"

#define ITERATIONS(...)                                                                            \
    .iterations = (struct usage_iteration[]){__VA_ARGS__},                                         \
    .iteration_count =                                                                             \
        sizeof((struct usage_iteration[]){__VA_ARGS__}) / sizeof(struct usage_iteration)

enum form { EVENTS, JSON };

static const struct {
    const char *what;
    enum form form;
    const char *body;
    enum meter_quality quality;
    struct usage usage;
    const char *stop_reason;
    const char *refusal_category;
} cases[] = {
    {"A.2: a stream, its delta a total",
     EVENTS,
     START(OPUS, CACHED_START) PING TEXT("Hello") DELTA(END_TURN, CACHED_DELTA) STOP,
     METER_EXACT,
     {.model = OPUS,
      .tokens = {.input = 12, .output = 57, .cache_write_1h = 2048, .cache_read = 30000},
      .thinking_tokens = 20},
     "end_turn",
     ""},
    {"A.2: the same by JSON (A.3)",
     JSON,
     MESSAGE(OPUS, "end_turn", CACHED_START ",\"output_tokens\":57"),
     METER_EXACT,
     {.model = OPUS,
      .tokens = {.input = 12, .output = 57, .cache_write_1h = 2048, .cache_read = 30000}},
     "end_turn",
     ""},
    {"A.2: web search grows the input; the last of several deltas wins",
     EVENTS,
     START(OPUS, "\"input_tokens\":2679,\"output_tokens\":3,\"speed\":\"fast\","
                 "\"inference_geo\":\"us\",\"service_tier\":\"priority\"")
         DELTA("\"stop_reason\":null", "\"input_tokens\":5000,\"output_tokens\":100")
             DELTA(END_TURN, "\"input_tokens\":10682,\"output_tokens\":510,\"server_tool_use\":{"
                             "\"web_search_requests\":3,\"web_fetch_requests\":1}") STOP,
     METER_EXACT,
     {.model = OPUS,
      .tokens = {.input = 10682, .output = 510},
      .web_search_requests = 3,
      .web_fetch_requests = 1,
      .speed = USAGE_SPEED_FAST,
      .tier = USAGE_TIER_PRIORITY,
      .geo = USAGE_GEO_US},
     "end_turn",
     ""},
    {"A.2: null and absent members of a delta leave the start's alone",
     EVENTS,
     START(OPUS, "\"input_tokens\":10,\"cache_read_input_tokens\":7,\"output_tokens\":1")
         DELTA(END_TURN, "\"input_tokens\":null,\"output_tokens\":20,\"iterations\":null,"
                         "\"server_tool_use\":null") STOP,
     METER_EXACT,
     {.model = OPUS, .tokens = {.input = 10, .output = 20, .cache_read = 7}},
     "end_turn",
     ""},
    {"an explicit zero is kept",
     EVENTS,
     START(OPUS, "\"input_tokens\":10,\"output_tokens\":5")
         DELTA(END_TURN, "\"input_tokens\":0,\"output_tokens\":0") STOP,
     METER_EXACT,
     {.model = OPUS},
     "end_turn",
     ""},
    {"cache counts that come in the delta only",
     EVENTS,
     START(OPUS, "\"input_tokens\":0,\"output_tokens\":0")
         DELTA(END_TURN, "\"input_tokens\":5,\"cache_creation_input_tokens\":100,"
                         "\"cache_read_input_tokens\":200,\"output_tokens\":9") STOP,
     METER_EXACT,
     {.model = OPUS, .tokens = {.input = 5, .output = 9, .cache_write_5m = 100, .cache_read = 200}},
     "end_turn",
     ""},
    {"A.2: cache writes grown past the split count as 5m",
     EVENTS,
     START(OPUS, CACHED_START)
         DELTA(END_TURN, "\"cache_creation_input_tokens\":5000,\"output_tokens\":1") STOP,
     METER_EXACT,
     {.model = OPUS,
      .tokens = {.input = 12,
                 .output = 1,
                 .cache_write_5m = 2952,
                 .cache_write_1h = 2048,
                 .cache_read = 30000}},
     "end_turn",
     ""},
    {"A.2: the 1h split is clamped to the total",
     EVENTS,
     START(OPUS, CACHED_START)
         DELTA(END_TURN, "\"cache_creation_input_tokens\":1000,\"output_tokens\":1") STOP,
     METER_EXACT,
     {.model = OPUS,
      .tokens = {.input = 12, .output = 1, .cache_write_1h = 1000, .cache_read = 30000}},
     "end_turn",
     ""},
    {"A.2: grown cache writes are split as the iterations say",
     EVENTS,
     START(OPUS, CACHED_START) DELTA(
         END_TURN, "\"cache_creation_input_tokens\":5000,\"output_tokens\":1,\"iterations\":["
                   "{\"type\":\"message\",\"cache_creation_input_tokens\":2048,\"cache_creation\":"
                   "{\"ephemeral_5m_input_tokens\":0,\"ephemeral_1h_input_tokens\":2048}},"
                   "{\"type\":\"message\",\"cache_creation_input_tokens\":2952,\"cache_creation\":"
                   "{\"ephemeral_5m_input_tokens\":952,\"ephemeral_1h_input_tokens\":2000}}]") STOP,
     METER_EXACT,
     {.model = OPUS,
      .tokens = {.input = 12,
                 .output = 1,
                 .cache_write_5m = 952,
                 .cache_write_1h = 4048,
                 .cache_read = 30000},
      ITERATIONS({.model = OPUS, .tokens = {.cache_write_1h = 2048}},
                 {.model = OPUS, .tokens = {.cache_write_5m = 952, .cache_write_1h = 2000}})},
     "end_turn",
     ""},
    {"A.2: cache writes that have not grown stay split as the start says",
     EVENTS,
     START(OPUS, CACHED_START)
         DELTA(END_TURN, "\"output_tokens\":1,\"iterations\":[{\"type\":\"message\","
                         "\"cache_creation_input_tokens\":2048,\"cache_creation\":"
                         "{\"ephemeral_5m_input_tokens\":2048}}]") STOP,
     METER_EXACT,
     {.model = OPUS,
      .tokens = {.input = 12, .output = 1, .cache_write_1h = 2048, .cache_read = 30000},
      ITERATIONS({.model = OPUS, .tokens = {.cache_write_5m = 2048}})},
     "end_turn",
     ""},
    {"A.4: compaction",
     JSON,
     MESSAGE(OPUS, "end_turn",
             "\"input_tokens\":23000,\"output_tokens\":1000,\"iterations\":[" ITERATION(
                 "compaction", "", "180000", "3500") "," ITERATION("message", ON_NULL, "23000",
                                                                   "1000") "]"),
     METER_EXACT,
     {.model = OPUS,
      .tokens = {.input = 23000, .output = 1000},
      ITERATIONS({.type = USAGE_ITERATION_COMPACTION,
                  .model = OPUS,
                  .tokens = {.input = 180000, .output = 3500}},
                 {.model = OPUS, .tokens = {.input = 23000, .output = 1000}})},
     "end_turn",
     ""},
    {"A.4: advisor, and a type from the future",
     EVENTS,
     START(SONNET, "\"input_tokens\":400,\"output_tokens\":1") DELTA(
         END_TURN, "\"input_tokens\":900,\"output_tokens\":400,\"iterations\":[" ITERATION(
                       "message", ON(SONNET), "400",
                       "150") "," ITERATION("advisor_message", ON(FABLE), "5000",
                                            "800") "," ITERATION("musing", "", "5", "6") "]") STOP,
     METER_EXACT,
     {.model = SONNET,
      .tokens = {.input = 900, .output = 400},
      ITERATIONS(
          {.model = SONNET, .tokens = {.input = 400, .output = 150}},
          {.type = USAGE_ITERATION_ADVISOR_MESSAGE,
           .model = FABLE,
           .tokens = {.input = 5000, .output = 800}},
          {.type = USAGE_ITERATION_UNKNOWN, .model = SONNET, .tokens = {.input = 5, .output = 6}})},
     "end_turn",
     ""},
    {"A.5: a fallback in the midst of the answer",
     EVENTS,
     START(FABLE, "\"input_tokens\":8000,\"output_tokens\":1") TEXT("Well")
         FALLBACK(FABLE, OPUS, "\"cyber\"")
             DELTA("\"stop_reason\":\"end_turn\"",
                   "\"input_tokens\":8040,\"output_tokens\":600,"
                   "\"iterations\":[" ITERATION("message", ON(FABLE), "8000", "40") "," ITERATION(
                       "fallback_message", ON(OPUS), "8040", "600") "]") STOP,
     METER_EXACT,
     {.model = OPUS,
      .tokens = {.input = 8040, .output = 600},
      ITERATIONS({.model = FABLE, .tokens = {.input = 8000, .output = 40}},
                 {.type = USAGE_ITERATION_FALLBACK_MESSAGE,
                  .model = OPUS,
                  .tokens = {.input = 8040, .output = 600}})},
     "end_turn",
     ""},
    {"A.6: an attempt that declined before any output is free for cyber, not for bio",
     EVENTS,
     START(FABLE, "\"input_tokens\":8000,\"output_tokens\":0") FALLBACK(FABLE, SONNET, "\"cyber\"")
         FALLBACK(SONNET, OPUS, "\"bio\"")
             DELTA(END_TURN,
                   "\"input_tokens\":8040,\"output_tokens\":600,"
                   "\"iterations\":[" ITERATION("message", ON(FABLE), "8000", "0") "," ITERATION(
                       "message", ON(SONNET), "8000",
                       "0") "," ITERATION("fallback_message", ON(OPUS), "8040", "600") "]") STOP,
     METER_EXACT,
     {.model = OPUS,
      .tokens = {.input = 8040, .output = 600},
      ITERATIONS({.model = FABLE, .tokens = {.input = 8000}, .declined_unbilled = true},
                 {.model = SONNET, .tokens = {.input = 8000}},
                 {.type = USAGE_ITERATION_FALLBACK_MESSAGE,
                  .model = OPUS,
                  .tokens = {.input = 8040, .output = 600}})},
     "end_turn",
     ""},
    {"A.5: a fallback in JSON",
     JSON,
     "{\"content\":[{\"type\":\"fallback\",\"from\":{\"model\":\"" FABLE
     "\"},\"to\":{\"model\":\"" OPUS
     "\"},\"trigger\":{\"type\":\"refusal\",\"category\":null}},{\"type\":\"text\",\"text\":"
     "\"fallback\"}], \"model\" : \"" OPUS "\" ,\"stop_reason\":\"end_turn\",\"usage\": "
     "{\"input_tokens\":30,\"output_tokens\":4,\"iterations\":[" ITERATION(
         "message", ON(FABLE), "20", "0") "," ITERATION("fallback_message", ON(OPUS), "30",
                                                        "4") "]} }",
     METER_EXACT,
     {.model = OPUS,
      .tokens = {.input = 30, .output = 4},
      ITERATIONS({.model = FABLE, .tokens = {.input = 20}, .declined_unbilled = true},
                 {.type = USAGE_ITERATION_FALLBACK_MESSAGE,
                  .model = OPUS,
                  .tokens = {.input = 30, .output = 4}})},
     "end_turn",
     ""},
    {"A.6: a refusal before any output, not billed",
     EVENTS,
     START(OPUS, "\"input_tokens\":500,\"output_tokens\":0")
         DELTA("\"stop_reason\":\"refusal\",\"stop_details\":{\"type\":\"refusal\","
               "\"category\":\"cyber\"}",
               "\"output_tokens\":0") STOP,
     METER_EXACT,
     {.model = OPUS, .tokens = {.input = 500}, .refused_unbilled = true},
     "refusal",
     "cyber"},
    {"A.6: a refusal without a category, not billed",
     JSON,
     MESSAGE(OPUS, "refusal", "\"input_tokens\":500,\"output_tokens\":0"),
     METER_EXACT,
     {.model = OPUS, .tokens = {.input = 500}, .refused_unbilled = true},
     "refusal",
     "none"},
    {"A.6: a refusal that is billed for its category",
     EVENTS,
     START(OPUS, "\"input_tokens\":500,\"output_tokens\":0")
         DELTA("\"stop_reason\":\"refusal\",\"stop_details\":{\"category\":\"frontier_llm\"}",
               "\"output_tokens\":0") STOP,
     METER_EXACT,
     {.model = OPUS, .tokens = {.input = 500}},
     "refusal",
     "frontier_llm"},
    {"A.6: a refusal in the midst of the answer is billed",
     EVENTS,
     START(OPUS, "\"input_tokens\":500,\"output_tokens\":1") TEXT("Sure")
         DELTA("\"stop_reason\":\"refusal\",\"stop_details\":{\"category\":\"cyber\"}",
               "\"output_tokens\":12") STOP,
     METER_EXACT,
     {.model = OPUS, .tokens = {.input = 500, .output = 12}},
     "refusal",
     "cyber"},
    {"A.7: an error in the stream: input as announced, output estimated from 11 bytes",
     EVENTS,
     START(OPUS, CACHED_START) TEXT("Hello, you.")
         EVENT("error", ",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}"),
     METER_ESTIMATED,
     {.model = OPUS,
      .tokens = {.input = 12, .output = 4, .cache_write_1h = 2048, .cache_read = 30000}},
     "",
     ""},
    {"A.7: an error before anything else",
     EVENTS,
     EVENT("error", ",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}"),
     METER_NOTHING,
     {.model = ""},
     "",
     ""},
    {"A.7: cut before message_stop, after a delta: what came after it is estimated",
     EVENTS,
     START(OPUS, "\"input_tokens\":5,\"output_tokens\":1") TEXT("123456")
         DELTA("\"stop_reason\":null", "\"output_tokens\":40") TEXT("1234") "event: message_st",
     METER_ESTIMATED,
     {.model = OPUS, .tokens = {.input = 5, .output = 42}},
     "",
     ""},
    {"A.7: text, thinking and tool input all count, by the UTF-8 they stand for",
     EVENTS,
     START(OPUS, "\"input_tokens\":5,\"output_tokens\":1")
         TEXT("a\\nb\\u00e9\\ud83d\\ude00") // 1 + 1 + 1 + 2 + 4
     EVENT("content_block_delta", ",\"index\":1,\"delta\":{\"type\":\"thinking_delta\","
                                  "\"thinking\":\"123\",\"estimated_tokens\":999}")
         EVENT("content_block_delta", ",\"index\":12,\"delta\":{\"type\":\"input_json_delta\","
                                      "\"partial_json\":\"{\\\"a\\\":1\"}")
             EVENT("content_block_delta", ",\"index\":1,\"delta\":{\"type\":\"signature_delta\","
                                          "\"signature\":\"0123456789\"}"),
     METER_ESTIMATED,
     {.model = OPUS, .tokens = {.input = 5, .output = 6}},
     "",
     ""},
    {"A.7: the same by the long way: unusual order, padding, escapes",
     EVENTS,
     START(OPUS, "\"input_tokens\":5,\"output_tokens\":1")
         EVENT("content_block_delta", ",\"delta\":{\"thinking\":\"1\\n3\",\"type\":"
                                      "\"thinking_delta\"} ,\"index\":1   ")
             EVENT("content_block_delta",
                   ",\"index\":1,\"delta\":{\"type\":\"compaction_delta\",\"content\":\"123\"}")
                 EVENT("content_block_delta",
                       ",\"index\":1,\"delta\":{\"type\":\"compaction_delta\",\"content\":null}"),
     METER_ESTIMATED,
     {.model = OPUS, .tokens = {.input = 5, .output = 2}},
     "",
     ""},
    {"A.6: text without output tokens: not certain to be free, so billed",
     EVENTS,
     START(OPUS, "\"input_tokens\":500,\"output_tokens\":0") TEXT("No")
         DELTA("\"stop_reason\":\"refusal\"", "\"output_tokens\":0") STOP,
     METER_EXACT,
     {.model = OPUS, .tokens = {.input = 500}},
     "refusal",
     "none"},
    {"A.6: a model that declines twice, once free and once billed",
     EVENTS,
     START(FABLE, "\"input_tokens\":8,\"output_tokens\":0") FALLBACK(FABLE, SONNET, "\"cyber\"")
         FALLBACK(SONNET, FABLE, "null") FALLBACK(FABLE, OPUS, "\"bio\"")
             DELTA(END_TURN,
                   "\"input_tokens\":8,\"output_tokens\":6,\"iterations\":[" ITERATION(
                       "message", ON(FABLE), "8",
                       "0") "," ITERATION("message", ON(SONNET), "8",
                                          "0") "," ITERATION("message", ON(FABLE), "8",
                                                             "0") "," ITERATION("fallback_message",
                                                                                ON(OPUS), "8",
                                                                                "6") "]") STOP,
     METER_EXACT,
     {.model = OPUS,
      .tokens = {.input = 8, .output = 6},
      ITERATIONS({.model = FABLE, .tokens = {.input = 8}, .declined_unbilled = true},
                 {.model = SONNET, .tokens = {.input = 8}, .declined_unbilled = true},
                 {.model = FABLE, .tokens = {.input = 8}},
                 {.type = USAGE_ITERATION_FALLBACK_MESSAGE,
                  .model = OPUS,
                  .tokens = {.input = 8, .output = 6}})},
     "end_turn",
     ""},
    {"A.5: cut after a fallback: both attempts are charged by estimate",
     EVENTS,
     START(FABLE, "\"input_tokens\":80,\"output_tokens\":1") TEXT("123456789")
         FALLBACK(FABLE, OPUS, "\"cyber\"") TEXT("123"),
     METER_ESTIMATED,
     {.model = OPUS,
      .tokens = {.input = 80, .output = 1},
      ITERATIONS({.model = FABLE, .tokens = {.input = 80, .output = 3}},
                 {.type = USAGE_ITERATION_FALLBACK_MESSAGE,
                  .model = OPUS,
                  .tokens = {.input = 80, .output = 1}})},
     "",
     ""},
    {"message_stop without any delta is no count",
     EVENTS,
     START(OPUS, "\"input_tokens\":5,\"output_tokens\":1") TEXT("123456") STOP,
     METER_ESTIMATED,
     {.model = OPUS, .tokens = {.input = 5, .output = 2}},
     "",
     ""},
    {"event lines stripped, comments, several data lines, unknown events",
     EVENTS,
     ": hello\n\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"" OPUS "\",\n"
     "data: \"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}\n\nevent: novelty\ndata: [\n\n"
     "id: 7\nretry: 10\ndata:{\"type\":\"message_delta\",\"delta\":{},\"usage\":"
     "{\"output_tokens\":9}}\n\ndata: {\"type\":\"message_stop\"}\n\n",
     METER_EXACT,
     {.model = OPUS, .tokens = {.input = 5, .output = 9}},
     "",
     ""},
    {"cut before any usage",
     EVENTS,
     "event: message_start\ndata: {\"type\":\"mess",
     METER_UNREADABLE,
     {.model = ""},
     "",
     ""},
    {"a count below zero",
     EVENTS,
     START(OPUS, "\"input_tokens\":-5,\"output_tokens\":1") DELTA(END_TURN, "\"output_tokens\":2")
         STOP,
     METER_UNREADABLE,
     {.model = OPUS},
     "end_turn",
     ""},
    {"a count above 2^53",
     JSON,
     MESSAGE(OPUS, "end_turn", "\"input_tokens\":9007199254740993,\"output_tokens\":1"),
     METER_UNREADABLE,
     {.model = OPUS},
     "end_turn",
     ""},
    {"a count above int64",
     JSON,
     MESSAGE(OPUS, "end_turn", "\"input_tokens\":9223372036854775808,\"output_tokens\":1"),
     METER_UNREADABLE,
     {.model = OPUS},
     "end_turn",
     ""},
    {"a count that is a text",
     JSON,
     MESSAGE(OPUS, "end_turn", "\"input_tokens\":\"12\",\"output_tokens\":1"),
     METER_UNREADABLE,
     {.model = OPUS},
     "end_turn",
     ""},
    {"a broken iteration",
     JSON,
     MESSAGE(OPUS, "end_turn", "\"input_tokens\":1,\"output_tokens\":1,\"iterations\":[1]"),
     METER_UNREADABLE,
     {.model = OPUS},
     "end_turn",
     ""},
    {"a message_delta that is no JSON",
     EVENTS,
     START(OPUS,
           "\"input_tokens\":5,\"output_tokens\":1") "event: message_delta\ndata: oh\n\n" STOP,
     METER_UNREADABLE,
     {.model = OPUS},
     "",
     ""},
    {"JSON that breaks off",
     JSON,
     "{\"id\":\"msg_01A\",\"content\":[",
     METER_UNREADABLE,
     {.model = ""},
     "",
     ""},
    {"no JSON at all", JSON, "<html>usage</html>", METER_UNREADABLE, {.model = ""}, "", ""},
    {"JSON without usage",
     JSON,
     "{\"model\":\"" OPUS "\",\"usage\":null}",
     METER_UNREADABLE,
     {.model = OPUS},
     "",
     ""},
    {"an error as JSON",
     JSON,
     "{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"no\"}}",
     METER_NOTHING,
     {.model = ""},
     "",
     ""},
};

static struct slice type_of(enum form form)
{
    return slice_of(form == EVENTS ? "text/event-stream; charset=utf-8" : "application/json");
}

static struct meter *new_meter(int status, struct slice type, const char *coding)
{
    struct meter *meter =
        meter_new(status, type, coding == NULL ? (struct slice){NULL, 0} : slice_of(coding),
                  METER_FREE_REFUSALS_DEFAULT);
    ck_assert_ptr_nonnull(meter);
    return meter;
}

static void assert_tokens(const char *what, const struct token_counts *tokens,
                          const struct token_counts *expected)
{
    ck_assert_msg(memcmp(tokens, expected, sizeof(*tokens)) == 0,
                  "%s: in %lld out %lld 5m %lld 1h %lld read %lld", what, (long long)tokens->input,
                  (long long)tokens->output, (long long)tokens->cache_write_5m,
                  (long long)tokens->cache_write_1h, (long long)tokens->cache_read);
}

static void assert_usage(const char *what, const struct usage *usage, const struct usage *expected)
{
    ck_assert_msg(strcmp(usage->model, expected->model) == 0, "%s: model %s", what, usage->model);
    assert_tokens(what, &usage->tokens, &expected->tokens);
    ck_assert_msg(usage->thinking_tokens == expected->thinking_tokens, "%s", what);
    ck_assert_msg(usage->web_search_requests == expected->web_search_requests, "%s", what);
    ck_assert_msg(usage->web_fetch_requests == expected->web_fetch_requests, "%s", what);
    ck_assert_msg(usage->speed == expected->speed && usage->tier == expected->tier &&
                      usage->geo == expected->geo,
                  "%s: speed, tier or geo", what);
    ck_assert_msg(usage->refused_unbilled == expected->refused_unbilled, "%s: refused", what);
    ck_assert_msg(usage->iteration_count == expected->iteration_count, "%s: %zu iterations", what,
                  usage->iteration_count);
    for (size_t i = 0; i < usage->iteration_count; i++) {
        const struct usage_iteration *is = &usage->iterations[i],
                                     *wanted = &expected->iterations[i];
        ck_assert_msg(is->type == wanted->type && strcmp(is->model, wanted->model) == 0 &&
                          is->declined_unbilled == wanted->declined_unbilled,
                      "%s: iteration %zu", what, i);
        assert_tokens(what, &is->tokens, &wanted->tokens);
    }
}

// Finishes the meter of case `i`, and frees it.
static void assert_case(int i, const char *how, struct meter *meter)
{
    struct meter_result result;
    char what[160];
    meter_finish(meter, &result);
    snprintf(what, sizeof(what), "%s (%s)", cases[i].what, how);
    ck_assert_msg(result.quality == cases[i].quality, "%s: quality %d", what, result.quality);
    ck_assert_msg(strcmp(result.stop_reason, cases[i].stop_reason) == 0, "%s", what);
    ck_assert_msg(strcmp(result.refusal_category, cases[i].refusal_category) == 0, "%s: %s", what,
                  result.refusal_category);
    assert_usage(what, &result.usage, &cases[i].usage);
    ck_assert_msg((result.quality == METER_UNREADABLE) == (result.unreadable_because != NULL), "%s",
                  what);
    meter_result_done(&result);
    meter_free(meter);
}

START_TEST(test_case_in_pieces)
{
    const char *body = cases[_i].body;
    size_t length = strlen(body);
    for (size_t split = 0; split <= length; split++) {
        struct meter *meter = new_meter(200, type_of(cases[_i].form), NULL);
        meter_feed(meter, body, split);
        meter_feed(meter, body + split, length - split);
        assert_case(_i, "in two pieces", meter);
    }
    struct meter *meter = new_meter(200, type_of(cases[_i].form), "identity");
    for (size_t at = 0; at < length; at++)
        meter_feed(meter, body + at, 1);
    assert_case(_i, "byte by byte", meter);
}
END_TEST

// With CR, or CR and LF, for every LF.
START_TEST(test_case_with_other_line_ends)
{
    static const char *const ends[] = {"\r\n", "\r"};
    for (size_t k = 0; k < 2; k++) {
        cleanup_free char *body = malloc(2 * strlen(cases[_i].body) + 1);
        size_t length = 0;
        for (const char *at = cases[_i].body; *at != '\0'; at++) {
            size_t size = *at == '\n' ? strlen(ends[k]) : 1;
            memcpy(body + length, *at == '\n' ? ends[k] : at, size);
            length += size;
        }
        for (size_t split = 0; split <= length; split++) {
            struct meter *meter = new_meter(200, type_of(cases[_i].form), NULL);
            meter_feed(meter, body, split);
            meter_feed(meter, body + split, length - split);
            assert_case(_i, k == 0 ? "CRLF" : "CR", meter);
        }
    }
}
END_TEST

// Compresses `body`; window bits 31 are gzip, 15 deflate. Flushes now and then, as servers do.
static size_t compress_body(const char *body, int window_bits, unsigned char *out, size_t size)
{
    z_stream stream = {.next_in = (unsigned char *)(uintptr_t)body};
    size_t left = strlen(body);
    ck_assert_int_eq(deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY),
                     Z_OK);
    stream.next_out = out;
    stream.avail_out = (unsigned)size;
    while (left > 0) {
        stream.avail_in = (unsigned)(left > 100 ? 100 : left);
        left -= stream.avail_in;
        ck_assert_int_eq(deflate(&stream, Z_SYNC_FLUSH), Z_OK);
    }
    ck_assert_int_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t length = size - stream.avail_out;
    deflateEnd(&stream);
    return length;
}

START_TEST(test_case_compressed)
{
    static const struct {
        const char *coding;
        int window_bits;
    } codings[] = {{"gzip", 31}, {"X-GZip", 31}, {"deflate", 15}};
    unsigned char packed[16384];
    for (size_t k = 0; k < 3; k++) {
        size_t length =
            compress_body(cases[_i].body, codings[k].window_bits, packed, sizeof(packed));
        for (size_t split = 0; split <= length; split++) {
            struct meter *meter = new_meter(200, type_of(cases[_i].form), codings[k].coding);
            meter_feed(meter, (const char *)packed, split);
            meter_feed(meter, (const char *)packed + split, length - split);
            assert_case(_i, codings[k].coding, meter);
        }
    }
}
END_TEST

// METER_FINAL comes with the bytes that end the message, neither earlier nor later.
START_TEST(test_final_comes_with_the_end)
{
    static const char *const bodies[] = {
        START(OPUS, CACHED_START) DELTA(END_TURN, CACHED_DELTA) STOP,
        START(OPUS, CACHED_START) EVENT("error", ",\"error\":{\"type\":\"api_error\"}"),
        MESSAGE(OPUS, "end_turn", CACHED_START),
    };
    for (size_t i = 0; i < 3; i++) {
        size_t length = strlen(bodies[i]);
        struct meter *meter = new_meter(200, type_of(i == 2 ? JSON : EVENTS), NULL);
        for (size_t at = 0; at < length; at++)
            ck_assert_int_eq(meter_feed(meter, bodies[i] + at, 1),
                             at + 1 == length ? METER_FINAL : METER_MORE);
        ck_assert_int_eq(meter_feed(meter, "x", 1), METER_FINAL);
        meter_free(meter);
    }
}
END_TEST

START_TEST(test_ids_and_raw_usage)
{
    static const char body[] = START(OPUS, "\"input_tokens\":1,\"novelty\":{\"x\":[1]}") TEXT("Hi")
        DELTA(END_TURN, "\"input_tokens\":2,\"output_tokens\":3") STOP;
    struct meter_result result;
    struct meter *meter = new_meter(200, type_of(EVENTS), NULL);
    meter_feed(meter, body, strlen(body));
    meter_finish(meter, &result);
    ck_assert(result.complete);
    ck_assert_int_eq(result.estimated_output_tokens, 0);
    ck_assert_str_eq(result.message_id, "msg_01A");
    ck_assert_str_eq(result.usage_json,
                     "{\"input_tokens\":2,\"novelty\":{\"x\":[1]},\"output_tokens\":3}");
    ck_assert_uint_eq(result.usage_json_length, strlen(result.usage_json));
    meter_result_done(&result);
    meter_free(meter);
}
END_TEST

START_TEST(test_estimate_is_told)
{
    static const char body[] = START(OPUS, "\"input_tokens\":1,\"output_tokens\":1")
        DELTA("", "\"output_tokens\":30") TEXT("1234567");
    struct meter_result result;
    struct meter *meter = new_meter(200, type_of(EVENTS), NULL);
    ck_assert_int_eq(meter_feed(meter, body, strlen(body)), METER_MORE);
    meter_finish(meter, &result);
    ck_assert(!result.complete);
    ck_assert_int_eq(result.usage.tokens.output, 33);
    ck_assert_int_eq(result.estimated_output_tokens, 3);
    meter_result_done(&result);
    meter_free(meter);
}
END_TEST

// An upstream error is not billed, whatever its body looks like and however it is encoded.
START_TEST(test_errors_are_not_billed)
{
    static const char body[] = "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\"},"
                               "\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}";
    static const struct {
        const char *coding, *body, *error_type;
    } rows[] = {{NULL, body, "rate_limit_error"},
                {"br", body, ""},
                {"gzip", body, ""},
                {NULL, "<html>", ""},
                {NULL, "", ""}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct meter_result result;
        struct meter *meter = new_meter(429, type_of(JSON), rows[i].coding);
        meter_feed(meter, rows[i].body, strlen(rows[i].body));
        meter_finish(meter, &result);
        ck_assert_int_eq(result.quality, METER_NOTHING);
        ck_assert_str_eq(result.error_type, rows[i].error_type);
        ck_assert_ptr_null(result.usage_json);
        meter_result_done(&result);
        meter_free(meter);
    }
}
END_TEST

// What cannot be decoded is never passed for free: broken gzip, other codings, bytes after the cut.
START_TEST(test_undecodable_is_unreadable)
{
    static const char body[] =
        START(OPUS, CACHED_START) TEXT("Hi") DELTA(END_TURN, CACHED_DELTA) STOP;
    static const char *const codings[] = {"br", "zstd", "gzip, gzip", "compress"};
    unsigned char packed[4096];
    struct meter_result result;
    struct meter *meter;
    for (size_t i = 0; i < 4; i++) {
        meter = new_meter(200, type_of(EVENTS), codings[i]);
        ck_assert_int_eq(meter_feed(meter, body, strlen(body)), METER_MORE);
        meter_finish(meter, &result);
        ck_assert_int_eq(result.quality, METER_UNREADABLE);
        meter_result_done(&result);
        meter_free(meter);
    }
    size_t length = compress_body(body, 31, packed, sizeof(packed));
    memset(packed + length * 3 / 4, 0xff, 8); // message_start can still be read
    meter = new_meter(200, type_of(EVENTS), "gzip");
    ck_assert_int_eq(meter_feed(meter, (const char *)packed, length), METER_MORE);
    meter_finish(meter, &result);
    ck_assert_int_eq(result.quality, METER_UNREADABLE);
    meter_result_done(&result);
    meter_free(meter);
}
END_TEST

START_TEST(test_rubbish_after_compressed_end)
{
    static const char body[] = START(OPUS, CACHED_START) DELTA(END_TURN, CACHED_DELTA) STOP;
    unsigned char packed[4096];
    struct meter_result result;
    size_t length = compress_body(body, 31, packed, sizeof(packed));
    memset(packed + length, 0, 8);
    struct meter *meter = new_meter(200, type_of(EVENTS), "gzip");
    ck_assert_int_eq(meter_feed(meter, (const char *)packed, length + 8), METER_FINAL);
    meter_finish(meter, &result);
    ck_assert_int_eq(result.quality, METER_EXACT);
    meter_result_done(&result);
    meter_free(meter);
}
END_TEST

// A compressed stream that is cut: the events decoded before the cut count.
START_TEST(test_compressed_and_cut)
{
    static const char body[] = START(OPUS, "\"input_tokens\":12,\"output_tokens\":1") TEXT("123456")
        TEXT("123456") DELTA(END_TURN, "\"output_tokens\":57") STOP;
    unsigned char packed[4096];
    struct meter_result result;
    size_t length = compress_body(body, 31, packed, sizeof(packed));
    for (size_t cut = 0; cut < length; cut++) {
        struct meter *meter = new_meter(200, type_of(EVENTS), "gzip");
        bool final = meter_feed(meter, (const char *)packed, cut) == METER_FINAL;
        meter_finish(meter, &result);
        ck_assert_int_eq(result.complete, final);
        ck_assert_int_eq(result.quality == METER_EXACT, final);
        if (result.quality == METER_ESTIMATED)
            ck_assert_int_eq(result.usage.tokens.input, 12);
        meter_result_done(&result);
        meter_free(meter);
    }
}
END_TEST

// Events that are too large to hold: text counts by its size, a lost count spoils the usage.
START_TEST(test_oversized_events)
{
    static const char start[] = START(OPUS, "\"input_tokens\":1,\"output_tokens\":1");
    static const struct {
        const char *event;
        enum meter_quality quality;
    } rows[] = {{"content_block_delta", METER_ESTIMATED},
                {"content_block_start", METER_ESTIMATED},
                {"novelty", METER_ESTIMATED},
                {"message_delta", METER_UNREADABLE}};
    static char filler[100000];
    memset(filler, 'a', sizeof(filler));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct meter_result result;
        char head[64];
        struct meter *meter = new_meter(200, type_of(EVENTS), NULL);
        snprintf(head, sizeof(head), "event: %s\ndata: ", rows[i].event);
        meter_feed(meter, start, strlen(start));
        meter_feed(meter, head, strlen(head));
        meter_feed(meter, filler, sizeof(filler));
        meter_feed(meter, filler, sizeof(filler));
        meter_feed(meter, "\n\n", 2);
        meter_finish(meter, &result);
        ck_assert_int_eq(result.quality, rows[i].quality);
        if (i == 0)
            ck_assert_int_gt(result.usage.tokens.output, 200000 / 3);
        meter_result_done(&result);
        meter_free(meter);
    }
}
END_TEST

// More iterations than can be held, and usage that is too long.
START_TEST(test_too_much_usage)
{
    static const size_t counts[] = {USAGE_ITERATIONS_MAX, USAGE_ITERATIONS_MAX + 1, 20000};
    for (size_t i = 0; i < 3; i++) {
        cleanup_free char *body = malloc(2 << 20);
        struct meter_result result;
        int length = snprintf(body, 2 << 20, "{\"usage\":{\"iterations\":[");
        for (size_t k = 0; k < counts[i]; k++)
            length += snprintf(body + length, 64, "%s{\"type\":\"message\",\"input_tokens\":1}",
                               k == 0 ? "" : ",");
        length += snprintf(body + length, 64, "]}}");
        struct meter *meter = new_meter(200, type_of(JSON), NULL);
        meter_feed(meter, body, (size_t)length);
        meter_finish(meter, &result);
        ck_assert_int_eq(result.quality, i == 0 ? METER_EXACT : METER_UNREADABLE);
        ck_assert_uint_eq(result.usage.iteration_count, i == 0 ? counts[0] : 0);
        meter_result_done(&result);
        meter_free(meter);
    }
}
END_TEST

START_TEST(test_free_refusals_are_configuration)
{
    static const char body[] = MESSAGE(OPUS, "refusal", "\"input_tokens\":500,\"output_tokens\":0");
    static const struct {
        const char *free_refusals;
        bool unbilled;
    } rows[] = {{"", false},
                {"cyber", false},
                {"cyber  none", true},
                {"none", true},
                {"nonesuch no", false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct meter_result result;
        struct meter *meter =
            meter_new(200, type_of(JSON), (struct slice){NULL, 0}, rows[i].free_refusals);
        meter_feed(meter, body, strlen(body));
        meter_finish(meter, &result);
        ck_assert_int_eq(result.usage.refused_unbilled, rows[i].unbilled);
        meter_result_done(&result);
        meter_free(meter);
    }
}
END_TEST

START_TEST(test_batch_lines)
{
    static const struct {
        const char *line;
        bool is_line;
        const char *custom_id, *type;
        enum meter_quality quality;
        int64_t input, output;
    } rows[] = {
        {"{\"custom_id\":\"a1\",\"result\":{\"type\":\"succeeded\",\"message\":" MESSAGE(
             HAIKU, "end_turn", "\"input_tokens\":120000,\"output_tokens\":900") "}}",
         true, "a1", "succeeded", METER_EXACT, 120000, 900},
        {"{\"custom_id\":\"a2\",\"result\":{\"type\":\"errored\",\"error\":{\"type\":\"error\","
         "\"error\":{\"type\":\"invalid_request_error\"}}}}",
         true, "a2", "errored", METER_NOTHING, 0, 0},
        {"{\"custom_id\":\"a3\",\"result\":{\"type\":\"expired\"}}", true, "a3", "expired",
         METER_NOTHING, 0, 0},
        {"{\"custom_id\":\"a4\",\"result\":{\"type\":\"succeeded\",\"message\":{}}}", true, "a4",
         "succeeded", METER_UNREADABLE, 0, 0},
        {"{\"custom_id\":\"a5\"}", false, "", "", METER_NOTHING, 0, 0},
        {"", false, "", "", METER_NOTHING, 0, 0},
        {"[]", false, "", "", METER_NOTHING, 0, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct meter_batch_line read;
        bool is_line = meter_read_batch_line(rows[i].line, strlen(rows[i].line),
                                             METER_FREE_REFUSALS_DEFAULT, &read);
        ck_assert_int_eq(is_line, rows[i].is_line);
        if (!is_line)
            continue;
        ck_assert_str_eq(read.custom_id, rows[i].custom_id);
        ck_assert_str_eq(read.type, rows[i].type);
        ck_assert_int_eq(read.result.quality, rows[i].quality);
        ck_assert_int_eq(read.result.usage.tokens.input, rows[i].input);
        ck_assert_int_eq(read.result.usage.tokens.output, rows[i].output);
        ck_assert_int_eq(read.result.usage.tier, USAGE_TIER_BATCH);
        meter_result_done(&read.result);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("meter");
    TCase *tcase = tcase_create("meter");
    int count = (int)(sizeof(cases) / sizeof(cases[0]));
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, test_case_in_pieces, 0, count);
    tcase_add_loop_test(tcase, test_case_with_other_line_ends, 0, count);
    tcase_add_loop_test(tcase, test_case_compressed, 0, count);
    tcase_add_test(tcase, test_final_comes_with_the_end);
    tcase_add_test(tcase, test_ids_and_raw_usage);
    tcase_add_test(tcase, test_estimate_is_told);
    tcase_add_test(tcase, test_errors_are_not_billed);
    tcase_add_test(tcase, test_undecodable_is_unreadable);
    tcase_add_test(tcase, test_rubbish_after_compressed_end);
    tcase_add_test(tcase, test_compressed_and_cut);
    tcase_add_test(tcase, test_oversized_events);
    tcase_add_test(tcase, test_too_much_usage);
    tcase_add_test(tcase, test_free_refusals_are_configuration);
    tcase_add_test(tcase, test_batch_lines);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
