// Tests of price_table.c and price_csv.c: what is read, what is refused and with which words.
#include "cleanup.h"
#include "price_table.h"
#include "suite_run.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEAD                                                                                       \
    "name,aliases,kind,above_tokens,from,until,input,output,cache_write_5m,cache_write_1h,"        \
    "cache_read,request,us_geo,batch,retired,confidence,source\n"
#define FEES "web_search,,request,,,,,,,,,0.01,,,,,\nweb_fetch,,request,,,,,,,,,0,,,,,\n"
#define GOOD "m,,standard,,,,4,20,5,8,0.2,,1.1,0.5,,,\n"
#define JULY INT64_C(1782864000000000) // 2026-07-01T00:00:00Z

static int parse(const char *text, struct price_table **table, struct error *err)
{
    return price_table_parse(table, "p.csv", text, strlen(text), err);
}

// A bad file and all that is said of it.
static const struct {
    const char *text, *says;
} bad_files[] = {
    {"", "p.csv: there is no line that names the columns"},
    {"# nothing\n\n", "p.csv: there is no line that names the columns"},
    {"name,colour\n",
     "p.csv:1: unknown column \"colour\": write each column of sql/prices.csv once"},
    {"name,name\n", "p.csv:1: second column \"name\": write each column of sql/prices.csv once"},
    {"name,kind\n",
     "p.csv:1: missing column \"aliases\": write each column of sql/prices.csv once"},
    {HEAD "m,,standard\n", "p.csv:2: 3 columns: write 17, as the first line does"},
    {HEAD FEES "m,,standard,,,,4,20,5,8,0.2,,1.1,0.5,,,,\n",
     "p.csv:4: more than 17 columns: write each once"},
    {HEAD "m,,standard,,,,4,20,5,8,0.2,,1.1,0.5,,,\"open\n",
     "p.csv:2: column 17 is broken: write at most 511 bytes, with quotes around all of it or none, "
     "and quotes inside of quotes doubled"},
    {HEAD "m,,cheap,,,,4,20,5,8,0.2,,1.1,0.5,,,\n",
     "p.csv:2: kind \"cheap\": write standard, long, fast, request or refusal"},
    {HEAD ",,standard,,,,4,20,5,8,0.2,,1.1,0.5,,,\n",
     "p.csv:2: name \"\": write letters, digits and . - _, like claude-opus-5-5"},
    {HEAD "m m,,standard,,,,4,20,5,8,0.2,,1.1,0.5,,,\n",
     "p.csv:2: name \"m m\": write letters, digits and . - _, like claude-opus-5-5"},
    {HEAD "m,a  b,standard,,,,4,20,5,8,0.2,,1.1,0.5,,,\n",
     "p.csv:2: aliases \"a  b\": write names with one space between"},
    {HEAD "m,,standard,,,,4e0,20,5,8,0.2,,1.1,0.5,,,\n",
     "p.csv:2: input \"4e0\": write plain decimal USD per million tokens of at most 6 decimals, "
     "like "
     "0.125"},
    {HEAD "m,,standard,,,,4,20,5,8,0.0000001,,1.1,0.5,,,\n",
     "p.csv:2: cache_read \"0.0000001\": write plain decimal USD per million tokens of at most 6 "
     "decimals, like 0.125"},
    {HEAD "m,,standard,,,,-4,20,5,8,0.2,,1.1,0.5,,,\n",
     "p.csv:2: input \"-4\": write plain decimal USD per million tokens of at most 6 decimals, "
     "like "
     "0.125"},
    {HEAD "m,,standard,,,,$4,20,5,8,0.2,,1.1,0.5,,,\n",
     "p.csv:2: input \"$4\": write plain decimal USD per million tokens of at most 6 decimals, "
     "like "
     "0.125"},
    {HEAD "m,,standard,,,,4,,5,8,0.2,,1.1,0.5,,,\n",
     "p.csv:2: output \"\": write plain decimal USD per million tokens of at most 6 decimals, like "
     "0.125"},
    {HEAD "m,,standard,,,,4,20,5,8,0.000001,,1.1,,,,\n",
     "p.csv:2: cache_read \"0.000001\": write a rate that is a whole number of picodollars (1e-12 "
     "USD) a token, also after the multipliers us_geo and batch"},
    {HEAD "m,,standard,,,,4,20,5,8,0.00001,,1.1,0.5,,,\n", // 5.5
     "p.csv:2: cache_read \"0.00001\": write a rate that is a whole number of picodollars (1e-12 "
     "USD) a token, also after the multipliers us_geo and batch"},
    {HEAD "m,,standard,,,,4,20,5,8,0.000001,,,0.5,,,\n",
     "p.csv:2: cache_read \"0.000001\": write a rate that is a whole number of picodollars (1e-12 "
     "USD) a token, also after the multipliers us_geo and batch"},
    {HEAD "m,,standard,,,,4,20,5,8,0.2,,0.9,0.5,,,\n",
     "p.csv:2: us_geo \"0.9\": write a plain decimal from 1 to 10 of at most 6 decimals, like 1.1"},
    {HEAD "m,,standard,,,,4,20,5,8,0.2,,1.1,1.5,,,\n",
     "p.csv:2: batch \"1.5\": write a plain decimal above 0, at most 1, of at most 6 decimals, "
     "like "
     "0.5"},
    {HEAD "m,,standard,,2026-13-01,,4,20,5,8,0.2,,1.1,0.5,,,\n",
     "p.csv:2: from \"2026-13-01\": write a date, like 2026-10-07, or nothing"},
    {HEAD "m,,standard,,2026-02-30,,4,20,5,8,0.2,,1.1,0.5,,,\n",
     "p.csv:2: from \"2026-02-30\": write a date, like 2026-10-07, or nothing"},
    {HEAD "m,,standard,,2026-7-1,,4,20,5,8,0.2,,1.1,0.5,,,\n",
     "p.csv:2: from \"2026-7-1\": write a date, like 2026-10-07, or nothing"},
    {HEAD "m,,standard,,2026-07-01,2026-07-01,4,20,5,8,0.2,,1.1,0.5,,,\n",
     "p.csv:2: until \"2026-07-01\": write a date after from, like 2026-10-07, or nothing"},
    {HEAD "m,,standard,5,,,4,20,5,8,0.2,,1.1,0.5,,,\n",
     "p.csv:2: above_tokens \"5\": write nothing in a row of this kind"},
    {HEAD "m,,long,1e5,,,4,20,5,8,0.2,,1.1,0.5,,,\n",
     "p.csv:2: above_tokens \"1e5\": write a whole number of tokens, like 100000"},
    {HEAD "m,,long,,,,4,20,5,8,0.2,,1.1,0.5,,,\n",
     "p.csv:2: above_tokens \"\": write a whole number of tokens, like 100000"},
    {HEAD FEES GOOD GOOD,
     "p.csv:5: from \"\": overlaps the standard row of m in line 4, until \"\": "
     "write the same date in both"},
    {HEAD FEES "m,,standard,,,2026-07-01,4,20,5,8,0.2,,1.1,0.5,,,\n"
               "m,,standard,,2026-07-02,,4,20,5,8,0.2,,1.1,0.5,,,\n",
     "p.csv:5: from \"2026-07-02\": leaves a gap after the standard row of m in line 4, until "
     "\"2026-07-01\": write the same date in both"},
    {HEAD FEES "m,,standard,,2026-06-30,,4,20,5,8,0.2,,1.1,0.5,,,\n"
               "m,,standard,,,2026-07-01,4,20,5,8,0.2,,1.1,0.5,,,\n",
     "p.csv:4: from \"2026-06-30\": overlaps the standard row of m in line 5, until "
     "\"2026-07-01\": write the same date in both"},
    {HEAD FEES "m,,standard,,,2026-07-01,4,20,5,8,0.2,,1.1,0.5,,,\n",
     "p.csv:4: until \"2026-07-01\": nothing follows the last price of m: write nothing, or the "
     "row "
     "that follows (a model that goes has a date in retired)"},
    {HEAD FEES GOOD "f,,fast,,,,4,20,5,8,0.2,,1.1,,,,\n",
     "p.csv:5: f has fast rates alone: write a row of kind standard too"},
    {HEAD FEES GOOD "n,m,standard,,,,4,20,5,8,0.2,,1.1,0.5,,,\n",
     "p.csv:5: \"m\" names n, and m from line 4 too: write each name and alias once"},
    {HEAD FEES GOOD "n,a a,standard,,,,4,20,5,8,0.2,,1.1,0.5,,,\n",
     "p.csv:5: \"a\" names n, and n from line 5 too: write each name and alias once"},
    {HEAD GOOD, "p.csv: there is no row of kind request for web_search"},
    {HEAD FEES, "p.csv: there is no row of kind standard that costs anything"},
};

