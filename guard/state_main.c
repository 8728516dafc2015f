// reeve state: claims keys, says that they are done, and shows them; see reeve-state(1).

#include "client_options.h"
#include "clock.h"
#include "state_key.h"
#include "subcommands.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define EXIT_UNKNOWN 1 // of get: nothing is known of the key
#define EXIT_DONE 3
#define EXIT_HELD 4

static const char usage[] =
    "usage: reeve state claim   [--ttl DURATION] [OPTION…] KEY\n"
    "       reeve state done    [--result JSON] [--fence N] [OPTION…] KEY\n"
    "       reeve state release [--fence N] [--force] [OPTION…] KEY\n"
    "       reeve state get     [OPTION…] KEY\n"
    "       reeve state list    [OPTION…]\n"
    "\n"
    "State between runs: which pieces of work are being done, and which are done. A run has the\n"
    "keys of its own job; outside of a run --job says whose are meant.\n"
    "\n"
    "claim    makes the key the run's, until it is done, released, or the run has ended\n"
    "done     says that it is done; nobody is granted it again\n"
    "release  gives it back\n"
    "get      shows it; exit code 1 if nothing is known of it\n"
    "list     shows all of the job\n"
    "\n"
    "  --job JOB, --json, --config FILE, --state-dir DIR\n"
    "  --ttl DURATION   for which the claim lasts without a renewal (default 2min): a run renews\n"
    "                   it, outside of a run nobody does\n"
    "  --fence N        only if claim N is still the last one\n"
    "  --result JSON    is kept with the key\n"
    "  --force          whoever holds it; outside of a run\n"
    "\n"
    "Exit codes: 0 it is yours, or as asked; 3 it has been done; 4 it is somebody else's; 75 the\n"
    "ledger is out of reach, nothing was claimed; 64 usage, 69 no daemon.\n";

static const struct {
    const char *name;
    enum source_state_action action;
    bool takes_key;
} commands[] = {
    {"claim", SOURCE_STATE_CLAIM, true},     {"done", SOURCE_STATE_FINISH, true},
    {"release", SOURCE_STATE_RELEASE, true}, {"get", SOURCE_STATE_GET, true},
    {"list", SOURCE_STATE_LIST, false},
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

struct state_command {
    const char *name;
    struct client_options client;
    struct control_state_ask ask;
    bool json;
};

static int take_text(const char *option, const char *text, char *field, size_t size,
                     struct error *err)
{
    if (strlen(text) >= size)
        return error_set(err, -EINVAL, "%s: more than %zu bytes", option, size - 1);
    memcpy(field, text, strlen(text) + 1);
    return 0;
}

// A result is any JSON value; it is sent without the spaces.
static int take_result(struct state_command *command, const char *text, struct error *err)
{
    json_error_t why;
    json_t *value = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &why);
    char *compact = value != NULL ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    json_decref(value);
    if (compact == NULL)
        return error_set(err, -EINVAL, "--result: column %d: %s; write JSON such as {\"pages\": 3}",
                         why.column, why.text);
    int result =
        take_text("--result", compact, command->ask.result, sizeof(command->ask.result), err);
    free(compact);
    return result;
}

static int set_option(struct state_command *command, int option, struct error *err)
{
    char *end;
    switch (option) {
    case 'j':
        return take_text("--job", optarg, command->ask.job, sizeof(command->ask.job), err);
    case 't':
        if (!clock_parse_duration(optarg, &command->ask.ttl_us) ||
            command->ask.ttl_us < SOURCE_STATE_TTL_MIN_US ||
            command->ask.ttl_us > SOURCE_STATE_TTL_MAX_US)
            return error_set(err, -EINVAL,
                             "--ttl %s: write a duration such as 90s or 20min, from 5s to 30d",
                             optarg);
        return 0;
    case 'f':
        errno = 0;
        command->ask.fence = strtoll(optarg, &end, 10);
        if (errno != 0 || end == optarg || *end != '\0' || command->ask.fence <= 0)
            return error_set(err, -EINVAL, "--fence %s: write the number of a claim", optarg);
        return 0;
    case 'r':
        return take_result(command, optarg, err);
    case 'F':
        command->ask.force = true;
        return 0;
    case 'J':
        command->json = true;
        return 0;
    case 'c':
        command->client.config_path = optarg;
        return 0;
    default:
        command->client.state_dir = optarg;
        return 0;
    }
}

