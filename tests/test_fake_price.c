// The judge's own prices: the API documentation's examples and the vectors of the price list.

#include "fake_message.h"
#include "fake_price.h"
#include "suite_run.h"

#include <check.h>
#include <stdint.h>
#include <stdlib.h>

// An iteration's members, without its type.
#define TOKENS(in, out)                                                                            \
    "\"input_tokens\":" #in ",\"output_tokens\":" #out                                             \
    ",\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"cache_creation\":null"
#define TRIGGER(category)                                                                          \
    "[{\"type\":\"fallback\",\"trigger\":{\"type\":\"refusal\",\"category\":" category "}}]"
#define FALLBACK(declined)                                                                         \
    "{" TOKENS(8040, 600) ",\"iterations\":[{\"type\":\"message\",\"model\":\"claude-fable-5-"     \
                          "2\"," TOKENS(8000,                                                      \
                                        declined) "},{\"type\":\"fallback_message\",\"model\":"    \
                                                  "\"claude-opus-5-5\"," TOKENS(8040, 600) "}]}"

static const struct {
    const char *model;
    const char *usage;
    const char *content;
    int64_t pico_usd;
} bills[] = {
    // vectors of the price list
    {"claude-sonnet-5-5", "{" TOKENS(1000000, 1000000) "}", "[]", 12000000000000},
    {"claude-opus-5-5",
     "{\"input_tokens\":0,\"output_tokens\":1,\"cache_read_input_tokens\":1000000,"
     "\"cache_creation_input_tokens\":2000000,\"cache_creation\":{\"ephemeral_5m_input_tokens\":"
     "1000000,\"ephemeral_1h_input_tokens\":1000000}}",
     "[]", 13200020000000},
    {"claude-opus-5-5",
     "{" TOKENS(1000000, 1000000) ",\"inference_geo\":\"us\","
                                  "\"server_tool_use\":{\"web_search_requests\":100}}",
     "[]", 27400000000000},
    {"claude-fable-5-2", "{" TOKENS(1000000, 1000000) ",\"speed\":\"fast\"}", "[]", 96000000000000},
    {"claude-haiku-5-5",
     "{\"input_tokens\":1,\"output_tokens\":1000000,\"cache_read_input_tokens\":99999}", "[]",
     501000090000},
    {"claude-haiku-5-5",
     "{\"input_tokens\":1,\"output_tokens\":1000000,\"cache_read_input_tokens\":100000}", "[]",
     2505000500000},
    // the example stream
    {"claude-opus-5-5",
     "{\"input_tokens\":12,\"cache_creation_input_tokens\":2048,\"cache_read_input_tokens\":30000,"
     "\"output_tokens\":57,\"cache_creation\":{\"ephemeral_1h_input_tokens\":2048}}",
     "[]", 23572000000},
    // writes beyond the split are at the 5-minute price; a split beyond the writes is clamped
    {"claude-opus-5-5",
     "{\"cache_creation_input_tokens\":30,\"cache_creation\":{\"ephemeral_1h_input_tokens\":10}}",
     "[]", 10 * 8000000 + 20 * 5000000},
    {"claude-opus-5-5",
     "{\"cache_creation_input_tokens\":30,\"cache_creation\":{\"ephemeral_1h_input_tokens\":99}}",
     "[]", 30 * 8000000},
    // the finest price there is
    {"claude-haiku-5-5",
     "{\"cache_read_input_tokens\":1,\"inference_geo\":\"us\",\"service_tier\":\"batch\"}", "[]",
     5500},
    // compaction and the advisor come on top
    {"claude-opus-5-5",
     "{" TOKENS(23000, 1000) ",\"iterations\":[{\"type\":\"compaction\"," TOKENS(
         180000, 3500) "},{\"type\":\"message\",\"model\":null," TOKENS(23000, 1000) "}]}",
     "[]", INT64_C(203000) * 4000000 + INT64_C(4500) * 20000000},
    {"claude-sonnet-5-5",
     "{" TOKENS(900, 400) ",\"iterations\":[{\"type\":\"message\",\"model\":\"claude-sonnet-5-"
                          "5\"," TOKENS(
                              400,
                              150) "},{\"type\":\"advisor_message\",\"model\":\"claude-fable-5-"
                                   "2\"," TOKENS(5000,
                                                 800) "},{\"type\":\"message\",\"model\":\"claude-"
                                                      "sonnet-5-5\"," TOKENS(500, 250) "}]}",
     "[]",
     900 * 2000000 + INT64_C(400) * 10000000 + INT64_C(5000) * 8000000 + INT64_C(800) * 40000000},
    // Haiku's tier is that of each iteration
    {"claude-haiku-5-5",
     "{" TOKENS(120000, 0) ",\"iterations\":[{\"type\":\"message\"," TOKENS(
         60000, 0) "},{\"type\":\"message\"," TOKENS(60000, 0) "}]}",
     "[]", INT64_C(120000) * 100000},
    {"claude-haiku-5-5", "{" TOKENS(120000, 0) "}", "[]", INT64_C(120000) * 500000},
    // iterations that do not account for the top level do not count
    {"claude-haiku-4-5",
     "{" TOKENS(100, 10) ",\"iterations\":[{\"type\":\"message\"," TOKENS(50, 10) "}]}", "[]",
     100 * 1000000 + 10 * 5000000},
    // fallback: each attempt at its own model, but for a free refusal
    {"claude-fable-5-2", FALLBACK(40), TRIGGER("\"cyber\""),
     INT64_C(8000) * 8000000 + INT64_C(40) * 40000000 + INT64_C(8040) * 4000000 +
         INT64_C(600) * 20000000},
    {"claude-fable-5-2", FALLBACK(0), TRIGGER("\"cyber\""),
     INT64_C(8040) * 4000000 + INT64_C(600) * 20000000},
    {"claude-fable-5-2", FALLBACK(0), TRIGGER("null"),
     INT64_C(8040) * 4000000 + INT64_C(600) * 20000000},
    {"claude-fable-5-2", FALLBACK(0), TRIGGER("\"bio\""),
     INT64_C(8000) * 8000000 + INT64_C(8040) * 4000000 + INT64_C(600) * 20000000},
    {"claude-fable-5-2", FALLBACK(0), "[]",
     INT64_C(8000) * 8000000 + INT64_C(8040) * 4000000 + INT64_C(600) * 20000000},
    // a model that nobody knows is the dearest one
    {"claude-future-9", "{" TOKENS(1000, 10) "}", "[]", INT64_C(1000) * 25000000 + 10 * 125000000},
    // speed and place that the model does not have cost nothing
    {"claude-opus-4-6", "{" TOKENS(1000, 0) ",\"speed\":\"fast\"}", "[]", INT64_C(1000) * 5000000},
};