START_TEST(bad_file_is_refused_with_place_value_and_form)
{
    struct price_table *table = NULL;
    struct error err = {0};
    ck_assert_int_eq(parse(bad_files[_i].text, &table, &err), -EINVAL);
    ck_assert_ptr_null(table);
    ck_assert_str_eq(err.text, bad_files[_i].says);
}
END_TEST

START_TEST(nul_byte_is_refused)
{
    static const char text[] = HEAD FEES "m\0,,standard,,,,4,20,5,8,0.2,,1.1,0.5,,,\n";
    struct price_table *table = NULL;
    struct error err = {0};
    ck_assert_int_eq(price_table_parse(&table, "p.csv", text, sizeof(text) - 1, &err), -EINVAL);
    ck_assert_str_eq(err.text, "p.csv:4: there is a NUL byte: write plain text");
}
END_TEST

// Columns in another order, CRLF, comments, quotes, no last line end.
START_TEST(csv_is_read_as_spreadsheets_write_it)
{
    static const char text[] =
        "# a comment\r\n\r\n"
        "source,kind,name,aliases,above_tokens,from,until,input,output,cache_write_5m,"
        "cache_write_1h,cache_read,request,us_geo,batch,retired,confidence\r\n"
        "\"a, \"\"b\"\"\",standard,m,x "
        "y,,2026-07-01,,4,20.0,5,\"8\",0.2,,1.1,0.5,2027-01-01,low\r\n"
        ",request,web_search,,,,,,,,,,0.01,,,,\r\n"
        ",request,web_fetch,,,,,,,,,,0,,,,";
    struct price_table *table = NULL;
    struct error err = {0};
    ck_assert_msg(parse(text, &table, &err) == 0, "%s", err.text);
    const struct price_row *row = price_table_find(table, "y", PRICE_STANDARD, JULY);
    ck_assert_ptr_nonnull(row);
    ck_assert_str_eq(row->name, "m@2026-07-01");
    ck_assert_str_eq(row->source, "a, \"b\"");
    ck_assert_str_eq(row->confidence, "low");
    ck_assert_str_eq(row->retired, "2027-01-01");
    ck_assert_int_eq(row->from_us, JULY);
    ck_assert_int_eq(row->until_us, INT64_MAX);
    ck_assert_int_eq(row->rates.input, 4000000);
    ck_assert_int_eq(row->rates.output, 20000000);
    ck_assert_int_eq(row->rates.cache_write_1h, 8000000);
    ck_assert_int_eq(row->rates.cache_read, 200000);
    ck_assert_int_eq(row->us_geo_millionths, 1100000);
    ck_assert_int_eq(row->batch_millionths, 500000);
    row = price_table_find(table, "web_search", PRICE_REQUEST, JULY);
    ck_assert_int_eq(row->request_pico_usd, INT64_C(10000000000));
    price_table_free(table);
}
END_TEST

