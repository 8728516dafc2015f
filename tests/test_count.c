// Tests of count.c: what of a Messages request is sent to be counted.
#include "count.h"

#include "request_scan.h"
#include "suite_run.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *body, *made;
} bodies[] = {
    {"{\"model\":\"a\",\"max_tokens\":9,\"messages\":[]}", "{\"model\":\"b\",\"messages\":[]}"},
    {"{}", "{\"model\":\"b\"}"},
    {"{\"stream\":true,\"temperature\":1,\"metadata\":{\"messages\":[1]},\"stop_sequences\":[\"x\"]"
     "}",
     "{\"model\":\"b\"}"},
    // As it came, spaces and escapes and all.
    {" { \"messages\" : [ { \"role\" : \"user\" , \"content\" : \"\\u00fc ]}\\\" 漢\" } ] , "
     "\"model\":\"a\" } ",
     "{\"model\":\"b\",\"messages\" : [ { \"role\" : \"user\" , \"content\" : \"\\u00fc ]}\\\" "
     "漢\" } "
     "]}"},
    {"{\"system\":\"s\",\"tools\":[{}],\"tool_choice\":{\"type\":\"auto\"},\"thinking\":null}",
     "{\"model\":\"b\",\"system\":\"s\",\"tools\":[{}],\"tool_choice\":{\"type\":\"auto\"},"
     "\"thinking\":null}"},
    {"{\"mcp_servers\":[],\"output_config\":{},\"output_format\":{},\"context_management\":{},"
     "\"thread\":{\"type\":\"continue\"},\"cache_control\":{}}",
     "{\"model\":\"b\",\"mcp_servers\":[],\"output_config\":{},\"output_format\":{},"
     "\"context_management\":{},\"thread\":{\"type\":\"continue\"},\"cache_control\":{}}"},
};

START_TEST(what_shapes_the_prompt_is_sent)
{
    size_t length;
    const char *body = bodies[_i].body;
    char *made = count_body_make(slice_of(body), "b", &length);
    ck_assert_ptr_nonnull(made);
    ck_assert_uint_eq(length, strlen(bodies[_i].made));
    ck_assert_mem_eq(made, bodies[_i].made, length);
    struct request_scan scan;
    ck_assert_int_eq(request_scan(&scan, made, length, NULL), 0);
    free(made);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("count");
    TCase *cases = tcase_create("count");
    tcase_add_loop_test(cases, what_shapes_the_prompt_is_sent, 0,
                        sizeof(bodies) / sizeof(bodies[0]));
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
