// reeve config: checks the configuration, or shows the whole of it.

#include "cleanup.h"
#include "config.h"
#include "machine.h"
#include "subcommands.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static const char usage[] =
    "usage: reeve config check [--config FILE] [--json]\n"
    "       reeve config show [--config FILE] [--json]\n"
    "\n"
    "check reports every problem of the file, and what this machine cannot\n"
    "give (exit code 78); show writes the configuration in force, defaults included.\n";

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
    static const struct option long_options[] = {
        {"config", required_argument, NULL, 'c'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *path = NULL;
    bool json = false;
    int option;
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (option) {
        case 'c':
            path = optarg;
            break;
        case 'j':
            json = true;
            break;
        case 'h':
            fputs(usage, stdout);
            return EX_OK;
        default:
            fputs(usage, stderr);
            return EX_USAGE;
        }
    }
    const char *verb = optind == argc - 1 ? argv[optind] : "";
    struct config config = {0};
    int code = EX_USAGE;
    if (strcmp(verb, "check") == 0)
        code = check(path, json, true, &config);
    else if (strcmp(verb, "show") == 0)
        code = show(path, json, &config);
    else
        fputs(usage, stderr);
    config_done(&config);
    return code;
}
