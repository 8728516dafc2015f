// reeve config: checks the configuration, or shows the whole of it.

#include "cleanup.h"
#include "command_line.h"
#include "config.h"
#include "machine.h"
#include "subcommands.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static const char usage[] =
    "usage: reeve config check [OPTION…]\n"
    "       reeve config show [OPTION…]\n"
    "\n"
    "check  every problem of the file, and what this machine cannot give (exit code 78)\n"
    "show   the configuration in force, defaults included\n";

static void print_problems(const struct config_problems *problems)
{
    for (size_t i = 0; i < problems->count && i < CONFIG_PROBLEMS_MAX; i++)
        fprintf(stderr, "%s\n", problems->text[i]);
    if (problems->count > CONFIG_PROBLEMS_MAX)
        fprintf(stderr, "and %zu more\n", problems->count - CONFIG_PROBLEMS_MAX);
}

static void print_problems_json(const char *path, const struct config_problems *problems)
{
    json_t *list = json_array();
    for (size_t i = 0; i < problems->count && i < CONFIG_PROBLEMS_MAX; i++)
        json_array_append_new(list, json_string(problems->text[i]));
    json_t *json =
        json_pack("{s:s, s:b, s:o}", "file", path, "ok", problems->count == 0, "problems", list);
    json_dumpf(json, stdout, JSON_INDENT(2));
    fputc('\n', stdout);
    json_decref(json);
}

static void add_problem(const char *text, bool fatal, void *context)
{
    struct config_problems *problems = context;
    (void)fatal;
    if (problems->count < CONFIG_PROBLEMS_MAX)
        snprintf(problems->text[problems->count], CONFIG_PROBLEM_MAX, "%s", text);
    problems->count++;
}

// Loads the file and reports what is wrong with it. Returns the exit code.
static int check(const char *path, bool json, bool say_ok, struct config *config)
{
    struct error err;
    cleanup_free struct config_problems *problems = calloc(1, sizeof(*problems));
    const char *name = path != NULL ? path : CONFIG_PATH_DEFAULT;
    if (problems == NULL)
        return EX_OSERR;
    int result = config_load(config, path, problems, &err);
    if (result == 0 && say_ok) {
        machine_check(config, machine_memory_bytes(), machine_read_pressure(MACHINE_PRESSURE_FILE),
                      add_problem, problems);
        result = problems->count == 0 ? 0 : -EINVAL;
    }
    if (result < 0 && problems->count == 0)
        fprintf(stderr, "reeve config: %s\n", err.text);
    else if (json && say_ok)
        print_problems_json(name, problems);
    else
        print_problems(problems);
    if (result == 0 && say_ok && !json)
        printf("%s: ok\n", name);
    return result < 0 ? EX_CONFIG : EX_OK;
}

static int show(const char *path, bool json, struct config *config)
{
    struct error err;
    int code = check(path, json, false, config);
    if (code != EX_OK)
        return code;
    if (!json)
        config_show(config, stdout);
    else if (config_show_json(config, stdout, &err) < 0) {
        fprintf(stderr, "reeve config: %s\n", err.text);
        return EX_IOERR;
    }
    return EX_OK;
}

int config_main(int argc, char **argv)
{
    enum { CHECK, SHOW };
    static const struct command_verb verbs[] = {
        [CHECK] = {.name = "check"},
        [SHOW] = {.name = "show"},
        {0},
    };
    const char *path = NULL;
    bool json = false;
    const struct command_option options[] = {JSON_OPTION(&json), CONFIG_OPTION(&path), {0}};
    const struct command_line line = {"config", usage, options, verbs};
    struct command_words words;
    struct config config = {0};
    int code = command_line_read(&line, argc, argv, &words);
    if (code >= 0)
        return code;
    code = words.verb == CHECK ? check(path, json, true, &config) : show(path, json, &config);
    config_done(&config);
    return code;
}