START_TEST(price_typed_in_ahead_comes_on_its_day)
{
    static const char text[] = HEAD FEES "m,,standard,,2026-07-01,,6,20,5,8,0.2,,1.1,0.5,,,\n"
                                         "m,,standard,,,2026-07-01,4,20,5,8,0.2,,1.1,0.5,,,\n"
                                         "m,,fast,,2026-07-01,2026-07-02,9,20,5,8,0.2,,1.1,,,,\n";
    struct price_table *table = NULL;
    ck_assert_int_eq(parse(text, &table, NULL), 0);
    ck_assert_int_eq(price_table_find(table, "m", PRICE_STANDARD, JULY - 1)->rates.input, 4000000);
    ck_assert_int_eq(price_table_find(table, "m", PRICE_STANDARD, JULY)->rates.input, 6000000);
    ck_assert_ptr_null(price_table_find(table, "m", PRICE_FAST, JULY - 1));
    ck_assert_str_eq(price_table_find(table, "m", PRICE_FAST, JULY)->name, "m@2026-07-01/fast");
    ck_assert_ptr_null(price_table_find(table, "m", PRICE_FAST, JULY + INT64_C(86400000000)));
    ck_assert_ptr_null(price_table_find(table, "m", PRICE_LONG, JULY));
    price_table_free(table);
}
END_TEST

