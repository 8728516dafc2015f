// reeve job: keys of jobs, for agents that are started outside `reeve run`.

#include "cleanup.h"
#include "client_options.h"
#include "command_line.h"
#include "credential_file.h"
#include "job_keys.h"
#include "subcommands.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static const char usage[] =
    "usage: reeve job key JOB [OPTION…]\n"
    "       reeve job revoke JOB [OPTION…]\n"
    "       reeve job list [OPTION…]\n"
    "\n"
    "key     makes a key of a job and prints it, this once; only its SHA-256 is kept. An agent\n"
    "        outside `reeve run` uses it as its API key: its first request opens an implicit run\n"
    "        of the job, which closes after IdleSec= without any. The job's ceilings hold as for\n"
    "        any run; at one of them the agent is refused, not killed\n"
    "revoke  ends all keys of the job, at once\n"
    "list    shows which jobs have keys\n";

enum { KEY, REVOKE, LIST };

struct job_command {
    struct client_options client;
    bool json;
    char path[PATH_MAX]; // of the keys
    struct config config;
};

static int fail(int code, const struct error *err)
{
    fprintf(stderr, "reeve job: %s\n", err->text);
    return code;
}

static int check_job(const struct job_command *command, const char *job, struct error *err)
{
    if (!config_name_is_valid(job))
        return error_set(err, -EINVAL, "%s is no name of a job: write A-Z a-z 0-9 . _ -", job);
    if (config_find_job(&command->config, job) == NULL)
        fprintf(stderr,
                "reeve job: there is no [Job %s] in the configuration, so no ceiling of its own\n",
                job);
    return 0;
}

static void print_key(const struct job_command *command, const char *job, const char *key)
{
    const char *listen = command->config.reeve.listen;
    if (!command->json) {
        fprintf(stderr, "ANTHROPIC_BASE_URL=http://%s, and this as ANTHROPIC_API_KEY:\n", listen);
        puts(key);
        return;
    }
    json_t *json = json_pack("{s:s, s:s, s:o}", "job", job, "key", key, "base_url",
                             json_sprintf("http://%s", listen));
    json_dumpf(json, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(json);
}

static int make_key(const struct job_command *command, const char *job)
{
    char key[RUN_KEY_MAX];
    struct error err;
    if (check_job(command, job, &err) < 0)
        return fail(EX_USAGE, &err);
    if (job_keys_add(command->path, job, key, &err) < 0)
        return fail(EX_CANTCREAT, &err);
    print_key(command, job, key);
    explicit_bzero(key, sizeof(key));
    return EX_OK;
}

static int revoke_keys(const struct job_command *command, const char *job)
{
    struct error err;
    if (check_job(command, job, &err) < 0)
        return fail(EX_USAGE, &err);
    return job_keys_revoke(command->path, job, &err) < 0 ? fail(EX_CANTCREAT, &err) : EX_OK;
}

static void print_keys(const struct job_keys *keys, bool json)
{
    json_t *list = json_array();
    if (!json)
        printf("%-24s %-20s %s\n", "JOB", "FINGERPRINT", "MADE");
    for (size_t i = 0; i < keys->count; i++) {
        const struct job_key *key = &keys->keys[i];
        char fingerprint[CREDENTIAL_FINGERPRINT_MAX];
        credential_fingerprint_format(key->digest, fingerprint);
        if (json)
            json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "job", key->job, "fingerprint",
                                                  fingerprint, "made_at", key->made_at));
        else
            printf("%-24s %-20s %s\n", key->job, fingerprint, key->made_at);
    }
    if (json) {
        json_dumpf(list, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    json_decref(list);
}

static int list_keys(const struct job_command *command)
{
    struct job_keys keys;
    struct error err;
    job_keys_init(&keys, command->path);
    int result = job_keys_refresh(&keys, &err);
    if (result == 0)
        print_keys(&keys, command->json);
    job_keys_done(&keys);
    return result < 0 ? fail(EX_NOPERM, &err) : EX_OK;
}

static int run_command(struct job_command *command, const struct command_words *words)
{
    struct paths paths;
    struct error err;
    int result = client_options_apply(&command->client, &command->config, &paths, &err);
    if (result == 0)
        result = paths_in_state(&paths, JOB_KEYS_FILE, command->path, &err);
    if (result < 0)
        return fail(EX_CONFIG, &err);
    switch (words->verb) {
    case KEY:
        return make_key(command, words->operands[0]);
    case REVOKE:
        return revoke_keys(command, words->operands[0]);
    default:
        return list_keys(command);
    }
}

int job_main(int argc, char **argv)
{
    static const struct command_verb verbs[] = {
        [KEY] = {"key", "JOB", 1, 1},
        [REVOKE] = {"revoke", "JOB", 1, 1},
        [LIST] = {"list", NULL, 0, 0},
        {0},
    };
    struct job_command command = {.json = false};
    const struct command_option options[] = {
        JSON_OPTION(&command.json),
        CLIENT_OPTIONS(&command.client),
        {0},
    };
    const struct command_line line = {"job", usage, options, verbs};
    struct command_words words;
    int code = command_line_read(&line, argc, argv, &words);
    if (code >= 0)
        return code;
    code = run_command(&command, &words);
    config_done(&command.config);
    return code;
}