// Reads what follows the command's name. Returns an exit code, or -1 to go on.
static int read_options(struct state_command *command, bool takes_key, int argc, char **argv)
{
    static const struct option long_options[] = {
        {"job", required_argument, NULL, 'j'},    {"ttl", required_argument, NULL, 't'},
        {"fence", required_argument, NULL, 'f'},  {"result", required_argument, NULL, 'r'},
        {"force", no_argument, NULL, 'F'},        {"json", no_argument, NULL, 'J'},
        {"config", required_argument, NULL, 'c'}, {"state-dir", required_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},         {0},
    };
    struct error err = {0};
    int option;
    int result = 0;
    while (result == 0 && (option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            return EX_OK;
        }
        if (option == '?')
            return EX_USAGE;
        result = set_option(command, option, &err);
    }
    if (result == 0 && optind + (takes_key ? 1 : 0) != argc)
        result = error_set(&err, -EINVAL, takes_key ? "write one key" : "there is nothing to add");
    if (result == 0 && takes_key)
        result =
            take_text("the key", argv[optind], command->ask.key, sizeof(command->ask.key), &err);
    if (result == 0)
        return -1;
    fprintf(stderr, "reeve state %s: %s\n", command->name, err.text);
    return EX_USAGE;
}

// The run key, if the environment is that of a run.
static void find_run_key(struct control_state_ask *ask)
{
    static const char *const names[] = {"ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && *ask->run_key == '\0'; i++) {
        const char *value = getenv(names[i]);
        if (value != NULL && strlen(value) < sizeof(ask->run_key) &&
            strncmp(value, RUN_KEY_PREFIX, strlen(RUN_KEY_PREFIX)) == 0)
            memcpy(ask->run_key, value, strlen(value) + 1);
    }
}

static json_t *pack_time(int64_t time_us)
{
    char text[CLOCK_TEXT_MAX];
    return time_us < 0 ? json_null() : json_string(clock_format_utc(time_us, text));
}

static json_t *pack_row(const struct source_state_row *row)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, s:b, s:b, s:o, s:o, s:o}", "job", row->job,
                     "key", row->key, "state", source_state_name(row->state), "fence",
                     (json_int_t)row->fence, "holder", row->holder, "host", row->host, "whole_run",
                     row->whole_run, "expired", row->is_expired, "claimed_at",
                     pack_time(row->claimed_at_us), "expires_at", pack_time(row->expires_at_us),
                     "done_at", pack_time(row->done_at_us));
}

static void print_row(const struct source_state_row *row)
{
    char text[STATE_KEY_WHO_MAX], when[CLOCK_TEXT_MAX];
    printf("%s  number %lld, ", row->key, (long long)row->fence);
    if (row->state == SOURCE_STATE_IS_DONE)
        printf("done by %s at %s\n", row->holder, clock_format_utc(row->done_at_us, when));
    else if (row->state == SOURCE_STATE_IS_FREE)
        puts("free");
    else
        printf("%s%s\n", state_key_format_holder(row, text),
               row->is_expired ? ", which is over" : "");
}