START_TEST(dearest_is_the_dearest_of_each_class)
{
    static const char text[] = HEAD FEES "m,,standard,,,,4,20,5,8,0.2,,1.1,0.5,,,\n"
                                         "n,,standard,,,,3,30,4,9,0.1,,1.2,0.4,,,\n"
                                         "n,,fast,,,,60,31,4,9,0.1,,1.2,,,,\n";
    struct price_table *table = NULL;
    ck_assert_int_eq(parse(text, &table, NULL), 0);
    const struct price_row *row = price_table_dearest(table, USAGE_SPEED_STANDARD);
    ck_assert_int_eq(row->rates.input, 4000000);
    ck_assert_int_eq(row->rates.output, 30000000);
    ck_assert_int_eq(row->rates.cache_write_5m, 5000000);
    ck_assert_int_eq(row->rates.cache_write_1h, 9000000);
    ck_assert_int_eq(row->rates.cache_read, 200000);
    ck_assert_int_eq(row->us_geo_millionths, 1200000);
    ck_assert_int_eq(row->batch_millionths, 500000);
    row = price_table_dearest(table, USAGE_SPEED_FAST);
    ck_assert_int_eq(row->rates.input, 60000000);
    ck_assert_int_eq(row->batch_millionths, PRICE_MULTIPLIER_ONE); // fast has no batch price
    price_table_free(table);
}
END_TEST

START_TEST(builtin_table_has_the_whole_catalog)
{
    struct price_table *table = NULL;
    struct error err = {0};
    int models = 0, of_kind[PRICE_KINDS] = {0};
    ck_assert_msg(price_table_load_builtin(&table, &err) == 0, "%s", err.text);
    const struct price_row *row, *before = NULL;
    for (size_t i = 0; (row = price_table_at(table, i)) != NULL; before = row, i++) {
        of_kind[row->kind]++;
        models += row->kind == PRICE_STANDARD && strcmp(row->model, PRICE_MODEL_ANY) != 0 &&
                  (before == NULL || strcmp(before->model, row->model) != 0);
        ck_assert(before == NULL || strcmp(before->name, row->name) != 0);
        ck_assert_str_ne(row->source, "");
    }
    ck_assert_int_eq(models, 27);
    ck_assert_int_eq(of_kind[PRICE_STANDARD], 29); // two of Sonnet 5.5, and the dearest
    ck_assert_int_eq(of_kind[PRICE_LONG], 3);
    ck_assert_int_eq(of_kind[PRICE_FAST], 8); // seven, two of them removed, and the dearest
    ck_assert_int_eq(of_kind[PRICE_REQUEST], 2);
    ck_assert_int_eq(of_kind[PRICE_REFUSAL], 3);
    price_table_free(table);
}
END_TEST

START_TEST(file_is_loaded_or_named_in_the_error)
{
    char path[] = "/tmp/reeve-prices-XXXXXX";
    cleanup_fd int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, HEAD FEES GOOD, strlen(HEAD FEES GOOD)),
                     (ssize_t)strlen(HEAD FEES GOOD));
    struct price_table *table = NULL;
    struct error err = {0};
    ck_assert_msg(price_table_load_file(&table, path, &err) == 0, "%s", err.text);
    ck_assert_ptr_nonnull(price_table_find(table, "m", PRICE_STANDARD, JULY));
    price_table_free(table);
    ck_assert_int_eq(ftruncate(fd, PRICE_FILE_BYTES_MAX + 1), 0);
    ck_assert_int_eq(price_table_load_file(&table, path, &err), -EFBIG);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(price_table_load_file(&table, path, &err), -ENOENT);
    ck_assert_ptr_nonnull(strstr(err.text, path));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("price_table");
    TCase *cases = tcase_create("price_table");
    tcase_add_loop_test(cases, bad_file_is_refused_with_place_value_and_form, 0,
                        sizeof(bad_files) / sizeof(bad_files[0]));
    tcase_add_test(cases, nul_byte_is_refused);
    tcase_add_test(cases, csv_is_read_as_spreadsheets_write_it);
    tcase_add_test(cases, price_typed_in_ahead_comes_on_its_day);
    tcase_add_test(cases, dearest_is_the_dearest_of_each_class);
    tcase_add_test(cases, builtin_table_has_the_whole_catalog);
    tcase_add_test(cases, file_is_loaded_or_named_in_the_error);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
