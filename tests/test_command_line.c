// Tests of command_line.c: options, verbs and operands by a table, and what is said when they are
// wrong.
#include "command_line.h"
#include "suite_run.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define WORDS_MAX 12

static bool json;
static const char *file;
static int number;
static struct command_words words;
static char said[2048], shown[2048]; // on stderr and stdout

static int digit_parse(void *into, const char *text, struct error *err)
{
    if (text[0] < '0' || text[0] > '9' || text[1] != '\0')
        return error_set(err, -EINVAL, "write one digit");
    *(int *)into = text[0] - '0';
    return 0;
}

static const struct command_option options[] = {
    JSON_OPTION(&json),
    {.name = "file", .value = "FILE", .help = "a file,\nor none", .text = &file},
    {.name = "number",
     .value = "N",
     .help = "a digit",
     .verbs = "put, put-all",
     .parse = digit_parse,
     .into = &number},
    {0},
};
enum { LIST, PUT, PUT_ALL };
static const struct command_verb verbs[] = {
    [LIST] = {"list", NULL, 0, 0},
    [PUT] = {"put", "KEY", 1, 2},
    [PUT_ALL] = {"put-all", "KEY", 0, COMMAND_OPERANDS_ANY},
    {0},
};
static const struct command_line with_verbs = {"shelf", "usage: reeve shelf\n", options, verbs};
static const struct command_line bare = {"shelf", "usage: reeve shelf\n", options, NULL};
static const struct command_verb alone[] = {{"", "KEY", 1, 1}, {0}};
static const struct command_line one_key = {"shelf", "usage: reeve shelf\n", options, alone};

// Reads a command line, written with single spaces, and catches what is printed.
static int read_line(const struct command_line *line, const char *text)
{
    static char copy[256], *argv[WORDS_MAX + 1]; // which `words` points into
    char *rest = copy, *word;
    int argc = 0;
    FILE *out = stdout, *err = stderr;
    snprintf(copy, sizeof(copy), "%s", text);
    while ((word = strsep(&rest, " ")) != NULL)
        argv[argc++] = word;
    argv[argc] = NULL;
    memset(said, 0, sizeof(said));
    memset(shown, 0, sizeof(shown));
    json = false;
    file = NULL;
    number = -1;
    stdout = fmemopen(shown, sizeof(shown), "w");
    stderr = fmemopen(said, sizeof(said), "w");
    int code = command_line_read(line, argc, argv, &words);
    fclose(stdout);
    fclose(stderr);
    stdout = out;
    stderr = err;
    ck_assert_str_eq(argv[0], "shelf");
    return code;
}

START_TEST(takes_options_anywhere)
{
    static const char *const lines[] = {
        "shelf --json --file a --number 7 put x", "shelf put --json --file=a x --number 7",
        "shelf put x --number=7 --file a --json",
        "shelf put --js --fi a --num 7 x", // cut short
    };
    ck_assert_int_eq(read_line(&with_verbs, lines[_i]), -1);
    ck_assert(json);
    ck_assert_str_eq(file, "a");
    ck_assert_int_eq(number, 7);
    ck_assert_int_eq(words.verb, PUT);
    ck_assert_int_eq(words.operand_count, 1);
    ck_assert_str_eq(words.operands[0], "x");
    ck_assert_str_eq(said, "");
}
END_TEST

START_TEST(tells_verbs_and_operands_apart)
{
    ck_assert_int_eq(read_line(&with_verbs, "shelf list"), -1);
    ck_assert_int_eq(words.verb, LIST);
    ck_assert_int_eq(words.operand_count, 0);
    ck_assert_int_eq(read_line(&with_verbs, "shelf put-all a b c d"), -1);
    ck_assert_int_eq(words.verb, PUT_ALL);
    ck_assert_int_eq(words.operand_count, 4);
    ck_assert_str_eq(words.operands[3], "d");
    ck_assert_int_eq(read_line(&with_verbs, "shelf put -- --json"), -1);
    ck_assert_str_eq(words.operands[0], "--json");
    ck_assert(!json);
    ck_assert_int_eq(read_line(&bare, "shelf --json"), -1);
    ck_assert_int_eq(words.operand_count, 0);
    ck_assert_int_eq(read_line(&one_key, "shelf list"), -1);
    ck_assert_str_eq(words.operands[0], "list");
}
END_TEST

static const struct {
    const struct command_line *line;
    const char *written, *answer; // "option …" are getopt_long(3)'s own
} wrong[] = {
    {&with_verbs, "shelf", "reeve shelf: write what to do: list, put or put-all"},
    {&with_verbs, "shelf pit", "reeve shelf: there is no command pit: write list, put or put-all"},
    {&with_verbs, "shelf lis", "reeve shelf: there is no command lis: write list, put or put-all"},
    {&with_verbs, "shelf put", "reeve shelf: KEY is missing: write reeve shelf put KEY"},
    {&with_verbs, "shelf put a b c",
     "reeve shelf: c is one argument too many: reeve shelf put takes KEY"},
    {&with_verbs, "shelf list sk-ant-api03-secret",
     "reeve shelf: sk-ant-api03 is one argument too many: reeve shelf list takes none"},
    {&with_verbs, "shelf put a --number x", "reeve shelf: --number x: write one digit"},
    {&with_verbs, "shelf put a --number 12", "reeve shelf: --number 12: write one digit"},
    {&with_verbs, "shelf list --number 1",
     "reeve shelf: --number goes with put, put-all, not with list"},
    {&with_verbs, "shelf list --other", "reeve shelf: unrecognized option '--other'"},
    {&with_verbs, "shelf list -j", "reeve shelf: invalid option -- 'j'"},
    {&with_verbs, "shelf list --file", "reeve shelf: option '--file' requires an argument"},
    {&with_verbs, "shelf list --json=1", "reeve shelf: option '--json' doesn't allow an argument"},
    {&bare, "shelf a", "reeve shelf: a is one argument too many: reeve shelf takes none"},
    {&one_key, "shelf", "reeve shelf: KEY is missing: write reeve shelf KEY"},
};

START_TEST(refuses_what_is_wrong)
{
    char expected[256];
    ck_assert_int_eq(read_line(wrong[_i].line, wrong[_i].written), EX_USAGE);
    snprintf(expected, sizeof(expected), "%s\n%s", wrong[_i].answer,
             strstr(wrong[_i].answer, "option ") != NULL ? "reeve shelf --help tells more\n" : "");
    ck_assert_str_eq(said, expected);
    ck_assert_str_eq(shown, "");
}
END_TEST

START_TEST(shows_help_on_stdout)
{
    static const char *const lines[] = {"shelf --help", "shelf put --json --help"};
    ck_assert_int_eq(read_line(&with_verbs, lines[_i]), EX_OK);
    ck_assert_str_eq(said, "");
    ck_assert_str_eq(shown, "usage: reeve shelf\n"
                            "\n"
                            "  --json              JSON in place of text\n"
                            "  --file FILE         a file,\n"
                            "                      or none\n"
                            "  --number N          put, put-all: a digit\n"
                            "  --help              this text\n");
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("command_line");
    tcase_add_loop_test(cases, takes_options_anywhere, 0, 4);
    tcase_add_test(cases, tells_verbs_and_operands_apart);
    tcase_add_loop_test(cases, refuses_what_is_wrong, 0, sizeof(wrong) / sizeof(wrong[0]));
    tcase_add_loop_test(cases, shows_help_on_stdout, 0, 2);
    Suite *suite = suite_create("command_line");
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