static void print_told(const struct state_command *command, const struct control_state_told *told)
{
    static const char *const outcomes[] = {"ok", "done", "held", "free", "invalid", "unreachable"};
    if (!command->json) {
        if (told->row_count > 0)
            print_row(&told->rows[0]);
        if (*told->result != '\0')
            puts(told->result);
        return;
    }
    json_t *value = told->row_count > 0 ? pack_row(&told->rows[0]) : json_object();
    json_object_set_new(value, "outcome", json_string(outcomes[told->outcome]));
    json_object_set_new(value, "result",
                        *told->result == '\0' ? json_null()
                                              : json_loads(told->result, JSON_DECODE_ANY, NULL));
    json_dumpf(value, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(value);
}

static int exit_code(const struct state_command *command, const struct control_state_told *told)
{
    switch (told->outcome) {
    case SOURCE_STATE_OK:
        return EX_OK;
    case SOURCE_STATE_DONE:
        return EXIT_DONE;
    case SOURCE_STATE_HELD:
        return EXIT_HELD;
    case SOURCE_STATE_FREE:
        return command->ask.action == SOURCE_STATE_RELEASE ? EX_OK
               : command->ask.action == SOURCE_STATE_GET   ? EXIT_UNKNOWN
                                                           : EXIT_HELD;
    case SOURCE_STATE_UNREACHABLE:
        return EX_TEMPFAIL;
    case SOURCE_STATE_INVALID:
    case SOURCE_STATE_OUTCOMES:
        break;
    }
    return EX_USAGE;
}

// What stands in the way, in one line.
static void explain(const struct state_command *command, const struct control_state_told *told)
{
    if (told->outcome == SOURCE_STATE_INVALID || told->outcome == SOURCE_STATE_UNREACHABLE)
        fprintf(stderr, "reeve state %s: %s\n", command->name, told->text);
    else if (told->outcome == SOURCE_STATE_FREE)
        fprintf(stderr, "reeve state %s: %s %s\n", command->name,
                command->ask.action == SOURCE_STATE_GET ? "nothing is known of" : "nobody holds",
                command->ask.key);
}

static int ask(const struct state_command *command, struct control_client *client,
               struct control_message *answer)
{
    struct control_message request = {.type = CONTROL_STATE_ASK, .state_ask = command->ask};
    int code = client_request(client, "state", &request, CLIENT_TIMEOUT_MS, answer);
    explicit_bzero(&request, sizeof(request));
    if (code == 0 && answer->type != CONTROL_STATE_TOLD) {
        fprintf(stderr, "reeve state: the daemon answered with a message of type %d\n",
                answer->type);
        control_message_done(answer);
        return EX_PROTOCOL;
    }
    return code;
}

static int ask_once(const struct state_command *command, struct control_client *client)
{
    struct control_message answer;
    int code = ask(command, client, &answer);
    if (code != 0)
        return code;
    code = exit_code(command, &answer.state_told);
    print_told(command, &answer.state_told);
    explain(command, &answer.state_told);
    control_message_done(&answer);
    return code;
}

// Page by page: the next one begins behind the last key.
static int list(struct state_command *command, struct control_client *client)
{
    json_t *rows = json_array();
    int code = 0;
    for (size_t count = SOURCE_STATE_ROWS_MAX; code == 0 && count == SOURCE_STATE_ROWS_MAX;) {
        struct control_message answer;
        code = ask(command, client, &answer);
        if (code != 0)
            break;
        const struct control_state_told *told = &answer.state_told;
        code = exit_code(command, told);
        explain(command, told);
        count = told->row_count;
        for (size_t i = 0; i < count; i++) {
            if (command->json)
                json_array_append_new(rows, pack_row(&told->rows[i]));
            else
                print_row(&told->rows[i]);
        }
        if (count > 0)
            memcpy(command->ask.key, told->rows[count - 1].key, sizeof(command->ask.key));
        control_message_done(&answer);
    }
    if (command->json && code == 0) {
        json_dumpf(rows, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    json_decref(rows);
    return code;
}

static int run_command(struct state_command *command)
{
    struct control_client *client;
    find_run_key(&command->ask);
    int code = client_connect(&command->client, "state", &client);
    if (code != 0)
        return code;
    code = command->ask.action == SOURCE_STATE_LIST ? list(command, client)
                                                    : ask_once(command, client);
    control_client_close(client);
    return code;
}

int state_main(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "--help") == 0) {
        fputs(usage, argc < 2 ? stderr : stdout);
        return argc < 2 ? EX_USAGE : EX_OK;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        struct state_command command = {.name = commands[i].name};
        command.ask.action = commands[i].action;
        command.ask.ttl_us = SOURCE_STATE_TTL_US;
        int code = read_options(&command, commands[i].takes_key, argc - 1, argv + 1);
        if (code < 0)
            code = run_command(&command);
        explicit_bzero(&command, sizeof(command));
        return code;
    }
    fprintf(stderr, "reeve state: there is no command %s; reeve state --help lists them\n",
            argv[1]);
    return EX_USAGE;
}
