// Tests of json_walk.c and json_text.c: the grammar, and texts with escapes in them.
#include "json_walk.h"
#include "suite_run.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_whole(const char *bytes, size_t length)
{
    struct json_walker walker;
    enum json_token token;
    json_walker_init(&walker, bytes, length);
    do {
        token = json_walker_next(&walker);
    } while (token != JSON_TOKEN_END && token != JSON_TOKEN_BROKEN);
    ck_assert((token == JSON_TOKEN_BROKEN) == (walker.problem != NULL));
    ck_assert_int_eq(json_walker_next(&walker), token); // and so it stays
    return token == JSON_TOKEN_END;
}

static const char *const good[] = {
    "{}",
    "[]",
    "\"\"",
    "0",
    "-0",
    "1e5",
    "1E+05",
    "-12.50e-1",
    "true",
    "false",
    "null",
    " \t\r\n[ 1 , 2 ]\n",
    "{\"a\":{\"b\":[{},[],\"\"]},\"a\":1}",
    "{ \"\" : null }",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00Ff\"",
    "\"0123456789abcdef0123456789abcdef\\n012345678\x7f\"",
    "\"\xc3\xa9\xff\"",
};

static const char *const bad[] = {
    "",           " ",
    "{",          "[",
    "\"",         "{]",
    "[}",         "[1,]",
    "[,1]",       "{,}",
    "{\"a\"}",    "{\"a\":}",
    "{\"a\":1,}", "{\"a\" 1}",
    "{a:1}",      "{1:1}",
    "[1 2]",      "{\"a\":1 \"b\":2}",
    "1 2",        "{}x",
    "01",         "-",
    "-01",        "1.",
    ".1",         "1e",
    "1e+",        "+1",
    "0x1",        "NaN",
    "Infinity",   "tru",
    "True",       "nulll",
    "'a'",        "\"a\nb\"",
    "\"\x01\"",   "\"\\x\"",
    "\"\\u12\"",  "\"\\u12g4\"",
    "\"\\\"",     "\"0123456789abcdef01234567\x1f\"",
    "[1]]",       "// x\n1",
    "[1,",        "{\"a\"",
    "{\"a\":",    "\"\\",
};

START_TEST(test_good)
{
    size_t length = strlen(good[_i]);
    ck_assert_msg(is_whole(good[_i], length), "%s", good[_i]);
    if (strchr("{[\"", good[_i][0]) != NULL) // nothing shorter is whole
        for (size_t cut = 0; cut < length; cut++)
            ck_assert_msg(!is_whole(good[_i], cut), "%.*s", (int)cut, good[_i]);
}
END_TEST

START_TEST(test_bad)
{
    ck_assert_msg(!is_whole(bad[_i], strlen(bad[_i])), "%s", bad[_i]);
}
END_TEST

START_TEST(test_nul_bytes)
{
    ck_assert(!is_whole("\"a\0\"", 4));
    ck_assert(!is_whole("[1\0]", 4));
    ck_assert(!is_whole("\"\\\0\"", 4));
    ck_assert(!is_whole("{}\0", 3));
}
END_TEST

START_TEST(test_depth)
{
    char text[2 * JSON_DEPTH_MAX + 3];
    for (size_t depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        ck_assert_int_eq(is_whole(text, 2 * depth), depth == JSON_DEPTH_MAX);
    }
}
END_TEST

START_TEST(test_tokens)
{
    static const char text[] = "{\"a\":[1,\"b\\n\",true],\"c\":null}";
    static const struct {
        enum json_token token;
        const char *text;
        size_t depth;
        bool escaped;
    } tokens[] = {
        {JSON_TOKEN_OBJECT, "{", 1, false},   {JSON_TOKEN_NAME, "a", 1, false},
        {JSON_TOKEN_ARRAY, "[", 2, false},    {JSON_TOKEN_NUMBER, "1", 2, false},
        {JSON_TOKEN_STRING, "b\\n", 2, true}, {JSON_TOKEN_TRUE, "true", 2, true},
        {JSON_TOKEN_ARRAY_END, "]", 1, true}, {JSON_TOKEN_NAME, "c", 1, false},
        {JSON_TOKEN_NULL, "null", 1, false},  {JSON_TOKEN_OBJECT_END, "}", 0, false},
        {JSON_TOKEN_END, "}", 0, false},
    };
    struct json_walker walker;
    json_walker_init(&walker, text, sizeof(text) - 1);
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        ck_assert_int_eq(json_walker_next(&walker), tokens[i].token);
        ck_assert(slice_is(walker.text, tokens[i].text));
        ck_assert_uint_eq(walker.depth, tokens[i].depth);
        ck_assert_int_eq(walker.escaped, tokens[i].escaped);
    }
}
END_TEST

START_TEST(test_skip)
{
    static const char text[] = "[[{\"a\":[1]},2],3]";
    struct json_walker walker;
    json_walker_init(&walker, text, sizeof(text) - 1);
    json_walker_next(&walker);
    ck_assert_int_eq(json_walker_skip(&walker, json_walker_next(&walker)), JSON_TOKEN_ARRAY_END);
    ck_assert_int_eq(json_walker_next(&walker), JSON_TOKEN_NUMBER);
    ck_assert(slice_is(walker.text, "3"));
    ck_assert_int_eq(json_walker_skip(&walker, JSON_TOKEN_NUMBER), JSON_TOKEN_NUMBER);
    ck_assert_int_eq(json_walker_next(&walker), JSON_TOKEN_ARRAY_END);
}
END_TEST

