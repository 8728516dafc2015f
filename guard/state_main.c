// reeve state: claims keys, says that they are done, and shows them; see reeve-state(1).

#include "client_options.h"
#include "clock.h"
#include "command_line.h"
#include "state_key.h"
#include "subcommands.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define EXIT_UNKNOWN 1 // of get: nothing is known of the key
#define EXIT_DONE 3
#define EXIT_HELD 4

static const char usage[] =
    "usage: reeve state claim   [OPTION…] KEY\n"
    "       reeve state done    [OPTION…] KEY\n"
    "       reeve state release [OPTION…] KEY\n"
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
    "Exit codes: 0 it is yours, or as asked; 3 it has been done; 4 it is somebody else's; 75 the\n"
    "ledger is out of reach, nothing was claimed; 64 usage, 69 no daemon.\n";

enum { CLAIM, DONE, RELEASE, GET, LIST };

static const struct command_verb verbs[] = {
    [CLAIM] = {"claim", "KEY", 1, 1},     [DONE] = {"done", "KEY", 1, 1},
    [RELEASE] = {"release", "KEY", 1, 1}, [GET] = {"get", "KEY", 1, 1},
    [LIST] = {"list", NULL, 0, 0},        {0},
};

static const enum source_state_action actions[] = {
    [CLAIM] = SOURCE_STATE_CLAIM, [DONE] = SOURCE_STATE_FINISH, [RELEASE] = SOURCE_STATE_RELEASE,
    [GET] = SOURCE_STATE_GET,     [LIST] = SOURCE_STATE_LIST,
};

struct state_command {
    const char *name;
    struct client_options client;
    struct control_state_ask ask;
    bool json;
};

// A text of the request, of at most size - 1 bytes.
static int text_copy(char *field, size_t size, const char *text, struct error *err)
{
    if (strlen(text) >= size)
        return error_set(err, -EINVAL, "write at most %zu bytes", size - 1);
    memcpy(field, text, strlen(text) + 1);
    return 0;
}

static int job_parse(void *into, const char *text, struct error *err)
{
    struct control_state_ask *ask = into;
    return text_copy(ask->job, sizeof(ask->job), text, err);
}

static int ttl_parse(void *into, const char *text, struct error *err)
{
    struct control_state_ask *ask = into;
    if (clock_parse_duration(text, &ask->ttl_us) && ask->ttl_us >= SOURCE_STATE_TTL_MIN_US &&
        ask->ttl_us <= SOURCE_STATE_TTL_MAX_US)
        return 0;
    return error_set(err, -EINVAL, "write a duration such as 90s or 20min, from 5s to 30d");
}

static int fence_parse(void *into, const char *text, struct error *err)
{
    struct control_state_ask *ask = into;
    char *end;
    errno = 0;
    ask->fence = strtoll(text, &end, 10);
    if (errno == 0 && end != text && *end == '\0' && ask->fence > 0)
        return 0;
    return error_set(err, -EINVAL, "write the number of a claim");
}

// A result is any JSON value; it is sent without the spaces.
static int result_parse(void *into, const char *text, struct error *err)
{
    struct control_state_ask *ask = into;
    json_error_t why;
    json_t *value = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &why);
    char *compact = value != NULL ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    json_decref(value);
    if (compact == NULL)
        return error_set(err, -EINVAL, "column %d: %s; write JSON such as {\"pages\": 3}",
                         why.column, why.text);
    int result = text_copy(ask->result, sizeof(ask->result), compact, err);
    free(compact);
    return result;
}

// Returns -1 to go on, or the exit code.
static int read_command(struct state_command *command, int argc, char **argv)
{
    const struct command_option options[] = {
        {.name = "job",
         .value = "JOB",
         .help = "outside of a run: whose keys",
         .parse = job_parse,
         .into = &command->ask},
        {.name = "ttl",
         .value = "DURATION",
         .help = "for which it lasts without a renewal (default 2min): a run\n"
                 "renews it, outside of a run nobody does",
         .verbs = "claim",
         .parse = ttl_parse,
         .into = &command->ask},
        {.name = "result",
         .value = "JSON",
         .help = "is kept with the key",
         .verbs = "done",
         .parse = result_parse,
         .into = &command->ask},
        {.name = "fence",
         .value = "N",
         .help = "only if claim N is still the last one",
         .verbs = "done, release",
         .parse = fence_parse,
         .into = &command->ask},
        {.name = "force",
         .help = "whoever holds it; outside of a run",
         .verbs = "release",
         .flag = &command->ask.force},
        JSON_OPTION(&command->json),
        CLIENT_OPTIONS(&command->client),
        {0},
    };
    const struct command_line line = {"state", usage, options, verbs};
    struct command_words words;
    struct error err;
    command->ask.ttl_us = SOURCE_STATE_TTL_US;
    int code = command_line_read(&line, argc, argv, &words);
    if (code >= 0)
        return code;
    command->name = verbs[words.verb].name;
    command->ask.action = actions[words.verb];
    if (words.operand_count > 0 &&
        text_copy(command->ask.key, sizeof(command->ask.key), words.operands[0], &err) < 0)
        return command_line_refuse(&line, "the key %s: %s", words.operands[0], err.text);
    return -1;
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
    static const char *const outcomes[SOURCE_STATE_OUTCOMES] = {"ok",   "done",    "held",
                                                                "free", "invalid", "unreachable"};
    assert(told->outcome < SOURCE_STATE_OUTCOMES); // as every message that is taken
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
    struct state_command command = {0};
    int code = read_command(&command, argc, argv);
    if (code < 0)
        code = run_command(&command);
    explicit_bzero(&command, sizeof(command));
    return code;
}
