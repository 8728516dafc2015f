// reeve job: keys of jobs, for agents that are started outside `reeve run`.

#include "cleanup.h"
#include "client_options.h"
#include "job_keys.h"
#include "subcommands.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#define FINGERPRINT_MAX 20 // "sha256:" and 12 hex digits

static const char usage[] =
    "usage: reeve job key JOB [--config FILE] [--state-dir DIR]\n"
    "       reeve job revoke JOB [--config FILE] [--state-dir DIR]\n"
    "       reeve job list [--json] [--config FILE] [--state-dir DIR]\n"
    "\n"
    "key makes a key of a job and prints it, this once; only its SHA-256 is kept. An agent "
    "outside\n"
    "`reeve run` uses it as its API key: its first request opens an implicit run of the job, "
    "which\n"
    "closes after IdleSec= without any. The job's ceilings hold as for any run; at one of them "
    "the\n"
    "agent is refused, not killed. revoke ends all keys of the job, at once.\n";

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

static int make_key(const struct job_command *command, const char *job)
{
    char key[RUN_KEY_MAX];
    struct error err;
    if (check_job(command, job, &err) < 0)
        return fail(EX_USAGE, &err);
    if (job_keys_add(command->path, job, key, &err) < 0)
        return fail(EX_CANTCREAT, &err);
    fprintf(stderr, "ANTHROPIC_BASE_URL=http://%s, and this as ANTHROPIC_API_KEY:\n",
            command->config.reeve.listen);
    puts(key);
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
        char fingerprint[FINGERPRINT_MAX];
        snprintf(fingerprint, sizeof(fingerprint), "sha256:%02x%02x%02x%02x%02x%02x",
                 key->digest[0], key->digest[1], key->digest[2], key->digest[3], key->digest[4],
                 key->digest[5]);
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

static int run_command(struct job_command *command, const char *verb, const char *job)
{
    struct paths paths;
    struct error err;
    int result = client_options_apply(&command->client, &command->config, &paths, &err);
    if (result == 0)
        result = paths_in_state(&paths, JOB_KEYS_FILE, command->path, &err);
    if (result < 0)
        return fail(EX_CONFIG, &err);
    if (strcmp(verb, "key") == 0)
        return make_key(command, job);
    return strcmp(verb, "revoke") == 0 ? revoke_keys(command, job) : list_keys(command);
}

int job_main(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"config", required_argument, NULL, 'c'},
        {"state-dir", required_argument, NULL, 's'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct job_command command = {.json = false};
    for (int option; (option = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        if (option == 'c')
            command.client.config_path = optarg;
        else if (option == 's')
            command.client.state_dir = optarg;
        else if (option == 'j')
            command.json = true;
        else {
            fputs(usage, option == 'h' ? stdout : stderr);
            return option == 'h' ? EX_OK : EX_USAGE;
        }
    }
    const char *verb = optind < argc ? argv[optind] : "";
    int operands = argc - optind - 1;
    bool takes_job = strcmp(verb, "key") == 0 || strcmp(verb, "revoke") == 0;
    if (operands != (takes_job ? 1 : 0) || (!takes_job && strcmp(verb, "list") != 0)) {
        fputs(usage, stderr);
        return EX_USAGE;
    }
    int code = run_command(&command, verb, takes_job ? argv[optind + 1] : NULL);
    config_done(&command.config);
    return code;
}