START_TEST(test_member)
{
    static const struct {
        const char *object, *name, *value;
    } rows[] = {
        {"{\"a\":1,\"b\":{\"a\":2} }", "b", "{\"a\":2}"},
        {"{\"a\":1,\"a\":2}", "a", "1"},
        {"{\"b\":[{\"a\":7}],\"\\u0061\": \"x\\\"y\" }", "a", "\"x\\\"y\""},
        {"{\"a\":1", "a", "1"},
        {"{\"a\":1", "b", NULL},
        {"{\"a\":[1", "a", NULL},
        {"[\"a\",1]", "a", NULL},
        {"{}", "a", NULL},
        {"", "a", NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct slice value = json_member(slice_of(rows[i].object), rows[i].name);
        if (rows[i].value == NULL)
            ck_assert_msg(value.bytes == NULL, "%s", rows[i].object);
        else
            ck_assert_msg(slice_is(value, rows[i].value), "%s", rows[i].object);
    }
    ck_assert_ptr_null(json_member((struct slice){NULL, 0}, "a").bytes);
    ck_assert(slice_is(json_string_text(slice_of("\"ab\"")), "ab"));
    ck_assert_ptr_null(json_string_text(slice_of("12")).bytes);
    ck_assert_ptr_null(json_string_text((struct slice){NULL, 0}).bytes);
}
END_TEST

START_TEST(test_text_compared_as_decoded)
{
    ck_assert(json_text_is(slice_of("type"), "type"));
    ck_assert(json_text_is(slice_of("t\\u0079pe"), "type"));
    ck_assert(json_text_is(slice_of("a\\/b"), "a/b"));
    ck_assert(!json_text_is(slice_of("t\\u0079p"), "type"));
    ck_assert(!json_text_is(slice_of("t\\u0079pes"), "type"));
    ck_assert(!json_text_is(slice_of("t\\u0179pe"), "type"));
    ck_assert(!json_text_is(slice_of("typo"), "type"));
    ck_assert(!json_text_is(slice_of(""), "type"));
    ck_assert(json_text_is(slice_of(""), ""));
    ck_assert(json_text_starts_with(slice_of("\\u0077eb_x"), "web_"));
    ck_assert(!json_text_starts_with(slice_of("we"), "web_"));
}
END_TEST

START_TEST(test_utf8_length)
{
    ck_assert_uint_eq(json_text_utf8_length(slice_of("")), 0);
    ck_assert_uint_eq(json_text_utf8_length(slice_of("ab\xc3\xa9")), 4);
    ck_assert_uint_eq(json_text_utf8_length(slice_of("\\n\\\"\\\\x")), 4);
    ck_assert_uint_eq(json_text_utf8_length(slice_of("\\u0041\\u00e9\\u20ac")), 6);
    ck_assert_uint_eq(json_text_utf8_length(slice_of("\\ud83d\\ude00")), 4);
    ck_assert_uint_eq(json_text_utf8_length(slice_of("\\ud83d\\u0041\\ude00")), 7);
    ck_assert_uint_eq(json_text_utf8_length(slice_of("\\ud83d")), 3);
}
END_TEST

START_TEST(test_plain_length)
{
    static const char special[] = "\"\\\x1f\n";
    char text[64];
    for (size_t at = 0; at < sizeof(text); at++)
        for (size_t i = 0; i < 4; i++) {
            memset(text, 0xe9, sizeof(text));
            text[at] = special[i];
            ck_assert_uint_eq(json_plain_length(text, sizeof(text)), at);
            ck_assert_uint_eq(json_plain_length(text, at), at);
        }
}
END_TEST

START_TEST(test_integer)
{
    static const struct {
        const char *text;
        bool is_integer;
        int64_t value;
    } rows[] = {{"0", true, 0},
                {"-0", true, 0},
                {"4096", true, 4096},
                {"9223372036854775807", true, INT64_MAX},
                {"-9223372036854775808", true, INT64_MIN},
                {"9223372036854775808", false, 0},
                {"-9223372036854775809", false, 0},
                {"1.0", false, 0},
                {"1e3", false, 0},
                {"-", false, 0},
                {"", false, 0}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t value = 77;
        ck_assert_int_eq(json_number_integer(slice_of(rows[i].text), &value), rows[i].is_integer);
        ck_assert_int_eq(value, rows[i].is_integer ? rows[i].value : 77);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json_walk");
    TCase *tcase = tcase_create("json_walk");
    tcase_add_loop_test(tcase, test_good, 0, (int)(sizeof(good) / sizeof(good[0])));
    tcase_add_loop_test(tcase, test_bad, 0, (int)(sizeof(bad) / sizeof(bad[0])));
    tcase_add_test(tcase, test_nul_bytes);
    tcase_add_test(tcase, test_depth);
    tcase_add_test(tcase, test_tokens);
    tcase_add_test(tcase, test_skip);
    tcase_add_test(tcase, test_member);
    tcase_add_test(tcase, test_text_compared_as_decoded);
    tcase_add_test(tcase, test_utf8_length);
    tcase_add_test(tcase, test_plain_length);
    tcase_add_test(tcase, test_integer);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
