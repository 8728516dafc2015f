// Command line: see command_line.h.
#include "command_line.h"

#include <assert.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#define NAME_MAX_BYTES 32 // "reeve cgroup-helper"
#define COLUMN 22         // at which --help explains

// What getopt_long() returns: '?', or for each row its index from FIRST on.
enum { HELP = 256, FIRST };

// An operand too many may be a secret that was meant for standard input: sk-ant-api03-…
#define SHOWN_BYTES 12

int command_line_refuse(const struct command_line *line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "reeve %s: ", line->name);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return EX_USAGE;
}

// ---- --help

// "  --ttl DURATION        claim: for which …"
static void print_option(const struct command_option *option)
{
    int used = printf("  --%s%s%s", option->name, option->value != NULL ? " " : "",
                      option->value != NULL ? option->value : "");
    printf("%*s", used < COLUMN ? COLUMN - used : 1, "");
    if (option->verbs != NULL)
        printf("%s: ", option->verbs);
    for (const char *each = option->help; *each != '\0'; each++)
        if (*each == '\n')
            printf("\n%*s", COLUMN, "");
        else
            putchar(*each);
    putchar('\n');
}

static int print_help(const struct command_line *line)
{
    printf("%s\n", line->usage);
    for (const struct command_option *each = line->options; each->name != NULL; each++)
        print_option(each);
    print_option(&(struct command_option){.name = "help", .help = "this text"});
    return EX_OK;
}

// ---- options

static void fill_long_options(const struct command_line *line,
                              struct option options[static COMMAND_OPTIONS_MAX + 2])
{
    int count = 0;
    for (; line->options[count].name != NULL; count++) {
        const struct command_option *each = &line->options[count];
        assert(count < COMMAND_OPTIONS_MAX);
        assert((each->flag != NULL) + (each->text != NULL) + (each->parse != NULL) == 1);
        assert((each->value == NULL) == (each->flag != NULL));
        options[count] = (struct option){
            each->name, each->value != NULL ? required_argument : no_argument, NULL, FIRST + count};
    }
    options[count] = (struct option){"help", no_argument, NULL, HELP};
    options[count + 1] = (struct option){NULL, 0, NULL, 0};
}

// Returns -1 to go on, or the exit code.
static int take_option(const struct command_line *line, const struct command_option *option)
{
    struct error err;
    if (option->flag != NULL)
        *option->flag = true;
    else if (option->text != NULL)
        *option->text = optarg;
    else if (option->parse(option->into, optarg, &err) < 0)
        return command_line_refuse(line, "--%s %s: %s", option->name, optarg, err.text);
    return -1;
}

// Marks the rows that were `given`. Returns -1 to go on, or the exit code.
static int read_options(const struct command_line *line, int argc, char **argv,
                        bool given[static COMMAND_OPTIONS_MAX])
{
    struct option options[COMMAND_OPTIONS_MAX + 2];
    char name[NAME_MAX_BYTES];
    char *own_name = argv[0];
    int code = -1;
    fill_long_options(line, options);
    snprintf(name, sizeof(name), "reeve %s", line->name);
    argv[0] = name; // under which getopt says what is wrong
    optind = 0;     // has getopt(3) of glibc begin anew
    for (int got; code < 0 && (got = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (got == HELP) {
            code = print_help(line);
        } else if (got == '?') {
            fprintf(stderr, "reeve %s --help tells more\n", line->name);
            code = EX_USAGE;
        } else {
            given[got - FIRST] = true;
            code = take_option(line, &line->options[got - FIRST]);
        }
    }
    argv[0] = own_name;
    return code;
}

// ---- verbs and operands

// "list, check or add"
static void list_verbs(const struct command_verb *verbs, char *text, size_t size)
{
    size_t used = 0;
    *text = '\0';
    for (size_t i = 0; verbs[i].name != NULL && used < size; i++) {
        const char *before = i == 0 ? "" : verbs[i + 1].name == NULL ? " or " : ", ";
        used += (size_t)snprintf(text + used, size - used, "%s%s", before, verbs[i].name);
    }
}

// Is `word` one of "done, release"?
static bool list_has(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (; *list != '\0'; list += strspn(list, ", ")) {
        size_t each = strcspn(list, ",");
        if (each == length && strncmp(list, word, length) == 0)
            return true;
        list += each;
    }
    return false;
}

static int read_verb(const struct command_line *line, struct command_words *words)
{
    char known[256];
    const struct command_verb *verbs = line->verbs;
    words->verb = 0;
    if (*verbs[0].name == '\0')
        return -1;
    list_verbs(verbs, known, sizeof(known));
    if (words->operand_count == 0)
        return command_line_refuse(line, "write what to do: %s", known);
    for (; verbs[words->verb].name != NULL; words->verb++) {
        if (strcmp(words->operands[0], verbs[words->verb].name) != 0)
            continue;
        words->operands++;
        words->operand_count--;
        return -1;
    }
    return command_line_refuse(line, "there is no command %s: write %s", words->operands[0], known);
}

static int check_operands(const struct command_line *line, const struct command_words *words)
{
    const struct command_verb *verb = &line->verbs[words->verb];
    const char *space = *verb->name == '\0' ? "" : " ";
    if (words->operand_count < verb->operands_min)
        return command_line_refuse(line, "%s is missing: write reeve %s%s%s %s", verb->operand,
                                   line->name, space, verb->name, verb->operand);
    if (words->operand_count > verb->operands_max)
        return command_line_refuse(line, "%.*s is one argument too many: reeve %s%s%s takes %s",
                                   SHOWN_BYTES, words->operands[verb->operands_max], line->name,
                                   space, verb->name,
                                   verb->operand == NULL ? "none" : verb->operand);
    return -1;
}

static int check_options(const struct command_line *line, const struct command_words *words,
                         const bool given[static COMMAND_OPTIONS_MAX])
{
    const char *verb = line->verbs[words->verb].name;
    for (size_t i = 0; line->options[i].name != NULL; i++) {
        const struct command_option *each = &line->options[i];
        if (given[i] && each->verbs != NULL && !list_has(each->verbs, verb))
            return command_line_refuse(line, "--%s goes with %s, not with %s", each->name,
                                       each->verbs, verb);
    }
    return -1;
}

int command_line_read(const struct command_line *line, int argc, char **argv,
                      struct command_words *words)
{
    static const struct command_verb nothing[] = {{.name = ""}, {0}};
    struct command_line whole = *line;
    bool given[COMMAND_OPTIONS_MAX] = {false};
    if (line->verbs == NULL)
        whole.verbs = nothing;
    int code = read_options(&whole, argc, argv, given);
    if (code >= 0)
        return code;
    words->operands = argv + optind;
    words->operand_count = argc - optind;
    code = read_verb(&whole, words);
    if (code < 0)
        code = check_operands(&whole, words);
    if (code < 0)
        code = check_options(&whole, words, given);
    return code;
}