START_TEST(usage_is_billed)
{
    json_t *usage = json_loads(bills[_i].usage, 0, NULL);
    json_t *content = json_loads(bills[_i].content, 0, NULL);
    struct fake_bill bill = {0};
    ck_assert_ptr_nonnull(usage);
    fake_price_usage(bills[_i].model, usage, content, &bill);
    ck_assert_int_eq(bill.pico_usd, bills[_i].pico_usd);
    json_decref(usage);
    json_decref(content);
}
END_TEST

static const struct {
    const char *category;
    int output_tokens;
    bool billed;
} refusals[] = {
    {"cyber", 0, false}, {"general_harms", 0, false}, {NULL, 0, false},
    {"bio", 0, true},    {"frontier_llm", 0, true},   {"reasoning_extraction", 0, true},
    {"cyber", 5, true},
};

START_TEST(refusal_before_output_is_free_in_some_categories)
{
    json_t *usage =
        json_pack("{s:i, s:i}", "input_tokens", 1000, "output_tokens", refusals[_i].output_tokens);
    struct fake_message message = {
        .model = (char[]){"claude-haiku-4-5"},
        .stop_details = json_pack("{s:s?}", "category", refusals[_i].category),
    };
    struct fake_bill bill = {0};
    fake_message_bill(&message, usage, &bill);
    ck_assert_int_eq(bill.pico_usd > 0, refusals[_i].billed);
    json_decref(message.stop_details);
    json_decref(usage);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fake_price");
    TCase *tests = tcase_create("all");
    tcase_add_loop_test(tests, usage_is_billed, 0, sizeof(bills) / sizeof(bills[0]));
    tcase_add_loop_test(tests, refusal_before_output_is_free_in_some_categories, 0,
                        sizeof(refusals) / sizeof(refusals[0]));
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
